//! What `ofproto/trace` and the other queries print of matches, actions and addresses.

use weft_flow::Match;
use weft_flow::text::{PortNames, format_match, format_value};
use weft_openflow::action::{Action, SubField};
use weft_openflow::instruction::WriteMetadata;

use crate::config::Mac;

/// `02:00:00:00:00:01`
pub(crate) fn mac(mac: Mac) -> String {
    weft_openflow::ids::Mac(mac).to_string()
}

/// Actions as the tools write them.
pub(crate) fn actions(actions: &[Action]) -> String {
    actions.iter().map(action).collect::<Vec<_>>().join(",")
}

/// One action as the tools write it.
pub(crate) fn action(action: &Action) -> String {
    format!("{action:?}")
}

/// `write_metadata:0x5/0xff`
pub(crate) fn write_metadata(write: &WriteMetadata) -> String {
    match write.mask {
        u64::MAX => format!("write_metadata:{:#x}", write.value),
        mask => format!("write_metadata:{:#x}/{mask:#x}", write.value),
    }
}

/// A match as the tools write it, empty for "anything".
pub(crate) fn matching(of: &Match) -> String {
    format_match(of, &PortNames::new())
}

/// `NXM_OF_ETH_DST[] is now 00:00:00:00:00:00`
pub(crate) fn is_now(dst: SubField, value: u128) -> String {
    let row = dst.field.field();
    let name = row.oxm.first().map_or(row.name, |o| o.name);
    format!("{name}[] is now {}", format_value(dst.field, value, row.all_ones(), &PortNames::new()))
}
