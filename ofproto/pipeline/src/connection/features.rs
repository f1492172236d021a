//! What the switch, its tables and its ports say of themselves.

use std::collections::BTreeSet;

use weft_flow::FieldId;

use weft_openflow::ids::Mac;
use weft_openflow::port::{PortDesc, PortFeatures};
use weft_openflow::switch::{Capabilities, SwitchFeatures};
use weft_openflow::table::{
    ActionSet, FeaturesCommand, InstructionSet, TableActions, TableFeatures, TableInstructions,
};
use weft_openflow::{ErrorCode, Message, TableId, Version};

use super::dispatch::Replies;
use crate::bridge::Port;
use crate::flow_table::{FlowTable, HIDDEN_TABLE, MAX_ENTRIES};
use crate::pipeline::Pipeline;
use crate::tables::BridgeId;

impl Pipeline {
    pub(super) fn features(&self, bridge: BridgeId, version: Version) -> Replies {
        let tables = self.read();
        let bridge = tables.bridge(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
        let mut capabilities =
            Capabilities::FLOW_STATS | Capabilities::TABLE_STATS | Capabilities::PORT_STATS | Capabilities::QUEUE_STATS;
        if version <= Version::V11 {
            capabilities |= Capabilities::ARP_MATCH_IP;
        }
        if version >= Version::V11 {
            capabilities |= Capabilities::GROUP_STATS;
        }
        if version >= Version::V14 {
            capabilities |= Capabilities::BUNDLES;
        }
        Ok(vec![Message::FeaturesReply(SwitchFeatures {
            datapath_id: bridge.settings.datapath_id,
            n_buffers: 0,
            n_tables: HIDDEN_TABLE.0,
            auxiliary_id: 0,
            capabilities,
            actions: actions10(),
            ports: if version <= Version::V12 { bridge.ports().map(port_desc).collect() } else { Vec::new() },
            ports_truncated: false,
        })])
    }
}

impl Pipeline {
    /// Makes tables what a controller says, in the one thing that can change: their names.
    ///
    /// # Errors
    /// The request wants anything else to be different, names a table twice, or leaves tables out of a list of all.
    pub(super) fn change_tables(&self, id: BridgeId, new: &[TableFeatures], version: Version) -> Result<(), ErrorCode> {
        let mut tables = self.write();
        let bridge = tables.bridge_mut(id).ok_or(ErrorCode::OFPBRC_EPERM)?;
        let mut seen = BTreeSet::new();
        if !new.iter().all(|one| seen.insert(one.table.0)) {
            return Err(ErrorCode::NXTFFC_DUP_TABLE);
        }
        for one in new {
            let now = match bridge.flows.table(one.table) {
                Some(table) if one.table < HIDDEN_TABLE => table_features(table, version),
                _ => return Err(ErrorCode::OFPTFFC_EPERM),
            };
            // a name that the configuration gave stays
            let kept = bridge.flows.table(one.table).is_some_and(|t| !t.name.is_empty() && t.name != one.name);
            if kept || !is_renamed_only(&now, one) {
                return Err(ErrorCode::OFPTFFC_EPERM);
            }
        }
        let replaces = new.iter().any(|one| one.command == FeaturesCommand::Replace);
        if replaces && seen.len() < usize::from(HIDDEN_TABLE.0) {
            return Err(ErrorCode::OFPTFFC_EPERM);
        }
        for one in new {
            if let Some(table) = bridge.flows.table_mut(one.table) {
                table.given_name.clone_from(&one.name);
            }
        }
        Ok(())
    }
}

/// Whether a table would be the same but for its name.
fn is_renamed_only(now: &TableFeatures, new: &TableFeatures) -> bool {
    let fixed = |f: &TableFeatures| {
        (f.metadata_match, f.metadata_write, f.max_entries, f.supports_eviction, f.supports_vacancy)
    };
    // what was not read back, like actions that only this switch knows, is not compared
    let said = |f: &TableFeatures| (f.nonmiss.next.clone(), f.match_fields.len(), f.mask_fields.len());
    matches!(new.command, FeaturesCommand::Replace | FeaturesCommand::Modify)
        && fixed(now) == fixed(new)
        && (!new.properties || said(now) == said(new))
}

/// A port as controllers see it.
pub(crate) fn port_desc(port: &Port) -> PortDesc {
    let state = &port.settings.state;
    let kbps = u32::try_from(state.speed / 1000).unwrap_or(u32::MAX);
    let current = match state.speed {
        10_000_000 => PortFeatures::FD_10MB | PortFeatures::COPPER,
        100_000_000 => PortFeatures::FD_100MB | PortFeatures::COPPER,
        1_000_000_000 => PortFeatures::FD_1GB | PortFeatures::COPPER,
        10_000_000_000 => PortFeatures::FD_10GB | PortFeatures::COPPER,
        40_000_000_000 => PortFeatures::FD_40GB,
        100_000_000_000 => PortFeatures::FD_100GB,
        1_000_000_000_000 => PortFeatures::FD_1TB,
        _ => PortFeatures::empty(),
    };
    PortDesc {
        port: port.number,
        hw_addr: Mac(state.mac),
        name: port.settings.name.clone(),
        config: port.shown_config(),
        state: port.shown_state(),
        current,
        advertised: PortFeatures::empty(),
        supported: PortFeatures::empty(),
        peer: PortFeatures::empty(),
        curr_speed: kbps,
        max_speed: 0,
    }
}

/// The actions of OpenFlow 1.0.
fn actions10() -> ActionSet {
    ActionSet::OUTPUT
        | ActionSet::ENQUEUE
        | ActionSet::SET_VLAN_VID
        | ActionSet::SET_VLAN_PCP
        | ActionSet::STRIP_VLAN
        | ActionSet::SET_DL_SRC
        | ActionSet::SET_DL_DST
        | ActionSet::SET_NW_SRC
        | ActionSet::SET_NW_DST
        | ActionSet::SET_NW_TOS
        | ActionSet::SET_TP_SRC
        | ActionSet::SET_TP_DST
}

/// The actions of later versions but setting fields, which 1.1 has not.
fn actions() -> ActionSet {
    ActionSet::OUTPUT
        | ActionSet::STRIP_VLAN
        | ActionSet::SET_MPLS_TTL
        | ActionSet::DEC_MPLS_TTL
        | ActionSet::PUSH_VLAN
        | ActionSet::PUSH_MPLS
        | ActionSet::POP_MPLS
        | ActionSet::SET_QUEUE
        | ActionSet::GROUP
        | ActionSet::SET_NW_TTL
        | ActionSet::DEC_NW_TTL
}

/// What a table can do, the same for every table but for where it can go on to. `version`: only its fields are named
/// where it lists those of the standard.
pub(super) fn table_features(table: &FlowTable, version: Version) -> TableFeatures {
    let known = |f: &FieldId| match version {
        // 1.2 alone lists fields by the standard's numbers; 1.0 and 1.1 have wildcards of their own
        Version::V12 => f.field().oxm.iter().any(|o| (1..=3).contains(&o.since)),
        _ => !f.field().oxm.is_empty(),
    };
    let all: Vec<FieldId> = FieldId::ALL.into_iter().filter(known).collect();
    let maskable = |f: &FieldId| f.field().masking != weft_flow::field::Masking::None;
    let set_fields: Vec<FieldId> = all.iter().copied().filter(|f| f.field().writable).collect();
    let can = TableActions { actions: group_actions(version), set_fields };
    let last = HIDDEN_TABLE.0 - 1;
    let mut instructions = InstructionSet::WRITE_METADATA
        | InstructionSet::WRITE_ACTIONS
        | InstructionSet::APPLY_ACTIONS
        | InstructionSet::CLEAR_ACTIONS
        | InstructionSet::METER;
    if table.id.0 < last {
        instructions |= InstructionSet::GOTO_TABLE;
    }
    let next = (table.id.0 + 1..=last).map(TableId).collect();
    let each = TableInstructions { next, instructions, write: can.clone(), apply: can };
    TableFeatures {
        table: table.id,
        command: FeaturesCommand::Replace,
        properties: true,
        name: table.shown_name().to_owned(),
        metadata_match: u64::MAX,
        metadata_write: u64::MAX,
        max_entries: table.max_flows.unwrap_or(MAX_ENTRIES),
        miss: table.miss,
        supports_eviction: false,
        supports_vacancy: false,
        nonmiss: each.clone(),
        miss_instructions: each,
        mask_fields: all.iter().copied().filter(maskable).collect(),
        wildcard_fields: all.clone(),
        match_fields: all,
    }
}

/// What flows and buckets can do in a version.
pub(super) fn group_actions(version: Version) -> ActionSet {
    match version {
        Version::V10 => actions10(),
        Version::V11 => {
            actions()
                | (actions10() - ActionSet::ENQUEUE)
                | ActionSet::SET_MPLS_LABEL
                | ActionSet::SET_MPLS_TC
                | ActionSet::SET_NW_ECN
        }
        _ => actions() | ActionSet::SET_FIELD,
    }
}
