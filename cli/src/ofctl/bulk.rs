//! Many flows at once: a file becomes the bytes that go to the switch, in all processors, and in a bundle while they go.
//!
//! Why: a million flows as values would be gigabytes, and a question to the switch after each of them takes longer than
//! everything else together.
//! How: every line becomes a flow mod, at once a message in the form that is spoken, and its flow mod is forgotten
//! ([`reading`]). Without a bundle that is done before anything is sent; the messages then go in growing windows, each
//! followed by a barrier, so that the first error still ends the command early. A bundle changes nothing before it is
//! committed, so its messages are sent as they are made, in the form that the first flow asks for; if a later flow cannot be
//! said in it, or cannot be read, the bundle is dropped with its connection.
//!
//! Invariant: nothing that lasts is sent before every line has been understood.

mod reading;

use std::sync::Arc;

use weft_openflow::flow::{FlowMod, FlowModCommand};
use weft_openflow::text::{Names, Note, Protocols, read_flow_mod_line};
use weft_openflow::{Dialect, Message, Version, Xid};

use super::flows::open_for;
use super::format::{Format, Formats};
use super::peer::{Peer, xid_of};
use super::{Options, bundle, notes, show};
use crate::failure::Failure;
use reading::{MOST_NOTES, Making, Messages, Reading, stripped};

/// Loads the flows of a file. `Ok(false)`: the file has something in it that is beyond this way (an error, a name of the
/// switch's, a line that is continued); nothing has been done.
pub async fn load(
    options: &Options,
    target: &str,
    text: &Arc<String>,
    command: FlowModCommand,
) -> Result<bool, Failure> {
    let Some(first) = usable_of_first(text, command) else { return Ok(false) };
    match options.bundle {
        true => in_bundle(options, target, text, command, &first).await,
        false => in_windows(options, target, text, command, &first).await,
    }
}

/// Loads flows whose lines were read before, one after another: their names and the forms that can say them are known.
pub async fn load_known(
    options: &Options,
    target: &str,
    text: String,
    command: FlowModCommand,
    (names, usable): (Names, Formats),
) -> Result<(), Failure> {
    let (text, names) = (Arc::new(text), Arc::new(names));
    let usable = if options.bundle { usable.filter(|f| f.version >= Version::V13) } else { usable };
    let mut peer = open_for(options, target, &usable).await?;
    let changed = || Failure::from("the flows changed while they were read".to_owned());
    let form = form(options, &usable, peer.version()).ok_or_else(changed)?;
    if options.bundle {
        let making = Making::bundled(command, form)?.known(&names);
        return match send_bundle(&mut peer, &text, &making).await? {
            Attempt::Done => Ok(()),
            Attempt::Beyond | Attempt::OtherForm => Err(changed()),
        };
    }
    let all = Reading::start(&text, &Making::plain(command, form).known(&names)).all().await;
    send_windows(&mut peer, all.ok_or_else(changed)?.messages).await
}

/// Sends flow mods on a connection whose form can say them.
pub async fn send(peer: &mut Peer, bundled: bool, todo: impl Iterator<Item = FlowMod>) -> Result<(), Failure> {
    let Dialect { version, nxm, flow_mod_table_id: table_id, .. } = peer.dialect;
    let form = Format { version, nxm, table_id };
    let making = match bundled {
        true => Making::bundled(FlowModCommand::Add, form)?,
        false => Making::plain(FlowModCommand::Add, form),
    };
    let mut messages = Messages::default();
    for mut flow in todo {
        let before = messages.bytes.len();
        if making.add(&mut flow, &mut messages).is_err() || messages.bytes.len() == before {
            return Err(format!("{version} cannot say one of these flows").into());
        }
    }
    if !bundled {
        return send_windows(peer, messages).await;
    }
    bundle::open(peer).await?;
    let (first, count) = (peer.reserve_xids(messages.count), messages.count);
    messages.number(first, making.head.len());
    peer.send_and_listen(&messages.bytes).await?;
    bundle::finish(peer, |xid| xid.0.wrapping_sub(first.0) < count).await
}

/// The forms that can say the first flow.
fn usable_of_first(text: &str, command: FlowModCommand) -> Option<Formats> {
    let first = text.lines().map(stripped).find(|line| !line.is_empty())?;
    let first = read_flow_mod_line(first, command, &Names::none(), &mut Vec::new()).ok()?;
    Some(Formats::of(first.usable))
}

/// The form in which a version is spoken.
fn form(options: &Options, usable: &Formats, version: Version) -> Option<Format> {
    usable.and(&options.formats).iter().find(|f| f.version == version)
}

/// Loads without a bundle.
async fn in_windows(
    options: &Options,
    target: &str,
    text: &Arc<String>,
    command: FlowModCommand,
    first: &Formats,
) -> Result<bool, Failure> {
    // the form that the switch will most probably speak: the newest that both the first flow and the user allow
    let newest = first.and(&options.formats).iter().map(|f| f.version).max();
    let Some(guess) = newest.and_then(|version| form(options, first, version)) else { return Ok(false) };
    let Some(all) = Reading::start(text, &Making::plain(command, guess)).all().await else { return Ok(false) };
    notes::log(&all.notes);
    let usable = Formats::of(all.usable);
    let mut peer = open_for(options, target, &usable).await?;
    let chosen = form(options, &usable, peer.version()).unwrap_or(guess);
    let messages = match chosen == guess {
        true => all.messages,
        false => match Reading::start(text, &Making::plain(command, chosen)).all().await {
            Some(again) => again.messages,
            None => return Err("the flows changed while they were read".to_owned().into()),
        },
    };
    send_windows(&mut peer, messages).await?;
    Ok(true)
}

async fn send_windows(peer: &mut Peer, mut messages: Messages) -> Result<(), Failure> {
    let places: Vec<_> = messages.places().collect();
    let buffer = &mut messages.bytes;
    let (mut at, mut window) = (0, 1);
    while at < places.len() {
        // The first few alone: what most files say must not go past their first error.
        window = if at < ALONE { 1 } else { (window * 2).min(WINDOW) };
        let end = (at + window).min(places.len());
        let first = peer.reserve_xids((end - at) as u32 + 1);
        for (nth, place) in places[at..end].iter().enumerate() {
            let xid = first.0.wrapping_add(nth as u32);
            buffer[place.start + 4..place.start + 8].copy_from_slice(&xid.to_be_bytes());
        }
        let barrier = Xid(first.0.wrapping_add((end - at) as u32));
        let mut bytes = peer.encode(&Message::BarrierRequest, barrier)?;
        if end - at == 1 {
            bytes.splice(..0, buffer[places[at].clone()].iter().copied());
        } else {
            peer.send_and_listen(&buffer[places[at].start..places[end - 1].end]).await?;
        }
        peer.send_and_listen(&bytes).await?;
        let mut refused = None;
        loop {
            let bytes = peer.next_reply().await?;
            match xid_of(&bytes) {
                Some(xid) if xid == barrier => break,
                Some(xid) if xid.0.wrapping_sub(first.0) < (end - at) as u32 => {
                    refused.get_or_insert(bytes);
                }
                _ => {}
            }
        }
        if let Some(error) = refused {
            return Err(show::refused(&error));
        }
        at = end;
    }
    Ok(())
}

/// What came of an attempt to load a bundle.
enum Attempt {
    /// It is committed.
    Done,
    /// There is something in the file that is beyond this way.
    Beyond,
    /// Not all flows can be said in the form that was chosen, or no connection came about.
    OtherForm,
}

/// Loads in a bundle.
async fn in_bundle(
    options: &Options,
    target: &str,
    text: &Arc<String>,
    command: FlowModCommand,
    first: &Formats,
) -> Result<bool, Failure> {
    let since13 = |usable: &Formats| usable.filter(|f| f.version >= Version::V13);
    if let Ok(mut peer) = open_for(options, target, &since13(first)).await
        && let Some(form) = form(options, &since13(first), peer.version())
    {
        match send_bundle(&mut peer, text, &Making::bundled(command, form)?).await? {
            Attempt::Done => return Ok(true),
            Attempt::Beyond => return Ok(false),
            Attempt::OtherForm => {}
        }
    }
    // what is wrong with the flows is said before what is wrong with the connection
    let Some(usable) = skim(text, command).await else { return Ok(false) };
    let usable = since13(&Formats::of(usable));
    let mut peer = open_for(options, target, &usable).await?;
    let Some(form) = form(options, &usable, peer.version()) else { return Ok(false) };
    match send_bundle(&mut peer, text, &Making::bundled(command, form)?).await? {
        Attempt::Done => Ok(true),
        Attempt::Beyond | Attempt::OtherForm => Err("the flows changed while they were read".to_owned().into()),
    }
}

/// The forms that can say all flows; `None` if there is something in the file that is beyond this way.
async fn skim(text: &Arc<String>, command: FlowModCommand) -> Option<Protocols> {
    let mut reading = Reading::start(text, &Making::plain(command, super::format::ALL[7]));
    let mut usable = Protocols::ANY;
    let mut notes = 0;
    while let Some(part) = reading.next().await {
        let part = part?;
        usable = usable.and(part.usable);
        notes += part.notes.len();
    }
    (notes <= MOST_NOTES).then_some(usable)
}

async fn send_bundle(peer: &mut Peer, text: &Arc<String>, making: &Making) -> Result<Attempt, Failure> {
    let form = making.form;
    let known = making.most_notes == usize::MAX;
    let mut reading = Reading::start(text, making);
    let mut said: Vec<Note> = Vec::new();
    bundle::open(peer).await?;
    let first = peer.reserve_xids(0);
    let mut count = 0;
    while let Some(part) = reading.next().await {
        let Some(mut part) = part else { return Ok(Attempt::Beyond) };
        if !known {
            said.append(&mut part.notes);
        }
        if said.len() > MOST_NOTES {
            return Ok(Attempt::Beyond);
        }
        if !part.usable.contains(form.version, form.nxm, form.table_id) {
            return Ok(Attempt::OtherForm);
        }
        part.messages.number(peer.reserve_xids(part.messages.count), making.head.len());
        peer.send_and_listen(&part.messages.bytes).await?;
        count += part.messages.count;
    }
    notes::log(&said);
    bundle::finish(peer, |xid| xid.0.wrapping_sub(first.0) < count).await?;
    Ok(Attempt::Done)
}

/// So many flows are sent one by one.
const ALONE: usize = 32;
/// At most so many flows go before a barrier.
const WINDOW: usize = 16384;
