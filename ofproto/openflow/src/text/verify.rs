//! What actions must not stand together or inside one another (ovs-actions(7)), whatever the flow matches.

use weft_flow::FieldId;

use crate::action::{Action, SetForm, StripForm};
use crate::instruction::Instructions;

/// Checks what stands behind `actions=`.
///
/// # Errors
/// The text that the tools print.
pub fn verify(instructions: &Instructions) -> Result<(), String> {
    verify_actions(&instructions.apply)?;
    if instructions.apply.iter().any(|a| matches!(a, Action::Conjunction { .. })) {
        let others = [
            ("meter", instructions.meter.is_some()),
            ("clear_actions", instructions.clear),
            ("write_actions", instructions.write_actions.is_some()),
            ("write_metadata", instructions.write_metadata.is_some()),
            ("goto_table", instructions.goto_table.is_some()),
        ];
        if let Some((name, _)) = others.into_iter().find(|(_, there)| *there) {
            return Err(beside_conjunction(name));
        }
    }
    if let Some(set) = &instructions.write_actions {
        for action in set {
            no_conntrack_field(action)?;
        }
        refuse_in_action_set(set)?;
    }
    Ok(())
}

/// Checks a list of actions without instructions.
///
/// # Errors
/// The text that the tools print.
pub fn verify_actions(actions: &[Action]) -> Result<(), String> {
    for action in actions {
        no_conntrack_field(action)?;
        match action {
            Action::Nat(_) => return Err("Cannot have NAT action outside of \"ct\" action".to_owned()),
            Action::Ct(ct) => inside_ct(&ct.actions)?,
            Action::Clone(inner) => verify_actions(inner)?,
            _ => {}
        }
    }
    if actions.iter().any(|a| matches!(a, Action::Conjunction { .. })) {
        let other = actions.iter().find(|a| !matches!(a, Action::Conjunction { .. } | Action::Note(_)));
        if let Some(other) = other {
            return Err(beside_conjunction(action_name(other)));
        }
    }
    Ok(())
}

pub(super) fn beside_conjunction(name: &str) -> String {
    format!(
        "\"conjunction\" actions may be used along with \"note\" but not any other kind of action (such as the \"{name}\" \
         action used here)"
    )
}

/// Conntrack's mark and label are the connection's: only `ct` may write them.
fn no_conntrack_field(action: &Action) -> Result<(), String> {
    match written(action) {
        Some(FieldId::CtMark | FieldId::CtLabel) => Err("cannot set CT fields outside of ct action".to_owned()),
        _ => Ok(()),
    }
}

/// The field that an action writes.
fn written(action: &Action) -> Option<FieldId> {
    match action {
        Action::SetField(set) => Some(set.field),
        Action::Move { dst, .. } => Some(dst.field),
        _ => None,
    }
}

fn inside_ct(actions: &[Action]) -> Result<(), String> {
    for action in actions {
        match written(action) {
            Some(FieldId::CtMark | FieldId::CtLabel) => {}
            Some(field) => {
                return Err(format!("ct action doesn't support nested modification of {}", field.field().name));
            }
            None if matches!(action, Action::Nat(_)) => {}
            None => return Err(format!("ct action doesn't support nested action {}", action_name(action))),
        }
    }
    Ok(())
}

/// The action set takes only what ovs-actions(7), "Action Sets", lists.
fn refuse_in_action_set(actions: &[Action]) -> Result<(), String> {
    match actions.iter().all(fits_action_set) {
        true => Ok(()),
        false => Err("Unsupported action in action set".to_owned()),
    }
}

/// Whether the action set takes it.
pub(crate) fn fits_action_set(action: &Action) -> bool {
    use Action::*;
    !matches!(
        action,
        OutputReg { .. }
            | OutputTrunc { .. }
            | Controller(_)
            | Enqueue { .. }
            | PopQueue
            | Bundle(_)
            | Multipath(_)
            | Push(_)
            | Pop(_)
            | DeleteField(_)
            | Learn(_)
            | Conjunction { .. }
            | FinTimeout { .. }
            | Clone(_)
            | Sample(_)
            | CheckPktLarger { .. }
            | Note(_)
            | Exit
            | DebugRecirc
            | DebugSlow
            | Nat(_)
    )
}

/// What error messages call an action: one name for all forms of it.
pub fn action_name(action: &Action) -> &'static str {
    match action {
        Action::Output { .. } => "output",
        Action::OutputReg { .. } => "output_reg",
        Action::OutputTrunc { .. } => "output_trunc",
        Action::Controller(_) => "controller",
        Action::Enqueue { .. } => "enqueue",
        Action::SetQueue(_) => "set_queue",
        Action::PopQueue => "pop_queue",
        Action::Group(_) => "group",
        Action::Bundle(_) => "bundle",
        Action::Multipath(_) => "multipath",
        Action::Resubmit(_) => "resubmit",
        Action::SetField(set) => match (set.form, set.field) {
            (SetForm::SetField | SetForm::Load, _) => "set_field",
            (_, FieldId::EthSrc) => "mod_dl_src",
            (_, FieldId::EthDst) => "mod_dl_dst",
            (_, FieldId::IpSrc) => "mod_nw_src",
            (_, FieldId::IpDst) => "mod_nw_dst",
            (_, FieldId::NwTos | FieldId::IpDscp) => "mod_nw_tos",
            (_, FieldId::NwEcn) => "mod_nw_ecn",
            (_, FieldId::NwTtl) => "mod_nw_ttl",
            (_, FieldId::TcpSrc | FieldId::UdpSrc | FieldId::SctpSrc) => "mod_tp_src",
            (_, FieldId::TcpDst | FieldId::UdpDst | FieldId::SctpDst) => "mod_tp_dst",
            (_, FieldId::TunId) => "set_tunnel",
            (_, FieldId::MplsLabel) => "set_mpls_label",
            (_, FieldId::MplsTc) => "set_mpls_tc",
            (_, FieldId::MplsTtl) => "set_mpls_ttl",
            _ => "set_field",
        },
        Action::SetTunnelOption(_) => "set_field",
        Action::SetVlanVid { .. } => "set_vlan_vid",
        Action::SetVlanPcp { .. } => "set_vlan_pcp",
        Action::StripVlan(StripForm::Strip | StripForm::Pop) => "strip_vlan",
        Action::PushVlan { .. } => "push_vlan",
        Action::PushMpls { .. } => "push_mpls",
        Action::PopMpls { .. } => "pop_mpls",
        Action::DecMplsTtl => "dec_mpls_ttl",
        Action::DecTtl(_) => "dec_ttl",
        Action::DecNshTtl => "dec_nsh_ttl",
        Action::Move { .. } => "move",
        Action::Push(_) => "push",
        Action::Pop(_) => "pop",
        Action::DeleteField(_) => "delete_field",
        Action::Encap(_) => "encap",
        Action::Decap { .. } => "decap",
        Action::Learn(_) => "learn",
        Action::Conjunction { .. } => "conjunction",
        Action::FinTimeout { .. } => "fin_timeout",
        Action::Clone(_) => "clone",
        Action::Ct(_) => "ct",
        Action::CtClear => "ct_clear",
        Action::Nat(_) => "nat",
        Action::Sample(_) => "sample",
        Action::CheckPktLarger { .. } => "check_pkt_larger",
        Action::Meter(_) => "meter",
        Action::Note(_) => "note",
        Action::Exit => "exit",
        Action::DebugRecirc => "debug_recirc",
        Action::DebugSlow => "debug_slow",
    }
}
