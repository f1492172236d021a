//! The newest drop of each port, for whoever asks why a frame died.
//!
//! What: each worker keeps, for each of its ports, when and why it last dropped a frame there, and how the frame began.
//! How: at most one drop a turn and port is written down: the first. That costs one copy of at most [`HEAD`] bytes and one
//! lock that only a reader could hold; then the worker does without rather than wait.
//!
//! Invariant: writing never allocates, never waits.

use std::sync::Mutex;

use weft_base::Time;
use weft_packet::{DpPort, DropReason, Frame};

/// How many bytes of a frame are kept.
pub const HEAD: usize = 256;

/// A drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastDrop {
    /// Why.
    pub reason: DropReason,
    /// When.
    pub at: Time,
    /// Where the frame had come in.
    pub in_port: DpPort,
    /// How long it was.
    pub len: usize,
    /// How it began, at most [`HEAD`] bytes, as it was when it was dropped; empty where only the device still had it.
    pub head: Vec<u8>,
}

/// Where a worker writes.
pub(crate) struct LastDropSlot(Mutex<Note>);

struct Note {
    reason: Option<DropReason>,
    at: Time,
    in_port: DpPort,
    len: usize,
    kept: usize,
    head: [u8; HEAD],
}

impl Default for LastDropSlot {
    fn default() -> LastDropSlot {
        let note = Note { reason: None, at: Time::ZERO, in_port: DpPort::NONE, len: 0, kept: 0, head: [0; HEAD] };
        LastDropSlot(Mutex::new(note))
    }
}

impl LastDropSlot {
    /// Remember a drop; forgotten if a reader looks just now.
    pub fn note(&self, reason: DropReason, frame: Option<&Frame>, at: Time) {
        let Ok(mut note) = self.0.try_lock() else { return };
        note.reason = Some(reason);
        note.at = at;
        let bytes = frame.map_or(&[][..], |f| f.bytes());
        (note.in_port, note.len) = frame.map_or((DpPort::NONE, 0), |f| (f.in_port, f.len()));
        note.kept = bytes.len().min(HEAD);
        let kept = note.kept;
        note.head[..kept].copy_from_slice(&bytes[..kept]);
    }

    /// What was remembered.
    pub fn get(&self) -> Option<LastDrop> {
        let note = self.0.lock().unwrap_or_else(|e| e.into_inner());
        Some(LastDrop {
            reason: note.reason?,
            at: note.at,
            in_port: note.in_port,
            len: note.len,
            head: note.head[..note.kept].to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_keeps_the_newest_drop_and_how_its_frame_began() {
        let slot = LastDropSlot::default();
        assert_eq!(slot.get(), None);
        let mut long = Frame::copy_of(&[0x5a; 1000]);
        long.in_port = DpPort(3);
        slot.note(DropReason::FlowDrop, Some(&long), Time::from_millis(1));
        slot.note(DropReason::TxQueueFull, None, Time::from_millis(2));
        let last = slot.get().unwrap();
        assert_eq!((last.reason, last.at, last.len), (DropReason::TxQueueFull, Time::from_millis(2), 0));
        slot.note(DropReason::MtuExceeded, Some(&long), Time::from_millis(3));
        let last = slot.get().unwrap();
        assert_eq!((last.in_port, last.len, last.head), (DpPort(3), 1000, vec![0x5a; HEAD]));
    }
}
