//! NORMAL: the learning switch.
//!
//! Steps, in order: the ingress bundle; whether its VLAN mode lets the frame in, and which VLAN it is in; reserved
//! multicast; learning; then the learned bundle or flooding. A frame leaves a bundle with the tags that the bundle's VLAN
//! mode gives its VLAN (ovs-vswitchd.conf.db(5), "VLAN Configuration"). Mirrors (a later room) would copy at the marked
//! places.

use weft_flow::{FieldId, OfPort};
use weft_openflow::port::PortConfig;
use weft_packet::DropReason;

use super::fields::{ETH_ARP, TAG_PRESENT, Tag, eth_type, inner_tag, outer_tag, set_tags};
use super::trace::NodeKind;
use super::{Context, LearnMac};
use crate::bridge::{Bridge, Bundle};
use crate::config::Mac;
use crate::tables::BundleId;
use crate::vlan::{PriorityTags, VlanMode};

/// A frame's place among VLANs: the VLAN it is in, and the customer's VLAN beneath a service tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Place {
    outer: Lane,
    inner: Lane,
}

/// A tag as NORMAL sees it: VLAN 0 is "none", but a priority may still be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Lane {
    /// 0: no tag was there and none is meant.
    tpid: u16,
    vid: u16,
    pcp: u16,
}

impl Lane {
    fn of(tag: Tag) -> Lane {
        match tag.tci & TAG_PRESENT {
            0 => Lane::default(),
            _ => Lane { tpid: tag.tpid, vid: tag.tci & 0xfff, pcp: tag.tci & 0xe000 },
        }
    }

    fn tag(self, policy: PriorityTags) -> Tag {
        let tci = self.vid | self.pcp;
        if tci == 0 && !(policy == PriorityTags::Always && self.tpid != 0) {
            return Tag::default();
        }
        let tpid = if self.tpid == 0 { 0x8100 } else { self.tpid };
        Tag { tpid, tci: TAG_PRESENT | tci }
    }
}

impl<'t> Context<'t, '_> {
    pub(super) fn normal(&mut self) {
        self.unwildcard(FieldId::EthSrc);
        self.unwildcard(FieldId::EthDst);
        self.mask.or_word(2, 0x1fff);
        let bridge = self.bridge;
        let in_port = self.in_port();
        let from = match self.ingress_bundle(bridge, in_port) {
            Some(from) => from,
            None => {
                self.note(NodeKind::Error, || format!("received packet on unknown port {in_port}"));
                self.note(NodeKind::Warn, || "no input bundle, dropping".into());
                return self.no_output(DropReason::NoSuchPort);
            }
        };
        let seen = Place { outer: Lane::of(outer_tag(&self.key)), inner: Lane::of(inner_tag(&self.key)) };
        let place = match from {
            Ingress::Bundle(bundle) => match self.admit(bundle, seen) {
                Some(place) => place,
                None => {
                    self.note(NodeKind::Warn, || "disallowed VLAN VID for this input port, dropping".into());
                    return self.no_output(DropReason::VlanNotAllowed);
                }
            },
            Ingress::Controller => seen,
        };
        let (dst, src) = (mac_of(self.key.word(2)), mac_of(self.key.word(3)));
        if is_reserved(dst) && !bridge.settings.forward_bpdu && matches!(from, Ingress::Bundle(_)) {
            self.note(NodeKind::Detail, || "packet has reserved destination MAC, dropping".into());
            return self.no_output(DropReason::ReservedMulticast);
        }
        // mirrors: ingress
        let vlan = place.outer.vid;
        let flooded_vlan = bridge.settings.flood_vlans.contains(vlan);
        if let Ingress::Bundle(bundle) = from
            && src[0] & 1 == 0
            && !flooded_vlan
        {
            self.learn_mac(bundle.id, vlan, src);
        }
        let learned = if dst[0] & 1 == 1 || flooded_vlan {
            None
        } else {
            let (place, dep) = bridge.macs.lookup(vlan, dst);
            self.deps.macs.push((bridge.id, dep));
            place.and_then(|id| bridge.bundle(id))
        };
        let from = from.bundle();
        match learned {
            Some(to) if from.is_some_and(|f| f.id == to.id) => {
                self.note(NodeKind::Detail, || "learned port is input port, dropping".into());
                self.no_output(DropReason::SamePort);
            }
            Some(to) => {
                self.note(NodeKind::Detail, || "forwarding to learned port".into());
                self.output_to_bundle(from, to, place);
            }
            None => {
                self.note(NodeKind::Detail, || "no learned MAC for destination, flooding".into());
                self.flood_bundles(from, place);
            }
        }
    }

    fn ingress_bundle(&self, bridge: &'t Bridge, in_port: OfPort) -> Option<Ingress<'t>> {
        if matches!(in_port, OfPort::CONTROLLER | OfPort::NONE) {
            return Some(Ingress::Controller);
        }
        bridge.port(in_port).and_then(|p| bridge.bundle(p.bundle)).map(Ingress::Bundle)
    }

    /// Whether the bundle's VLAN mode lets the frame in, and where it then is.
    fn admit(&mut self, bundle: &Bundle, seen: Place) -> Option<Place> {
        let set = &bundle.settings;
        let (vid, tag) = (seen.outer.vid, set.tag.unwrap_or(0));
        let name = || set.name.clone();
        match set.mode {
            VlanMode::Access if vid != 0 => {
                self.note(NodeKind::Error, || {
                    format!(
                        "dropping VLAN {vid} tagged packet received on port {} configured as VLAN {tag} access port",
                        name()
                    )
                });
                None
            }
            VlanMode::Access => Some(Place { outer: Lane { vid: tag, ..seen.outer }, inner: Lane::default() }),
            VlanMode::Trunk | VlanMode::NativeTagged | VlanMode::NativeUntagged => {
                let native = set.mode != VlanMode::Trunk;
                if native && (vid == 0 || vid == tag) {
                    return Some(Place { outer: Lane { vid: tag, ..seen.outer }, ..seen });
                }
                if set.trunks.contains(vid) {
                    return Some(seen);
                }
                self.note(NodeKind::Error, || {
                    format!(
                        "dropping VLAN {vid} packet received on port {} not configured for trunking VLAN {vid}",
                        name()
                    )
                });
                None
            }
            VlanMode::Dot1qTunnel if !set.cvlans.contains(vid) => {
                self.note(NodeKind::Error, || {
                    format!(
                        "dropping VLAN {vid} packet received on dot1q-tunnel port {} that excludes this VLAN",
                        name()
                    )
                });
                None
            }
            VlanMode::Dot1qTunnel => {
                let outer = Lane { tpid: set.qinq_ethertype, vid: tag, pcp: 0 };
                Some(Place { outer, inner: seen.outer })
            }
        }
    }

    fn learn_mac(&mut self, bundle: BundleId, vlan: u16, mac: Mac) {
        let gratuitous = self.is_gratuitous_arp();
        let learn = LearnMac { bridge: self.bridge.id, vlan, mac, bundle, gratuitous };
        self.learn.push(learn);
        self.credits.push(super::Credit::Mac(learn));
        if self.trace.as_ref().is_some_and(|t| t.learns) && !self.bridge.macs.would_be_known(vlan, mac, bundle) {
            let port = self.bridge.bundle(bundle).map_or_else(String::new, |b| b.settings.name.clone());
            self.note(NodeKind::Detail, || {
                format!("learned that {} is on port {port} in VLAN {vlan}", crate::text::mac(mac))
            });
        }
    }

    /// An ARP that announces its sender: a broadcast whose addresses are equal (or a reply to everybody).
    fn is_gratuitous_arp(&mut self) -> bool {
        if eth_type(&self.key) != ETH_ARP || mac_of(self.key.word(2)) != [0xff; 6] {
            return false;
        }
        self.unwildcard(FieldId::ArpOp);
        match FieldId::ArpOp.get(&self.key) {
            2 => true,
            1 => {
                self.unwildcard(FieldId::ArpSpa);
                self.unwildcard(FieldId::ArpTpa);
                FieldId::ArpSpa.get(&self.key) == FieldId::ArpTpa.get(&self.key)
            }
            _ => false,
        }
    }

    fn flood_bundles(&mut self, from: Option<&'t Bundle>, place: Place) {
        let bridge = self.bridge;
        for to in bridge.bundles() {
            let is_ingress = from.is_some_and(|f| f.id == to.id);
            if !is_ingress && includes(to, place) && is_floodable(bridge, to) {
                self.output_to_bundle(from, to, place);
            }
        }
    }

    /// Leave by the bundle's first usable port, tagged as its VLAN mode has it.
    fn output_to_bundle(&mut self, from: Option<&'t Bundle>, to: &'t Bundle, place: Place) {
        if both_protected(from, to) {
            self.note(NodeKind::Warn, || "Flow is between protected ports, skipping output.".into());
            return self.no_output(DropReason::PortConfig);
        }
        let bridge = self.bridge;
        let usable = |p: &&OfPort| bridge.port(**p).is_some_and(|p| p.is_up());
        let Some(&port) = to.ports.iter().find(usable).or(to.ports.first()) else {
            return self.no_output(DropReason::NoSuchPort);
        };
        let set = &to.settings;
        let Place { mut outer, mut inner } = place;
        match set.mode {
            VlanMode::Access => (outer, inner) = Default::default(),
            VlanMode::NativeUntagged if Some(outer.vid) == set.tag => (outer, inner) = (inner, Lane::default()),
            VlanMode::Dot1qTunnel => (outer, inner) = (inner, Lane::default()),
            VlanMode::Trunk | VlanMode::NativeTagged | VlanMode::NativeUntagged => {}
        }
        let before = (outer_tag(&self.key), inner_tag(&self.key));
        if set.priority_tags != PriorityTags::Never {
            outer.pcp = before.0.tci & 0xe000;
            self.unwildcard_tags();
        }
        let (outer, inner) = (outer.tag(set.priority_tags), inner.tag(PriorityTags::Never));
        let (outer, inner) = if outer.tci == 0 { (inner, Tag::default()) } else { (outer, inner) };
        // a tag pushed on top says nothing of the one beneath; a kept one without VLAN is kept for its priority
        let is_push = inner == before.0 && outer != before.0;
        if (before != (outer, inner) && !is_push) || (before.0.tci & 0x1fff == TAG_PRESENT && before.0 == outer) {
            self.unwildcard_tags();
        }
        set_tags(&mut self.key, outer, inner);
        // mirrors: egress
        self.output_to_port(port);
        set_tags(&mut self.key, before.0, before.1);
    }
}

#[derive(Clone, Copy)]
enum Ingress<'t> {
    Bundle(&'t Bundle),
    /// A packet-out without a port: in every VLAN, on no bundle.
    Controller,
}

impl<'t> Ingress<'t> {
    fn bundle(self) -> Option<&'t Bundle> {
        match self {
            Ingress::Bundle(bundle) => Some(bundle),
            Ingress::Controller => None,
        }
    }
}

/// Whether the bundle carries the frame's VLAN.
fn includes(to: &Bundle, place: Place) -> bool {
    let set = &to.settings;
    let is_tag = Some(place.outer.vid) == set.tag;
    match set.mode {
        VlanMode::Access => is_tag && place.inner.vid == 0,
        VlanMode::Trunk => set.trunks.contains(place.outer.vid),
        // a port with a native VLAN does not trunk VLAN 0
        VlanMode::NativeTagged | VlanMode::NativeUntagged => {
            is_tag || (place.outer.vid != 0 && set.trunks.contains(place.outer.vid))
        }
        VlanMode::Dot1qTunnel => is_tag && set.cvlans.contains(place.inner.vid),
    }
}

fn is_floodable(bridge: &Bridge, bundle: &Bundle) -> bool {
    !bundle.ports.is_empty()
        && !bundle.ports.iter().any(|p| bridge.port(*p).is_some_and(|p| p.config.contains(PortConfig::NO_FLOOD)))
}

fn both_protected(from: Option<&Bundle>, to: &Bundle) -> bool {
    to.settings.protected && from.is_some_and(|f| f.settings.protected)
}

/// The address in the upper 48 bits of a word.
#[inline]
fn mac_of(word: u64) -> Mac {
    let b = word.to_be_bytes();
    [b[0], b[1], b[2], b[3], b[4], b[5]]
}

/// 01:80:c2:00:00:00 to 0f: for the bridges themselves (802.1Q-2018 §8.6.3).
#[inline]
fn is_reserved(mac: Mac) -> bool {
    mac[..5] == [0x01, 0x80, 0xc2, 0x00, 0x00] && mac[5] & 0xf0 == 0
}
