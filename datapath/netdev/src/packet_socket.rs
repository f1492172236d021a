//! Existing kernel devices (veth, NICs) through packet sockets.
//!
//! What: one socket per worker, joined to a fanout group when there are several. Receiving: a memory-mapped ring whose
//! slots hold small frames; a frame too large for its slot waits whole in the socket's queue and is received straight
//! into a buffer of its own. Sending: one sendmmsg per burst.
//!
//! ```text
//!  kernel: tpacket_rcv -> slot (frame <= 180 B) -------------------------> one copy -> small buffer
//!                      -> slot (COPY) + sk_receive_queue (up to 64 kB) --> recv -----> small or big buffer
//! ```
//! Why: a ring slot costs the worker no system call, which is most of what a small frame costs; a larger frame costs one
//! call and no copy of ours, and the memory that it waits in is the kernel's and only used while it waits. Transmit rings measured slower than sendmmsg (720 ns against 670 ns a frame on veth, with
//! the receiver's stack in both), and bypassing the queueing discipline gained 1 %, less than losing it (and tcpdump's
//! sight of our frames) is worth.
//! Invariants: slot and queue keep one order, since the kernel queues a copy with its slot; frames that we sent never
//! come back (PACKET_IGNORE_OUTGOING).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::net::RecvFlags;
use weft_packet::{Frame, Pool};

use crate::queue::{RxQueue, TxCaps, TxQueue, TxReport};
use crate::soft::Traffic;
use crate::sys::mmsg::SendBatch;
use crate::sys::packet;
use crate::sys::ring::{RxRing, Slot};
use crate::vnet;

/// Open a packet socket on `ifindex`. It is ready when it is bound with [`start`]; until then nothing comes in.
pub(crate) fn open(ifindex: u32, slots: usize) -> io::Result<(Arc<OwnedFd>, RxRing)> {
    let socket = packet::socket()?;
    packet::set(&socket, libc::PACKET_VERSION, libc::tpacket_versions::TPACKET_V2 as libc::c_int)?;
    packet::set(&socket, libc::PACKET_VNET_HDR, 1)?;
    packet::set(&socket, libc::PACKET_IGNORE_OUTGOING, 1)?;
    packet::set(&socket, libc::PACKET_COPY_THRESH, 1)?;
    packet::set_buffers(&socket, SOCKET_BUFFER)?;
    let ring = RxRing::new(&socket, slots)?;
    packet::set_promiscuous(&socket, ifindex)?;
    Ok((Arc::new(socket), ring))
}

/// Begin to receive, on all of a device's sockets; several share the traffic by flow hash.
pub(crate) fn start(sockets: &[Arc<OwnedFd>], ifindex: u32) -> io::Result<()> {
    let mut group = None;
    for socket in sockets {
        packet::bind(socket, ifindex)?;
        if sockets.len() > 1 {
            let unique = if group.is_none() { libc::PACKET_FANOUT_FLAG_UNIQUEID } else { 0 };
            let mode = libc::PACKET_FANOUT_HASH | FANOUT_IGNORE_OUTGOING | unique;
            packet::set(socket, libc::PACKET_FANOUT, i32::from(group.unwrap_or(0)) | (mode << 16) as i32)?;
            group = Some(packet::fanout_group(&sockets[0])?);
        }
    }
    Ok(())
}

/// One worker's receive side.
pub(crate) struct PacketRx {
    socket: Arc<OwnedFd>,
    ring: RxRing,
    /// Empty bursts since the socket's error was last asked for.
    idle: u32,
    /// Frames that came in and could not be taken: too long, or with an impossible offload header.
    unfit: Arc<Traffic>,
}

impl PacketRx {
    pub(crate) fn new(socket: Arc<OwnedFd>, ring: RxRing, unfit: Arc<Traffic>) -> PacketRx {
        PacketRx { socket, ring, idle: 0, unfit }
    }

    /// A burst found nothing. Now and then ask the socket for its error: it is not told in the ring, and pending it would
    /// keep a sleeping worker awake. That the device went down, or away, is no news for a worker (ENETDOWN): the control
    /// thread hears of it through netlink.
    #[cold]
    fn check(&mut self) -> io::Result<usize> {
        self.idle = 0;
        match rustix::net::sockopt::socket_error(&self.socket)? {
            Ok(()) | Err(rustix::io::Errno::NETDOWN) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl RxQueue for PacketRx {
    fn rx_burst(&mut self, pool: &mut Pool, out: &mut Vec<Frame>, max: usize) -> io::Result<usize> {
        let before = out.len();
        let mut taken = 0;
        while taken < max {
            let Some(slot) = self.ring.peek() else { break };
            taken += 1;
            let frame = if slot.status() & libc::TP_STATUS_COPY == 0 {
                from_slot(&slot, pool)
            } else {
                let (vlan, len) = (slot.vlan(), slot.wire_len());
                drop(slot);
                from_queue(&self.socket, len, vlan, pool)
            };
            match frame {
                Some(frame) => out.push(frame),
                None => self.unfit.add(1, 0),
            }
        }
        if taken == 0 {
            self.idle += 1;
            if self.idle >= CHECK_EVERY {
                return self.check();
            }
        }
        Ok(out.len() - before)
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }
}

/// Copy a frame out of the ring.
#[inline]
fn from_slot(slot: &Slot<'_>, pool: &mut Pool) -> Option<Frame> {
    let (header, bytes) = slot.bytes(vnet::LEN).split_first_chunk()?;
    // Cut: too large for the slot, and the socket's queue was full.
    if bytes.len() != slot.wire_len() {
        return None;
    }
    let mut frame = pool.sized(bytes.len());
    if bytes.len() <= SHORT
        && let Some(line) = slot.bytes(vnet::LEN).get(vnet::LEN..).and_then(|b| b.first_chunk::<SHORT>())
    {
        frame.spare_mut()[..SHORT].copy_from_slice(line);
    } else {
        frame.spare_mut()[..bytes.len()].copy_from_slice(bytes);
    }
    frame.set_len(bytes.len());
    finish(frame, header, slot.vlan(), pool)
}

/// Receive a frame that was too large for its slot.
fn from_queue(socket: &OwnedFd, len: usize, vlan: Option<(u16, u16)>, pool: &mut Pool) -> Option<Frame> {
    let mut frame = pool.sized(len);
    let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
    let received = rustix::net::recv(socket, frame.spare_with_prefix_mut(vnet::LEN), flags);
    // With TRUNC the second length is that of the whole datagram.
    match received {
        Ok((stored, whole)) if stored == whole && whole > vnet::LEN => {
            let header: [u8; vnet::LEN] = *frame.spare_with_prefix_mut(vnet::LEN).first_chunk()?;
            frame.set_len(whole - vnet::LEN);
            finish(frame, &header, vlan, pool)
        }
        _ => {
            pool.put(frame);
            None
        }
    }
}

/// Read the offload header and put back the VLAN tag that the kernel took out.
#[inline]
fn finish(mut frame: Frame, header: &[u8; vnet::LEN], vlan: Option<(u16, u16)>, pool: &mut Pool) -> Option<Frame> {
    if !vnet::read(header, &mut frame) {
        pool.put(frame);
        return None;
    }
    if let Some((tpid, tci)) = vlan
        && frame.len() >= 2 * 6
    {
        frame.insert(12, 4);
        let tag = &mut frame.bytes_mut()[12..16];
        tag[..2].copy_from_slice(&tpid.to_be_bytes());
        tag[2..].copy_from_slice(&tci.to_be_bytes());
    }
    Some(frame)
}

/// One worker's transmit side.
pub(crate) struct PacketTx {
    socket: Arc<OwnedFd>,
    batch: SendBatch,
    /// What the device refused or had no room for.
    dropped: Arc<Traffic>,
    uso: bool,
}

impl PacketTx {
    pub(crate) fn new(socket: Arc<OwnedFd>, dropped: Arc<Traffic>, uso: bool) -> PacketTx {
        PacketTx { socket, batch: SendBatch::default(), dropped, uso }
    }
}

impl TxQueue for PacketTx {
    fn tx_burst(&mut self, frames: &mut Vec<Frame>, pool: &mut Pool) -> TxReport {
        for frame in frames.iter_mut() {
            let header = vnet::write(frame);
            frame.with_prefix_mut(vnet::LEN)[..vnet::LEN].copy_from_slice(&header);
        }
        let mut report = TxReport::default();
        let mut next = 0;
        while next < frames.len() {
            let datagrams = frames[next..].iter().map(|frame| frame.with_prefix(vnet::LEN));
            match self.batch.send(&self.socket, datagrams) {
                Ok(sent) => {
                    report.sent += sent as u32;
                    report.sent_bytes += frames[next..next + sent].iter().map(|f| f.len() as u64).sum::<u64>();
                    next += sent;
                }
                // The first frame's error; the rest may fare better.
                Err(error) => {
                    match error.raw_os_error() {
                        Some(libc::EAGAIN | libc::ENOBUFS) => report.full += 1,
                        _ => report.errors += 1,
                    }
                    next += 1;
                }
            }
        }
        if report.full + report.errors > 0 {
            self.dropped.add(u64::from(report.full), u64::from(report.errors));
        }
        for frame in frames.drain(..) {
            pool.put(frame);
        }
        report
    }

    fn caps(&self) -> TxCaps {
        // The kernel segments and sums in software for a device that cannot.
        TxCaps { checksum: true, tso4: true, tso6: true, uso: self.uso }
    }
}

/// Bytes that may wait in a socket's queue; kernel memory that is only used when large frames wait.
const SOCKET_BUFFER: libc::c_int = 8 << 20;
/// Empty bursts between two looks at the socket's error: rare enough to cost nothing in a spin.
const CHECK_EVERY: u32 = 512;
/// Frames up to this length are copied in one piece of this length.
const SHORT: usize = 64;
/// `PACKET_FANOUT_FLAG_IGNORE_OUTGOING`.
const FANOUT_IGNORE_OUTGOING: libc::c_uint = 0x4000;
