//! Which tunnel port a packet came in by.
//!
//! What: tunnels of a kind share a port of the datapath; outer addresses and key say which port of which bridge it is.
//! How: ports are found by exactly what they ask for, the most particular question first (ovs-vswitchd.conf.db(5)): the key,
//! then the remote address, then the local one; of two alike the one for Ethernet frames (or for packets without), then one
//! that takes all kinds.
//!
//! Invariant: two ports never ask for the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_flow::{FieldId, FlowKey, OfPort};
use weft_packet::DpPort;

use super::config::{End, Inherited, PacketTypes, TunnelConfig};
use crate::tables::{BridgeId, Map};

/// What a tunnel port asks of packets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Wanted {
    dp: DpPort,
    packet_types: PacketTypes,
    key: Option<u64>,
    remote: End,
    local: End,
}

impl Wanted {
    fn by(dp: DpPort, config: &TunnelConfig) -> Wanted {
        let TunnelConfig { packet_types, in_key, remote, local, .. } = *config;
        Wanted { dp, packet_types, key: in_key.value(), remote, local }
    }
}

/// Tunnel ports by what they ask for.
#[derive(Default, Debug)]
pub struct TunnelPorts(Map<Wanted, (BridgeId, OfPort)>);

impl TunnelPorts {
    /// The port that asks for the same as one with these settings would.
    pub fn rival(&self, dp: DpPort, config: &TunnelConfig) -> Option<(BridgeId, OfPort)> {
        self.0.get(&Wanted::by(dp, config)).copied()
    }

    /// Add a port that has no rival.
    pub fn insert(&mut self, dp: DpPort, config: &TunnelConfig, port: (BridgeId, OfPort)) {
        self.0.insert(Wanted::by(dp, config), port);
    }

    /// Forget a port.
    pub fn remove(&mut self, dp: DpPort, config: &TunnelConfig) {
        self.0.remove(&Wanted::by(dp, config));
    }

    /// Forget a bridge's ports.
    pub fn remove_bridge(&mut self, bridge: BridgeId) {
        self.0.retain(|_, (of, _)| *of != bridge);
    }

    /// Whose packet this is, by the datapath's key.
    pub fn find(&self, key: &FlowKey) -> Option<(BridgeId, OfPort)> {
        let dp = DpPort(key.word(0) as u32);
        let (remote, local) = (End::Addr(outer_src(key)), End::Addr(outer_dst(key)));
        let legacy = match crate::translate::packet_type(key) >> 16 {
            1 => PacketTypes::LegacyL3,
            _ => PacketTypes::LegacyL2,
        };
        for of_key in [Some(FieldId::TunId.get(key) as u64), None] {
            for remote in [remote, End::Flow] {
                for local in [local, End::Any, End::Flow] {
                    for packet_types in [legacy, PacketTypes::Aware] {
                        let found = self.0.get(&Wanted { dp, packet_types, key: of_key, remote, local });
                        if found.is_some() {
                            return found.copied();
                        }
                    }
                }
            }
        }
        None
    }
}

/// The outer source address.
pub(crate) fn outer_src(key: &FlowKey) -> IpAddr {
    address(FieldId::TunSrc.get(key) as u32, FieldId::TunIpv6Src.get(key))
}

/// The outer destination address.
pub(crate) fn outer_dst(key: &FlowKey) -> IpAddr {
    address(FieldId::TunDst.get(key) as u32, FieldId::TunIpv6Dst.get(key))
}

fn address(v4: u32, v6: u128) -> IpAddr {
    if v6 != 0 { Ipv6Addr::from(v6).into() } else { Ipv4Addr::from(v4).into() }
}

/// How a conflict and a listing name a port's match.
pub fn wanted_text(dp: DpPort, config: &TunnelConfig) -> String {
    let TunnelConfig { local, remote, in_key, packet_types, .. } = config;
    format!("{local}->{remote}, key={}, {}, dp port={dp}", in_key.hex(), packet_types.name())
}

/// A line of `ofproto/list-tunnels`.
pub fn line(name: &str, dp: DpPort, config: &TunnelConfig) -> String {
    let mut text = format!("port {dp}: {name} ({}: {}", config.kind.name(), wanted_text(dp, config));
    let mut say = |word: &str| {
        text.push_str(", ");
        text.push_str(word);
    };
    use super::config::Key;
    if config.out_key != config.in_key {
        match config.out_key {
            Key::Absent => say("out_key=none"),
            key => say(&format!("out_key={}", key.hex())),
        }
    }
    match config.ttl {
        Inherited::Inherit => say("ttl=inherit"),
        Inherited::Value(ttl) => say(&format!("ttl={ttl}")),
    }
    match config.tos {
        Inherited::Inherit => say("tos=inherit"),
        Inherited::Value(0) => {}
        Inherited::Value(tos) => say(&format!("tos={tos:#x}")),
    }
    if !config.df {
        say("df=false");
    }
    if config.csum {
        say("csum=true");
    }
    text + ")\n"
}

#[cfg(test)]
mod tests {
    use weft_packet::tunnel::Kind;

    use super::super::config::Key;
    use super::*;

    fn gre(remote: Option<[u8; 4]>, local: End, key: Key) -> TunnelConfig {
        let remote = remote.map_or(End::Flow, |remote| End::Addr(remote.into()));
        TunnelConfig { remote, local, in_key: key, ..TunnelConfig::new(Kind::Gre) }
    }

    fn packet(src: [u8; 4], dst: [u8; 4], id: u64) -> FlowKey {
        let mut key = FlowKey::new();
        key.set_word(0, 1);
        FieldId::TunSrc.set(&mut key, u32::from_be_bytes(src).into());
        FieldId::TunDst.set(&mut key, u32::from_be_bytes(dst).into());
        FieldId::TunId.set(&mut key, id.into());
        key
    }

    #[test]
    fn the_key_is_more_particular_than_the_remote_address_than_the_local_one() {
        let (one, two) = ([1, 1, 1, 1], [2, 2, 2, 2]);
        let local = End::Addr(two.into());
        let ports = [
            gre(Some(one), End::Any, Key::Absent),
            gre(Some(one), local, Key::Absent),
            gre(None, End::Any, Key::Flow),
            gre(Some(one), End::Any, Key::Value(5)),
            gre(Some(one), End::Any, Key::Flow),
            gre(None, End::Flow, Key::Value(5)),
            gre(None, local, Key::Flow),
        ];
        let mut table = TunnelPorts::default();
        for (i, config) in ports.iter().enumerate() {
            assert_eq!(table.rival(DpPort(1), config), None);
            table.insert(DpPort(1), config, (BridgeId(1), OfPort(i as u32)));
        }
        let find = |src, dst, id| table.find(&packet(src, dst, id)).map(|(_, port)| port.0);
        assert_eq!(find(one, two, 0), Some(1));
        assert_eq!(find(one, [9; 4], 0), Some(0));
        assert_eq!(find(one, two, 5), Some(3));
        assert_eq!(find(one, two, 7), Some(4));
        assert_eq!(find([8; 4], two, 5), Some(5));
        assert_eq!(find([8; 4], two, 7), Some(6));
        assert_eq!(find([8; 4], [9; 4], 7), Some(2));
        let mut other = packet(one, two, 0);
        other.set_word(0, 2);
        assert_eq!(table.find(&other), None);
    }

    /// Captured from Open vSwitch 3.1.
    #[test]
    fn ports_are_listed_by_what_they_match() {
        let gre = gre(Some([1, 1, 1, 1]), End::Addr([2, 2, 2, 2].into()), Key::Absent);
        assert_eq!(
            line("p2", DpPort(1), &gre),
            "port 1: p2 (gre: 2.2.2.2->1.1.1.1, key=0, legacy_l2, dp port=1, ttl=64)\n"
        );
        let vxlan = TunnelConfig {
            remote: End::Addr("fe80::1".parse().unwrap()),
            in_key: Key::Value(3),
            out_key: Key::Flow,
            tos: Inherited::Inherit,
            ttl: Inherited::Inherit,
            df: false,
            ..TunnelConfig::new(Kind::Vxlan)
        };
        assert_eq!(
            line("p8", DpPort(4789), &vxlan),
            "port 4789: p8 (vxlan: ::->fe80::1, key=0x3, legacy_l2, dp port=4789, out_key=flow, ttl=inherit, tos=inherit, \
             df=false)\n"
        );
    }
}
