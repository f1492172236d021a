//! Outer packets that a bridge of ours carries: the way out, and the way in.
//!
//! How, out: the route names a device and with it a bridge, the neighbour cache the next hop's address. The headers are
//! prepared here (`tnl_push`), and translation goes on at that bridge with the outer packet, which comes from its local port.
//! Nothing that is asked of the outer packet is asked of the frame that came in: it follows from what made the headers.
//! If the next hop is unknown it is asked for, and the packet is lost.
//!
//! How, in: what a bridge would give to its local port may be for a tunnel (`tnl_pop`). ARP replies and neighbour
//! advertisements on that way, and packets of tunnels, say who our neighbours are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_flow::action::{SetTunnel, TnlPush};
use weft_flow::{DpAction, FieldId, FlowKey, FlowMask, OfPort};
use weft_packet::tunnel::{Encap, Ends, Kind};
use weft_packet::{DpPort, DropReason, Mac};

use super::encap::packet_type;
use super::fields::{ETH_ARP, ETH_IPV6, eth_type};
use super::trace::NodeKind;
use super::{Context, Credit, LearnNeighbour};
use crate::bridge::{Bridge, Port};
use crate::features::Feature;
use crate::tables::{BridgeId, Tables};
use crate::tunnel::Tunnel as Settings;

/// A question to a bridge's neighbours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Whose local port asks.
    pub bridge: BridgeId,
    /// Whom it is about.
    pub whom: IpAddr,
    /// The frame.
    pub frame: Vec<u8>,
}

impl Tables {
    /// The bridge, and its port, that stand for a device: outer packets routed through it come from there.
    pub(crate) fn carrier(&self, device: &str) -> Option<(&Bridge, &Port)> {
        let bridge = self.bridge_named(device)?;
        Some((bridge, bridge.port(OfPort::LOCAL)?))
    }
}

impl<'t> Context<'t, '_> {
    /// Put the outer headers on, and go on at the bridge that carries the outer packet.
    pub(super) fn push_tunnel(&mut self, settings: &'t Settings, set: SetTunnel) {
        let tunnels = &self.tables.tunnels;
        let dst = set.tunnel.ends.dst();
        self.unwildcard_mark();
        let mark = FieldId::PktMark.get(&self.key) as u32;
        let way =
            tunnels.routes().lookup(dst, mark).and_then(|route| Some((route, self.tables.carrier(&route.device)?)));
        let Some((route, (bridge, port))) = way else {
            self.note(NodeKind::Warn, || "native tunnel routing failed".into());
            return self.no_output(DropReason::NoRoute);
        };
        let next = route.gateway.unwrap_or(dst);
        self.note(NodeKind::Detail, || format!("tunneling to {next} via {}", bridge.name));
        let mac = tunnels.device(&route.device).map_or(Mac(port.settings.state.mac), |device| device.mac);
        let src = match set.tunnel.ends.src() {
            said if said.is_unspecified() => route.source,
            said => said,
        };
        let Some(next_mac) = tunnels.neighbour(&bridge.name, next) else {
            let what = if next.is_ipv4() { "ARP" } else { "ND" };
            self.note(NodeKind::Detail, || {
                format!("neighbor cache miss for {next} on bridge {}, sending {what} request", bridge.name)
            });
            if let Some(frame) = question(mac, route.source, next) {
                self.questions.push(Question { bridge: bridge.id, whom: next, frame });
            }
            return self.no_output(DropReason::NoNeighbour);
        };
        self.credits.push(Credit::Neighbour(bridge.id, next));
        self.note(NodeKind::Detail, || format!("tunneling from {mac} {src} to {next_mac} {dst}"));
        let mut tunnel = set.tunnel;
        tunnel.ends = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Ends::V4 { src: src.octets(), dst: dst.octets() },
            (IpAddr::V6(src), IpAddr::V6(dst)) => Ends::V6 { src: src.octets(), dst: dst.octets() },
            _ => return self.no_output(DropReason::NoRoute),
        };
        let config = &settings.config;
        let segments: Vec<[u8; 16]> = config.segments.iter().map(|segment| segment.octets()).collect();
        let encap = Encap {
            dialect: config.dialect(),
            dst: next_mac,
            src: mac,
            tunnel: &tunnel,
            options: &set.options,
            inner: packet_type(&self.key),
            seq: config.seq,
            label: 0,
            segments: &segments,
        };
        let Ok(header) = weft_packet::tunnel::encap(&encap) else {
            self.note(NodeKind::Warn, || "native tunneling cannot carry this packet".into());
            return self.no_output(DropReason::ActionFailed);
        };
        self.truncate();
        self.commit();
        let outer = outer_key(config.kind, &tunnel, mac, next_mac);
        let push =
            TnlPush { tnl_port: settings.dp, out_port: port.dp().unwrap_or(DpPort::NONE), kind: config.kind, header };
        if self.last {
            self.go_on_below(bridge, push, outer);
        } else {
            self.in_dp_clone(|ctx| ctx.go_on_below(bridge, push, outer));
        }
    }

    fn unwildcard_mark(&mut self) {
        if self.key.word(16) as u32 != 0 {
            self.unwildcard(FieldId::PktMark);
        }
    }

    /// The bridge below decides about the outer packet; if it goes nowhere nothing is put on.
    fn go_on_below(&mut self, bridge: &'t Bridge, push: TnlPush, outer: FlowKey) {
        if !self.may_go_deeper() {
            return;
        }
        let before = self.out.len();
        let size = push.header.len() as i32;
        self.credits.push(Credit::Longer(size));
        self.out.push(DpAction::TnlPush(Box::new(push)));
        let (key, base) = (std::mem::replace(&mut self.key, outer.clone()), std::mem::replace(&mut self.base, outer));
        let mask = std::mem::replace(&mut self.mask, FlowMask::new());
        let shape = (self.came_without_link, self.first_eth_type, self.original_priority, self.tunnelled);
        (self.came_without_link, self.first_eth_type) = (false, eth_type(&self.key));
        (self.original_priority, self.tunnelled) = (0, false);
        let came_to = std::mem::replace(&mut self.came_to, Ipv4Addr::UNSPECIFIED.into());
        // what was cut is the frame inside
        let (pending, trunc) = (self.pending.take(), self.trunc.take());
        self.enter_other_bridge(bridge, OfPort::LOCAL);
        (self.key, self.base, self.mask, self.pending, self.trunc) = (key, base, mask, pending, trunc);
        (self.came_without_link, self.first_eth_type, self.original_priority, self.tunnelled) = shape;
        self.came_to = came_to;
        self.credits.push(Credit::Longer(-size));
        if self.out.len() == before + 1 {
            self.out.pop();
        }
    }

    /// A frame is about to go to the host by a bridge's local port. The tunnel that it is for, if it is for one; and what it
    /// says of neighbours.
    pub(super) fn for_a_tunnel(&mut self, port: &Port) -> Option<DpPort> {
        let tunnels = &self.tables.tunnels;
        if port.number != OfPort::LOCAL {
            return None;
        }
        // also where there is no tunnel: one may come
        self.deps.tunnels = Some(tunnels.generation());
        if !tunnels.is_there() || !self.tables.features.has(Feature::TunnelPushPop) {
            return None;
        }
        let found = tunnels.terminates(&self.key, &mut self.mask);
        match found {
            Some(_) => {
                let from: IpAddr = match eth_type(&self.key) {
                    ETH_IPV6 => Ipv6Addr::from(FieldId::Ipv6Src.get(&self.key)).into(),
                    _ => Ipv4Addr::from(FieldId::IpSrc.get(&self.key) as u32).into(),
                };
                self.learn_neighbour(from, FieldId::EthSrc.get(&self.key));
            }
            None => self.overhear(port),
        }
        found
    }

    /// ARP replies and neighbour advertisements to us.
    fn overhear(&mut self, port: &Port) {
        let Some(device) = self.tables.tunnels.device(&port.settings.name) else { return };
        let is_ours = |addr: IpAddr| device.addresses.iter().any(|(ours, _)| *ours == addr);
        match eth_type(&self.key) {
            ETH_ARP => {
                let spa = FieldId::ArpSpa.get(&self.key) as u32;
                let tpa = FieldId::ArpTpa.get(&self.key) as u32;
                [FieldId::ArpSpa, FieldId::ArpTpa].into_iter().for_each(|field| self.unwildcard(field));
                if spa != tpa && !is_ours(Ipv4Addr::from(tpa).into()) {
                    return;
                }
                self.unwildcard(FieldId::ArpOp);
                if FieldId::ArpOp.get(&self.key) != ARP_REPLY {
                    return;
                }
                self.unwildcard(FieldId::ArpSha);
                self.learn_neighbour(Ipv4Addr::from(spa).into(), FieldId::ArpSha.get(&self.key));
            }
            ETH_IPV6 => {
                self.unwildcard(FieldId::NwProto);
                if FieldId::NwProto.get(&self.key) != ICMPV6 {
                    return;
                }
                self.unwildcard(FieldId::Ipv6Dst);
                if !is_ours(Ipv6Addr::from(FieldId::Ipv6Dst.get(&self.key)).into()) {
                    return;
                }
                [FieldId::Icmpv6Type, FieldId::Icmpv6Code].into_iter().for_each(|field| self.unwildcard(field));
                let is_advert =
                    FieldId::Icmpv6Type.get(&self.key) == ADVERTISEMENT && FieldId::Icmpv6Code.get(&self.key) == 0;
                if !is_advert {
                    return;
                }
                [FieldId::Ipv6Src, FieldId::NdTarget, FieldId::NdTll]
                    .into_iter()
                    .for_each(|field| self.unwildcard(field));
                let target = Ipv6Addr::from(FieldId::NdTarget.get(&self.key));
                self.learn_neighbour(target.into(), FieldId::NdTll.get(&self.key));
            }
            _ => {}
        }
    }

    fn learn_neighbour(&mut self, ip: IpAddr, mac: u128) {
        let mac = Mac::from_u64(mac as u64);
        if mac.is_zero() || mac.is_multicast() || ip.is_unspecified() || ip.is_multicast() {
            return;
        }
        self.neighbours.push(LearnNeighbour { bridge: self.bridge.id, ip, mac });
    }
}

/// The outer packet as the bridge below sees it.
fn outer_key(kind: Kind, tunnel: &weft_packet::tunnel::Tunnel, src: Mac, dst: Mac) -> FlowKey {
    let mut key = FlowKey::new();
    let mut set = |field: FieldId, value: u128| field.set(&mut key, value);
    set(FieldId::EthSrc, src.to_u64().into());
    set(FieldId::EthDst, dst.to_u64().into());
    match tunnel.ends {
        Ends::V4 { src, dst } => {
            set(FieldId::EthType, 0x0800);
            set(FieldId::IpSrc, u32::from_be_bytes(src).into());
            set(FieldId::IpDst, u32::from_be_bytes(dst).into());
        }
        Ends::V6 { src, dst } => {
            set(FieldId::EthType, 0x86dd);
            set(FieldId::Ipv6Src, u128::from_be_bytes(src));
            set(FieldId::Ipv6Dst, u128::from_be_bytes(dst));
        }
    }
    set(FieldId::NwTos, tunnel.tos.into());
    set(FieldId::NwTtl, tunnel.ttl.into());
    let proto = match kind {
        Kind::Stt => 6,
        Kind::Gre | Kind::Ip6Gre | Kind::Erspan | Kind::Ip6Erspan => 47,
        Kind::Srv6 => 43,
        _ => 17,
    };
    set(FieldId::NwProto, proto);
    if matches!(proto, 6 | 17) {
        set(FieldId::TcpDst, tunnel.tp_dst.into());
    }
    key
}

/// ARP request or neighbour solicitation for an address.
fn question(mac: Mac, from: IpAddr, whom: IpAddr) -> Option<Vec<u8>> {
    use weft_packet::builder::Builder;
    use weft_packet::wire::arp::ArpWire;
    match (from, whom) {
        (IpAddr::V4(from), IpAddr::V4(whom)) => {
            let arp = ArpWire::new(1, mac, from.octets(), Mac([0; 6]), whom.octets());
            Some(Builder::ethernet(Mac([0xff; 6]), mac).arp(&arp).build())
        }
        (IpAddr::V6(from), IpAddr::V6(whom)) => {
            // the solicited-node multicast group (RFC 4291 §2.7.1), by its Ethernet address (RFC 2464 §7)
            let last = whom.octets();
            let mut group = [0; 16];
            group[..2].copy_from_slice(&[0xff, 0x02]);
            group[11..13].copy_from_slice(&[1, 0xff]);
            group[13..].copy_from_slice(&last[13..]);
            let to = Mac([0x33, 0x33, group[12], group[13], group[14], group[15]]);
            let frame = Builder::ethernet(to, mac).ipv6(from.octets(), group).ttl(255);
            Some(frame.nd(135, 0, last, Some((1, mac))).build())
        }
        _ => None,
    }
}

const ARP_REPLY: u128 = 2;
const ICMPV6: u128 = 58;
const ADVERTISEMENT: u128 = 136;
