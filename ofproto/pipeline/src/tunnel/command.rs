//! `ovs/route/*`, `tnl/*`, `ofproto/list-tunnels`.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use weft_base::Time;
use weft_packet::Mac;

use super::ports;
use super::route::{Prefix, Route, source_for};
use crate::config::PortKind;
use crate::pipeline::{Pipeline, lock};

impl Pipeline {
    pub(crate) fn list_tunnels(&self) -> String {
        let tables = self.read();
        let mut lines: Vec<String> = Vec::new();
        for port in tables.bridges().flat_map(|bridge| bridge.ports()) {
            if let PortKind::Tunnel(tunnel) = &port.settings.kind {
                lines.push(ports::line(&port.settings.name, tunnel.dp, &tunnel.config));
            }
        }
        lines.sort();
        lines.concat()
    }

    pub(crate) fn show_tunnel_ports(&self, with_matches: bool) -> String {
        let tables = self.read();
        tables.tunnels.listeners.show(with_matches.then_some(&tables.tunnels.routed))
    }

    pub(crate) fn add_route(&self, args: &[&str]) -> Result<String, String> {
        let to = Prefix::parse(args[0]).filter(|_| args[0].contains('/')).ok_or("Invalid parameters")?;
        let device = args[1];
        let mut mark = 0;
        let mut gateway = None;
        match args[2..] {
            [] => {}
            [word] => match (mark_of(word), word.parse::<IpAddr>()) {
                (Some(Some(number)), _) => mark = number,
                (None, Ok(addr)) => gateway = Some(addr),
                _ => return Err("Invalid pkt_mark or gateway".into()),
            },
            [addr, word, ..] => {
                gateway = Some(addr.parse().map_err(|_| "Invalid gateway")?);
                mark = mark_of(word).flatten().ok_or("Invalid pkt_mark")?;
            }
        }
        let mut tables = self.write();
        let addresses = tables.tunnels.device(device).map_or(&[][..], |device| &device.addresses);
        let source = source_for(to.addr(), gateway, addresses).ok_or("Error while inserting route.")?;
        let device = device.to_owned();
        tables.tunnels.routes.add(Route { to, mark, device, gateway, source, local: false, by_user: true });
        tables.tunnels.find_routed();
        drop(tables);
        self.changed();
        Ok("OK".into())
    }

    pub(crate) fn del_route(&self, args: &[&str]) -> Result<String, String> {
        let to = Prefix::parse(args[0]).filter(|_| args[0].contains('/')).ok_or("Invalid parameters")?;
        let mark = match args.get(1) {
            Some(word) => mark_of(word).flatten().ok_or("Invalid pkt_mark")?,
            None => 0,
        };
        let mut tables = self.write();
        if !tables.tunnels.routes.remove(to, mark) {
            return Err("Not found".into());
        }
        tables.tunnels.find_routed();
        drop(tables);
        self.changed();
        Ok("OK".into())
    }

    pub(crate) fn show_routes(&self) -> String {
        let mut text = String::from("Route Table:\n");
        for route in self.read().tunnels.routes.iter() {
            let _ = writeln!(text, "{route}");
        }
        text
    }

    pub(crate) fn lookup_route(&self, args: &[&str]) -> Result<String, String> {
        let to: IpAddr = args[0].parse().map_err(|_| "Invalid parameters")?;
        let mark = match args.get(1) {
            Some(word) => mark_of(word).flatten().ok_or("Invalid pkt_mark")?,
            None => 0,
        };
        let tables = self.read();
        let route = tables.tunnels.routes.lookup(to, mark).ok_or("Not found")?;
        let gateway = route.gateway.map_or_else(|| "::".to_owned(), |gateway| gateway.to_string());
        Ok(format!("src {}\ngateway {gateway}\ndev {}\n", route.source, route.device))
    }

    pub(crate) fn show_neighbours(&self) -> String {
        lock(&self.read().tunnels.neighbours).show()
    }

    pub(crate) fn set_neighbour(&self, bridge: &str, ip: &str, mac: &str, now: Time) -> Result<String, String> {
        let ip: IpAddr = ip.parse().map_err(|_| "bad IP address")?;
        let mac: Mac = mac.parse().map_err(|_| "bad MAC address")?;
        if self.read().tunnels.learn(bridge, ip, mac, now) {
            self.changed();
        }
        Ok("OK".into())
    }

    pub(crate) fn flush_neighbours(&self) -> String {
        let tables = self.read();
        lock(&tables.tunnels.neighbours).flush();
        lock(&tables.tunnels.asking).clear();
        tables.tunnels.changed();
        drop(tables);
        self.changed();
        "OK".into()
    }

    pub(crate) fn neighbour_aging(&self, value: Option<&str>, now: Time) -> Result<String, String> {
        let tables = self.read();
        let Some(value) = value else {
            return Ok(lock(&tables.tunnels.neighbours).aging().as_secs().to_string());
        };
        let seconds = value.parse::<u64>().ok().filter(|seconds| (1..=3600).contains(seconds));
        tables.tunnels.set_aging(Duration::from_secs(seconds.ok_or("bad aging value")?), now);
        drop(tables);
        self.wake();
        Ok("OK".into())
    }

    pub(crate) fn source_port_range(&self, args: &[&str]) -> String {
        if args.len() < 2 {
            let (min, max) = self.read().tunnels.source_ports();
            return format!("Tunnel UDP source port range: {min}-{max}\n");
        }
        let number = |text: &str| text.parse::<u16>().ok().filter(|n| *n > 0);
        let Some(min) = number(args[0]) else { return "Invalid min.".into() };
        let Some(max) = number(args[1]) else { return "Invalid max.".into() };
        let (min, max) = (min.min(max), min.max(max));
        self.write().tunnels.source_ports = Some((min, max));
        if let Some(datapath) = self.datapath() {
            datapath.tunnel_sources(min, max);
        }
        "OK".into()
    }
}

/// `pkt_mark=N`; `Some(None)`: it begins so and is none.
fn mark_of(text: &str) -> Option<Option<u32>> {
    let number = text.strip_prefix("pkt_mark=")?;
    let hex = number.strip_prefix("0x").map(|digits| u32::from_str_radix(digits, 16).ok());
    Some(hex.unwrap_or_else(|| number.parse().ok()))
}
