//! Bundles: messages collected, then done together or not at all (OpenFlow 1.5 §7.3.9, ONF extension 230 for 1.3).
//!
//! How: what needs no tables is checked when a message comes, so that a bundle holds rules that only wait for their place,
//! and a bad message is refused at once. A small bundle is done under one lock; a big one on a staged copy of the tables
//! it changes, while frames look into the old ones, and then takes their place in one step. Either way no frame sees half
//! of it.
//!
//! Invariants: a bundle that fails leaves everything as it was; the message that failed is told with its own transaction
//! id, then the commit fails. A bundle that nobody touches for a while goes. A peer's bundles hold at most
//! [`MAX_MESSAGES`].

use std::collections::BTreeMap;
use std::time::Duration;

use weft_base::Time;
use weft_openflow::bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
use weft_openflow::group::GroupMod;
use weft_openflow::port::PortMod;
use weft_openflow::{ErrorCode, Message, PacketOut, Version, Xid};

use super::dispatch::Replies;
use crate::config::ConnectionId;
use crate::flow_mod::{self, Change, Ready};
use crate::flow_table::{FlowTables, Waste};
use crate::pipeline::{Control, Pipeline};
use crate::tables::BridgeId;

/// A peer's open bundles.
#[derive(Default)]
pub(crate) struct Bundles {
    all: BTreeMap<u32, Bundle>,
}

struct Bundle {
    flags: BundleFlags,
    closed: bool,
    messages: Vec<Held>,
    /// The messages' bytes, one after another: errors quote them.
    quotes: Vec<u8>,
    /// When it was last opened, added to or closed.
    used: Time,
    /// What opened it: an error about the bundle as a whole quotes it.
    opened_by: (Xid, Vec<u8>),
}

/// A message that waits.
struct Held {
    xid: Xid,
    what: Content,
    /// Where its bytes begin.
    quote: usize,
}

enum Content {
    Flow(Ready),
    Group(Box<GroupMod>),
    Port(Box<PortMod>),
    Packet(Box<PacketOut>),
}

impl Bundles {
    /// A new bundle of that id, unless there are too many.
    fn open(&mut self, id: u32, flags: BundleFlags, by: (Xid, Vec<u8>), now: Time) -> Result<&mut Bundle, ErrorCode> {
        if self.all.len() >= MAX_BUNDLES {
            return Err(ErrorCode::OFPBFC_OUT_OF_BUNDLES);
        }
        let (messages, quotes) = (Vec::new(), Vec::new());
        let bundle = Bundle { flags, closed: false, messages, quotes, used: now, opened_by: by };
        Ok(self.all.entry(id).or_insert(bundle))
    }

    fn held(&self) -> usize {
        self.all.values().map(|bundle| bundle.messages.len()).sum()
    }

    /// Take those that nobody touched for `timeout` out; when the next is due.
    fn expire(&mut self, timeout: Duration, now: Time) -> (Vec<(Xid, Vec<u8>)>, Time) {
        let mut expired = Vec::new();
        self.all.retain(|_, bundle| {
            let due = bundle.used + timeout <= now;
            if due {
                expired.push(std::mem::take(&mut bundle.opened_by));
            }
            !due
        });
        (expired, self.all.values().map(|bundle| bundle.used + timeout).min().unwrap_or(Time::MAX))
    }
}

impl Pipeline {
    pub(super) fn bundle_control(
        &self,
        control: &mut Control,
        id: ConnectionId,
        by: (Xid, &[u8]),
        request: &BundleControl,
        now: Time,
    ) -> Replies {
        let Some(connection) = control.connections.get_mut(id) else { return Ok(Vec::new()) };
        let bundles = &mut connection.bundles;
        use BundleControlKind::{
            CloseReply, CloseRequest, CommitReply, CommitRequest, DiscardReply, DiscardRequest, OpenReply, OpenRequest,
        };
        let reply = match request.kind {
            OpenRequest => {
                if bundles.all.remove(&request.id).is_some() {
                    return Err(ErrorCode::OFPBFC_BAD_ID);
                }
                bundles.open(request.id, request.flags, (by.0, by.1.to_vec()), now)?;
                OpenReply
            }
            CloseRequest => {
                let bundle = bundles.all.get_mut(&request.id).ok_or(ErrorCode::OFPBFC_BAD_ID)?;
                bundle.used = now;
                if std::mem::replace(&mut bundle.closed, true) {
                    bundles.all.remove(&request.id);
                    return Err(ErrorCode::OFPBFC_BUNDLE_CLOSED);
                }
                if bundle.flags != request.flags {
                    bundles.all.remove(&request.id);
                    return Err(ErrorCode::OFPBFC_BAD_FLAGS);
                }
                CloseReply
            }
            CommitRequest => {
                let bundle = bundles.all.remove(&request.id).ok_or(ErrorCode::OFPBFC_BAD_ID)?;
                if bundle.flags != request.flags {
                    return Err(ErrorCode::OFPBFC_BAD_FLAGS);
                }
                self.commit(control, id, bundle, now)?;
                CommitReply
            }
            DiscardRequest => {
                bundles.all.remove(&request.id).ok_or(ErrorCode::OFPBFC_BAD_ID)?;
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
        now: Time,
    ) -> Replies {
        let Some(connection) = control.connections.get_mut(id) else { return Ok(Vec::new()) };
        let version = connection.version();
        let what = match *add.message {
            Message::FlowMod(todo) if todo.buffer_id.is_some() => return Err(ErrorCode::OFPBRC_BUFFER_UNKNOWN),
            Message::FlowMod(todo) => Content::Flow(flow_mod::prepare(todo, version, &mut control.shared, now)?),
            Message::GroupMod(todo) => Content::Group(Box::new(todo)),
            Message::PortMod(change) => Content::Port(Box::new(change)),
            Message::PacketOut(out) => Content::Packet(Box::new(out)),
            _ => return Err(ErrorCode::OFPBFC_MSG_UNSUP),
        };
        let bundles = &mut connection.bundles;
        if !bundles.all.contains_key(&add.id) {
            bundles.open(add.id, add.flags, (add.xid, bytes.to_vec()), now)?;
        }
        let held = bundles.held();
        let Some(bundle) = bundles.all.get_mut(&add.id) else { return Err(ErrorCode::OFPBFC_BAD_ID) };
        let wrong = if bundle.closed {
            Some(ErrorCode::OFPBFC_BUNDLE_CLOSED)
        } else if bundle.flags != add.flags {
            Some(ErrorCode::OFPBFC_BAD_FLAGS)
        } else if held >= MAX_MESSAGES {
            Some(ErrorCode::OFPBFC_MSG_TOO_MANY)
        } else {
            None
        };
        if let Some(code) = wrong {
            bundles.all.remove(&add.id);
            return Err(code);
        }
        bundle.used = now;
        // the message stands behind the bundle's header, which ONF's extension for 1.3 makes longer
        let header = if version >= Version::V14 { 16 } else { 24 };
        let quote = bundle.quotes.len();
        bundle.quotes.extend_from_slice(bytes.get(header..).unwrap_or_default());
        bundle.messages.push(Held { xid: add.xid, what, quote });
        Ok(Vec::new())
    }

    /// Do all of a bundle; the first error undoes what was done.
    fn commit(&self, control: &mut Control, id: ConnectionId, bundle: Bundle, now: Time) -> Result<(), ErrorCode> {
        let Some(bridge) = control.connections.get_mut(id).map(|c| c.bridge) else { return Ok(()) };
        let Bundle { flags, messages, quotes, .. } = bundle;
        let mut done = Vec::new();
        if let Err((held, code)) = self.do_flow_mods(bridge, flags, &messages, now, &mut done) {
            let error = weft_openflow::codec::error_reply(code, first_message(&quotes[held.quote..]));
            control.connections.send(id, held.xid, &error);
            return Err(ErrorCode::OFPBFC_MSG_FAILED);
        }
        let last = messages.last().map_or(Xid(0), |held| held.xid);
        self.changes_made(control, Some((id, last)), bridge, &done, now);
        for held in &messages {
            match &held.what {
                Content::Flow(_) => {}
                Content::Group(todo) => {
                    self.forward_request(control, id, held.xid, bridge, Message::GroupMod((**todo).clone()));
                }
                // both were checked; a port that went meanwhile is no reason to undo flows
                Content::Port(change) => drop(self.port_mod(control, bridge, change, now)),
                Content::Packet(out) => {
                    let _ = self.packet_out(bridge, out, now);
                    self.deliver_packets(control, now);
                }
            }
        }
        Ok(())
    }

    /// Flows, in one step; what else is in the bundle is checked.
    fn do_flow_mods<'m>(
        &self,
        bridge: BridgeId,
        flags: BundleFlags,
        messages: &'m [Held],
        now: Time,
        done: &mut Vec<Change>,
    ) -> Result<(), (&'m Held, ErrorCode)> {
        let gone = |code| messages.first().map_or(Ok(()), |held| Err((held, code)));
        for _ in 0..STAGED_ATTEMPTS {
            if messages.len() <= MOST_AT_ONCE {
                break;
            }
            let Some(mut staged) = self.read().bridge(bridge).map(|b| b.flows.stage()) else {
                return gone(ErrorCode::OFPBRC_EPERM);
            };
            done.clear();
            self.apply_all(&mut staged, bridge, flags, messages, now, done)?;
            let _waste: Waste;
            let mut tables = self.write();
            let Some(target) = tables.bridge_mut(bridge) else { return gone(ErrorCode::OFPBRC_EPERM) };
            if target.flows.commit(staged) {
                _waste = target.flows.take_waste();
                drop(tables);
                return Ok(());
            }
        }
        done.clear();
        let _waste: Waste;
        let mut tables = self.write();
        let Some(target) = tables.bridge_mut(bridge) else { return gone(ErrorCode::OFPBRC_EPERM) };
        let outcome = self.apply_all(&mut target.flows, bridge, flags, messages, now, done);
        if outcome.is_err() {
            flow_mod::revert(&mut target.flows, std::mem::take(done));
        }
        _waste = target.flows.take_waste();
        drop(tables);
        outcome
    }

    fn apply_all<'m>(
        &self,
        flows: &mut FlowTables,
        _bridge: BridgeId,
        flags: BundleFlags,
        messages: &'m [Held],
        now: Time,
        done: &mut Vec<Change>,
    ) -> Result<(), (&'m Held, ErrorCode)> {
        for held in messages {
            let outcome = match &held.what {
                Content::Flow(ready) => flow_mod::apply(flows, ready, now, done),
                Content::Group(todo) => crate::group::modify::apply(flows, todo, now, done),
                // a port cannot be switched and switched back unseen
                Content::Port(_) if flags.contains(BundleFlags::ATOMIC) => Err(ErrorCode::OFPBFC_MSG_FAILED),
                Content::Port(_) => Ok(()),
                Content::Packet(out) if out.buffer_id.is_some() => Err(ErrorCode::OFPBRC_BUFFER_UNKNOWN),
                Content::Packet(out) => crate::check::packet_out(&out.actions),
            };
            outcome.map_err(|code| (held, code))?;
        }
        Ok(())
    }

    /// Bundles that nobody touches go; when the next is due.
    pub(crate) fn expire_bundles(&self, control: &mut Control, now: Time) -> Time {
        let timeout = control.bundle_idle_timeout;
        let mut next = Time::MAX;
        let mut expired = Vec::new();
        for (id, connection) in control.connections.iter_mut() {
            let (gone, due) = connection.bundles.expire(timeout, now);
            expired.extend(gone.into_iter().map(|by| (id, by)));
            next = next.min(due);
        }
        for (id, (xid, quote)) in expired {
            let error = weft_openflow::codec::error_reply(ErrorCode::OFPBFC_TIMEOUT, &quote);
            control.connections.send(id, xid, &error);
        }
        next
    }
}

/// The message that some bytes begin with.
pub(super) fn first_message(bytes: &[u8]) -> &[u8] {
    let length = bytes.get(2..4).map_or(0, |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
    &bytes[..length.min(bytes.len())]
}

/// How many bundles a peer may have open.
const MAX_BUNDLES: usize = 64;
/// How many messages its bundles may hold.
const MAX_MESSAGES: usize = 8 << 20;
/// How many messages are done under one lock, without staging.
const MOST_AT_ONCE: usize = 512;
/// How often a bundle is staged anew because frames made flows meanwhile.
const STAGED_ATTEMPTS: usize = 3;
