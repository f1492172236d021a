//! Tunnel ports: what a frame out of one is, and what a frame into one gets as outer headers.
//!
//! How: the port's settings and what actions wrote into the tunnel fields make a [`Tunnel`]. The datapath gets it as
//! `set(tunnel(..))` before an output to the tunnel's own port, which puts the headers on; or, where a bridge of ours carries
//! the outer packet, prepared (`native.rs`). The flow's own tunnel fields stay as they were.
//!
//! ECN goes through tunnels as RFC 6040 has it: out, the outer header gets the inner one's field (CE as ECT(0), or the inner
//! packet's CE would count twice); in, CE is written into the inner header, and a packet that cannot have it is dropped.

use weft_flow::action::SetTunnel;
use weft_flow::tunnel;
use weft_flow::{DpAction, FieldId, FlowKey};
use weft_packet::DropReason;
use weft_packet::tunnel::{CSUM, DF, Ends, KEY, Kind, OAM, Tunnel};

use super::encap::{ETHERNET, Pending, packet_type, set_packet_type};
use super::facts::Fact;
use super::fields::{ETH_IPV4, ETH_IPV6, eth_type};
use super::trace::NodeKind;
use super::{Context, Credit};
use crate::bridge::Port;
use crate::features::Feature;
use crate::tunnel::Tunnel as Settings;
use crate::tunnel::config::{End, Erspan, Inherited, Key, PacketTypes, TunnelConfig};
use crate::tunnel::ports::outer_dst;

const ECN: u8 = 3;
const CE: u8 = 3;
const ECT_0: u8 = 2;
/// The word with tunnel flags, ToS, TTL and ports.
const NS_ETHERTYPE: u32 = 1 << 16;

impl<'t> Context<'t, '_> {
    /// A frame that came in by a tunnel. False: it goes no further.
    pub(super) fn came_through_tunnel(&mut self) -> bool {
        self.deps.tunnels = Some(self.tables.tunnels.generation());
        if let Some(port) = self.bridge.port(self.in_port())
            && let Some(settings) = port.tunnel()
        {
            self.credits.push(Credit::PatchRx(port.patch.clone()));
            if settings.config.packet_types == PacketTypes::LegacyL3 && packet_type(&self.key) != ETHERNET {
                // bridges see a frame, of nobody to nobody
                set_packet_type(&mut self.key, ETHERNET);
                self.pending = Some(Pending::Encap(Vec::new()));
                self.pristine = false;
            }
        }
        let marked = FieldId::TunTos.get(&self.key) as u8 & ECN == CE;
        if !marked || !is_ip(&self.key) {
            return true;
        }
        FieldId::NwEcn.unwildcard(&mut self.mask);
        if FieldId::NwEcn.get(&self.key) == 0 {
            self.drop = DropReason::TunnelEcn;
            return false;
        }
        FieldId::NwEcn.set(&mut self.key, CE.into());
        self.pristine = false;
        true
    }

    pub(super) fn output_to_tunnel(&mut self, port: &'t Port, settings: &'t Settings) {
        let config = &settings.config;
        let shape = (self.key.clone(), self.pending.clone());
        let kind = packet_type(&self.key);
        match config.packet_types {
            PacketTypes::LegacyL2 if kind != ETHERNET => {
                self.note(NodeKind::Warn, || {
                    "Trying to send non-Ethernet packet through legacy L2 port. Dropping packet.".into()
                });
                return self.no_output(DropReason::ActionFailed);
            }
            PacketTypes::LegacyL3 if kind == ETHERNET => self.take_link_off(),
            _ => {}
        }
        let set = self.outer_headers(config);
        if set.tunnel.ends.dst() == self.came_to {
            self.note(NodeKind::Warn, || "Not tunneling to our own address".into());
            self.no_output(DropReason::TunnelToUs);
        } else {
            self.credits.push(Credit::PatchTx(port.patch.clone()));
            self.deps.tunnels = Some(self.tables.tunnels.generation());
            let mut sent = true;
            if self.tables.features.has(Feature::TunnelPushPop) && !self.is_over_host(&set.tunnel) {
                self.note(NodeKind::Detail, || "output to native tunnel".into());
                let before = self.out.len();
                self.push_tunnel(settings, set);
                sent = self.out.len() > before;
            } else {
                self.note(NodeKind::Detail, || "output to kernel tunnel".into());
                self.set_tunnel(set);
                self.truncate();
                self.commit();
                self.out.push(DpAction::Output(settings.dp));
            }
            if sent {
                self.fact(|ctx| Fact::Sent { bridge: ctx.bridge.name.clone(), port: port.settings.name.clone() });
            }
        }
        self.key = shape.0;
        self.pending = shape.1;
        if packet_type(&self.base) != packet_type(&self.key) && self.pending.is_none() {
            // what was taken off for the tunnel comes back for whoever is next
            self.pending = Some(Pending::Encap(Vec::new()));
        }
    }

    /// The Ethernet header, with its tags, is not for a tunnel that carries none.
    fn take_link_off(&mut self) {
        let kind = eth_type(&self.key);
        match self.pending.take() {
            Some(Pending::Encap(_)) => {}
            pending => {
                self.pending = pending;
                super::fields::set_tags(&mut self.key, Default::default(), Default::default());
                self.commit();
                self.pending = Some(Pending::Decap);
            }
        }
        super::encap::forget_link(&mut self.key);
        set_packet_type(&mut self.key, NS_ETHERTYPE | u32::from(kind));
        self.pristine = false;
    }

    /// What the outer headers say, by the port's settings and the flow's tunnel fields; what that rests on.
    fn outer_headers(&mut self, config: &TunnelConfig) -> SetTunnel {
        let said = tunnel::read(&self.key);
        let mut tos = match config.tos {
            Inherited::Value(tos) => tos,
            Inherited::Inherit => 0,
        };
        let mut ttl = match config.ttl {
            Inherited::Value(ttl) => ttl,
            Inherited::Inherit => crate::tunnel::config::DEFAULT_TTL,
        };
        if is_ip(&self.key) {
            FieldId::NwEcn.unwildcard(&mut self.mask);
            if config.ttl == Inherited::Inherit {
                self.unwildcard(FieldId::NwTtl);
                ttl = FieldId::NwTtl.get(&self.key) as u8;
            }
            if config.tos == Inherited::Inherit {
                self.unwildcard(FieldId::NwTos);
                tos = FieldId::NwTos.get(&self.key) as u8 & !ECN;
            }
            tos |= match FieldId::NwEcn.get(&self.key) as u8 {
                CE => ECT_0,
                ecn => ecn,
            };
        }
        let (key, has_key) = match config.out_key {
            Key::Absent => (0, 0),
            Key::Value(key) => (key, KEY),
            Key::Flow => (said.id, KEY),
        };
        let flag = |on: bool, flag: u16| if on { flag } else { 0 };
        let mut outer = Tunnel {
            ends: ends(config, said.ends),
            id: key,
            flags: said.flags & OAM | flag(config.df, DF) | flag(config.csum, CSUM) | has_key,
            tos,
            ttl,
            tp_dst: config.dst_port,
            ..Tunnel::default()
        };
        if let Some(mark) = config.egress_mark {
            self.unwildcard(FieldId::PktMark);
            FieldId::PktMark.set(&mut self.key, mark.into());
        }
        let mut options = Vec::new();
        match config.kind {
            Kind::Vxlan if config.gbp => {
                if self.tunnelled {
                    [FieldId::TunGbpId, FieldId::TunGbpFlags].into_iter().for_each(|field| self.unwildcard(field));
                }
                (outer.gbp_id, outer.gbp_flags) = (said.gbp_id, said.gbp_flags);
            }
            Kind::Geneve => options = self.options_to_send(),
            Kind::Erspan | Kind::Ip6Erspan => {
                let erspan = match config.erspan {
                    Erspan { ver: None, .. } => Erspan { ver: None, idx: None, dir: None, hwid: None },
                    said => said,
                };
                outer.erspan_ver = erspan.ver.unwrap_or(said.erspan_ver);
                match outer.erspan_ver {
                    1 => outer.erspan_idx = erspan.idx.unwrap_or(said.erspan_idx),
                    2 => {
                        outer.erspan_dir = erspan.dir.unwrap_or(said.erspan_dir);
                        outer.erspan_hwid = erspan.hwid.unwrap_or(said.erspan_hwid);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        SetTunnel { tunnel: outer, options }
    }

    /// Options as the flow has them, those that came in included.
    fn options_to_send(&mut self) -> Vec<u8> {
        let table = &self.bridge.tlv;
        if self.tunnelled {
            let there = self.key.word(weft_flow::tun_metadata::PRESENT_WORD);
            for map in table.maps().iter().filter(|map| there >> map.index & 1 == 1) {
                let all = weft_flow::tun_metadata::TunValue::exact(&[]);
                table.layout().unwildcard(&mut self.mask, map.index, &all);
            }
        }
        tunnel::from_fields(&self.key, table)
    }

    /// Tell the datapath what its tunnel port is to put on, unless it knows.
    fn set_tunnel(&mut self, set: SetTunnel) {
        let mut wanted = FlowKey::new();
        tunnel::write(&set.tunnel, &mut wanted);
        tunnel::set_raw(&set.options, &mut wanted);
        let of_tunnel = FIRST_WORD..=weft_flow::tun_metadata::PRESENT_WORD;
        let same = of_tunnel.clone().all(|word| tunnel_bits(&self.base, word) == tunnel_bits(&wanted, word));
        if same {
            return;
        }
        for word in of_tunnel {
            let others = self.base.word(word) & !tunnel_mask(word);
            if self.base.word(word) != wanted.word(word) | others {
                self.base.set_word(word, wanted.word(word) | others);
            }
        }
        self.out.push(DpAction::SetTunnel(Box::new(set)));
    }

    /// Whether the host's stack sends it, as no bridge of ours would.
    fn is_over_host(&self, outer: &Tunnel) -> bool {
        let tunnels = &self.tables.tunnels;
        if !tunnels.over_host {
            return false;
        }
        let mark = FieldId::PktMark.get(&self.key) as u32;
        let route = tunnels.routes().lookup(outer.ends.dst(), mark);
        route.is_none_or(|route| self.tables.carrier(&route.device).is_none())
    }

    /// The address that a tunnelled frame came to; for others one that no packet goes to.
    pub(super) fn came_to(key: &FlowKey) -> std::net::IpAddr {
        outer_dst(key)
    }
}

/// The addresses of the outer packet: as the port says, or else the flow.
fn ends(config: &TunnelConfig, said: Ends) -> Ends {
    let dst = match config.remote {
        End::Addr(addr) => addr,
        End::Any | End::Flow => said.dst(),
    };
    let src = match config.local {
        End::Addr(addr) => Some(addr),
        End::Flow => Some(said.src()),
        End::Any => None,
    };
    use std::net::IpAddr::{V4, V6};
    match (dst, src) {
        (V4(dst), Some(V4(src))) => Ends::V4 { src: src.octets(), dst: dst.octets() },
        (V4(dst), _) => Ends::V4 { src: [0; 4], dst: dst.octets() },
        (V6(dst), Some(V6(src))) => Ends::V6 { src: src.octets(), dst: dst.octets() },
        (V6(dst), _) => Ends::V6 { src: [0; 16], dst: dst.octets() },
    }
}

/// The bits of a word that are a tunnel's.
fn tunnel_mask(word: usize) -> u64 {
    // the low half of this word is the queue
    if word == 38 { 0xffff_ffff_0000_0000 } else { u64::MAX }
}

fn tunnel_bits(key: &FlowKey, word: usize) -> u64 {
    key.word(word) & tunnel_mask(word)
}

/// The first word of tunnel fields.
const FIRST_WORD: usize = 30;

fn is_ip(key: &FlowKey) -> bool {
    matches!(eth_type(key), ETH_IPV4 | ETH_IPV6)
}
