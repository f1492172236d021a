//! Ports, patch cables and controllers: where frames leave.

use weft_flow::action::{ControllerAction, SlowPathReason, Userspace};
use weft_flow::key::{OPENFLOW_WORDS, WORDS};
use weft_flow::{DpAction, OfPort};
use weft_openflow::action::Controller;
use weft_openflow::ids::MeterId;
use weft_openflow::port::PortConfig;
use weft_openflow::{PacketInReason, TableId};
use weft_packet::DropReason;

use super::facts::Fact;
use super::trace::NodeKind;
use super::{Context, Credit};
use crate::bridge::{Bridge, Port};
use crate::config::PortKind;
use crate::features::Feature;
use crate::frozen::FrozenState;

impl<'t> Context<'t, '_> {
    /// Send out by an ordinary port of the bridge.
    pub(super) fn output_to_port(&mut self, number: OfPort) {
        let Some(port) = self.bridge.port(number) else {
            self.note(NodeKind::Warn, || "Nonexistent output port".into());
            self.no_output(DropReason::NoSuchPort);
            return;
        };
        if port.config.contains(PortConfig::NO_FWD) {
            self.note(NodeKind::Detail, || "OFPPC_NO_FWD set, skipping output".into());
            self.no_output(DropReason::PortConfig);
            return;
        }
        match port.settings.kind {
            PortKind::Device(_) if super::encap::packet_type(&self.key) != 0 => {
                self.note(NodeKind::Warn, || {
                    "Trying to send non-Ethernet packet through legacy L2 port. Dropping packet.".into()
                });
                self.no_output(DropReason::ActionFailed);
            }
            PortKind::Tunnel(ref tunnel) => self.output_to_tunnel(port, tunnel),
            PortKind::Device(dp) => {
                let tunnel = self.for_a_tunnel(port);
                self.truncate();
                self.commit();
                self.out.push(tunnel.map_or(DpAction::Output(dp), DpAction::TnlPop));
                self.fact(|ctx| Fact::Sent { bridge: ctx.bridge.name.clone(), port: port.settings.name.clone() });
            }
            PortKind::Patch { .. } if self.trunc.is_some() => self.cannot_truncate(number),
            PortKind::Patch { .. } => match self.tables.patch_peer(port) {
                Some((bridge, peer)) => self.through_patch(port, bridge, peer),
                None => {
                    self.note(NodeKind::Warn, || "Nonexistent patch port peer".into());
                    self.no_output(DropReason::NoPeer);
                }
            },
        }
    }

    /// `output_trunc`: it counts for the next output, whatever comes in between.
    pub(super) fn truncate(&mut self) {
        if let Some(len) = self.trunc {
            if !self.tables.features.has(Feature::Truncate) {
                self.slow = Some(SlowPathReason::Action);
            }
            self.out.push(DpAction::Trunc(len));
        }
    }

    /// A patch port has no packets of its own that could be cut (ovs-actions(7)).
    pub(super) fn cannot_truncate(&mut self, number: OfPort) {
        self.note(NodeKind::Error, || format!("output_trunc does not support patch port {number}"));
        self.no_output(DropReason::ActionFailed);
    }

    /// Every port but the ingress; FLOOD leaves those out that say NO_FLOOD.
    pub(super) fn flood(&mut self, all: bool) {
        let in_port = self.in_port();
        for port in self.bridge.ports() {
            if port.number != in_port && (all || !port.config.contains(PortConfig::NO_FLOOD)) {
                self.output_to_port(port.number);
            }
        }
    }

    /// The frame goes on at the peer's bridge, without our metadata; what happens to it there does not show here.
    fn through_patch(&mut self, port: &'t Port, to: &'t Bridge, peer: &'t Port) {
        if !self.may_go_deeper() {
            return;
        }
        self.credits.push(Credit::PatchTx(port.patch.clone()));
        self.credits.push(Credit::PatchRx(peer.patch.clone()));
        self.enter_other_bridge(to, peer.number);
    }

    /// The frame goes on at another bridge, where it comes in by this port.
    pub(super) fn enter_other_bridge(&mut self, to: &'t Bridge, port: OfPort) {
        let (bridge, table, rule) = (self.bridge, self.table, self.rule);
        let known_of_tunnel = self.tunnel_mask();
        self.on_a_copy(|ctx| {
            for word in OPENFLOW_WORDS..WORDS {
                if ctx.key.used() >> word & 1 == 1 {
                    ctx.key.set_word(word, 0);
                }
            }
            ctx.forget_tunnel();
            super::ct::forget_connection(&mut ctx.key);
            ctx.conntracked = false;
            ctx.clone_rule = !ctx.last;
            ctx.action_set.clear();
            ctx.stack.clear();
            ctx.set_in_port(port);
            ctx.bridge = to;
            ctx.depth += 1;
            ctx.enter_bridge();
            match std::mem::take(&mut ctx.was_mpls) {
                // the other bridge looks up what lies beneath the labels
                true => ctx.recirculate_to(TableId(0)),
                false => ctx.run(None),
            }
            ctx.leave_bridge();
            ctx.depth -= 1;
            // what the other bridge cannot do is its own affair
            ctx.failure = None;
        });
        (self.bridge, self.table, self.rule) = (bridge, table, rule);
        self.set_tunnel_mask(&known_of_tunnel);
    }

    /// Send to the controllers, as the frame is now.
    pub(super) fn packet_in(&mut self, to: &Controller, reason: u8) {
        self.commit();
        let frozen = self.tables.frozen.intern(FrozenState::new(self.bridge.id, &self.key));
        let action = ControllerAction { recirc_id: frozen.id, ..self.controller_action(to, reason) };
        self.frozen.push(frozen);
        self.hand_over(Userspace::Controller(action), to.meter, MeterId::CONTROLLER);
        self.fact(|_| Fact::ToController);
    }

    /// What is said to a controller at this point.
    pub(super) fn controller_action(&self, to: &Controller, reason: u8) -> ControllerAction {
        ControllerAction {
            reason,
            max_len: to.max_len,
            controller_id: to.controller_id,
            rule_cookie: match self.cookie() {
                // a miss has no flow, and cookie 0; a packet-out has neither
                _ if reason == PacketInReason::IMPLICIT_MISS.0 => 0,
                Some(cookie) => cookie.0,
                None => u64::MAX,
            },
            table_id: self.table.0,
            userdata: to.userdata.clone(),
            recirc_id: 0,
            continuation: to.pause,
        }
    }

    /// An output did not happen: if nothing else does either, this is why the frame is dropped.
    pub(super) fn no_output(&mut self, why: DropReason) {
        self.fact(|_| Fact::Refused(why));
        if self.out.is_empty() {
            self.drop = why;
        }
    }
}
