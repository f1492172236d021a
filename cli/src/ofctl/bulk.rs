//! Many flows at once: a file is read once, by all processors, into the bytes that go to the switch.
//!
//! Why: a million flows as values would be gigabytes, and a question to the switch after each of them takes longer than
//! everything else together.
//! How: every line becomes a flow mod, at once a message in the form that will probably be spoken, and its flow mod is
//! forgotten. If the switch speaks another form, the
//! lines are read again. Without a bundle the messages go in growing windows, each followed by a barrier, so that the
//! first error still ends the command early.
//!
//! Invariant: nothing is sent before every line has been understood.

use weft_openflow::bundle::BundleAdd;
use weft_openflow::flow::{FlowMod, FlowModCommand};
use weft_openflow::text::{Names, Note, Protocols, read_flow_mod_line};
use weft_openflow::{Message, Version, Xid, codec};

use super::bundle::{self, FLAGS, ID};
use super::flows::{adding_table, open_for};
use super::format::{Format, Formats};
use super::peer::{Peer, xid_of};
use super::{Options, notes, show};
use crate::failure::Failure;

/// Flow mods as messages, one after another, without transaction ids.
#[derive(Default)]
struct Messages {
    bytes: Vec<u8>,
    count: u32,
}

/// What came of some lines.
struct Read {
    messages: Messages,
    usable: Protocols,
    notes: Vec<Note>,
}

/// Loads the flows of a file. `Ok(false)`: the file has something in it that is beyond this way (an error, a name of the
/// switch's, a line that is continued); nothing has been sent.
pub async fn load(options: &Options, target: &str, text: &str, command: FlowModCommand) -> Result<bool, Failure> {
    let Some(guess) = guess(options, text, command) else { return Ok(false) };
    let Some(read) = read(text, command, guess) else { return Ok(false) };
    notes::log(&read.notes);
    let mut usable = Formats::of(read.usable);
    if options.bundle {
        usable = usable.filter(|f| f.version >= Version::V13);
    }
    let mut peer = open_for(options, target, &usable).await?;
    let chosen = usable.and(&options.formats).iter().find(|f| f.version == peer.version()).unwrap_or(guess);
    let messages = match chosen == guess {
        true => read.messages,
        false => match self::read(text, command, chosen) {
            Some(again) => again.messages,
            None => return Err("the flows changed while they were read".to_owned().into()),
        },
    };
    match options.bundle {
        true => in_bundle(&mut peer, messages).await?,
        false => in_windows(&mut peer, messages).await?,
    }
    Ok(true)
}

/// The form that the switch will most probably speak: the newest that both the first flow and the user allow.
fn guess(options: &Options, text: &str, command: FlowModCommand) -> Option<Format> {
    let first = text.lines().map(stripped).find(|line| !line.is_empty())?;
    let first = read_flow_mod_line(first, command, &Names::none(), &mut Vec::new()).ok()?;
    let both = Formats::of(first.usable).and(&options.formats);
    let both = if options.bundle { both.filter(|f| f.version >= Version::V13) } else { both };
    let newest = both.iter().map(|f| f.version).max()?;
    both.iter().find(|f| f.version == newest)
}

/// Reads all lines, in as many threads as there are processors.
fn read(text: &str, command: FlowModCommand, form: Format) -> Option<Read> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(1 + text.len() / LEAST_SHARE);
    let shares = shares(text, threads);
    let parts: Vec<Option<Read>> = std::thread::scope(|scope| {
        let others: Vec<_> =
            shares[1..].iter().map(|share| scope.spawn(move || read_some(share, command, form))).collect();
        let mine = read_some(shares[0], command, form);
        let theirs = others.into_iter().map(|thread| thread.join().ok().flatten());
        std::iter::once(mine).chain(theirs).collect()
    });
    let mut parts = parts.into_iter();
    let mut all = parts.next()??;
    for part in parts {
        let part = part?;
        all.messages.bytes.extend_from_slice(&part.messages.bytes);
        all.messages.count += part.messages.count;
        all.usable = all.usable.and(part.usable);
        all.notes.extend(part.notes);
    }
    Some(all)
}

/// Cuts a text into parts of about equal length, between lines.
fn shares(text: &str, parts: usize) -> Vec<&str> {
    let mut shares = Vec::with_capacity(parts);
    let mut rest = text;
    for left in (1..parts).rev() {
        let about = rest.len() / (left + 1);
        let end = rest.as_bytes()[about..].iter().position(|b| *b == b'\n').map_or(rest.len(), |n| about + n + 1);
        let (share, more) = rest.split_at(end);
        shares.push(share);
        rest = more;
    }
    shares.push(rest);
    shares
}

/// A line without its comment and the blanks around it.
fn stripped(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

fn read_some(text: &str, command: FlowModCommand, form: Format) -> Option<Read> {
    let dialect = form.dialect();
    let mut read = Read { messages: Messages::default(), usable: Protocols::ANY, notes: Vec::new() };
    read.messages.bytes.reserve(text.len());
    for line in text.lines().map(stripped).filter(|line| !line.is_empty()) {
        if line.ends_with('\\') {
            return None;
        }
        let parsed = read_flow_mod_line(line, command, &Names::none(), &mut read.notes).ok()?;
        if read.notes.len() > MOST_NOTES {
            return None;
        }
        read.usable = read.usable.and(parsed.usable);
        let todo = if form.version > Version::V10 { adding_table(parsed.flow) } else { parsed.flow };
        // a form that cannot say it is not usable, so what is missing here is read again
        if let Ok(bytes) = codec::encode(&Message::FlowMod(todo), Xid(0), &dialect) {
            read.messages.bytes.extend_from_slice(&bytes);
        }
        read.messages.count += 1;
    }
    Some(read)
}

impl Messages {
    /// The messages' places.
    fn places(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let length = self.bytes.get(at + 2..at + 4)?;
            let range = at..at + usize::from(u16::from_be_bytes([length[0], length[1]]));
            at = range.end;
            Some(range)
        })
    }
}

/// Sends without a bundle.
async fn in_windows(peer: &mut Peer, messages: Messages) -> Result<(), Failure> {
    let places: Vec<_> = messages.places().collect();
    let mut buffer = messages.bytes;
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
            peer.send_bytes(&buffer[places[at].start..places[end - 1].end]).await?;
        }
        peer.send_bytes(&bytes).await?;
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

/// Sends in a bundle.
async fn in_bundle(peer: &mut Peer, messages: Messages) -> Result<(), Failure> {
    bundle::open(peer).await?;
    // What stands before a message in a bundle is the same for all, but for the length and the transaction id.
    let inner = codec::encode(&Message::FlowMod(FlowMod::default()), Xid(0), &peer.dialect);
    let inner = inner.map_err(|error| error.to_string())?.len();
    let sample =
        BundleAdd { id: ID, flags: FLAGS, xid: Xid(0), message: Box::new(Message::FlowMod(FlowMod::default())) };
    let mut head = peer.encode(&Message::BundleAdd(sample), Xid(0))?;
    head.truncate(head.len() - inner);
    let first = peer.reserve_xids(messages.count);
    let mut chunk = Vec::with_capacity(CHUNK + 1024);
    for (nth, place) in messages.places().enumerate() {
        let xid = first.0.wrapping_add(nth as u32).to_be_bytes();
        let start = chunk.len();
        chunk.extend_from_slice(&head);
        chunk.extend_from_slice(&messages.bytes[place]);
        let length = chunk.len() - start;
        let Ok(length) = u16::try_from(length) else {
            return Err(format!("a flow of {length} bytes does not fit into a bundle").into());
        };
        chunk[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
        chunk[start + 4..start + 8].copy_from_slice(&xid);
        chunk[start + head.len() + 4..start + head.len() + 8].copy_from_slice(&xid);
        if chunk.len() >= CHUNK {
            peer.send_bytes(&chunk).await?;
            chunk.clear();
        }
    }
    peer.send_bytes(&chunk).await?;
    let sent = |xid: Xid| {
        let nth = xid.0.wrapping_sub(first.0);
        let place = messages.places().nth(nth as usize).filter(|_| nth < messages.count)?;
        let mut bytes = messages.bytes[place].to_vec();
        bytes[4..8].copy_from_slice(&xid.0.to_be_bytes());
        Some(bytes)
    };
    bundle::finish(peer, sent).await
}

/// More remarks than these are made one by one.
const MOST_NOTES: usize = 1000;
/// A thread of its own is worth so much text.
const LEAST_SHARE: usize = 256 << 10;
/// So many flows are sent one by one.
const ALONE: usize = 32;
/// At most so many flows go before a barrier.
const WINDOW: usize = 16384;
/// Bytes of a bundle that are sent at once.
const CHUNK: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_lines_and_nothing_is_lost() {
        let text: String = (0..100).map(|n| format!("priority={n},actions=drop\n")).collect();
        for parts in 1..7 {
            let shares = shares(&text, parts);
            assert_eq!(shares.concat(), text);
            assert!(shares.iter().all(|s| s.is_empty() || s.ends_with('\n')), "{parts}");
        }
    }
}
