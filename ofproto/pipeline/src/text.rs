//! What `ofproto/trace` and the other queries print of matches, actions and addresses.

use weft_flow::dpctl::{self, DpNames};
use weft_flow::text::{PortNames, format_key_with, format_match, format_value};
use weft_flow::{DpAction, FieldId, FlowKey, Match, OfPort};
use weft_openflow::Instructions;
use weft_openflow::action::{Action, SubField};
use weft_openflow::instruction::WriteMetadata;
use weft_openflow::text::action_print::format_subfield;
use weft_openflow::text::{Names, format_action, format_actions, format_instructions, parse_instructions};

use crate::bridge::Bridge;
use crate::config::Mac;
use crate::frozen::Step;

/// `02:00:00:00:00:01`
pub(crate) fn mac(mac: Mac) -> String {
    weft_openflow::ids::Mac(mac).to_string()
}

/// Actions as the tools write them.
pub(crate) fn actions(actions: &[Action], names: &Names) -> String {
    format_actions(actions, names)
}

/// One action as the tools write it.
pub(crate) fn action(action: &Action, names: &Names) -> String {
    format_action(action, names)
}

/// `write_metadata:0x5/0xff`
pub(crate) fn write_metadata(write: &WriteMetadata) -> String {
    let value = if write.value == 0 { "0".into() } else { format!("{:#x}", write.value) };
    match write.mask {
        u64::MAX => format!("write_metadata:{value}"),
        mask => format!("write_metadata:{value}/{mask:#x}"),
    }
}

/// What a stopped translation left to do.
pub(crate) fn step(step: &Step, names: &Names) -> String {
    match step {
        Step::Act(act) => action(act, names),
        Step::Clear => "clear_actions".into(),
        Step::Write(set) => format!("write_actions({})", actions(set, names)),
        Step::Metadata(write) => write_metadata(write),
        Step::Goto(table) => format!("resubmit(,{})", table.0),
        Step::Unroll(table, cookie) => format!("unroll_xlate(table={}, cookie={:x})", table.0, cookie.0),
    }
}

/// A match as the tools write it, empty for "anything".
pub(crate) fn matching(of: &Match, ports: &PortNames) -> String {
    let text = format_match(of, ports);
    // what comes from no port: OVS's traces call it ANY
    match of.get(FieldId::InPortOxm) {
        (port, mask) if mask != 0 && port == u128::from(OfPort::NONE.0) => {
            text.replacen("in_port=NONE", "in_port=ANY", 1)
        }
        _ => text,
    }
}

/// `NXM_OF_ETH_DST[] is now 00:00:00:00:00:00`
pub(crate) fn is_now(dst: SubField, value: u128) -> String {
    let text = match dst == SubField::whole(dst.field) {
        true => format_value(dst.field, value, dst.field.field().all_ones(), &PortNames::new()),
        false => format!("{:#x}", (value & dst.mask()) >> dst.ofs),
    };
    let text = if text == "0x0" { "0" } else { &text };
    format!("{} is now {text}", format_subfield(dst))
}

/// A frame's key, every field that such a frame has; what is zero beyond the headers is left out.
pub(crate) fn flow(key: &FlowKey, bridge: &Bridge, ports: &PortNames) -> String {
    let text = format_key_with(key, ports, Some(bridge.tlv.layout()));
    match FieldId::InPortOxm.get(key) == u128::from(OfPort::NONE.0) {
        true => text.replacen("in_port=NONE", "in_port=ANY", 1),
        false => text,
    }
}

/// `actions=...`, all instructions.
pub(crate) fn instructions(of: &Instructions) -> String {
    format!("actions={}", format_instructions(of, &Names::none()))
}

/// Datapath actions as `ofproto/trace` prints them.
pub(crate) fn dp_actions(actions: &[DpAction], names: &DpNames) -> String {
    dpctl::format_actions(actions, names)
}

/// Actions in the tools' syntax.
pub(crate) fn parse_actions(text: &str, ports: PortNames) -> Result<Vec<Action>, String> {
    let mut names = Names::none();
    names.ports = ports;
    parse_instructions(text, &names).map(|i| i.apply)
}

/// A flow in the datapath's syntax.
pub(crate) fn parse_odp_flow(text: &str, names: &DpNames) -> Result<FlowKey, String> {
    dpctl::parse_key(text, names)
}
