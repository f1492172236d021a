//! Groups as peers see them: group mods, statistics, descriptions, and who hears of what others ask for.

use weft_base::Time;
use weft_openflow::group::{GroupCapabilities, GroupDesc, GroupFeatures, GroupMod, GroupStats};
use weft_openflow::{ErrorCode, GroupId, Message, Version, Xid};

use super::features;
use crate::bridge::Bridge;
use crate::config::ConnectionId;
use crate::group::modify;
use crate::pipeline::{Control, Pipeline};
use crate::tables::BridgeId;

/// OFPRFR_GROUP_MOD, OFPRFR_METER_MOD
const FORWARD_GROUP_MOD: u8 = 0;
const FORWARD_METER_MOD: u8 = 1;

impl Pipeline {
    /// A group mod, alone.
    pub(super) fn group_mod(
        &self,
        control: &mut Control,
        id: ConnectionId,
        xid: Xid,
        bridge: BridgeId,
        todo: GroupMod,
        now: Time,
    ) -> Result<(), ErrorCode> {
        let mut changes = Vec::new();
        {
            let mut tables = self.write();
            let flows = &mut tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?.flows;
            modify::apply(flows, &todo, now, &mut changes)?;
        }
        self.changes_made(control, Some((id, xid)), bridge, &changes, now);
        self.forward_request(control, id, xid, bridge, Message::GroupMod(todo));
        Ok(())
    }

    /// Tell a bridge's other peers that want to know what one peer asked for and got.
    pub(super) fn forward_request(
        &self,
        control: &mut Control,
        by: ConnectionId,
        xid: Xid,
        bridge: BridgeId,
        request: Message,
    ) {
        let reason = match request {
            Message::MeterMod(_) => FORWARD_METER_MOD,
            _ => FORWARD_GROUP_MOD,
        };
        let whom: Vec<ConnectionId> = control
            .connections
            .of_bridge(bridge)
            .filter(|(id, c)| *id != by && c.wants_request_forward(reason) && c.has_room())
            .map(|(id, _)| id)
            .collect();
        if whom.is_empty() {
            return;
        }
        let message = Message::RequestForward { xid, message: Box::new(request) };
        for id in whom {
            control.connections.send(id, Xid(0), &message);
        }
    }
}

/// The counters of the groups that a request means.
pub(super) fn stats(bridge: &Bridge, which: GroupId, now: Time) -> Vec<GroupStats> {
    let groups = bridge.flows.groups();
    groups.meant_by(which).map(|g| g.stats(groups.users(g.id), now)).collect()
}

/// The groups that a request means, as they were said.
pub(super) fn descs(bridge: &Bridge, which: GroupId) -> Vec<GroupDesc> {
    bridge.flows.groups().meant_by(which).map(|g| g.desc()).collect()
}

/// What groups can do: the same for every type.
pub(super) fn features(version: Version) -> GroupFeatures {
    let actions = features::group_actions(version);
    GroupFeatures {
        types: 0b1111,
        capabilities: GroupCapabilities::SELECT_WEIGHT
            | GroupCapabilities::SELECT_LIVENESS
            | GroupCapabilities::CHAINING,
        max_groups: [GroupId::MAX.0; 4],
        actions: [actions; 4],
    }
}
