//! What each message asks for.

use weft_base::Time;
use weft_openflow::codec::{Dialect, Kind};
use weft_openflow::controller::{Role, RoleMessage, RoleStatus};
use weft_openflow::message::FlowFormat;
use weft_openflow::port::{PortMod, PortReason};
use weft_openflow::switch::{FragHandling, SwitchConfig};
use weft_openflow::table::TableMod;
use weft_openflow::{ErrorCode, FlowMod, FlowModCommand, Message, StatsRequest, TableId, Version, Xid};

use super::features;
use crate::bridge::Bridge;
use crate::config::{ConnectionId, PortKind};
use crate::pipeline::{Control, Pipeline};
use crate::tables::BridgeId;
use crate::{flow_mod, tlv};

/// Replies to a request, or the error that it gets.
pub(super) type Replies = Result<Vec<Message>, ErrorCode>;

impl Pipeline {
    pub(super) fn handle(
        &self,
        control: &mut Control,
        id: ConnectionId,
        (xid, dialect): (Xid, Dialect),
        mut message: Message,
        bytes: &[u8],
        now: Time,
    ) -> Replies {
        let Some(connection) = control.connections.get_mut(id) else { return Ok(Vec::new()) };
        let (bridge, version) = (connection.bridge, connection.version());
        let features = matches!(&message, Message::StatsRequest(StatsRequest::TableFeatures(new)) if !new.is_empty());
        if connection.role == Role::Secondary && features {
            return Err(ErrorCode::OFPBRC_IS_SECONDARY);
        }
        self.bind_options(bridge, &mut message)?;
        match message {
            Message::Hello { .. } | Message::EchoReply(_) | Message::Error(_) => Ok(Vec::new()),
            Message::EchoRequest(data) => Ok(vec![Message::EchoReply(data)]),
            Message::FeaturesRequest => self.features(bridge, version),
            Message::GetConfigRequest => Ok(vec![Message::GetConfigReply(SwitchConfig {
                frag: self.read().bridge(bridge).map_or(FragHandling::Normal, |b| b.frag),
                invalid_ttl_to_controller: Some(connection.invalid_ttl),
                miss_send_len: connection.miss_send_len,
            })]),
            Message::SetConfig(config) => {
                connection.miss_send_len = config.miss_send_len;
                self.set_frag(bridge, config.frag);
                if let Some(invalid_ttl) = config.invalid_ttl_to_controller {
                    connection.invalid_ttl = invalid_ttl;
                }
                self.peers_changed(control, bridge);
                Ok(Vec::new())
            }
            Message::BarrierRequest => Ok(vec![Message::BarrierReply]),
            Message::FlowMod(todo) => {
                self.flow_mod(control, id, xid, bridge, todo, version, now)?;
                Ok(Vec::new())
            }
            Message::PacketOut(out) => {
                self.packet_out(bridge, &out, now)?;
                // what it sent to controllers is on its way before a barrier that follows is answered
                self.deliver_packets(control, now);
                Ok(Vec::new())
            }
            Message::PortMod(change) => {
                self.port_mod(control, bridge, &change, now)?;
                Ok(Vec::new())
            }
            Message::TableMod(change) => {
                self.table_mod(bridge, &change)?;
                Ok(Vec::new())
            }
            Message::QueueGetConfigRequest { port, queue } => self.queue_config(bridge, port, queue),
            Message::RoleRequest(request) => self.role_request(control, id, request),
            Message::GetAsyncRequest => Ok(vec![Message::GetAsyncReply(connection.shown_async())]),
            Message::SetAsync(wanted) => {
                connection.set_async(&wanted);
                self.peers_changed(control, bridge);
                Ok(Vec::new())
            }
            Message::StatsRequest(StatsRequest::Flow(which)) => {
                self.answer_flows(control, id, xid, dialect, &which, now);
                Ok(Vec::new())
            }
            Message::StatsRequest(StatsRequest::FlowMonitor(requests)) => {
                self.monitor_requests(control, id, (xid, dialect), requests)?;
                Ok(Vec::new())
            }
            Message::StatsRequest(request) => self.stats(bridge, request, version, now),
            Message::SetFlowFormat(format) => {
                connection.dialect.nxm = format == FlowFormat::Nxm;
                Ok(Vec::new())
            }
            Message::FlowModTableId(on) => {
                connection.dialect.flow_mod_table_id = on;
                Ok(Vec::new())
            }
            Message::FlowAge => Ok(Vec::new()),
            Message::SetPacketInFormat(format) => {
                connection.dialect.packet_in = format;
                Ok(Vec::new())
            }
            Message::SetControllerId(controller_id) => {
                connection.controller_id = controller_id;
                Ok(Vec::new())
            }
            Message::FlowMonitorCancel(monitor) => match connection.monitors.cancel(monitor) {
                true => Ok(Vec::new()),
                false => Err(ErrorCode::OFPMOFC_UNKNOWN_MONITOR),
            },
            Message::BundleControl(request) => self.bundle_control(control, id, (xid, bytes), &request, now),
            Message::BundleAdd(add) => self.bundle_add(control, id, add, bytes, now),
            Message::GroupMod(todo) => {
                self.group_mod(control, id, xid, bridge, todo, now)?;
                Ok(Vec::new())
            }
            Message::MeterMod(todo) => {
                self.meter_mod(control, bridge, todo.clone(), now)?;
                self.forward_request(control, id, xid, bridge, Message::MeterMod(todo));
                Ok(Vec::new())
            }
            Message::TlvTableRequest => {
                let tables = self.read();
                let bridge = tables.bridge(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
                Ok(vec![Message::TlvTableReply(tlv::describe(&bridge.tlv))])
            }
            Message::TlvTableMod(change) => {
                let outcome = self
                    .write()
                    .bridge_mut(bridge)
                    .ok_or(ErrorCode::OFPBRC_EPERM)
                    .and_then(|b| tlv::change(b, &change));
                self.changed();
                outcome.map(|()| Vec::new())
            }
            Message::Resume(packet) => {
                self.resume(&packet, now)?;
                self.deliver_packets(control, now);
                Ok(Vec::new())
            }
            // no connection is tracked, so none is left to forget
            Message::CtFlushZone(_) | Message::CtFlush(_) => Ok(Vec::new()),
            Message::FeaturesReply(_)
            | Message::GetConfigReply(_)
            | Message::PacketIn(_)
            | Message::FlowRemoved(_)
            | Message::PortStatus(_)
            | Message::BarrierReply
            | Message::QueueGetConfigReply { .. }
            | Message::RoleReply(_)
            | Message::RoleStatus(_)
            | Message::GetAsyncReply(_)
            | Message::TableStatus(_)
            | Message::RequestForward { .. }
            | Message::StatsReply { .. }
            | Message::TlvTableReply(_)
            | Message::FlowMonitorPaused
            | Message::FlowMonitorResumed => Err(ErrorCode::OFPBRC_BAD_TYPE),
        }
    }

    /// What a message says of tunnel options, in this bridge's terms.
    fn bind_options(&self, bridge: BridgeId, message: &mut Message) -> Result<(), ErrorCode> {
        if !tlv::speaks_of_options(message) {
            return Ok(());
        }
        let tables = self.read();
        tables.bridge(bridge).map_or(Ok(()), |bridge| tlv::bind(message, &bridge.tlv))
    }

    /// A flow mod, alone. What it deletes is reported with exact counters.
    #[allow(clippy::too_many_arguments, reason = "who asks, what, in which words, when")]
    fn flow_mod(
        &self,
        control: &mut Control,
        id: ConnectionId,
        xid: Xid,
        bridge: BridgeId,
        mut todo: FlowMod,
        version: Version,
        now: Time,
    ) -> Result<(), ErrorCode> {
        // what is deleted sends nothing, whatever buffer is named
        let deletes = matches!(todo.command, FlowModCommand::Delete | FlowModCommand::DeleteStrict);
        if todo.buffer_id.is_some() && !deletes {
            return Err(ErrorCode::OFPBRC_BUFFER_UNKNOWN);
        }
        let ready = flow_mod::prepare(&mut todo, version, &mut control.shared, now)?;
        let mut changes = Vec::new();
        let outcome = self.change_flows(bridge, ready, now, &mut changes);
        // what was evicted in vain is gone all the same
        self.changes_made(control, Some((id, xid)), bridge, &changes, now);
        outcome
    }

    pub(super) fn port_mod(
        &self,
        control: &mut Control,
        bridge: BridgeId,
        change: &PortMod,
        now: Time,
    ) -> Result<(), ErrorCode> {
        let (desc, admin) = {
            let mut tables = self.write();
            let bridge = tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
            port_mod_fits(bridge, change)?;
            let port = bridge.port_mut(change.port).ok_or(ErrorCode::OFPPMFC_BAD_PORT)?;
            use weft_openflow::port::PortConfig;
            let can = PortConfig::PORT_DOWN
                | PortConfig::NO_RECV
                | PortConfig::NO_FLOOD
                | PortConfig::NO_FWD
                | PortConfig::NO_PACKET_IN
                | PortConfig::NO_STP
                | PortConfig::NO_RECV_STP;
            let mask = change.mask & can;
            let before = port.config;
            port.config = (before - mask) | (change.config & mask);
            if port.config == before {
                return Ok(());
            }
            let toggled = (before ^ port.config).contains(PortConfig::PORT_DOWN);
            let admin = toggled.then(|| (port.settings.name.clone(), !port.config.contains(PortConfig::PORT_DOWN)));
            let is_device = matches!(port.settings.kind, PortKind::Device(_));
            if let Some((_, up)) = &admin {
                port.settings.state.admin_up = *up; // as the device will say in a moment
            }
            let desc = features::port_desc(port);
            bridge.changed();
            (desc, admin.filter(|_| is_device))
        };
        if let Some((name, up)) = admin {
            (self.hooks().set_admin)(&name, up);
        }
        self.changed();
        self.port_status(control, bridge, PortReason::Modify, desc, now);
        Ok(())
    }

    /// Whole fragments are nothing that a datapath without reassembly could promise: that leaves it as it is.
    fn set_frag(&self, bridge: BridgeId, frag: FragHandling) {
        let mut tables = self.write();
        let Some(bridge) = tables.bridge_mut(bridge) else { return };
        if frag != FragHandling::Reassemble && bridge.frag != frag {
            bridge.frag = frag;
            bridge.changed();
            drop(tables);
            self.changed();
        }
    }

    fn table_mod(&self, bridge: BridgeId, change: &TableMod) -> Result<(), ErrorCode> {
        let mut tables = self.write();
        let bridge = tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
        let which: Vec<TableId> = match change.table {
            TableId::ALL => (0..crate::flow_table::HIDDEN_TABLE.0).map(TableId).collect(),
            one => vec![one],
        };
        for id in which {
            let table = bridge.flows.table_mut(id).ok_or(ErrorCode::OFPTMFC_BAD_TABLE)?;
            if id == crate::flow_table::HIDDEN_TABLE {
                return Err(ErrorCode::OFPTMFC_EPERM);
            }
            if let Some(miss) = change.miss {
                table.miss = miss;
                table.touch();
            }
            if let Some(eviction) = change.eviction {
                table.eviction = eviction;
                table.set_eviction();
            }
            if let Some(vacancy) = change.vacancy {
                table.vacancy = vacancy;
                table.is_short = super::stats::percent_free(table) < vacancy.down;
            }
        }
        drop(tables);
        self.changed();
        Ok(())
    }

    fn role_request(&self, control: &mut Control, id: ConnectionId, request: RoleMessage) -> Replies {
        let connections = &mut control.connections;
        let Some(me) = connections.get_mut(id) else { return Ok(Vec::new()) };
        let bridge = me.bridge;
        let mut role = me.role;
        if request.role != Role::NoChange {
            if let (Some(new), Role::Primary | Role::Secondary) = (request.generation_id, request.role) {
                match connections.generations.get(&bridge) {
                    Some(newest) if (new.wrapping_sub(*newest) as i64) < 0 => return Err(ErrorCode::OFPRRFC_STALE),
                    _ => connections.generations.insert(bridge, new),
                };
            }
            role = request.role;
            if role == Role::Primary {
                let generation_id = connections.generations.get(&bridge).copied();
                let others: Vec<ConnectionId> = connections
                    .of_bridge(bridge)
                    .filter(|(other, c)| *other != id && c.role == Role::Primary)
                    .map(|(other, c)| {
                        c.role = Role::Secondary;
                        other
                    })
                    .collect();
                for other in others {
                    if connections.get_mut(other).is_some_and(|c| c.version() >= Version::V13) {
                        let status = RoleStatus { role: Role::Secondary, reason: 0, generation_id };
                        connections.send(other, Xid(0), &Message::RoleStatus(status));
                    }
                }
            }
            if let Some(me) = connections.get_mut(id) {
                me.role = role;
            }
        }
        let generation_id = Some(connections.generations.get(&bridge).copied().unwrap_or(u64::MAX));
        self.peers_changed(control, bridge);
        Ok(vec![Message::RoleReply(RoleMessage { role, generation_id })])
    }
}

/// Whether the port is there, and has the address that the message says.
pub(super) fn port_mod_fits(bridge: &Bridge, change: &PortMod) -> Result<(), ErrorCode> {
    let port = bridge.port(change.port).ok_or(ErrorCode::OFPPMFC_BAD_PORT)?;
    match change.hw_addr.0 == port.settings.state.mac {
        true => Ok(()),
        false => Err(ErrorCode::OFPPMFC_BAD_HW_ADDR),
    }
}

/// Whether a secondary controller may not send it, whatever it says.
pub(super) fn is_write(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::FlowMod
            | Kind::NxFlowMod
            | Kind::GroupMod
            | Kind::PortMod
            | Kind::TableMod
            | Kind::MeterMod
            | Kind::PacketOut
            | Kind::TlvTableMod
            | Kind::BundleControl
            | Kind::OnfBundleControl
            | Kind::BundleAdd
            | Kind::OnfBundleAdd
    )
}
