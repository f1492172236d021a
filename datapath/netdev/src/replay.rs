//! A device that plays a capture file and records what it is sent.
//!
//! What: `type=pcap`. `options:rx_pcap` is played, once or (`infinite_rx=true`) for ever; `options:tx_pcap` records.
//! Why: replay, and a source for benchmarks that costs next to nothing by itself.
//! How: the frames are loaded into one buffer when the device opens, each at a multiple of a cache line, so that a
//! short frame is one copy of fixed size. Only the first queue plays; all queues record.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use weft_packet::frame::{BIG, HEADROOM};
use weft_packet::{Frame, Mac, Pool};

use crate::device::QueuePair;
use crate::null::{Silent, Sink};
use crate::pcap::{PcapError, Reader, WriteNow, Writer};
use crate::queue::{RxQueue, TxCaps, TxQueue, TxReport};
use crate::soft::Soft;
use crate::spec::{OpenError, PcapOptions};

pub(crate) fn open(name: &str, options: &PcapOptions, queues: usize) -> Result<(Arc<Soft>, Vec<QueuePair>), OpenError> {
    let soft = Arc::new(Soft::new(MAC, 1, queues));
    let mut tape = options.rx_pcap.as_deref().map(|path| {
        let file = std::fs::read(path);
        let file = file.map_err(|source| OpenError::File { name: name.to_owned(), path: path.to_owned(), source })?;
        Tape::load(&file).map_err(|source| OpenError::Capture { name: name.to_owned(), path: path.to_owned(), source })
    });
    let recorder = options.tx_pcap.as_deref().map(|path| {
        let writer = Writer::create(path);
        let writer =
            writer.map_err(|source| OpenError::File { name: name.to_owned(), path: path.to_owned(), source })?;
        Ok(Arc::new(Mutex::new(writer)))
    });
    let recorder = recorder.transpose()?;
    let mut pairs = Vec::with_capacity(queues);
    for index in 0..queues {
        let rx: Box<dyn RxQueue> = match tape.take() {
            Some(tape) => Box::new(Player::new(tape?, options.infinite_rx, Arc::clone(&soft))),
            None => Box::new(Silent),
        };
        let sink = Sink { soft: Arc::clone(&soft), index };
        let tx: Box<dyn TxQueue> = match &recorder {
            Some(writer) => Box::new(Recorder { writer: Arc::clone(writer), sink }),
            None => Box::new(sink),
        };
        pairs.push(QueuePair { rx, tx });
    }
    Ok((soft, pairs))
}

/// Frames in one buffer, each at a multiple of [`LINE`].
struct Tape {
    bytes: Vec<u8>,
    /// Offset and length of each frame.
    frames: Vec<(u32, u32)>,
}

impl Tape {
    fn load(file: &[u8]) -> Result<Tape, PcapError> {
        let mut tape = Tape { bytes: Vec::with_capacity(file.len()), frames: Vec::new() };
        for record in Reader::new(file)? {
            let bytes = record?.bytes;
            let bytes = &bytes[..bytes.len().min(BIG - HEADROOM)];
            tape.frames.push((tape.bytes.len() as u32, bytes.len() as u32));
            tape.bytes.extend_from_slice(bytes);
            tape.bytes.resize(tape.bytes.len().next_multiple_of(LINE), 0);
        }
        if tape.frames.is_empty() { Err(PcapError::Empty) } else { Ok(tape) }
    }
}

/// The receive queue: a tape and a position on it.
struct Player {
    tape: Tape,
    next: usize,
    infinite: bool,
    soft: Arc<Soft>,
}

impl Player {
    fn new(tape: Tape, infinite: bool, soft: Arc<Soft>) -> Player {
        Player { tape, next: 0, infinite, soft }
    }

    fn at_end(&self) -> bool {
        self.next == self.tape.frames.len()
    }
}

impl RxQueue for Player {
    fn rx_burst(&mut self, pool: &mut Pool, out: &mut Vec<Frame>, max: usize) -> io::Result<usize> {
        if self.at_end() || !self.soft.is_up() {
            return Ok(0);
        }
        let (mut count, mut total) = (0, 0);
        while count < max && !self.at_end() {
            let n = (max - count).min(self.tape.frames.len() - self.next);
            for &(at, len) in &self.tape.frames[self.next..self.next + n] {
                let (at, len) = (at as usize, len as usize);
                let mut frame = pool.sized(len);
                if len <= LINE {
                    // A copy of fixed size is a few vector moves; the surplus is padding of the tape.
                    frame.spare_mut()[..LINE].copy_from_slice(&self.tape.bytes[at..at + LINE]);
                } else {
                    frame.spare_mut()[..len].copy_from_slice(&self.tape.bytes[at..at + len]);
                }
                frame.set_len(len);
                out.push(frame);
                total += len as u64;
            }
            count += n;
            self.next += n;
            if self.infinite && self.at_end() {
                self.next = 0;
            }
        }
        self.soft.rx[0].add(count as u64, total);
        Ok(count)
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn always_ready(&self) -> bool {
        !self.at_end() && self.soft.is_up()
    }
}

/// The transmit queue that also records. One file for all queues, hence the lock; recording is not for benchmarks.
struct Recorder {
    writer: Arc<Mutex<Writer<File>>>,
    sink: Sink,
}

impl TxQueue for Recorder {
    fn tx_burst(&mut self, frames: &mut Vec<Frame>, pool: &mut Pool) -> TxReport {
        let mut writer = self.writer.lock().unwrap_or_else(|e| e.into_inner());
        let mut errors = 0;
        frames.retain(|frame| {
            let written = writer.write(frame.bytes()).is_ok();
            errors += u32::from(!written);
            written
        });
        TxReport { errors, ..self.sink.tx_burst(frames, pool) }
    }

    fn caps(&self) -> TxCaps {
        TxCaps::default()
    }
}

/// A cache line.
const LINE: usize = 64;
/// Locally administered; nobody ever asks for it.
const MAC: Mac = Mac([0x02, 0, 0, 0, 0, 2]);

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(dir: &tempfile::TempDir, lengths: &[usize]) -> PcapOptions {
        let path = dir.path().join("in.pcap");
        let mut writer = Writer::create(&path).unwrap();
        for (i, len) in lengths.iter().enumerate() {
            writer.write(&vec![i as u8 + 1; *len]).unwrap();
        }
        PcapOptions { rx_pcap: Some(path), tx_pcap: Some(dir.path().join("out.pcap")), infinite_rx: false }
    }

    fn seen(frames: &[Frame]) -> Vec<(u8, usize)> {
        frames.iter().map(|f| (f.bytes()[0], f.len())).collect()
    }

    #[test]
    fn a_finite_tape_plays_once_and_lets_its_worker_sleep_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let (soft, mut pairs) = open("p", &capture(&dir, &[60, 64, 65, 9000]), 2).unwrap();
        let (mut pool, mut out) = (Pool::new(0), Vec::new());
        assert!(!pairs[0].rx.always_ready(), "a port that is down receives nothing");
        soft.set_up(true);
        assert!(pairs[0].rx.always_ready() && !pairs[1].rx.always_ready());
        assert_eq!(pairs[0].rx.rx_burst(&mut pool, &mut out, 3).unwrap(), 3);
        assert_eq!(pairs[0].rx.rx_burst(&mut pool, &mut out, 3).unwrap(), 1);
        assert_eq!(pairs[0].rx.rx_burst(&mut pool, &mut out, 3).unwrap(), 0);
        assert_eq!(seen(&out), [(1, 60), (2, 64), (3, 65), (4, 9000)]);
        assert!(!pairs[0].rx.always_ready());
        assert_eq!(soft.stats().rx_bytes, Some(60 + 64 + 65 + 9000));
    }

    #[test]
    fn an_infinite_tape_fills_every_burst() {
        let dir = tempfile::tempdir().unwrap();
        let options = PcapOptions { infinite_rx: true, ..capture(&dir, &[60, 61, 62]) };
        let (soft, mut pairs) = open("p", &options, 1).unwrap();
        soft.set_up(true);
        let (mut pool, mut out) = (Pool::new(32), Vec::new());
        assert_eq!(pairs[0].rx.rx_burst(&mut pool, &mut out, 32).unwrap(), 32);
        assert!(out.iter().enumerate().all(|(i, f)| f.len() == 60 + i % 3));
        assert_eq!(pool.allocated, 0);
    }

    #[test]
    fn what_is_sent_is_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let options = capture(&dir, &[60]);
        let (_, mut pairs) = open("p", &options, 2).unwrap();
        let mut pool = Pool::new(0);
        for pair in &mut pairs {
            assert_eq!(pair.tx.tx_burst(&mut vec![Frame::copy_of(b"abc")], &mut pool).sent, 1);
        }
        let file = std::fs::read(options.tx_pcap.unwrap()).unwrap();
        assert!(Reader::new(&file).unwrap().all(|r| r.unwrap().bytes == b"abc"));
    }

    #[test]
    fn a_file_that_is_missing_or_empty_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = PcapOptions { rx_pcap: Some(dir.path().join("no")), ..PcapOptions::default() };
        let text = open("p", &missing, 1).err().unwrap().to_string();
        assert!(text.contains("no (No such file or directory)"), "{text}");
        let text = open("p", &capture(&dir, &[]), 1).err().unwrap().to_string();
        assert!(text.ends_with("capture file has no frames"), "{text}");
    }
}
