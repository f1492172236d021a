//! The device in memory, for tests of a whole switch.
//!
//! What: `type=dummy`. `netdev-dummy/receive` pushes frames into it, what it is sent can be read from a capture file,
//! and an ARP request for one of its addresses is answered. `wire`: cables between dummies.
//! How: the control side ([`Dummy`]) and the queues share one state; a receive queue is a bounded queue of byte strings
//! with a bell, so that a worker which sleeps on it wakes.
//! Invariant: counters move when a frame is pushed or sent, so a test that pushed and drained can compare at once.

mod wire;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use weft_packet::{Frame, Mac, Pool};

use crate::device::QueuePair;
use crate::link::Stats;
use crate::null::Silent;
use crate::pcap::{WriteNow, Writer};
use crate::queue::{RxQueue, TxCaps, TxQueue, TxReport};
use crate::soft::Soft;
use crate::spec::{DummyOptions, OpenError};
use crate::wake::Waker;

/// The control side of a dummy device.
#[derive(Debug)]
pub struct Dummy {
    pub(crate) soft: Soft,
    inbox: Vec<Inbox>,
    captures: Mutex<Captures>,
    addresses: Mutex<Addresses>,
    wires: Mutex<wire::Wires>,
    /// Each frame chooses its transmit queue; otherwise each worker has one.
    steers_by_hash: AtomicBool,
}

/// Frames on their way to one receive queue.
#[derive(Debug)]
struct Inbox {
    waiting: Mutex<VecDeque<Vec<u8>>>,
    /// Shared by all queues of one worker.
    bell: Arc<Waker>,
}

#[derive(Debug, Default)]
struct Captures {
    rx: Option<Arc<Mutex<Writer<File>>>>,
    tx: Option<Arc<Mutex<Writer<File>>>>,
}

#[derive(Debug, Default)]
struct Addresses {
    v4: Option<(Ipv4Addr, u8)>,
    v6: Vec<(Ipv6Addr, u8)>,
}

/// The receive queue does not exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("bad rx queue id.")]
pub struct BadQueue;

impl Dummy {
    /// Let the switch receive `frame` from receive queue `queue` (0 if not given). Dropped when a hundred are waiting
    /// there already.
    ///
    /// # Errors
    /// When the device has no such queue.
    pub fn receive(&self, frame: &[u8], queue: Option<usize>) -> Result<(), BadQueue> {
        let queue = queue.unwrap_or(0);
        let inbox = self.inbox.get(queue).ok_or(BadQueue)?;
        let mut waiting = lock(&inbox.waiting);
        if waiting.len() >= INBOX {
            return Ok(());
        }
        self.soft.rx[queue].add_shared(1, frame.len() as u64);
        if let Some(writer) = &lock(&self.captures).rx {
            // A capture that cannot be written (full disk) must not stop the switch.
            let _ = lock(writer).write(frame);
        }
        waiting.push_back(frame.to_vec());
        drop(waiting);
        inbox.bell.wake();
        Ok(())
    }

    /// How many frames wait to be received by the switch.
    pub fn backlog(&self) -> usize {
        self.inbox.iter().map(|inbox| lock(&inbox.waiting).len()).sum()
    }

    /// Set the IPv4 address and prefix length.
    pub fn set_ip4(&self, address: Ipv4Addr, prefix: u8) {
        lock(&self.addresses).v4 = Some((address, prefix));
    }

    /// The IPv4 address and prefix length.
    pub fn ip4(&self) -> Option<(Ipv4Addr, u8)> {
        lock(&self.addresses).v4
    }

    /// Add an IPv6 address with its prefix length.
    pub fn add_ip6(&self, address: Ipv6Addr, prefix: u8) {
        let v6 = &mut lock(&self.addresses).v6;
        v6.retain(|(had, _)| *had != address);
        v6.push((address, prefix));
    }

    /// The IPv6 addresses with their prefix lengths.
    pub fn ip6(&self) -> Vec<(Ipv6Addr, u8)> {
        lock(&self.addresses).v6.clone()
    }

    /// `other_config:tx-steering`: whether frames are spread over the transmit queues by what they carry.
    pub fn steer_by_hash(&self, on: bool) {
        self.steers_by_hash.store(on, Ordering::Relaxed);
    }

    /// Which of its transmit queues a worker's frame takes.
    fn tx_queue(&self, frame: &[u8], worker: usize) -> usize {
        let chosen = match self.steers_by_hash.load(Ordering::Relaxed) {
            // addresses and ports of IPv4 without options, or what lies there
            true => hash(frame.get(26..38).unwrap_or(frame)),
            false => worker,
        };
        chosen % self.soft.tx.len()
    }

    /// Whether the other end of its cable is there; `None` for one that dials nobody.
    pub fn is_connected(&self) -> Option<bool> {
        wire::is_connected(self)
    }

    /// A frame goes over the cables.
    fn send_to_others(&self, frame: &[u8]) {
        let wires = lock(&self.wires);
        for other in wires.to.iter().filter_map(std::sync::Weak::upgrade) {
            // Queue 0 always exists.
            let _ = other.receive(frame, None);
        }
    }

    /// Number of receive queues.
    pub fn rx_queues(&self) -> usize {
        self.inbox.len()
    }

    /// Take other options: the capture files are closed and begun anew. The number of queues stays.
    ///
    /// # Errors
    /// When a file cannot be written; the old ones are closed all the same.
    pub fn set_options(self: &Arc<Dummy>, name: &str, options: &DummyOptions) -> Result<(), OpenError> {
        wire::plug(self, options);
        let mut captures = lock(&self.captures);
        *captures = Captures::default();
        *captures = Captures::open(name, options)?;
        Ok(())
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.soft.stats();
        let rx_packets = stats.rx_packets.unwrap_or(0);
        // Two counters that are the device's own, so that custom statistics can be tested.
        stats.custom.push(("rx_custom_packets_1".to_owned(), rx_packets));
        stats.custom.push(("rx_custom_packets_2".to_owned(), rx_packets));
        for (direction, queues) in [("rx", &self.soft.rx), ("tx", &self.soft.tx)] {
            for (i, (packets, bytes)) in queues.iter().map(|q| q.get()).enumerate() {
                stats.custom.push((format!("{direction}_q{i}_packets"), packets));
                stats.custom.push((format!("{direction}_q{i}_bytes"), bytes));
            }
        }
        stats.custom.sort();
        stats
    }

    /// What the device answers by itself to a frame that it is sent.
    fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let (address, _) = self.ip4()?;
        arp_reply(frame, address, self.soft.mac())
    }
}

/// Open a dummy with `tx_queues` workers; the address is the next of aa:55:aa:55:00:01 and up.
pub(crate) fn open(
    name: &str,
    options: &DummyOptions,
    tx_queues: usize,
) -> Result<(Arc<Dummy>, Vec<QueuePair>), OpenError> {
    let rx_queues = options.rx_queues.max(1);
    let bells = (0..tx_queues).map(|_| Waker::new().map(Arc::new)).collect::<io::Result<Vec<_>>>();
    let bells = bells.map_err(|source| OpenError::Device { name: name.to_owned(), source })?;
    let inbox = |queue: usize| Inbox { waiting: Mutex::default(), bell: Arc::clone(&bells[queue % tx_queues]) };
    let dummy = Arc::new(Dummy {
        soft: Soft::new(next_mac(), rx_queues, options.tx_queues.max(1)),
        inbox: (0..rx_queues).map(inbox).collect(),
        captures: Mutex::new(Captures::open(name, options)?),
        addresses: Mutex::default(),
        wires: Mutex::default(),
        steers_by_hash: AtomicBool::new(false),
    });
    wire::plug(&dummy, options);
    let pair = |index: usize| {
        let mine: Vec<usize> = (index..rx_queues).step_by(tx_queues).collect();
        let rx: Box<dyn RxQueue> = match mine.as_slice() {
            [] => Box::new(Silent),
            _ => Box::new(Rx { dummy: Arc::clone(&dummy), queues: mine }),
        };
        QueuePair { rx, tx: Box::new(Tx { dummy: Arc::clone(&dummy), index }) }
    };
    let pairs = (0..tx_queues).map(pair).collect();
    Ok((dummy, pairs))
}

impl Captures {
    fn open(name: &str, options: &DummyOptions) -> Result<Captures, OpenError> {
        let create = |path: &Option<std::path::PathBuf>| -> Result<_, OpenError> {
            let Some(path) = path else { return Ok(None) };
            match Writer::create(path) {
                Ok(writer) => Ok(Some(Arc::new(Mutex::new(writer)))),
                Err(source) => Err(OpenError::File { name: name.to_owned(), path: path.clone(), source }),
            }
        };
        let rx = create(&options.rx_pcap)?;
        // Under `pcap` both directions share one file, and one writer keeps its records whole.
        let tx = if options.tx_pcap == options.rx_pcap { rx.clone() } else { create(&options.tx_pcap)? };
        Ok(Captures { rx, tx })
    }
}

/// The receive queues that one worker serves.
struct Rx {
    dummy: Arc<Dummy>,
    queues: Vec<usize>,
}

impl RxQueue for Rx {
    fn rx_burst(&mut self, pool: &mut Pool, out: &mut Vec<Frame>, max: usize) -> io::Result<usize> {
        let before = out.len();
        let Some(&first) = self.queues.first() else { return Ok(0) };
        let bell = &self.dummy.inbox[first].bell;
        bell.clear();
        for &queue in &self.queues {
            let mut waiting = lock(&self.dummy.inbox[queue].waiting);
            while out.len() - before < max {
                let Some(bytes) = waiting.pop_front() else { break };
                let mut frame = pool.sized(bytes.len());
                frame.fill(&bytes);
                out.push(frame);
            }
            if !waiting.is_empty() {
                bell.wake();
            }
        }
        Ok(out.len() - before)
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        self.queues.first().map(|&queue| self.dummy.inbox[queue].bell.as_fd())
    }
}

/// One worker's transmit queue.
struct Tx {
    dummy: Arc<Dummy>,
    index: usize,
}

impl TxQueue for Tx {
    fn tx_burst(&mut self, frames: &mut Vec<Frame>, pool: &mut Pool) -> TxReport {
        let mut report = TxReport::default();
        let capture = lock(&self.dummy.captures).tx.clone();
        for frame in frames.drain(..) {
            report.sent += 1;
            report.sent_bytes += frame.len() as u64;
            let queue = self.dummy.tx_queue(frame.bytes(), self.index);
            self.dummy.soft.tx[queue].add_shared(1, frame.len() as u64);
            if let Some(writer) = &capture {
                let _ = lock(writer).write(frame.bytes());
            }
            self.dummy.send_to_others(frame.bytes());
            if let Some(reply) = self.dummy.answer(frame.bytes()) {
                // Queue 0 always exists.
                let _ = self.dummy.receive(&reply, None);
            }
            pool.put(frame);
        }
        report
    }

    fn caps(&self) -> TxCaps {
        TxCaps::default()
    }
}

/// The reply of `address` at `mac` to an ARP request (RFC 826) for it.
fn arp_reply(frame: &[u8], address: Ipv4Addr, mac: Mac) -> Option<Vec<u8>> {
    let arp: &[u8; 28] = frame.get(14..42)?.try_into().ok()?;
    let is_arp = frame[12..14] == [0x08, 0x06];
    let is_request = arp[..8] == [0, 1, 0x08, 0, 6, 4, 0, 1];
    if !is_arp || !is_request || arp[24..28] != address.octets() {
        return None;
    }
    let mut reply = Vec::with_capacity(42);
    reply.extend_from_slice(&arp[8..14]);
    reply.extend_from_slice(&mac.0);
    reply.extend_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2]);
    reply.extend_from_slice(&mac.0);
    reply.extend_from_slice(&address.octets());
    reply.extend_from_slice(&arp[8..18]);
    Some(reply)
}

/// FNV-1a, folded: any hash does that spreads.
fn hash(bytes: &[u8]) -> usize {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    (hash ^ hash >> 32) as usize
}

/// Number 0 is that of the datapath's own device (`ovs-dummy`), which we have no need of but whose number users count in:
/// the first bridge is 1.
fn next_mac() -> Mac {
    static NEXT: AtomicU32 = AtomicU32::new(0xaa55_0001);
    let [a, b, c, d] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Mac([0xaa, 0x55, a, b, c, d])
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// Frames that may wait in one receive queue.
const INBOX: usize = 100;

#[cfg(test)]
mod tests;
