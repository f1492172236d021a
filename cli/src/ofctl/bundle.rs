//! Bundles: several messages that take effect together or not at all (ovs-ofctl(8), `--bundle` and `bundle`).

use weft_openflow::bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
use weft_openflow::flow::FlowModCommand;
use weft_openflow::group::GroupModCommand;
use weft_openflow::text::{Names, Note, Protocols, parse_group, read_flow_mod_line};
use weft_openflow::{Dialect, Message, Version, Xid, codec};

use super::format::Formats;
use super::peer::{Peer, xid_of};
use super::{Job, Options, flows, packet, show};
use crate::failure::{Exit, Failure, fail};

/// What a bundle of ours promises.
pub const FLAGS: BundleFlags = BundleFlags::ATOMIC.union(BundleFlags::ORDERED);
/// Its number.
pub const ID: u32 = 0;

/// Opens a bundle, adds the messages, commits. The switch's first complaint undoes everything.
pub async fn send(options: &Options, target: &str, usable: &Formats, messages: Vec<Message>) -> Result<(), Failure> {
    let with_bundles = usable.filter(|f| f.version >= Version::V13);
    let mut peer = flows::open_for(options, target, &with_bundles).await?;
    send_on(&mut peer, messages).await
}

/// The same on a connection that is there.
pub async fn send_on(peer: &mut Peer, messages: Vec<Message>) -> Result<(), Failure> {
    open(peer).await?;
    let first = peer.reserve_xids(0);
    let mut count = 0;
    for message in messages {
        // The inner message has the outer one's transaction id.
        let xid = peer.fresh_xid();
        let add = BundleAdd { id: ID, flags: FLAGS, xid, message: Box::new(message) };
        peer.send_and_listen(&peer.encode(&Message::BundleAdd(add), xid)?).await?;
        count += 1;
    }
    finish(peer, |xid| xid.0.wrapping_sub(first.0) < count).await
}

/// Opens a bundle.
pub async fn open(peer: &mut Peer) -> Result<(), Failure> {
    control(peer, BundleControlKind::OpenRequest, BundleControlKind::OpenReply, |_| false).await
}

/// Commits, unless the switch refuses one of the messages. `ours` knows their transaction ids.
pub async fn finish(peer: &mut Peer, ours: impl Fn(Xid) -> bool) -> Result<(), Failure> {
    let barrier = peer.send(&Message::BarrierRequest).await?;
    let mut refused = false;
    loop {
        let bytes = peer.next_reply().await?;
        let Some(xid) = xid_of(&bytes) else { continue };
        if xid == barrier {
            break;
        }
        refused |= ours(xid) && complain(&bytes, &peer.dialect);
    }
    if refused {
        control(peer, BundleControlKind::DiscardRequest, BundleControlKind::DiscardReply, ours).await?;
        return failed(peer);
    }
    control(peer, BundleControlKind::CommitRequest, BundleControlKind::CommitReply, ours).await
}

/// Says what an error is about, which it quotes; whether it is one.
fn complain(reply: &[u8], dialect: &Dialect) -> bool {
    match codec::decode(reply, dialect) {
        Ok(codec::Incoming { message: Message::Error(error), .. }) => {
            let about = show::message(without_bundle(&error.data), &Names::none(), 1);
            eprint!("Error {} for: {about}", error.code.name());
            true
        }
        _ => false,
    }
}

/// The message that was to go into a bundle.
fn without_bundle(quote: &[u8]) -> &[u8] {
    let head = match codec::kind_of(quote) {
        Ok(codec::Kind::BundleAdd) => 16,
        Ok(codec::Kind::OnfBundleAdd) => 24,
        _ => 0,
    };
    &quote[head.min(quote.len())..]
}

fn failed(peer: &Peer) -> Result<(), Failure> {
    fail(format!("talking to {} (Protocol error)", peer.name))
}

async fn control(
    peer: &mut Peer,
    kind: BundleControlKind,
    wanted: BundleControlKind,
    ours: impl Fn(Xid) -> bool,
) -> Result<(), Failure> {
    let request = Message::BundleControl(BundleControl { id: ID, kind, flags: FLAGS });
    let xid = peer.fresh_xid();
    let request = peer.encode(&request, xid)?;
    peer.send_bytes(&request).await?;
    loop {
        let reply = peer.next_reply().await?;
        let Some(of) = xid_of(&reply) else { continue };
        if of != xid {
            let _ = ours(of) && complain(&reply, &peer.dialect);
            continue;
        }
        return match codec::decode(&reply, &peer.dialect) {
            Ok(codec::Incoming { message: Message::BundleControl(got), .. }) if got.kind == wanted => Ok(()),
            _ => {
                complain(&reply, &peer.dialect);
                failed(peer)
            }
        };
    }
}

/// `bundle`: a file of `flow`, `group` and `packet-out` lines.
pub async fn run(job: &mut Job) -> Result<Exit, Failure> {
    let target = &job.words[0];
    let path = &job.words[1];
    let lines = flows::read_lines(path)?;
    let parsed = flows::parse_all(&job.options, target, &lines, parse_line)
        .await
        .map_err(|(line, error)| format!("{path}:{line}: {error}"))?;
    let usable = Formats::of(parsed.iter().fold(Protocols::ANY, |all, (_, usable)| all.and(*usable)));
    let messages = parsed.into_iter().map(|(message, _)| message).collect();
    if job.options.versions == Version::V10.bit() {
        job.options.versions = Version::V14.bit();
        job.options.formats = Formats::all().within(Version::V14.bit());
    }
    send(&job.options, &job.words[0], &usable, messages).await?;
    Ok(Exit::OK)
}

fn parse_line(text: &str, names: &Names, notes: &mut Vec<Note>) -> Result<(Message, Protocols), String> {
    let (kind, rest) = text.split_once([' ', '\t', ',']).unwrap_or((text, ""));
    let rest = rest.trim();
    match kind {
        "flow" => {
            let m = read_flow_mod_line(rest, FlowModCommand::Add, names, notes)?;
            Ok((Message::FlowMod(flows::adding_table(m.flow)), m.usable))
        }
        "group" => {
            let (word, body) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
            let command = match word {
                "add" => GroupModCommand::Add,
                "modify" => GroupModCommand::Modify,
                "add_or_mod" => GroupModCommand::AddOrModify,
                "delete" => GroupModCommand::Delete,
                "insert_bucket" => GroupModCommand::InsertBucket,
                "remove_bucket" => GroupModCommand::RemoveBucket,
                _ => return Ok((Message::GroupMod(parse_group(rest, GroupModCommand::Add, names)?), Protocols::ANY)),
            };
            // no group at all: every one
            let body = if command == GroupModCommand::Delete && body.trim().is_empty() { "group_id=all" } else { body };
            Ok((Message::GroupMod(parse_group(body, command, names)?), Protocols::ANY))
        }
        "packet-out" => Ok((Message::PacketOut(packet::parse(rest, names)?), Protocols::ANY)),
        _ => fail(format!("Unsupported bundle message type: {kind}")).map_err(|e: Failure| e.message),
    }
}
