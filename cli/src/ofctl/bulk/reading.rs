//! A file of flows as messages, made by all processors while somebody sends them.
//!
//! ```text
//!   text  |  0  |  1  |  2  |  3  |  4  | ...      cut between lines
//!   threads  a     b     a     b     a             each makes its parts in order
//!                 \  |  /
//!             Reading::next: 0, 1, 2, ...
//! ```
//! Invariants: parts come in the order of the text. At most [`AHEAD`] and the one in work wait for each thread, however long
//! the text is. Whoever lets go of a [`Reading`] ends its threads.

use std::ops::Range;
use std::sync::Arc;

use tokio::sync::mpsc;
use weft_openflow::bundle::BundleAdd;
use weft_openflow::flow::{FlowMod, FlowModCommand};
use weft_openflow::text::{Names, Note, Protocols, read_flow_mod_line_into};
use weft_openflow::{Message, Xid, codec};

use super::super::bundle::{FLAGS, ID};
use super::super::flows::make_sayable;
use super::super::format::Format;
use crate::failure::Failure;

/// Flow mods as messages, one after another, without transaction ids.
#[derive(Default)]
pub struct Messages {
    /// The messages.
    pub bytes: Vec<u8>,
    /// How many.
    pub count: u32,
}

/// What came of some lines.
pub struct Part {
    /// What the switch is to hear.
    pub messages: Messages,
    /// The forms that can say it all.
    pub usable: Protocols,
    /// What the user is to hear.
    pub notes: Vec<Note>,
}

/// What is to be made of the lines.
#[derive(Clone)]
pub struct Making {
    /// What a line does that does not say.
    pub command: FlowModCommand,
    /// How it is said.
    pub form: Format,
    /// What stands before each message: nothing, or what a bundle has there.
    pub head: Vec<u8>,
    /// The switch's names, if there is need of them.
    pub names: Arc<Names>,
    /// More remarks than these are not for this way.
    pub most_notes: usize,
}

/// Parts that are being made.
pub struct Reading {
    threads: Vec<mpsc::Receiver<Option<Part>>>,
    next: usize,
    parts: usize,
    most_notes: usize,
}

impl Making {
    /// Messages by themselves.
    pub fn plain(command: FlowModCommand, form: Format) -> Making {
        Making { command, form, head: Vec::new(), names: Arc::default(), most_notes: MOST_NOTES }
    }

    /// The same of lines that were looked at before: with names, and without a word.
    #[must_use]
    pub fn known(self, names: &Arc<Names>) -> Making {
        Making { names: Arc::clone(names), most_notes: usize::MAX, ..self }
    }

    /// Messages for a bundle.
    pub fn bundled(command: FlowModCommand, form: Format) -> Result<Making, Failure> {
        let dialect = form.dialect();
        let encode = |message: &Message| codec::encode(message, Xid(0), &dialect).map_err(|error| error.to_string());
        let inner = encode(&Message::FlowMod(FlowMod::default()))?.len();
        let message = Box::new(Message::FlowMod(FlowMod::default()));
        let mut head = encode(&Message::BundleAdd(BundleAdd { id: ID, flags: FLAGS, xid: Xid(0), message }))?;
        head.truncate(head.len() - inner);
        Ok(Making { head, ..Making::plain(command, form) })
    }

    /// Makes messages of some lines. `None`: there is a line that this cannot read.
    fn make(&self, text: &str) -> Option<Part> {
        let mut part = Part { messages: Messages::default(), usable: Protocols::ANY, notes: Vec::new() };
        part.messages.bytes.reserve(text.len() * 2);
        let mut flow = FlowMod::default();
        for line in text.lines().map(stripped).filter(|line| !line.is_empty()) {
            if line.ends_with('\\') {
                return None;
            }
            let read = read_flow_mod_line_into(line, self.command, &self.names, &mut part.notes, &mut flow);
            part.usable = part.usable.and(read.ok()?);
            if part.notes.len() > self.most_notes {
                return None;
            }
            // a form that cannot say it is not usable, so what is missing here is read again
            if let Err(TooLong) = self.add(&mut flow, &mut part.messages) {
                return None;
            }
        }
        Some(part)
    }

    /// Appends a flow mod's message; one that the form cannot say is counted only.
    pub fn add(&self, flow: &mut FlowMod, to: &mut Messages) -> Result<(), TooLong> {
        make_sayable(flow, self.form.version);
        let (start, bytes) = (to.bytes.len(), &mut to.bytes);
        to.count += 1;
        bytes.extend_from_slice(&self.head);
        if codec::encode_flow_mod(flow, Xid(0), &self.form.dialect(), bytes).is_err() {
            bytes.truncate(start);
            return Ok(());
        }
        let length = u16::try_from(bytes.len() - start).map_err(|_| TooLong)?;
        bytes[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// A message that is too long for its bundle.
#[derive(Debug)]
pub struct TooLong;

impl Reading {
    /// Starts the threads.
    pub fn start(text: &Arc<String>, making: &Making) -> Reading {
        let cuts: Arc<[Range<usize>]> = cuts(text, SHARE).into();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(cuts.len());
        let start = |nth: usize| {
            let (to, from) = mpsc::channel(AHEAD);
            let (text, cuts, making) = (Arc::clone(text), Arc::clone(&cuts), making.clone());
            std::thread::spawn(move || {
                for range in cuts.iter().skip(nth).step_by(threads) {
                    if to.blocking_send(making.make(&text[range.clone()])).is_err() {
                        return;
                    }
                }
            });
            from
        };
        Reading {
            threads: (0..threads).map(start).collect(),
            next: 0,
            parts: cuts.len(),
            most_notes: making.most_notes,
        }
    }

    /// The next part. `None`: there is no more; `Some(None)`: there is something in it that is beyond this way.
    pub async fn next(&mut self) -> Option<Option<Part>> {
        if self.next == self.parts {
            return None;
        }
        let thread = self.next % self.threads.len();
        self.next += 1;
        Some(self.threads[thread].recv().await.flatten())
    }

    /// Everything in one. `None`: there is something in it that is beyond this way.
    pub async fn all(mut self) -> Option<Part> {
        let mut all = self.next().await??;
        while let Some(part) = self.next().await {
            let part = part?;
            all.messages.bytes.extend_from_slice(&part.messages.bytes);
            all.messages.count += part.messages.count;
            all.usable = all.usable.and(part.usable);
            all.notes.extend(part.notes);
            if all.notes.len() > self.most_notes {
                return None;
            }
        }
        Some(all)
    }
}

impl Messages {
    /// The messages' places.
    pub fn places(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let length = self.bytes.get(at + 2..at + 4)?;
            let range = at..at + usize::from(u16::from_be_bytes([length[0], length[1]]));
            at = range.end;
            Some(range)
        })
    }

    /// Gives them transaction ids from `first` on, and those in a bundle, `head` bytes behind its start, the same.
    pub fn number(&mut self, first: Xid, head: usize) {
        let (mut at, mut xid) = (0, first.0);
        while let Some(&[_, _, high, low, ..]) = self.bytes.get(at..) {
            self.bytes[at + 4..at + 8].copy_from_slice(&xid.to_be_bytes());
            self.bytes[at + head + 4..at + head + 8].copy_from_slice(&xid.to_be_bytes());
            at += usize::from(u16::from_be_bytes([high, low]));
            xid = xid.wrapping_add(1);
        }
    }
}

/// Cuts a text into parts of about this length, between lines.
fn cuts(text: &str, about: usize) -> Vec<Range<usize>> {
    let mut cuts = Vec::with_capacity(text.len() / about + 1);
    let mut start = 0;
    while start < text.len() {
        let far = (start + about).min(text.len());
        let end = text.as_bytes()[far..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |n| far + n + 1);
        cuts.push(start..end);
        start = end;
    }
    cuts
}

/// A line without its comment and the blanks around it.
pub fn stripped(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

/// More remarks than these are made one by one.
pub const MOST_NOTES: usize = 1000;
/// Text of one part: some milliseconds of work.
const SHARE: usize = 128 << 10;
/// Parts of each thread that may wait.
const AHEAD: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_whole_lines_and_nothing_is_lost() {
        let text: String = (0..100).map(|n| format!("priority={n},actions=drop\n")).collect();
        for about in [1, 26, 100, 1000, 10000] {
            for text in [&text[..], &text[..text.len() - 1], &text[..30], ""] {
                let parts: Vec<&str> = cuts(text, about).into_iter().map(|range| &text[range]).collect();
                assert_eq!(parts.concat(), text);
                assert!(parts.iter().rev().skip(1).all(|part| part.ends_with('\n')), "{about}");
            }
        }
    }

    #[tokio::test]
    async fn parts_come_in_the_order_of_the_text_and_are_numbered() {
        let lines = 20_000u32;
        let text: Arc<String> = (0..lines).map(|n| format!("cookie={n},actions=drop\n")).collect::<String>().into();
        let form = super::super::super::format::ALL[7];
        for making in [Making::plain(FlowModCommand::Add, form), Making::bundled(FlowModCommand::Add, form).unwrap()] {
            let mut all = Reading::start(&text, &making).all().await.unwrap().messages;
            all.number(Xid(7), making.head.len());
            assert_eq!((all.count, all.places().count()), (lines, lines as usize));
            for (nth, place) in all.places().enumerate() {
                let incoming = codec::decode(&all.bytes[place], &form.dialect()).unwrap();
                assert_eq!(incoming.xid, Xid(7 + nth as u32));
                let message = match incoming.message {
                    Message::BundleAdd(add) => *add.message,
                    alone => alone,
                };
                let Message::FlowMod(flow) = message else { panic!("{message:?}") };
                assert_eq!(flow.cookie.0, nth as u64);
            }
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_said_where_it_stands() {
        let mut text = "actions=drop\n".repeat(30_000);
        text.push_str("nonsense\n");
        let making = Making::plain(FlowModCommand::Add, super::super::super::format::ALL[7]);
        let mut reading = Reading::start(&text.into(), &making);
        let mut good = 0;
        while let Some(Some(part)) = reading.next().await {
            good += part.messages.count;
        }
        assert!(good > 20_000 && reading.next == reading.parts);
    }
}
