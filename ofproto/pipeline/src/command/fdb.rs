//! `fdb/*`: the MAC learning tables.

use std::fmt::Write as _;

use weft_base::Time;

use crate::bridge::Bridge;
use crate::config::Mac;
use crate::mac_table::MacStats;
use crate::pipeline::Pipeline;
use crate::text;

const NO_BRIDGE: &str = "no such bridge";

impl Pipeline {
    /// ` port  VLAN  MAC                Age`, one line per address.
    pub(super) fn fdb_show(&self, bridge: &str, now: Time) -> Result<String, String> {
        self.push_statistics();
        let tables = self.read();
        let bridge = tables.bridge_named(bridge).ok_or(NO_BRIDGE)?;
        let mut out = String::from(" port  VLAN  MAC                Age\n");
        for entry in bridge.macs.entries(now) {
            let port = bridge.bundle(entry.bundle).and_then(|b| b.ports.first());
            let port = port.map_or_else(|| "?".into(), |p| p.to_string());
            let mac = text::mac(entry.mac);
            let _ = match entry.age {
                Some(age) => writeln!(out, "{port:>5}  {:>4}  {mac}  {:>3}", entry.vlan, age.as_secs()),
                None => writeln!(out, "{port:>5}  {:>4}  {mac}  static", entry.vlan),
            };
        }
        Ok(out)
    }

    pub(super) fn fdb_flush(&self, bridge: Option<&str>) -> Result<String, String> {
        self.each_bridge(bridge, |b| b.macs.flush())?;
        self.changed();
        Ok("table successfully flushed\n".into())
    }

    pub(super) fn fdb_stats_clear(&self, bridge: Option<&str>) -> Result<String, String> {
        self.each_bridge(bridge, |b| b.macs.clear_stats())?;
        Ok("statistics successfully cleared\n".into())
    }

    pub(super) fn fdb_add(&self, bridge: &str, port: &str, vlan: &str, mac: &str, now: Time) -> Result<String, String> {
        let tables = self.read();
        let bridge = tables.bridge_named(bridge).ok_or(NO_BRIDGE)?;
        let found = bridge.port_named(port).or_else(|| {
            let number = port.parse().ok()?;
            bridge.port(weft_flow::OfPort(number))
        });
        let bundle = found.map(|p| p.bundle).ok_or("software error, odp port is present but no ofp port")?;
        let mac = parse_mac(mac).ok_or("bad MAC address")?;
        bridge.macs.add_static(parse_vlan(vlan)?, mac, bundle, now);
        drop(tables);
        self.changed();
        Ok(String::new())
    }

    pub(super) fn fdb_del(&self, bridge: &str, vlan: &str, mac: &str) -> Result<String, String> {
        let tables = self.read();
        let bridge = tables.bridge_named(bridge).ok_or(NO_BRIDGE)?;
        let mac = parse_mac(mac).ok_or("bad MAC address")?;
        if !bridge.macs.remove_static(parse_vlan(vlan)?, mac) {
            return Err("could not find static mac entry".into());
        }
        drop(tables);
        self.changed();
        Ok(String::new())
    }

    pub(super) fn fdb_stats_show(&self, bridge: &str) -> Result<String, String> {
        let tables = self.read();
        let bridge = tables.bridge_named(bridge).ok_or(NO_BRIDGE)?;
        let (entries, limit, statics, MacStats { learned, expired, evicted, moved }) = bridge.macs.stats();
        Ok(format!(
            "Statistics for bridge \"{}\":\n\
             \x20 Current/maximum MAC entries in the table: {entries}/{limit}\n\
             \x20 Current static MAC entries in the table : {statics}\n\
             \x20 Total number of learned MAC entries     : {learned}\n\
             \x20 Total number of expired MAC entries     : {expired}\n\
             \x20 Total number of evicted MAC entries     : {evicted}\n\
             \x20 Total number of port moved MAC entries  : {moved}\n",
            bridge.name
        ))
    }

    fn each_bridge(&self, name: Option<&str>, does: impl Fn(&Bridge)) -> Result<(), String> {
        let tables = self.read();
        match name {
            Some(name) => does(tables.bridge_named(name).ok_or(NO_BRIDGE)?),
            None => tables.bridges().for_each(does),
        }
        Ok(())
    }
}

fn parse_vlan(text: &str) -> Result<u16, String> {
    text.parse::<u16>().ok().filter(|v| *v < 4096).ok_or_else(|| format!("bad VLAN \"{text}\": expected 0 to 4095"))
}

fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = parts.next().filter(|p| matches!(p.len(), 1 | 2)).and_then(|p| u8::from_str_radix(p, 16).ok())?;
    }
    parts.next().is_none().then_some(mac)
}
