//! Tunnel options of a bridge: the TLV table's commands, and messages that speak of `tun_metadata` fields.
//!
//! What: [`bind`] moves the options of a message's matches and actions to where its bridge has them, so that everything
//! behind it compares words; [`change`] and [`describe`] are NXT_TLV_TABLE_MOD and _REQUEST.
//!
//! Invariants: what is stored in a bridge's tables is bound to its layout. A mapping that a flow uses cannot go.

use weft_flow::tun_metadata::{FIELDS, SPACE, TlvError, TlvMap, TlvTable, TunLayout};
use weft_flow::{FlowKey, Match};
use weft_openflow::action::{Action, CtZone, LearnDst, LearnSrc, SubField};
use weft_openflow::switch::{TlvTable as Reply, TlvTableCommand, TlvTableMod};
use weft_openflow::{ErrorCode, FlowMod, Message, StatsRequest};

use crate::bridge::Bridge;
use crate::rule::Rule;

/// Whether a message speaks of tunnel options at all; most do not, and need no look at the bridge.
pub(crate) fn speaks_of_options(message: &mut Message) -> bool {
    let mut found = false;
    let _ = parts(message, &mut |part| {
        found |= part.speaks();
        Ok(())
    });
    found
}

/// The same of a flow mod.
pub(crate) fn flow_mod_speaks_of_options(todo: &mut FlowMod) -> bool {
    let mut found = false;
    let _ = parts_of_flow_mod(todo, &mut |part| {
        found |= part.speaks();
        Ok(())
    });
    found
}

/// Move a message's tunnel options to the places of a bridge.
///
/// # Errors
/// If it speaks of an option that is not mapped, or of bits that the option does not have.
pub(crate) fn bind(message: &mut Message, table: &TlvTable) -> Result<(), ErrorCode> {
    parts(message, &mut |part| match part {
        Part::Match(m) if m.has_tun() => m.bind(table.layout()).map_err(|_| ErrorCode::NXFMFC_INVALID_TLV_FIELD),
        Part::Match(_) => Ok(()),
        Part::Action(action) => bind_action(action, table.layout()),
    })
}

/// Do what a TLV table mod says.
///
/// # Errors
/// As Open vSwitch: nothing is done if any part cannot be.
pub(crate) fn change(bridge: &mut Bridge, todo: &TlvTableMod) -> Result<(), ErrorCode> {
    let maps: Vec<TlvMap> = todo
        .maps
        .iter()
        .map(|m| TlvMap { class: m.class, kind: m.kind, len: m.len, index: u8::try_from(m.index).unwrap_or(u8::MAX) })
        .collect();
    let gone = match todo.command {
        TlvTableCommand::Add => {
            bridge.tlv.add(&maps).map_err(|why| match why {
                TlvError::BadLength => ErrorCode::NXTTMFC_BAD_OPT_LEN,
                TlvError::BadIndex => ErrorCode::NXTTMFC_BAD_FIELD_IDX,
                TlvError::Full => ErrorCode::NXTTMFC_TABLE_FULL,
                TlvError::AlreadyMapped => ErrorCode::NXTTMFC_ALREADY_MAPPED,
                TlvError::Duplicate => ErrorCode::NXTTMFC_DUP_ENTRY,
            })?;
            bridge.changed();
            return Ok(());
        }
        TlvTableCommand::Delete => bridge.tlv.removed_by(&maps),
        TlvTableCommand::Clear => bridge.tlv.maps().iter().map(|map| map.index).collect(),
    };
    let mut rules = bridge.flows.all().iter().flat_map(|table| table.rules());
    if !gone.is_empty() && rules.any(|rule| gone.iter().any(|index| rule_uses(rule, *index))) {
        return Err(ErrorCode::NXTTMFC_INVALID_TLV_DEL);
    }
    drop(rules);
    bridge.tlv.remove(&gone);
    bridge.changed();
    Ok(())
}

/// What NXT_TLV_TABLE_REQUEST is told.
pub(crate) fn describe(table: &TlvTable) -> Reply {
    let shown =
        |m: &TlvMap| weft_openflow::switch::TlvMap { class: m.class, kind: m.kind, len: m.len, index: m.index.into() };
    Reply { max_option_space: SPACE as u32, max_fields: FIELDS.into(), maps: table.maps().iter().map(shown).collect() }
}

/// The key of one frame from a match that may hold options of no bridge; unmapped ones are left out.
pub(crate) fn key_of(pattern: &Match, table: &TlvTable) -> FlowKey {
    let mut key = pattern.key().clone();
    for word in weft_flow::key::TUN_METADATA_WORD..=weft_flow::tun_metadata::PRESENT_WORD {
        key.set_word(word, 0);
    }
    for (index, value) in pattern.tun_options() {
        if let Some(value) = value {
            let _ = table.layout().set(&mut key, index, &value);
        }
    }
    key
}

/// A part of a message that may speak of options.
enum Part<'a> {
    Match(&'a mut Match),
    Action(&'a mut Action),
}

impl Part<'_> {
    fn speaks(&self) -> bool {
        match self {
            Part::Match(m) => m.has_tun(),
            Part::Action(action) => uses(action, None),
        }
    }
}

type Visit<'v> = dyn FnMut(Part<'_>) -> Result<(), ErrorCode> + 'v;

fn parts(message: &mut Message, visit: &mut Visit<'_>) -> Result<(), ErrorCode> {
    match message {
        Message::FlowMod(todo) => parts_of_flow_mod(todo, visit),
        Message::PacketOut(out) => walk(&mut out.actions, visit),
        Message::GroupMod(group) => group.buckets.iter_mut().try_for_each(|bucket| walk(&mut bucket.actions, visit)),
        Message::StatsRequest(StatsRequest::Flow(which) | StatsRequest::Aggregate(which)) => {
            visit(Part::Match(&mut which.matching))
        }
        Message::BundleAdd(add) => parts(&mut add.message, visit),
        _ => Ok(()),
    }
}

fn parts_of_flow_mod(todo: &mut FlowMod, visit: &mut Visit<'_>) -> Result<(), ErrorCode> {
    visit(Part::Match(&mut todo.matching))?;
    walk(&mut todo.instructions.apply, visit)?;
    walk(todo.instructions.write_actions.as_deref_mut().unwrap_or_default(), visit)
}

fn walk(actions: &mut [Action], visit: &mut Visit<'_>) -> Result<(), ErrorCode> {
    for action in actions {
        visit(Part::Action(action))?;
        match action {
            Action::Clone(inner) => walk(inner, visit)?,
            Action::Ct(ct) => walk(&mut ct.actions, visit)?,
            _ => {}
        }
    }
    Ok(())
}

fn bind_action(action: &mut Action, layout: &TunLayout) -> Result<(), ErrorCode> {
    if let Action::SetTunnelOption(set) = action {
        let len = layout.len_of(set.index).ok_or(ErrorCode::NXFMFC_INVALID_TLV_FIELD)?;
        *set.value = set.value.cut(len);
        return Ok(());
    }
    let mut outcome = Ok(());
    fields(action, &mut |sub| {
        let Some(index) = sub.field.tun_metadata_index() else { return };
        match layout.len_of(index) {
            None => outcome = Err(ErrorCode::NXFMFC_INVALID_TLV_FIELD),
            Some(len) if usize::from(sub.ofs) + usize::from(sub.n_bits) > 8 * len => {
                outcome = outcome.and(Err(ErrorCode::OFPBAC_BAD_SET_LEN));
            }
            Some(_) => {}
        }
    });
    outcome
}

fn rule_uses(rule: &Rule, index: u8) -> bool {
    let present = rule
        .pattern
        .iter()
        .any(|(word, _, bits)| word == weft_flow::tun_metadata::PRESENT_WORD && bits >> index & 1 == 1);
    let mut found = present;
    rule.instructions.for_each_action(&mut |action| found |= uses(action, Some(index)));
    found
}

/// Whether an action by itself speaks of that option, or of any.
fn uses(action: &Action, index: Option<u8>) -> bool {
    let is_it = |n: u8| index.is_none_or(|index| index == n);
    if let Action::SetTunnelOption(set) = action {
        return is_it(set.index);
    }
    let mut found = false;
    fields(action, &mut |sub| found |= sub.field.tun_metadata_index().is_some_and(is_it));
    found
}

/// The bits of fields that an action names.
fn fields(action: &Action, visit: &mut dyn FnMut(SubField)) {
    match action {
        Action::Move { src, dst } => {
            visit(*src);
            visit(*dst);
        }
        Action::Push(sub) | Action::Pop(sub) => visit(*sub),
        Action::OutputReg { src, .. } => visit(*src),
        Action::CheckPktLarger { dst, .. } => visit(*dst),
        Action::Multipath(multipath) => visit(multipath.dst),
        Action::Bundle(bundle) => bundle.dst.into_iter().for_each(visit),
        Action::DeleteField(field) => visit(SubField { field: *field, ofs: 0, n_bits: 0 }),
        Action::Ct(ct) => {
            if let CtZone::Field(sub) = ct.zone {
                visit(sub);
            }
        }
        Action::Learn(learn) => {
            learn.result_dst.into_iter().for_each(&mut *visit);
            for spec in &learn.specs {
                if let LearnSrc::Field(sub) = spec.src {
                    visit(sub);
                }
                if let LearnDst::Match(sub) | LearnDst::Load(sub) = spec.dst {
                    visit(sub);
                }
            }
        }
        _ => {}
    }
}
