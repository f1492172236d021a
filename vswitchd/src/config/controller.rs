//! What: rows of tables Controller and Manager: who may, or should, talk OpenFlow to a bridge.

use std::net::Ipv4Addr;
use std::time::Duration;

use uuid::Uuid;
use weft_jsonrpc::address::{OPENFLOW_PORT, Remote};

use super::row::Checked;

/// Whether a controller's presence decides about fail_mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControllerKind {
    /// Replaces the flow table when it comes and goes.
    Primary,
    /// Is served, nothing more.
    Service,
}

/// One controller of one bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerConfig {
    /// The row.
    pub id: Uuid,
    /// The target as the user wrote it: its name.
    pub target: String,
    /// The target, understood.
    pub remote: Remote,
    /// See [`ControllerKind`].
    pub kind: ControllerKind,
    /// Longest wait between attempts to connect.
    pub max_backoff: Duration,
    /// How long silence may last before a probe; `None`: never probe.
    pub inactivity_probe: Option<Duration>,
    /// Is it reached through the bridge itself?
    pub in_band: bool,
    /// What the local port gets for it, if it is reached through the bridge.
    pub local: Option<LocalAddress>,
    /// Does it get asynchronous messages by default?
    pub async_messages: bool,
    /// How many packet-ins a second, if limited.
    pub rate_limit: Option<u32>,
    /// How many packet-ins at once, if limited.
    pub burst_limit: Option<u32>,
    /// What marks the packets to it.
    pub dscp: u8,
    /// Packet-ins that may wait in its queue; `None`: the bridge's.
    pub queue_size: Option<u32>,
}

/// An IPv4 address for the local port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address.
    pub ip: Ipv4Addr,
    /// Its network's mask: ones, then zeros.
    pub netmask: Ipv4Addr,
    /// The way out of that network.
    pub gateway: Option<Ipv4Addr>,
}

impl LocalAddress {
    /// How many ones the mask has.
    pub fn prefix(&self) -> u8 {
        u32::from(self.netmask).leading_ones() as u8
    }

    fn read(row: &mut Checked<'_, '_>) -> Option<LocalAddress> {
        let ip = address(row, "local_ip")?;
        let is_mask = |mask: &Ipv4Addr| u32::from(*mask).leading_ones() == u32::from(*mask).count_ones();
        let netmask = address(row, "local_netmask");
        if let Some(netmask) = netmask.filter(|mask| !is_mask(mask)) {
            row.warn("local_netmask", netmask, "not a netmask");
        }
        let netmask = netmask.filter(is_mask).unwrap_or_else(|| mask_of_class(ip));
        let gateway = address(row, "local_gateway").filter(|gateway| !gateway.is_unspecified());
        Some(LocalAddress { ip, netmask, gateway })
    }
}

fn address(row: &mut Checked<'_, '_>, column: &'static str) -> Option<Ipv4Addr> {
    let text = row.row.text(column);
    let read = text.parse().ok();
    if read.is_none() && !text.is_empty() {
        row.warn(column, text, "not an IPv4 address");
    }
    read
}

/// The mask of networks of class A, B or C.
fn mask_of_class(ip: Ipv4Addr) -> Ipv4Addr {
    match ip.octets()[0] {
        0..=127 => Ipv4Addr::new(255, 0, 0, 0),
        128..=191 => Ipv4Addr::new(255, 255, 0, 0),
        _ => Ipv4Addr::new(255, 255, 255, 0),
    }
}

impl ControllerConfig {
    /// Reads the row; `None` (with a warning) when its target is no address.
    pub fn read(row: &mut Checked<'_, '_>) -> Option<ControllerConfig> {
        let target = row.row.text("target").to_owned();
        let remote = match Remote::parse(&target, OPENFLOW_PORT) {
            Ok(remote) => remote,
            Err(error) => {
                row.warn("target", &target, error.to_string());
                return None;
            }
        };
        // A connection that we do not open serves whoever comes, unless the row says that it takes charge.
        let default =
            if matches!(remote, Remote::Passive(_)) { ControllerKind::Service } else { ControllerKind::Primary };
        let kind = match row.row.text("type") {
            "" => default,
            text => row.one_of("type", text, KINDS).unwrap_or(default),
        };
        let in_band = match row.row.text("connection_mode") {
            "" => true,
            text => row.one_of("connection_mode", text, &[("in-band", true), ("out-of-band", false)]).unwrap_or(true),
        };
        let positive = |n: Option<i64>| n.filter(|n| *n > 0).map(|n| n.min(u32::MAX.into()) as u32);
        let probe = match row.row.integer("inactivity_probe") {
            None => Some(DEFAULT_PROBE),
            Some(0) => None,
            // OVS takes anything below a second as a second.
            Some(n) => Some(Duration::from_millis(n.max(1000) as u64)),
        };
        Some(ControllerConfig {
            id: row.row.id,
            target,
            remote,
            kind,
            max_backoff: row
                .row
                .integer("max_backoff")
                .map_or(DEFAULT_BACKOFF, |n| Duration::from_millis(n.max(1000) as u64)),
            inactivity_probe: probe,
            in_band,
            local: LocalAddress::read(row),
            async_messages: row.row.boolean("enable_async_messages").unwrap_or(true),
            rate_limit: positive(row.row.integer("controller_rate_limit")),
            burst_limit: positive(row.row.integer("controller_burst_limit")),
            dscp: row.number("other_config", "dscp", 0..=63).unwrap_or(DEFAULT_DSCP) as u8,
            queue_size: positive(row.row.integer("controller_queue_size")),
        })
    }
}

/// Network control.
const DEFAULT_DSCP: i64 = 48;
const DEFAULT_PROBE: Duration = Duration::from_secs(5);
const DEFAULT_BACKOFF: Duration = Duration::from_secs(8);

const KINDS: &[(&str, ControllerKind)] = &[("primary", ControllerKind::Primary), ("service", ControllerKind::Service)];
