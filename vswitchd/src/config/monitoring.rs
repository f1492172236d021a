//! What: the columns `bfd` and `cfm_mpid` of table Interface, with what belongs to them in `other_config`.

use std::time::Duration;

use weft_link::{bfd, cfm};
use weft_packet::Mac;
use weft_pipeline::liveness::Monitoring;

use super::row::Checked;

/// Reads what watches an interface's link.
pub fn read(row: &mut Checked<'_, '_>) -> Monitoring {
    Monitoring { bfd: bfd(row).map(Box::new), cfm: cfm(row).map(Box::new) }
}

fn bfd(row: &mut Checked<'_, '_>) -> Option<bfd::Config> {
    const COLUMN: &str = "bfd";
    if !row.flag(COLUMN, "enable", false) {
        return None;
    }
    let default = bfd::Config::default();
    let mut interval = |key: &str, least: i64| row.number(COLUMN, key, least..=MAX_INTERVAL).map(millis);
    let min_rx = interval("min_rx", 1).unwrap_or(default.min_rx);
    let min_tx = interval("min_tx", 1).unwrap_or(default.min_tx);
    let decay = interval("decay_min_rx", 0).unwrap_or_default();
    let mut address = |key: &str| row.parsed::<std::net::Ipv4Addr>(COLUMN, key, "an IPv4 address such as 169.254.1.1");
    let (src_ip, dst_ip) = (address("bfd_src_ip"), address("bfd_dst_ip"));
    let mut mac = |key: &str| row.parsed::<Mac>(COLUMN, key, "an Ethernet address such as 00:23:20:00:00:01");
    let (local_src, local_dst, remote_dst) =
        (mac("bfd_local_src_mac"), mac("bfd_local_dst_mac"), mac("bfd_remote_dst_mac"));
    // less than min_rx would not be a decay
    let decay_min_rx = if decay.is_zero() { decay } else { decay.max(min_rx) };
    Some(bfd::Config {
        min_rx,
        min_tx,
        decay_min_rx,
        forwarding_if_rx: row.flag(COLUMN, "forwarding_if_rx", false),
        cpath_down: row.flag(COLUMN, "cpath_down", false),
        check_tnl_key: row.flag(COLUMN, "check_tnl_key", false),
        local_src: local_src.filter(|mac| !mac.is_zero()),
        local_dst: local_dst.filter(|mac| !mac.is_zero()).unwrap_or(default.local_dst),
        remote_dst: remote_dst.filter(|mac| !mac.is_zero()),
        check_dst_ip: src_ip.is_some(),
        src_ip: src_ip.unwrap_or(default.src_ip),
        dst_ip: dst_ip.unwrap_or(default.dst_ip),
        oam: row.flag(COLUMN, "oam", false),
        mult: row.number(COLUMN, "mult", 1..=255).map_or(default.mult, |mult| mult as u8),
    })
}

fn cfm(row: &mut Checked<'_, '_>) -> Option<cfm::Config> {
    const COLUMN: &str = "other_config";
    let mpid = row.row.integer("cfm_mpid")?;
    let extended = row.flag(COLUMN, "cfm_extended", false);
    if !extended && !(1..=8191).contains(&mpid) {
        row.warn("cfm_mpid", mpid, "expected an integer from 1 to 8191, or other_config:cfm_extended=true");
        return None;
    }
    let default = cfm::Config::default();
    let vlan = match row.row.key(COLUMN, "cfm_ccm_vlan") {
        None => cfm::Vlan::None,
        Some("random") => cfm::Vlan::Random,
        Some(_) => {
            let vid = row.number(COLUMN, "cfm_ccm_vlan", 1..=4095);
            vid.map_or(cfm::Vlan::None, |vid| cfm::Vlan::Vid(vid as u16))
        }
    };
    // a tunnel of any key would take the messages of all (ovs-vswitchd.conf.db(5), cfm_mpid)
    let key = row.row.key("options", "in_key").or_else(|| row.row.key("options", "key"));
    let is_tunnel = row.row.key("options", "remote_ip").is_some();
    let config = cfm::Config {
        mpid: mpid as u64,
        interval: row.number(COLUMN, "cfm_interval", 1..=MAX_INTERVAL).map_or(default.interval, millis),
        extended,
        demand: row.flag(COLUMN, "cfm_demand", false),
        opstate_up: row.word(COLUMN, "cfm_opstate", &[("up", true), ("down", false)], true),
        ccm_vlan: vlan,
        ccm_pcp: row.number(COLUMN, "cfm_ccm_pcp", 1..=7).map_or(0, |pcp| pcp as u8),
        check_tnl_key: is_tunnel && matches!(key, None | Some("flow")),
    };
    Some(config.rounded())
}

/// As many milliseconds as a packet's microseconds can say.
const MAX_INTERVAL: i64 = (u32::MAX / 1000) as i64;

fn millis(n: i64) -> Duration {
    Duration::from_millis(n.unsigned_abs())
}
