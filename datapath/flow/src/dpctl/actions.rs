//! Datapath actions, printed.

use super::DpNames;
use super::print::vlan;
use super::{encap, layout, mpls, push, tunnel};
use crate::DpAction;
use crate::action::{ControllerAction, SampleDirection, SetFields, SetHeader, SlowPathReason, Userspace};
use crate::text::number::hex;

/// Actions in a row; `drop` for none.
pub fn format_actions(actions: &[DpAction], names: &DpNames) -> String {
    if actions.is_empty() {
        return "drop".to_owned();
    }
    actions.iter().map(|action| format_action(action, names)).collect::<Vec<_>>().join(",")
}

fn format_action(action: &DpAction, names: &DpNames) -> String {
    match action {
        DpAction::Output(port) => names.show(*port),
        DpAction::Trunc(length) => format!("trunc({length})"),
        DpAction::Userspace(what) => format!("userspace(pid=0,{})", userspace(what)),
        DpAction::Set(fields) => format!("set({})", set(fields)),
        DpAction::PushVlan { tpid: 0x8100, tci } => format!("push_vlan({})", vlan(*tci, 0xffff, false)),
        DpAction::PushVlan { tpid, tci } => format!("push_vlan(tpid={tpid:#06x},{})", vlan(*tci, 0xffff, false)),
        DpAction::PopVlan => "pop_vlan".to_owned(),
        DpAction::Clone(inside) => format!("clone({})", format_actions(inside, names)),
        DpAction::Meter(id) => format!("meter({id})"),
        DpAction::Sample { probability, actions } => {
            let percent = 100.0 * f64::from(*probability) / f64::from(u32::MAX);
            format!("sample(sample={percent:.1}%,actions({}))", format_actions(actions, names))
        }
        DpAction::CheckPktLen { size, gt, le } => {
            let (gt, le) = (format_actions(gt, names), format_actions(le, names));
            format!("check_pkt_len(size={size},gt({gt}),le({le}))")
        }
        DpAction::Hash { symmetric, basis } => format!("hash({}({basis}))", if *symmetric { "sym_l4" } else { "l4" }),
        DpAction::Recirc(id) => format!("recirc({})", hex(u128::from(*id))),
        DpAction::Drop(_) => "drop".to_owned(),
        DpAction::SetTunnel(set) => format!("set(tunnel({}))", tunnel::format_set(set)),
        DpAction::TnlPush(push) => push::format(push, names),
        DpAction::TnlPop(port) => format!("tnl_pop({})", names.show(*port)),
        DpAction::PushMpls { .. }
        | DpAction::AddMpls { .. }
        | DpAction::PopMpls { .. }
        | DpAction::PushEth { .. }
        | DpAction::PopEth
        | DpAction::PushNsh(_)
        | DpAction::PopNsh
        | DpAction::Ct(_)
        | DpAction::CtClear => encap::format(action).unwrap_or_default(),
    }
}

fn userspace(what: &Userspace) -> String {
    match what {
        Userspace::Controller(ControllerAction {
            reason,
            max_len,
            controller_id,
            rule_cookie,
            recirc_id,
            continuation,
            ..
        }) => {
            format!(
                "controller(reason={reason},dont_send=0,continuation={},recirc_id={recirc_id},rule_cookie={},\
             controller_id={controller_id},max_len={max_len})",
                u8::from(*continuation),
                hex(u128::from(*rule_cookie))
            )
        }
        Userspace::SlowPath(reason) => format!("slow_path({})", slow_path(*reason)),
        Userspace::FlowSample(to) => format!(
            "flow_sample(probability={},collector_set_id={},obs_domain_id={},obs_point_id={},output_port={}{})",
            to.probability,
            to.collector_set_id,
            to.obs_domain_id,
            to.obs_point_id,
            to.output_port.0,
            match to.direction {
                None => "",
                Some(SampleDirection::Ingress) => ",ingress",
                Some(SampleDirection::Egress) => ",egress",
            }
        ),
    }
}

/// The reason's name.
pub fn slow_path(reason: SlowPathReason) -> &'static str {
    match reason {
        SlowPathReason::Cfm => "cfm",
        SlowPathReason::Bfd => "bfd",
        SlowPathReason::Lacp => "lacp",
        SlowPathReason::Stp => "stp",
        SlowPathReason::Lldp => "lldp",
        SlowPathReason::Action => "action",
        SlowPathReason::Match => "match",
    }
}

fn set(fields: &SetFields) -> String {
    match (fields.header, fields.fields.first()) {
        (SetHeader::SkbPriority, Some((_, value, _))) => return format!("skb_priority({})", hex(*value)),
        (SetHeader::SkbMark, Some((field, value, mask))) => {
            let text = layout::show(layout::Form::Hex, *value, *mask, field.field().all_ones());
            return format!("skb_mark({text})");
        }
        (SetHeader::Mpls, _) => return format!("mpls({})", mpls::format_entry(label_entry(fields))),
        _ => {}
    }
    let Some((name, items)) = layout::of_header(fields.header) else { return String::new() };
    let inside = items.iter().filter_map(|(name, field, form)| {
        let (_, value, mask) = fields.fields.iter().find(|(of, _, _)| of == field)?;
        Some(format!("{name}={}", layout::show(*form, *value, *mask, field.field().all_ones())))
    });
    format!("{name}({})", inside.collect::<Vec<_>>().join(","))
}

/// An entry of the label stack is shown whole, whichever of its bits are written.
fn label_entry(of: &SetFields) -> u32 {
    of.fields.iter().fold(0, |entry, (field, value, _)| entry | (*value as u32) << (field.field().shift() - 32))
}
