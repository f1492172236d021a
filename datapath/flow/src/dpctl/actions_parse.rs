//! Datapath actions, read.

use smallvec::SmallVec;
use weft_packet::{DpPort, DropReason};

use super::{DpNames, call, encap, layout, push, split_top, tunnel};
use crate::action::{ControllerAction, FlowSample, SampleDirection, SetFields, SetHeader, SlowPathReason, Userspace};
use crate::text::number::parse_u64;
use crate::{DpAction, FieldId};

/// Actions in a row. `drop` and nothing mean a drop.
///
/// # Errors
/// Names the action that was not understood.
pub fn parse_actions(text: &str, names: &DpNames) -> Result<Vec<DpAction>, String> {
    nested(text, names, 0)
}

fn nested(text: &str, names: &DpNames, depth: usize) -> Result<Vec<DpAction>, String> {
    if depth > DEEPEST {
        return Err("actions are nested too deeply".to_owned());
    }
    if matches!(text.trim(), "" | "drop") {
        return Ok(vec![DpAction::Drop(DropReason::FlowDrop)]);
    }
    split_top(text)?.into_iter().map(|part| action(part, names, depth)).collect()
}

fn action(text: &str, names: &DpNames, depth: usize) -> Result<DpAction, String> {
    let bad = || format!("{text}: not a datapath action");
    if let Some(port) = names.parse(text) {
        return Ok(DpAction::Output(port));
    }
    let number = |text: &str, max: u64| parse_u64(text).filter(|n| *n <= max).ok_or_else(bad);
    Ok(match call(text) {
        ("pop_vlan", None) => DpAction::PopVlan,
        ("push_vlan", Some(inside)) => {
            let tpid = inside.split(',').find_map(|word| word.trim().strip_prefix("tpid="));
            let tpid = tpid.map_or(Ok(0x8100), |tpid| number(tpid, 0xffff))? as u16;
            let rest: Vec<&str> = inside.split(',').filter(|word| !word.trim().starts_with("tpid=")).collect();
            let (tci, _) = super::parse::vlan(&rest.join(",")).ok_or_else(bad)?;
            DpAction::PushVlan { tpid, tci }
        }
        ("trunc", Some(inside)) => DpAction::Trunc(number(inside, u64::from(u32::MAX))? as u32),
        ("hash", Some(inside)) => {
            let (name, Some(basis)) = call(inside.trim()) else { return Err(bad()) };
            let symmetric = match name {
                "l4" => false,
                "sym_l4" => true,
                _ => return Err(bad()),
            };
            DpAction::Hash { symmetric, basis: number(basis, u64::from(u32::MAX))? as u32 }
        }
        ("recirc", Some(inside)) => DpAction::Recirc(number(inside, u64::from(u32::MAX))? as u32),
        ("meter", Some(inside)) => DpAction::Meter(number(inside, u64::from(u32::MAX))? as u32),
        ("sample", Some(inside)) => {
            let [percent, actions] = split_top(inside)?.try_into().map_err(|_| bad())?;
            let percent = percent.trim().strip_prefix("sample=").and_then(|p| p.strip_suffix('%')).ok_or_else(bad)?;
            let percent: f64 = percent.parse().ok().filter(|p| (0.0..=100.0).contains(p)).ok_or_else(bad)?;
            let ("actions", Some(actions)) = call(actions.trim()) else { return Err(bad()) };
            let probability = (percent / 100.0 * f64::from(u32::MAX)) as u32;
            DpAction::Sample { probability, actions: nested(actions, names, depth + 1)? }
        }
        ("check_pkt_len", Some(inside)) => {
            let [size, gt, le] = split_top(inside)?.try_into().map_err(|_| bad())?;
            let size = number(size.trim().strip_prefix("size=").ok_or_else(bad)?, 0xffff)? as u16;
            let (("gt", Some(gt)), ("le", Some(le))) = (call(gt.trim()), call(le.trim())) else { return Err(bad()) };
            DpAction::CheckPktLen { size, gt: nested(gt, names, depth + 1)?, le: nested(le, names, depth + 1)? }
        }
        ("clone", Some(inside)) => DpAction::Clone(nested(inside, names, depth + 1)?),
        ("tnl_push", Some(inside)) => DpAction::TnlPush(Box::new(push::parse(inside, names).ok_or_else(bad)?)),
        ("tnl_pop", Some(inside)) => DpAction::TnlPop(names.parse(inside).ok_or_else(bad)?),
        ("set", Some(inside)) if inside.starts_with("tunnel(") => {
            let inside = call(inside).1.ok_or_else(bad)?;
            DpAction::SetTunnel(Box::new(tunnel::parse_set(inside).ok_or_else(bad)?))
        }
        ("set", Some(inside)) => DpAction::Set(set(inside).ok_or_else(bad)?),
        ("userspace", Some(inside)) => DpAction::Userspace(userspace(inside).ok_or_else(bad)?),
        _ => return encap::parse(text).ok_or_else(bad)?.map_err(|()| bad()),
    })
}

fn set(text: &str) -> Option<SetFields> {
    let (name, Some(inside)) = call(text) else { return None };
    let single = |header, field: FieldId| {
        let (value, mask) = layout::read(layout::Form::Hex, inside, field.field().all_ones())?;
        Some(SetFields { header, fields: SmallVec::from_iter([(field, value, mask)]) })
    };
    match name {
        "skb_priority" => return single(SetHeader::SkbPriority, FieldId::SkbPriority),
        "skb_mark" => return single(SetHeader::SkbMark, FieldId::PktMark),
        _ => {}
    }
    let (items, header) = layout::group(name)?;
    let mut fields = SmallVec::new();
    for word in inside.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=')?;
        let (_, field, form) = items.iter().find(|(n, _, _)| *n == name)?;
        let (value, mask) = layout::read(*form, value, field.field().all_ones())?;
        fields.push((*field, value, mask));
    }
    Some(SetFields { header, fields })
}

fn userspace(text: &str) -> Option<Userspace> {
    let parts = split_top(text).ok()?;
    let what = parts.into_iter().find(|part| !part.starts_with("pid="))?;
    match call(what) {
        ("slow_path", Some(reason)) => {
            let all = [
                SlowPathReason::Cfm,
                SlowPathReason::Bfd,
                SlowPathReason::Lacp,
                SlowPathReason::Stp,
                SlowPathReason::Lldp,
                SlowPathReason::Action,
                SlowPathReason::Match,
            ];
            let found = all.into_iter().find(|r| super::actions::slow_path(*r) == reason)?;
            Some(Userspace::SlowPath(found))
        }
        ("flow_sample", Some(inside)) => Some(Userspace::FlowSample(flow_sample(inside)?)),
        ("controller", Some(inside)) => {
            let value = |name: &str| {
                let word = inside.split(',').find_map(|word| word.trim().strip_prefix(name)?.strip_prefix('='));
                word.map_or(Some(0), parse_u64)
            };
            Some(Userspace::Controller(ControllerAction {
                reason: u8::try_from(value("reason")?).ok()?,
                max_len: u16::try_from(value("max_len")?).ok()?,
                controller_id: u16::try_from(value("controller_id")?).ok()?,
                rule_cookie: value("rule_cookie")?,
                table_id: 0,
                userdata: Vec::new(),
                recirc_id: u32::try_from(value("recirc_id")?).ok()?,
                continuation: value("continuation")? != 0,
            }))
        }
        _ => None,
    }
}

fn flow_sample(text: &str) -> Option<FlowSample> {
    let word = |name: &str| text.split(',').find_map(|word| word.trim().strip_prefix(name)?.strip_prefix('='));
    let value = |name: &str| u32::try_from(parse_u64(word(name)?)?).ok();
    let direction = match text.rsplit(',').next()?.trim() {
        "ingress" => Some(SampleDirection::Ingress),
        "egress" => Some(SampleDirection::Egress),
        _ => None,
    };
    Some(FlowSample {
        probability: u16::try_from(value("probability")?).ok()?,
        collector_set_id: value("collector_set_id")?,
        obs_domain_id: value("obs_domain_id")?,
        obs_point_id: value("obs_point_id")?,
        output_port: DpPort(value("output_port")?),
        direction,
    })
}

/// Deeper than this nobody means it.
const DEEPEST: usize = 16;
