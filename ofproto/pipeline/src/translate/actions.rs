//! One action after the other.

use weft_flow::action::SlowPathReason;
use weft_flow::field::Prerequisite;
use weft_flow::{FieldId, OfPort};
use weft_openflow::PacketInReason;
use weft_openflow::TableId;
use weft_openflow::action::{Action, Controller, Resubmit, SetField, SetForm};
use weft_packet::DropReason;

use super::fields::ETH_IPV4;
use super::fields::{TAG_PRESENT, Tag, inner_tag, outer_tag, set_tags};
use super::pkt_len::Rest;
use super::recirc::{GoOn, Then};
use super::trace::NodeKind;
use super::{Context, Failure, MAX_STACK};

impl<'t> Context<'t, '_> {
    pub(super) fn run_actions(&mut self, actions: &'t [Action]) -> Flow {
        let nothing_after = self.last;
        let mut flow = Flow::Continue;
        let mut tail = self.tail.take();
        for (i, action) in actions.iter().enumerate() {
            self.last = nothing_after && i + 1 == actions.len() && self.action_set.is_empty();
            if let Action::CheckPktLarger { pkt_len, dst } = action {
                self.note_action(action);
                self.branch_by_length(*pkt_len, *dst, Rest::Actions(&actions[i + 1..], tail.take()));
                break;
            }
            flow = self.run_action(action);
            if self.exit {
                if self.freezing.is_some() {
                    self.keep_rest(&actions[i..]);
                }
                break;
            }
            if flow == Flow::Stop {
                break;
            }
        }
        self.last = nothing_after;
        self.tail = tail;
        flow
    }

    /// One action. `Stop` ends the list that it stands in (a TTL ran out).
    pub(super) fn run_action(&mut self, action: &'t Action) -> Flow {
        if self.waits_for_network(action) {
            return Flow::Continue;
        }
        self.note_action(action);
        match action {
            Action::Output { port, max_len } => self.output(*port, *max_len),
            Action::OutputReg { src, max_len } => {
                let port = self.read(*src);
                self.note(NodeKind::Detail, || format!("output port is {port}"));
                match u16::try_from(port) {
                    Ok(port) => self.output(OfPort::from_u16(port), *max_len),
                    Err(_) => self.note(NodeKind::Warn, || format!("output port {port} is out of range, not output")),
                }
            }
            // as OVS, which looks for a port of that very number
            Action::OutputTrunc { port, .. } if *port == OfPort::IN_PORT || self.bridge.port(*port).is_none() => {
                self.cannot_truncate(*port);
            }
            Action::OutputTrunc { port, max_len } => {
                self.trunc = Some(*max_len);
                self.output(*port, u16::try_from(*max_len).unwrap_or(u16::MAX));
                self.trunc = None;
            }
            Action::Controller(to) if to.pause => self.pause(to),
            Action::Controller(to) => self.packet_in(to, to.reason),
            Action::Enqueue { port, queue } => self.enqueue(*port, queue.0),
            Action::SetQueue(queue) => {
                self.unwildcard(FieldId::SkbPriority);
                FieldId::SkbPriority.set(&mut self.key, queue.0.into());
            }
            Action::PopQueue => {
                let original = self.original_priority;
                self.unwildcard(FieldId::SkbPriority);
                if FieldId::SkbPriority.get(&self.key) != original {
                    FieldId::SkbPriority.set(&mut self.key, original);
                    self.note(NodeKind::Detail, || format!("queue = {original}"));
                }
            }
            Action::Resubmit(to) if to.ct => self.resubmit_tracked(to),
            Action::Resubmit(to) => self.resubmit(to),
            Action::SetField(set) => self.set_field(set),
            Action::SetTunnelOption(set) => self.set_option(set.index, &set.value),
            Action::DeleteField(field) => self.delete_option(*field),
            Action::SetVlanVid { vid, push } => self.set_tci(u64::from(*vid), 0x0fff, *push),
            Action::SetVlanPcp { pcp, push } => self.set_tci(u64::from(*pcp) << 13, 0xe000, *push),
            Action::StripVlan(_) => self.pop_vlan(),
            Action::PushVlan { ethertype } => {
                let outer = outer_tag(&self.key);
                match outer.tci {
                    // that the frame came without one; not that it lost what it had
                    0 if !self.came_tagged => self.mask.or_word(2, u64::from(TAG_PRESENT)),
                    0 => {}
                    _ => self.unwildcard_tags(),
                }
                set_tags(&mut self.key, Tag { tpid: *ethertype, tci: TAG_PRESENT }, outer);
                self.pristine = false;
            }
            Action::DecTtl(dec) => return self.dec_ttl(&dec.controllers),
            Action::Move { src, dst } => {
                self.copy_bits(*src, *dst);
                self.note_value(*dst);
            }
            Action::Push(src) => {
                let value = self.read(*src);
                if self.stack.len() >= MAX_STACK {
                    self.note(NodeKind::Error, || "resubmits yielded over 64 kB of stack".into());
                    self.fail(Failure::StackTooLarge);
                } else {
                    self.stack.push(value);
                }
            }
            Action::Pop(dst) => match self.stack.pop() {
                Some(value) => {
                    self.write(*dst, value);
                    self.note_value(*dst);
                }
                None => self.note(NodeKind::Error, || "stack underflow".into()),
            },
            Action::Clone(inner) => self.clone_and_run(inner, Then::ActionSet),
            Action::PushMpls { ethertype } => self.push_mpls(*ethertype),
            Action::PopMpls { ethertype } => self.pop_mpls(*ethertype),
            Action::DecMplsTtl => return self.dec_mpls_ttl(),
            Action::Encap(what) => self.encap(what),
            Action::Decap { packet_type } => self.decap(*packet_type),
            Action::DecNshTtl => return self.dec_nsh_ttl(),
            Action::Ct(ct) => self.conntrack(ct),
            Action::CtClear => self.ct_clear(),
            Action::DebugRecirc => self.freeze_and_recirculate(GoOn::After, None),
            Action::DebugSlow => self.slow = Some(SlowPathReason::Action),
            Action::Group(id) => self.group(*id),
            Action::Multipath(to) => self.multipath(to),
            Action::Bundle(bundle) => {
                let member = self.bundle_member(bundle);
                match bundle.dst {
                    Some(dst) => {
                        self.write(dst, u16_port(member).into());
                        self.note_value(dst);
                    }
                    None => self.output(member, 0),
                }
            }
            Action::Exit => self.exit = true,
            Action::Meter(meter) => self.meter(*meter),
            Action::Sample(sample) => self.sample(sample),
            Action::Learn(learn) => self.learn(learn),
            Action::FinTimeout { idle, hard } => self.fin_timeout(*idle, *hard),
            // clauses are the lookup's; here they do nothing
            Action::Note(_) | Action::Conjunction { .. } => {}
            // only inside `ct` (`check`)
            Action::Nat(_)
            // where a list's rest is not at hand: inside an action set, where it cannot be
            | Action::CheckPktLarger { .. } => self.note(NodeKind::Warn, || "action not supported, skipped".into()),
        }
        Flow::Continue
    }

    /// Send to an OpenFlow port, reserved ones included.
    fn output(&mut self, port: OfPort, max_len: u16) {
        let in_port = self.in_port();
        match port {
            OfPort::IN_PORT => self.output_to_port(in_port),
            OfPort::TABLE => {
                let to = Resubmit { in_port: OfPort::IN_PORT, table: TableId(0), ct: false };
                self.resubmit(&to);
            }
            OfPort::NORMAL => self.normal(),
            OfPort::FLOOD => self.flood(false),
            OfPort::ALL => self.flood(true),
            OfPort::CONTROLLER => {
                let reason = match self.rule {
                    _ if self.in_action_set && !self.in_group => PacketInReason::ACTION_SET,
                    Some(rule) if rule.priority == 0 && rule.pattern.is_any() => PacketInReason::EXPLICIT_MISS,
                    _ if self.in_group => PacketInReason::GROUP,
                    _ if self.cookie().is_none() => PacketInReason::PACKET_OUT,
                    _ => PacketInReason::ACTION,
                };
                self.packet_in(&Controller { max_len, ..Controller::default() }, reason.0);
            }
            OfPort::NONE => {}
            port if port == in_port => {
                self.no_output(DropReason::SamePort);
                self.note(NodeKind::Warn, || "skipping output to input port".into());
            }
            port => self.output_to_port(port),
        }
    }

    fn enqueue(&mut self, port: OfPort, queue: u32) {
        self.unwildcard(FieldId::SkbPriority);
        if port == self.in_port() {
            return self.no_output(DropReason::SamePort);
        }
        let port = if port == OfPort::IN_PORT { self.in_port() } else { port };
        let before = FieldId::SkbPriority.get(&self.key);
        FieldId::SkbPriority.set(&mut self.key, queue.into());
        self.output_to_port(port);
        FieldId::SkbPriority.set(&mut self.key, before);
    }

    fn set_field(&mut self, set: &SetField) {
        let field = match (set.form, set.field) {
            // mod_tp_src and mod_tp_dst mean whichever of TCP, UDP and SCTP there is; all lie in the same place
            (SetForm::Mod, FieldId::TcpSrc | FieldId::TcpDst) => {
                if self.has_ports() {
                    set.field.add_mask(&mut self.mask, set.mask);
                    set.field.set(&mut self.key, set.value);
                    self.pristine = false;
                }
                return;
            }
            (SetForm::Mod, FieldId::IpSrc | FieldId::IpDst) if !self.has(Prerequisite::Ipv4) => return,
            (_, field) => field,
        };
        // an IP header is only written where there is a protocol in it
        if (field != FieldId::IpDscp || set.form == SetForm::Mod)
            && matches!(field.field().prerequisite, Prerequisite::Ipv4 | Prerequisite::Ipv6 | Prerequisite::Ip)
            && self.has(field.field().prerequisite)
        {
            self.unwildcard(FieldId::NwProto);
        }
        if !self.write_field(field, set.value, set.mask) {
            let name = field.field().name;
            self.note(NodeKind::Warn, || format!("unmet prerequisites for {name}, set_field ignored"));
        }
        // as OVS: setting a field of IP or ARP rests on the protocol as well, a DSCP by itself does not
        if field != FieldId::IpDscp {
            match field.field().prerequisite {
                Prerequisite::Arp => self.unwildcard(FieldId::ArpOp),
                Prerequisite::Ipv4 | Prerequisite::Ipv6 | Prerequisite::Ip => self.unwildcard(FieldId::NwProto),
                _ => {}
            }
        }
    }

    /// Write the VLAN id or priority of the outer tag, pushing one if there is none and that is wanted.
    fn set_tci(&mut self, value: u64, bits: u64, push: bool) {
        self.mask.or_word(2, u64::from(TAG_PRESENT) | bits);
        let mut outer = outer_tag(&self.key);
        if outer.tci & TAG_PRESENT == 0 {
            if !push {
                return;
            }
            outer.tci |= TAG_PRESENT;
            outer.tpid = if outer.tpid == 0 { 0x8100 } else { outer.tpid };
        }
        outer.tci = outer.tci & !(bits as u16) | (value & bits) as u16;
        let inner = inner_tag(&self.key);
        set_tags(&mut self.key, outer, inner);
        self.pristine = false;
    }

    /// Take the outer tag off. What that rests on is said where a tag is popped in fact ([`Context::commit`]); that there
    /// is none to take off must be said here.
    fn pop_vlan(&mut self) {
        if outer_tag(&self.key).tci & TAG_PRESENT == 0 {
            self.mask.or_word(2, u64::from(TAG_PRESENT));
        } else {
            let inner = inner_tag(&self.key);
            self.mask.or_word(4, 0xffff_0000_0000_0000);
            set_tags(&mut self.key, inner, Tag::default());
            self.pristine = false;
        }
    }

    fn dec_ttl(&mut self, controllers: &[u16]) -> Flow {
        if !self.has(Prerequisite::Ip) {
            return Flow::Continue;
        }
        self.unwildcard(FieldId::NwTtl);
        self.unwildcard(FieldId::NwProto);
        let ttl = FieldId::NwTtl.get(&self.key);
        if ttl > 1 {
            FieldId::NwTtl.set(&mut self.key, ttl - 1);
            self.pristine = false;
            return Flow::Continue;
        }
        let default = [0];
        for &controller_id in if controllers.is_empty() { &default[..] } else { controllers } {
            let to = Controller { controller_id, ..Controller::default() };
            self.packet_in(&to, PacketInReason::INVALID_TTL.0);
        }
        let version = if super::fields::eth_type(&self.key) == ETH_IPV4 { "IPv4" } else { "IPv6" };
        self.note(NodeKind::Warn, || format!("{version} decrement TTL exception"));
        self.no_output(DropReason::TtlExpired);
        Flow::Stop
    }

    /// Run something whose changes to the frame, the stack and the action set do not show outside. What the datapath has
    /// been told already stays in `base`, and is undone by the next commit.
    pub(super) fn on_a_copy(&mut self, run: impl FnOnce(&mut Self)) {
        let key = self.key.clone();
        let (pristine, was_mpls, conntracked) = (self.pristine, self.was_mpls, self.conntracked);
        let (network_unknown, pending) = (self.network_unknown, self.pending.clone());
        let stack = self.stack.clone();
        let set = self.action_set.clone();
        run(self);
        self.finish_freezing();
        self.key = key;
        (self.pristine, self.was_mpls, self.conntracked) = (pristine, was_mpls, conntracked);
        (self.network_unknown, self.pending) = (network_unknown, pending);
        self.stack = stack;
        self.action_set = set;
        self.exit = self.failure.is_some();
    }
}

/// A port as OpenFlow 1.0's 16 bits have it.
fn u16_port(port: OfPort) -> u16 {
    port.to_u16().unwrap_or(u16::MAX)
}

/// Whether the list of actions goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Stop,
}
