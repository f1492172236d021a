//! Bundles: messages collected, then done together or not at all (OpenFlow 1.5 §7.3.9, ONF extension 230 for 1.3).
//!
//! How: what needs no tables is checked when a message comes, so that a bundle holds rules that only wait for their place,
//! and a bad message is refused at once. A small bundle is done under one lock; a big one on a staged copy of the tables
//! it changes, while frames look into the old ones, and then takes their place in one step; most of that is done while its
//! messages come ([`super::staging`]). Either way no frame sees half of it.
//! Packets of a bundle are translated at their place among the flow mods, and port mods are looked at there; both are done
//! once all else is.
//!
//! Invariants: a bundle that fails leaves everything as it was; the message that failed is told with its own transaction
//! id, then the commit fails. A bundle that nobody touches for a while goes. A peer's bundles hold at most
//! [`MAX_MESSAGES`] of [`MAX_BYTES`].

use std::collections::BTreeMap;
use std::time::Duration;

use weft_base::Time;
use weft_openflow::bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
use weft_openflow::group::GroupMod;
use weft_openflow::port::PortMod;
use weft_openflow::{ErrorCode, Message, PacketOut, Version, Xid};

use super::dispatch::{Replies, port_mod_fits};
use super::packet_out::Parcel;
use super::staging::{MOST_AT_ONCE, Staging};
use crate::config::ConnectionId;
use crate::flow_mod::{self, Change, Ready};
use crate::flow_table::{FlowTables, Waste};
use crate::pipeline::{Control, Pipeline};
use crate::tables::{BridgeId, Tables};

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
    /// What is done already of what the messages say.
    staging: Box<Staging>,
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
        let bundle =
            Bundle { flags, closed: false, messages, quotes, staging: Box::default(), used: now, opened_by: by };
        Ok(self.all.entry(id).or_insert(bundle))
    }

    /// Whether there is room for one more message.
    fn has_room(&self) -> bool {
        let sum = |of: fn(&Bundle) -> usize| self.all.values().map(of).sum::<usize>();
        sum(|bundle| bundle.messages.len()) < MAX_MESSAGES && sum(|bundle| bundle.quotes.len()) < MAX_BYTES
    }

    /// Whether the bundle is there, and takes a message that says these flags.
    pub(super) fn takes(&self, (id, flags): (u32, BundleFlags)) -> bool {
        self.all.get(&id).is_some_and(|bundle| !bundle.closed && bundle.flags == flags) && self.has_room()
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

impl Bundle {
    fn hold(&mut self, xid: Xid, what: Content, quote: &[u8], now: Time) {
        self.used = now;
        let at = self.quotes.len();
        self.quotes.extend_from_slice(quote);
        self.messages.push(Held { xid, what, quote: at });
    }
}

impl Content {
    fn flow(&self) -> Option<&Ready> {
        match self {
            Content::Flow(ready) => Some(ready),
            Content::Group(_) | Content::Port(_) | Content::Packet(_) => None,
        }
    }
}

/// What was done of a bundle, while it may still fail.
#[derive(Default)]
struct Done {
    changes: Vec<Change>,
    /// What goes once all is done, by the place of its message.
    packets: BTreeMap<usize, Parcel>,
}

/// The flow tables that a bundle changes.
enum Place<'t> {
    /// Those that frames look into.
    Live(&'t mut Tables),
    /// A copy.
    Staged(&'t mut FlowTables),
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
            Message::FlowMod(mut todo) => {
                Content::Flow(flow_mod::prepare(&mut todo, version, &mut control.shared, now)?)
            }
            Message::GroupMod(todo) => Content::Group(Box::new(todo)),
            Message::PortMod(change) => Content::Port(Box::new(change)),
            Message::PacketOut(out) if out.buffer_id.is_some() => return Err(ErrorCode::OFPBRC_BUFFER_UNKNOWN),
            Message::PacketOut(out) => Content::Packet(Box::new(out)),
            _ => return Err(ErrorCode::OFPBFC_MSG_UNSUP),
        };
        let bundles = &mut connection.bundles;
        if !bundles.all.contains_key(&add.id) {
            bundles.open(add.id, add.flags, (add.xid, bytes.to_vec()), now)?;
        }
        let has_room = bundles.has_room();
        let Some(bundle) = bundles.all.get_mut(&add.id) else { return Err(ErrorCode::OFPBFC_BAD_ID) };
        let wrong = if bundle.closed {
            Some(ErrorCode::OFPBFC_BUNDLE_CLOSED)
        } else if bundle.flags != add.flags {
            Some(ErrorCode::OFPBFC_BAD_FLAGS)
        } else if !has_room {
            Some(ErrorCode::OFPBFC_MSG_TOO_MANY)
        } else {
            None
        };
        if let Some(code) = wrong {
            bundles.all.remove(&add.id);
            return Err(code);
        }
        // the message stands behind the bundle's header, which ONF's extension for 1.3 makes longer
        let header = if version >= Version::V14 { 16 } else { 24 };
        bundle.hold(add.xid, what, bytes.get(header..).unwrap_or_default(), now);
        Ok(Vec::new())
    }

    /// A flow mod joins a bundle that [`Bundles::takes`] it.
    pub(super) fn put_into_bundle(
        &self,
        control: &mut Control,
        id: ConnectionId,
        bundle: u32,
        (xid, ready, quote): (Xid, Ready, &[u8]),
        now: Time,
    ) {
        let Some(connection) = control.connections.get_mut(id) else { return };
        let Some(bundle) = connection.bundles.all.get_mut(&bundle) else { return };
        bundle.hold(xid, Content::Flow(ready), quote, now);
        let messages = &bundle.messages;
        bundle.staging.go_on(self, connection.bridge, messages.len(), |nth| messages[nth].what.flow());
    }

    /// Do all of a bundle; the first error undoes what was done.
    fn commit(&self, control: &mut Control, id: ConnectionId, bundle: Bundle, now: Time) -> Result<(), ErrorCode> {
        let Some(bridge) = control.connections.get_mut(id).map(|c| c.bridge) else { return Ok(()) };
        let Bundle { flags, messages, quotes, staging, .. } = bundle;
        let done = match self.do_all(bridge, flags, &messages, *staging, now) {
            Ok(done) => done,
            Err((held, code)) => {
                let error = weft_openflow::codec::error_reply(code, first_message(&quotes[held.quote..]));
                control.connections.send(id, held.xid, &error);
                return Err(ErrorCode::OFPBFC_MSG_FAILED);
            }
        };
        let Done { changes, mut packets } = done;
        let last = messages.last().map_or(Xid(0), |held| held.xid);
        self.changes_made(control, Some((id, last)), bridge, &changes, now);
        for (nth, held) in messages.iter().enumerate() {
            match &held.what {
                Content::Flow(_) => {}
                Content::Group(todo) => {
                    self.forward_request(control, id, held.xid, bridge, Message::GroupMod((**todo).clone()));
                }
                // it was there when it was looked at; if it went meanwhile, that is no reason to undo flows
                Content::Port(change) => drop(self.port_mod(control, bridge, change, now)),
                Content::Packet(_) => {
                    if let Some(parcel) = packets.remove(&nth) {
                        self.send(parcel, now);
                        self.deliver_packets(control, now);
                    }
                }
            }
        }
        Ok(())
    }

    /// What changes tables, in one step; what else there is, is checked.
    fn do_all<'m>(
        &self,
        bridge: BridgeId,
        flags: BundleFlags,
        messages: &'m [Held],
        staging: Staging,
        now: Time,
    ) -> Result<Done, (&'m Held, ErrorCode)> {
        let gone = |code| messages.first().map_or(Ok(Done::default()), |held| Err((held, code)));
        let mut staging = Some(staging);
        for _ in 0..STAGED_ATTEMPTS {
            if messages.len() <= MOST_AT_ONCE {
                break;
            }
            let Some(mut staged) = self.read().bridge(bridge).map(|b| b.flows.stage()) else {
                return gone(ErrorCode::OFPBRC_EPERM);
            };
            let mut done = Done::default();
            let early = staging.take().and_then(|staging| staging.hand_over(&mut staged));
            let (from, changes) = early.unwrap_or_default();
            done.changes = changes;
            for (nth, held) in messages.iter().enumerate().skip(from) {
                let place = Place::Staged(&mut staged);
                self.do_one(place, bridge, flags, (nth, held), now, &mut done).map_err(|code| (held, code))?;
            }
            let _waste: Waste;
            let mut tables = self.write();
            let Some(target) = tables.bridge_mut(bridge) else { return gone(ErrorCode::OFPBRC_EPERM) };
            if target.flows.commit(staged) {
                _waste = target.flows.take_waste();
                drop(tables);
                return Ok(done);
            }
        }
        let mut done = Done::default();
        let _waste: Waste;
        let mut tables = self.write();
        if tables.bridge(bridge).is_none() {
            return gone(ErrorCode::OFPBRC_EPERM);
        }
        let outcome = messages.iter().enumerate().try_for_each(|(nth, held)| {
            let place = Place::Live(&mut tables);
            self.do_one(place, bridge, flags, (nth, held), now, &mut done).map_err(|code| (held, code))
        });
        let Some(target) = tables.bridge_mut(bridge) else { return gone(ErrorCode::OFPBRC_EPERM) };
        if outcome.is_err() {
            flow_mod::revert(&mut target.flows, std::mem::take(&mut done.changes));
        }
        _waste = target.flows.take_waste();
        drop(tables);
        outcome.map(|()| done)
    }

    fn do_one(
        &self,
        place: Place<'_>,
        bridge: BridgeId,
        flags: BundleFlags,
        (nth, held): (usize, &Held),
        now: Time,
        done: &mut Done,
    ) -> Result<(), ErrorCode> {
        match &held.what {
            Content::Flow(ready) => flow_mod::apply(place.flows(bridge)?, ready, now, &mut done.changes),
            Content::Group(todo) => crate::group::modify::apply(place.flows(bridge)?, todo, now, &mut done.changes),
            // a port cannot be switched and switched back unseen
            Content::Port(_) if flags.contains(BundleFlags::ATOMIC) => Err(ErrorCode::OFPBFC_MSG_FAILED),
            Content::Port(change) => place.look(self, bridge, |tables| {
                port_mod_fits(tables.bridge(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?, change)
            }),
            Content::Packet(out) => {
                let parcel = place.look(self, bridge, |tables| Parcel::of(tables, bridge, out))?;
                done.packets.extend(parcel.map(|parcel| (nth, parcel)));
                Ok(())
            }
        }
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

impl<'t> Place<'t> {
    fn flows(self, bridge: BridgeId) -> Result<&'t mut FlowTables, ErrorCode> {
        match self {
            Place::Live(tables) => Ok(&mut tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?.flows),
            Place::Staged(flows) => Ok(flows),
        }
    }

    /// Look at all there is as it would be if the bundle ended here.
    fn look<T>(
        self,
        pipeline: &Pipeline,
        bridge: BridgeId,
        what: impl FnOnce(&Tables) -> Result<T, ErrorCode>,
    ) -> Result<T, ErrorCode> {
        match self {
            Place::Live(tables) => what(tables),
            Place::Staged(flows) => {
                // nobody else sees the copy: the lock is held until it is back
                let mut tables = pipeline.write();
                let swap = |tables: &mut Tables, flows: &mut FlowTables| {
                    let bridge = tables.bridge_mut(bridge).ok_or(ErrorCode::OFPBRC_EPERM)?;
                    std::mem::swap(&mut bridge.flows, flows);
                    Ok(())
                };
                swap(&mut tables, flows)?;
                let outcome = what(&tables);
                swap(&mut tables, flows)?;
                outcome
            }
        }
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
/// How many bytes these messages may have: errors quote them.
const MAX_BYTES: usize = 1 << 30;
/// How often a bundle is staged anew because frames made flows meanwhile.
pub(super) const STAGED_ATTEMPTS: usize = 3;
