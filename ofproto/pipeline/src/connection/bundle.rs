//! Bundles: messages collected, then done together or not at all.

use std::collections::BTreeMap;

use weft_base::Time;
use weft_openflow::bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
use weft_openflow::{ErrorCode, Message, Version, Xid};

use super::dispatch::Replies;
use crate::config::ConnectionId;
use crate::flow_mod;
use crate::pipeline::{Control, Pipeline};

/// A peer's open bundles.
#[derive(Default)]
pub(crate) struct Bundles {
    all: BTreeMap<u32, Bundle>,
}

struct Bundle {
    flags: BundleFlags,
    closed: bool,
    messages: Vec<(Xid, Message, Vec<u8>)>,
}

/// How many bundles a peer may have open.
const MAX_BUNDLES: usize = 64;

impl Pipeline {
    pub(super) fn bundle_control(
        &self,
        control: &mut Control,
        id: ConnectionId,
        _xid: Xid,
        request: &BundleControl,
        now: Time,
    ) -> Replies {
        let Some(connection) = control.connections.get_mut(id) else { return Ok(Vec::new()) };
        let all = &mut connection.bundles.all;
        use BundleControlKind::{
            CloseReply, CloseRequest, CommitReply, CommitRequest, DiscardReply, DiscardRequest, OpenReply, OpenRequest,
        };
        let reply = match request.kind {
            OpenRequest => {
                if all.remove(&request.id).is_some() {
                    return Err(ErrorCode::OFPBFC_BAD_ID);
                }
                if all.len() >= MAX_BUNDLES {
                    return Err(ErrorCode::OFPBFC_OUT_OF_BUNDLES);
                }
                all.insert(request.id, Bundle { flags: request.flags, closed: false, messages: Vec::new() });
                OpenReply
            }
            CloseRequest => {
                let bundle = all.get_mut(&request.id).ok_or(ErrorCode::OFPBFC_BAD_ID)?;
                if std::mem::replace(&mut bundle.closed, true) {
                    all.remove(&request.id);
                    return Err(ErrorCode::OFPBFC_BUNDLE_CLOSED);
                }
                if bundle.flags != request.flags {
                    all.remove(&request.id);
                    return Err(ErrorCode::OFPBFC_BAD_FLAGS);
                }
                CloseReply
            }
            CommitRequest => {
                let bundle = all.remove(&request.id).ok_or(ErrorCode::OFPBFC_BAD_ID)?;
                if bundle.flags != request.flags {
                    return Err(ErrorCode::OFPBFC_BAD_FLAGS);
                }
                self.commit(control, id, bundle, now)?;
                CommitReply
            }
            DiscardRequest => {
                all.remove(&request.id).ok_or(ErrorCode::OFPBFC_BAD_ID)?;
                DiscardReply
            }
            OpenReply | CloseReply | CommitReply | DiscardReply => return Err(ErrorCode::OFPBFC_BAD_TYPE),
        };
        // a reply has no flags of its own
        Ok(vec![Message::BundleControl(BundleControl { id: request.id, kind: reply, flags: BundleFlags::empty() })])
    }

    pub(super) fn bundle_add(
        &self,
        control: &mut Control,
        id: ConnectionId,
        add: BundleAdd,
        bytes: &[u8],
        _now: Time,
    ) -> Replies {
        let Some(connection) = control.connections.get_mut(id) else { return Ok(Vec::new()) };
        match &*add.message {
            Message::FlowMod(todo) => flow_mod::permitted(todo)?,
            _ => return Err(ErrorCode::OFPBFC_MSG_UNSUP),
        }
        let version = connection.version();
        let all = &mut connection.bundles.all;
        let bundle = all.entry(add.id).or_insert(Bundle { flags: add.flags, closed: false, messages: Vec::new() });
        if bundle.closed {
            all.remove(&add.id);
            return Err(ErrorCode::OFPBFC_BUNDLE_CLOSED);
        }
        if bundle.flags != add.flags {
            all.remove(&add.id);
            return Err(ErrorCode::OFPBFC_BAD_FLAGS);
        }
        // the message stands behind the bundle's header, which ONF's extension for 1.3 makes longer
        let header = if version >= Version::V14 { 16 } else { 24 };
        let inner = bytes.get(header..).unwrap_or_default().to_vec();
        bundle.messages.push((add.xid, *add.message, inner));
        Ok(Vec::new())
    }

    /// All flow mods under one lock; the first error undoes what was done, and is told with its own transaction id.
    fn commit(&self, control: &mut Control, id: ConnectionId, bundle: Bundle, now: Time) -> Result<(), ErrorCode> {
        let Some(connection) = control.connections.get_mut(id) else { return Ok(()) };
        let (bridge, version) = (connection.bridge, connection.version());
        let mut done = Vec::new();
        let mut xid_of_last = Xid(0);
        {
            let mut tables = self.write();
            let target = tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
            for (xid, message, start) in bundle.messages {
                let Message::FlowMod(todo) = message else { continue };
                xid_of_last = xid;
                let outcome = flow_mod::prepare(todo, version, &mut control.shared, now)
                    .and_then(|ready| flow_mod::apply(target, ready, now, &mut done));
                match outcome {
                    Ok(()) => {}
                    Err(code) => {
                        flow_mod::revert(target, done);
                        drop(tables);
                        let error = weft_openflow::codec::error_reply(code, &start);
                        control.connections.send(id, xid, &error);
                        return Err(ErrorCode::OFPBFC_MSG_FAILED);
                    }
                }
            }
        }
        self.changes_made(control, Some((id, xid_of_last)), bridge, &done, now);
        Ok(())
    }
}
