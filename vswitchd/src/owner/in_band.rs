//! What: the hidden rules that let OpenFlow and OVSDB travel over the very bridge that they configure.
//!
//! Why: a controller that is reached through the bridge could never be reached if the bridge waited for its rules.
//!
//! How: for the local port its DHCP requests and its ARP; for the next hop's address its ARP; for each remote's IP address
//! ARP about it, and TCP from and to its port. Each is NORMAL, above every priority that a controller can use.
//!
//! ```text
//!   180000 DHCP from the local port       180003-4 ARP of the next hop     180007-8 TCP to and from a remote
//!   180001-2 ARP of the local port        180005-6 ARP about a remote
//! ```
//!
//! Invariants: a pure function; IPv6 remotes have no rules, as with Open vSwitch.

use std::net::Ipv4Addr;

use weft_flow::{FieldId, Match, OfPort};
use weft_jsonrpc::address::Address;
use weft_packet::Mac;
use weft_pipeline::HiddenRule;

/// A controller or manager that is reached through the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its TCP port.
    pub port: u16,
}

impl Remote {
    /// Where a connection goes, if its peer has an IPv4 address.
    pub fn of(address: &Address) -> Option<Remote> {
        match address {
            Address::Unix(_) => None,
            Address::Tcp { host, port } | Address::Ssl { host, port } => {
                Some(Remote { ip: host.parse().ok()?, port: *port })
            }
        }
    }
}

/// The rules for a bridge whose local port has address `local`; `hops` are the next hops' addresses. Without remotes there
/// are none.
pub fn rules(local: Mac, remotes: &[Remote], hops: &[Mac], queue: Option<u32>) -> Vec<HiddenRule> {
    let mut rules = Vec::new();
    if remotes.is_empty() {
        return rules;
    }
    let mut rule = |priority, fields: &[(FieldId, u128)]| {
        let mut matching = Match::any();
        fields.iter().for_each(|(field, value)| matching.set(*field, *value));
        rules.push(HiddenRule { priority, matching, queue });
    };
    let mac = |mac: Mac| mac.0.iter().fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
    let ip = |ip: Ipv4Addr| u128::from(u32::from(ip));
    let arp = (FieldId::EthType, 0x0806);
    let (request, reply) = ((FieldId::ArpOp, 1), (FieldId::ArpOp, 2));
    let ipv4 = (FieldId::EthType, 0x0800);
    let (tcp, udp) = ((FieldId::NwProto, 6), (FieldId::NwProto, 17));
    let from_local = (FieldId::InPortOxm, u128::from(OfPort::LOCAL.0));
    let ports = [(FieldId::UdpSrc, 68), (FieldId::UdpDst, 67)];
    rule(180_000, &[from_local, (FieldId::EthSrc, mac(local)), ipv4, udp, ports[0], ports[1]]);
    rule(180_001, &[(FieldId::EthDst, mac(local)), arp, reply]);
    rule(180_002, &[(FieldId::EthSrc, mac(local)), arp, request]);
    for hop in unique(hops) {
        rule(180_003, &[(FieldId::EthDst, mac(hop)), arp, reply]);
        rule(180_004, &[(FieldId::EthSrc, mac(hop)), arp, request]);
    }
    let remotes = unique(remotes);
    let addresses: Vec<Ipv4Addr> = remotes.iter().map(|remote| remote.ip).collect();
    for address in unique(&addresses) {
        rule(180_005, &[arp, reply, (FieldId::ArpTpa, ip(address))]);
        rule(180_006, &[arp, request, (FieldId::ArpSpa, ip(address))]);
    }
    for Remote { ip: address, port } in remotes {
        rule(180_007, &[ipv4, tcp, (FieldId::IpDst, ip(address)), (FieldId::TcpDst, port.into())]);
        rule(180_008, &[ipv4, tcp, (FieldId::IpSrc, ip(address)), (FieldId::TcpSrc, port.into())]);
    }
    rules
}

/// The next hop from the kernel's tables (`/proc/net/route`, `/proc/net/arp`) towards `ip` through device `device`.
pub fn next_hop(routes: &str, neighbours: &str, device: &str, ip: Ipv4Addr) -> Option<Mac> {
    let hop = gateway(routes, device, ip)?;
    let known = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, _, _, mac, _, through] = words[..] else { return None };
        (address.parse() == Ok(hop) && through == device).then(|| mac.parse().ok())?
    };
    neighbours.lines().skip(1).find_map(known).filter(|mac: &Mac| !mac.is_zero())
}

/// The most specific route's gateway, or `ip` itself where the route has none.
fn gateway(routes: &str, device: &str, ip: Ipv4Addr) -> Option<Ipv4Addr> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, to, gateway, _, _, _, _, mask, ..] = words[..] else { return None };
        // The kernel prints addresses as numbers of the machine's byte order.
        let number = |hex| u32::from_str_radix(hex, 16).ok().map(u32::to_ne_bytes).map(u32::from_be_bytes);
        let (to, gateway, mask) = (number(to)?, number(gateway)?, number(mask)?);
        (name == device && u32::from(ip) & mask == to).then_some((mask.count_ones(), gateway))
    };
    let (_, gateway) = routes.lines().skip(1).filter_map(route).max_by_key(|(length, _)| *length)?;
    Some(if gateway == 0 { ip } else { gateway.into() })
}

fn unique<T: Copy + Ord>(all: &[T]) -> Vec<T> {
    let mut all = all.to_vec();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_flow::text::{PortNames, format_match};

    fn mac(last: u8) -> Mac {
        Mac([0xaa, 0x55, 0, 0, 0, last])
    }

    fn remote(last: u8, port: u16) -> Remote {
        Remote { ip: Ipv4Addr::new(10, 1, 2, last), port }
    }

    #[test]
    fn the_rules_are_those_that_dump_flows_of_open_vswitch_shows() {
        let remotes = [remote(3, 6633), remote(4, 6653), remote(3, 6640)];
        let rules = rules(mac(1), &remotes, &[mac(9)], Some(7));
        let text = |rule: &HiddenRule| {
            format!("priority={},{}", rule.priority, format_match(&rule.matching, &PortNames::new()))
        };
        let mut lines: Vec<String> = rules.iter().map(text).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "priority=180000,udp,in_port=LOCAL,dl_src=aa:55:00:00:00:01,tp_src=68,tp_dst=67",
                "priority=180001,arp,dl_dst=aa:55:00:00:00:01,arp_op=2",
                "priority=180002,arp,dl_src=aa:55:00:00:00:01,arp_op=1",
                "priority=180003,arp,dl_dst=aa:55:00:00:00:09,arp_op=2",
                "priority=180004,arp,dl_src=aa:55:00:00:00:09,arp_op=1",
                "priority=180005,arp,arp_tpa=10.1.2.3,arp_op=2",
                "priority=180005,arp,arp_tpa=10.1.2.4,arp_op=2",
                "priority=180006,arp,arp_spa=10.1.2.3,arp_op=1",
                "priority=180006,arp,arp_spa=10.1.2.4,arp_op=1",
                "priority=180007,tcp,nw_dst=10.1.2.3,tp_dst=6633",
                "priority=180007,tcp,nw_dst=10.1.2.3,tp_dst=6640",
                "priority=180007,tcp,nw_dst=10.1.2.4,tp_dst=6653",
                "priority=180008,tcp,nw_src=10.1.2.3,tp_src=6633",
                "priority=180008,tcp,nw_src=10.1.2.3,tp_src=6640",
                "priority=180008,tcp,nw_src=10.1.2.4,tp_src=6653",
            ]
        );
        assert!(rules.iter().all(|rule| rule.queue == Some(7)));
    }

    #[test]
    fn no_remote_no_rule() {
        assert!(rules(mac(1), &[], &[], None).is_empty());
        let of = |text: &str| Remote::of(&text.parse().unwrap());
        assert_eq!(of("tcp:10.1.2.3:6633"), Some(remote(3, 6633)));
        assert_eq!((of("tcp:[::1]:1"), of("unix:/x"), of("ssl:name:1")), (None, None, None));
    }

    #[test]
    fn the_kernels_tables_tell_the_next_hop() {
        let hex = |a, b, c, d| format!("{:08X}", u32::from_ne_bytes([a, b, c, d]));
        let row = |device: &str, to: &str, gateway: &str, mask: &str| {
            format!("{device}\t{to}\t{gateway}\t0003\t0\t0\t0\t{mask}\t0\t0\t0\n")
        };
        let none = hex(0, 0, 0, 0);
        let routes = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n".to_owned()
            + &row("br0", &none, &hex(10, 1, 2, 254), &none)
            + &row("br0", &hex(10, 1, 2, 0), &none, &hex(255, 255, 255, 0))
            + &row("eth0", &hex(10, 1, 2, 0), &none, &hex(255, 255, 255, 0));
        let arp = "IP address HW type Flags HW address Mask Device\n\
                   10.1.2.254 0x1 0x2 aa:55:00:00:00:fe * br0\n\
                   10.1.2.3 0x1 0x2 aa:55:00:00:00:03 * br0\n\
                   10.1.2.4 0x1 0x0 00:00:00:00:00:00 * br0\n";
        let hop = |text: &str| next_hop(&routes, arp, "br0", text.parse().unwrap());
        assert_eq!(hop("10.1.2.3"), Some(mac(3)));
        assert_eq!(hop("192.0.2.1"), Some(mac(0xfe)), "through the gateway");
        assert_eq!(hop("10.1.2.4"), None, "not resolved yet");
        assert_eq!(next_hop(&routes, arp, "br1", Ipv4Addr::LOCALHOST), None);
    }
}
