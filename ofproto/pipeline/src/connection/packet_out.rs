//! Packet-outs: a controller's packet on its way through the actions that it names.
//!
//! How: [`Parcel::of`] checks and translates, which may fail and changes nothing; [`Pipeline::send`] does what came of it.
//! In a bundle the two are apart: a packet sees the tables as they are at its place, and goes once all is done.

use weft_base::Time;
use weft_flow::extract::extract_again;
use weft_flow::{FlowKey, OfPort};
use weft_openflow::{Action, ErrorCode, PacketOut};
use weft_packet::{DpPort, Frame};

use crate::bridge::Bridge;
use crate::check;
use crate::frozen::FrozenState;
use crate::pipeline::Pipeline;
use crate::tables::{BridgeId, Tables};
use crate::translate::{Input, Translation, packet_type, translate};

/// Where a frame of the control thread enters translation.
pub(crate) enum Begin<'a> {
    /// With a packet-out's actions.
    Actions(&'a [Action]),
    /// Where a translation was stopped.
    Frozen(&'a FrozenState),
}

/// A packet that is ready to go.
pub(super) struct Parcel {
    frame: Frame,
    /// In the datapath's terms.
    key: FlowKey,
    translation: Translation,
}

impl Parcel {
    /// Check a packet-out, and find out what it comes to. `None`: it is too short to go anywhere, which is no error.
    pub fn of(tables: &Tables, bridge: BridgeId, out: &PacketOut) -> Result<Option<Parcel>, ErrorCode> {
        let bridge = tables.bridge(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
        if out.buffer_id.is_some() {
            return Err(ErrorCode::OFPBRC_BUFFER_UNKNOWN);
        }
        check::packet_out(&out.actions)?;
        all_there(bridge, &out.actions)?;
        let in_port = out.in_port();
        let known =
            |port: OfPort| port.is_ordinary() || matches!(port, OfPort::LOCAL | OfPort::NONE | OfPort::CONTROLLER);
        if !known(in_port) {
            return Err(ErrorCode::OFPBRC_BAD_PORT);
        }
        let mut frame = Frame::copy_of(&out.packet);
        let mut key = FlowKey::new();
        let mut matched = out.metadata.key().clone();
        key.set_word(1, u64::from(packet_type(&matched)) << 32);
        if extract_again(&mut frame, &mut key, Default::default()).is_err() {
            return Ok(None);
        }
        for word in weft_flow::key::OPENFLOW_WORDS..weft_flow::key::WORDS {
            if matched.used() >> word & 1 == 1 {
                key.set_word(word, matched.word(word));
            }
        }
        matched.clear();
        crate::upcall::set_in_port(&mut key, in_port);
        Ok(Some(Parcel::translated(tables, bridge, frame, key, &Begin::Actions(&out.actions))))
    }

    /// A frame whose key is in OpenFlow's terms.
    fn translated(tables: &Tables, bridge: &Bridge, frame: Frame, mut key: FlowKey, begin: &Begin<'_>) -> Parcel {
        let (actions, frozen) = match *begin {
            Begin::Actions(actions) => (Some(actions), None),
            Begin::Frozen(state) => (None, Some(state)),
        };
        let translation = translate(&Input { tables, bridge, key: &key, actions, frozen }, None);
        let dp = bridge.port(OfPort(key.word(0) as u32)).and_then(|p| p.dp());
        crate::upcall::set_in_port(&mut key, OfPort(dp.unwrap_or(DpPort::NONE).0));
        Parcel { frame, key, translation }
    }
}

/// Whether the groups and meters that the actions name are there.
fn all_there(bridge: &Bridge, actions: &[Action]) -> Result<(), ErrorCode> {
    for action in actions {
        match action {
            Action::Group(group) if bridge.flows.groups().get(*group).is_none() => {
                return Err(ErrorCode::OFPBAC_BAD_OUT_GROUP);
            }
            Action::Meter(meter) if bridge.meters.get(*meter).is_none() => {
                return Err(ErrorCode::OFPMMFC_INVALID_METER);
            }
            Action::Clone(inner) => all_there(bridge, inner)?,
            _ => {}
        }
    }
    Ok(())
}

impl Pipeline {
    /// Send a controller's packet through its actions.
    pub(crate) fn packet_out(&self, bridge: BridgeId, out: &PacketOut, now: Time) -> Result<(), ErrorCode> {
        let parcel = Parcel::of(&self.read(), bridge, out)?;
        if let Some(parcel) = parcel {
            self.send(parcel, now);
        }
        Ok(())
    }

    /// Translate one frame (in OpenFlow's terms) and have the datapath do it.
    pub(crate) fn send_through(
        &self,
        bridge: BridgeId,
        frame: Frame,
        key: FlowKey,
        begin: Begin<'_>,
        now: Time,
    ) -> Result<(), ErrorCode> {
        let parcel = {
            let tables = self.read();
            let bridge = tables.bridge(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
            Parcel::translated(&tables, bridge, frame, key, &begin)
        };
        self.send(parcel, now);
        Ok(())
    }

    /// Let a packet go.
    pub(super) fn send(&self, parcel: Parcel, now: Time) {
        let Parcel { frame, key, mut translation } = parcel;
        {
            let tables = self.read();
            self.learn(&tables, &translation.learn, now);
            self.meet(&tables, &mut translation, now);
            crate::upcall::credit(&tables, &translation.credits, 1, frame.len() as u64, now);
        }
        self.learn_flows(&translation.flows, now);
        self.to_machines(&translation, frame.bytes());
        if let Some(datapath) = self.datapath() {
            datapath.execute(weft_engine::Execute { frame, key, actions: translation.actions });
        }
        drop(translation.frozen); // only now: a packet-in of this frame has found its metadata
    }
}
