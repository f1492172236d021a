//! Which packets for our own addresses are tunnels': they come off a bridge's local port, outer headers and all, and go on as
//! what is inside.
//!
//! What: a tunnel port of the datapath listens for its protocol (and port) at every address of every device that packets are
//! routed through. `tnl/ports/show` lists them.
//! How: few devices, few protocols: lists, asked once per translation.

use std::collections::BTreeMap;
use std::net::IpAddr;

use weft_flow::dpctl::{DpNames, format_match};
use weft_flow::{FieldId, FlowKey, FlowMask, Match};
use weft_packet::tunnel::Kind;
use weft_packet::{DpPort, Mac};

use super::config::TunnelConfig;

/// A device that has addresses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Device {
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its addresses, with the length of their networks' prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// Devices by name.
pub type Devices = BTreeMap<String, Device>;

/// A tunnel port of the datapath.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Listener {
    dp: DpPort,
    name: String,
    protocol: u8,
    /// 0: the protocol has none.
    port: u16,
    /// How many tunnel ports share it.
    users: usize,
}

/// All of them, in the order in which they came: of two for the same packets the first gets them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    /// A tunnel port came.
    pub fn add(&mut self, dp: DpPort, config: &TunnelConfig) {
        if let Some(there) = self.0.iter_mut().find(|listener| listener.dp == dp) {
            there.users += 1;
            return;
        }
        let Some(protocol) = protocol(config.kind) else { return };
        let port = if matches!(protocol, UDP | TCP) { config.dst_port } else { 0 };
        self.0.push(Listener { dp, name: config.dp_name(), protocol, port, users: 1 });
    }

    /// A tunnel port went.
    pub fn remove(&mut self, dp: DpPort) {
        if let Some(at) = self.0.iter().position(|listener| listener.dp == dp) {
            self.0[at].users -= 1;
            if self.0[at].users == 0 {
                self.0.remove(at);
            }
        }
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody listens there.
    pub fn has(&self, dp: DpPort) -> bool {
        self.0.iter().any(|listener| listener.dp == dp)
    }

    /// The tunnel port that a packet is for; the bits on which the answer rests are put into `mask`.
    pub fn find(&self, devices: &[Device], key: &FlowKey, mask: &mut FlowMask) -> Option<DpPort> {
        let v4 = match FieldId::EthType.get(key) {
            0x0800 => true,
            0x86dd => false,
            _ => {
                if !self.0.is_empty() && !devices.is_empty() {
                    FieldId::EthDst.unwildcard(mask);
                }
                return None;
            }
        };
        if self.0.is_empty() || devices.is_empty() {
            return None;
        }
        FieldId::EthDst.unwildcard(mask);
        let mac = Mac::from_u64(FieldId::EthDst.get(key) as u64);
        let of_family = |device: &&Device| device.addresses.iter().any(|(addr, _)| addr.is_ipv4() == v4);
        let ours: Vec<_> = devices.iter().filter(|device| device.mac == mac).filter(of_family).collect();
        if ours.is_empty() {
            return None;
        }
        let to: IpAddr = match v4 {
            true => {
                FieldId::IpDst.unwildcard(mask);
                std::net::Ipv4Addr::from(FieldId::IpDst.get(key) as u32).into()
            }
            false => {
                FieldId::Ipv6Dst.unwildcard(mask);
                std::net::Ipv6Addr::from(FieldId::Ipv6Dst.get(key)).into()
            }
        };
        FieldId::NwProto.unwildcard(mask);
        FieldId::IpFrag.unwildcard(mask);
        let at_us = ours.iter().any(|device| device.addresses.iter().any(|(addr, _)| *addr == to));
        let protocol = FieldId::NwProto.get(key) as u8;
        let whole = FieldId::IpFrag.get(key) == 0;
        let of_protocol = self.0.iter().filter(|listener| at_us && whole && listener.protocol == protocol);
        let port = FieldId::TcpDst.get(key) as u16;
        let mut told_apart = 0;
        for listener in of_protocol {
            if listener.port == 0 || listener.port == port {
                if listener.port != 0 {
                    FieldId::TcpDst.unwildcard(mask);
                }
                return Some(listener.dp);
            }
            // as many bits as it takes to see that it is not this one
            told_apart = told_apart.max((listener.port ^ port).leading_zeros() + 1);
        }
        let bits = !(u32::from(u16::MAX) >> told_apart) as u16;
        FieldId::TcpDst.add_mask(mask, bits.into());
        None
    }

    /// `tnl/ports/show`; with every match if devices are given.
    pub fn show(&self, devices: Option<&[Device]>) -> String {
        let mut text = String::from("Listening ports:\n");
        let mut lines: Vec<String> = Vec::new();
        match devices {
            None => {
                let line =
                    |listener: &Listener| format!("{} ({}) ref_cnt={}\n", listener.name, listener.dp, listener.users);
                lines.extend(self.0.iter().map(line));
            }
            Some(devices) => {
                let mut seen: Vec<Match> = Vec::new();
                for listener in &self.0 {
                    for (device, addr) in devices.iter().flat_map(|d| d.addresses.iter().map(move |(a, _)| (d, *a))) {
                        let pattern = pattern(listener, device, addr);
                        if !seen.contains(&pattern) {
                            let shown = format_match(&pattern, &DpNames::new());
                            lines.push(format!("{} ({}) : {shown}\n", listener.name, listener.dp));
                            seen.push(pattern);
                        }
                    }
                }
            }
        }
        lines.iter().for_each(|line| text.push_str(line));
        text
    }
}

fn pattern(listener: &Listener, device: &Device, addr: IpAddr) -> Match {
    let mut pattern = Match::any();
    pattern.set(FieldId::EthDst, device.mac.to_u64().into());
    match addr {
        IpAddr::V4(v4) => {
            pattern.set(FieldId::EthType, 0x0800);
            pattern.set(FieldId::IpDst, u32::from(v4).into());
        }
        IpAddr::V6(v6) => {
            pattern.set(FieldId::EthType, 0x86dd);
            pattern.set(FieldId::Ipv6Dst, v6.into());
        }
    }
    pattern.set(FieldId::NwProto, listener.protocol.into());
    pattern.set(FieldId::IpFrag, 0);
    if listener.port != 0 {
        pattern.set(FieldId::TcpDst, listener.port.into());
    }
    pattern
}

/// The protocol behind the outer IP header. `None`: nobody can listen for it.
fn protocol(kind: Kind) -> Option<u8> {
    match kind {
        Kind::Gre | Kind::Ip6Gre | Kind::Erspan | Kind::Ip6Erspan => Some(GRE),
        Kind::Stt => Some(TCP),
        Kind::Vxlan | Kind::Geneve | Kind::Lisp | Kind::Gtpu | Kind::BareUdp => Some(UDP),
        Kind::Srv6 => None,
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device { mac: Mac([2, 0xfc, 0, 0, 0, 1]), addresses: vec![([192, 0, 2, 2].into(), 24)] }
    }

    fn find_bits(all: &Listeners, device: &Device, port: u16) -> u128 {
        let mut mask = FlowMask::new();
        all.find(std::slice::from_ref(device), &packet(device.mac.to_u64(), [192, 0, 2, 2], UDP, port), &mut mask);
        FieldId::TcpDst.get_mask(&mask)
    }

    fn packet(mac: u64, dst: [u8; 4], protocol: u8, port: u16) -> FlowKey {
        let mut key = FlowKey::new();
        FieldId::EthDst.set(&mut key, mac.into());
        FieldId::EthType.set(&mut key, 0x0800);
        FieldId::IpDst.set(&mut key, u32::from_be_bytes(dst).into());
        FieldId::NwProto.set(&mut key, protocol.into());
        FieldId::TcpDst.set(&mut key, port.into());
        key
    }

    #[test]
    fn packets_for_us_are_the_tunnels_whose_protocol_and_port_they_have() {
        let mut all = Listeners::default();
        all.add(DpPort(1), &TunnelConfig::new(Kind::Gre));
        all.add(DpPort(4789), &TunnelConfig::new(Kind::Vxlan));
        all.add(DpPort(4789), &TunnelConfig::new(Kind::Vxlan));
        all.add(DpPort(2), &TunnelConfig::new(Kind::Erspan));
        let device = device();
        let mac = device.mac.to_u64();
        let find = |mac, dst, protocol, port| {
            all.find(std::slice::from_ref(&device), &packet(mac, dst, protocol, port), &mut FlowMask::new())
                .map(|dp| dp.0)
        };
        assert_eq!(find(mac, [192, 0, 2, 2], UDP, 4789), Some(4789));
        assert_eq!(find(mac, [192, 0, 2, 2], UDP, 4790), None);
        assert_eq!(find(mac, [192, 0, 2, 2], GRE, 0), Some(1));
        assert_eq!(find(mac, [192, 0, 2, 3], GRE, 0), None);
        assert_eq!(find(mac + 1, [192, 0, 2, 2], GRE, 0), None);
        assert_eq!(
            all.show(None),
            "Listening ports:\ngre_sys (1) ref_cnt=1\nvxlan_sys_4789 (4789) ref_cnt=2\nerspan_sys (2) ref_cnt=1\n"
        );
        // captured from Open vSwitch 3.1
        assert_eq!(
            all.show(Some(std::slice::from_ref(&device))),
            "Listening ports:\n\
             gre_sys (1) : eth(dst=02:fc:00:00:00:01),eth_type(0x0800),ipv4(dst=192.0.2.2,proto=47,frag=no)\n\
             vxlan_sys_4789 (4789) : eth(dst=02:fc:00:00:00:01),eth_type(0x0800),ipv4(dst=192.0.2.2,proto=17,frag=no),\
             udp(dst=4789)\n"
        );
        assert_eq!(find_bits(&all, &device, 2), 0xf000);
        assert_eq!(find_bits(&all, &device, 4788), 0xffff);
        all.remove(DpPort(4789));
        assert!(all.has(DpPort(4789)));
        all.remove(DpPort(4789));
        assert!(!all.has(DpPort(4789)));
    }
}
