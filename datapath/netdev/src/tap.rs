//! Kernel taps: internal ports and taps for guests.
//!
//! What: one descriptor per worker on a multi-queue tap (one plain descriptor for one worker). Frames cross with their
//! offload header (IFF_VNET_HDR), so a 64 kB TCP frame is one read and one write.
//! How: every read goes into a big buffer; a small frame is copied on into a small one, so that a big buffer does not
//! travel around with 60 bytes in it. The header is read into and written from the frame's headroom: one buffer, no
//! second I/O vector.
//! Invariant: the tap lives as long as one of its descriptors, wherever it may have been moved.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use weft_packet::frame::{HEADROOM, SMALL};
use weft_packet::{Frame, Pool};

use crate::queue::{RxQueue, TxCaps, TxQueue, TxReport};
use crate::soft::Soft;
use crate::sys::tun;
use crate::vnet;

/// An attached tap: its descriptors, and whether the kernel takes UDP segmentation.
pub(crate) struct Tap {
    pub(crate) queues: Vec<Arc<OwnedFd>>,
    pub(crate) uso: bool,
}

/// Attach `queues` descriptors to the tap `name`, making it if it does not exist.
pub(crate) fn open(name: &str, queues: usize) -> io::Result<Tap> {
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    let many = if queues > 1 { libc::IFF_MULTI_QUEUE } else { 0 };
    let mut fds = vec![attach(name, flags | many)?];
    for _ in 1..queues {
        fds.push(attach(name, flags | many)?);
    }
    let mut uso = false;
    for fd in &fds {
        uso = offer(fd)?;
    }
    Ok(Tap { queues: fds, uso })
}

fn attach(name: &str, flags: libc::c_int) -> io::Result<Arc<OwnedFd>> {
    let first = tun::attach(name, flags);
    // A tap that exists already may have been made with, or without, several queues.
    let attached = match first {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => tun::attach(name, flags ^ libc::IFF_MULTI_QUEUE)?,
        other => other?,
    };
    if attached.1 != name {
        // A name with a `%d` in it is a pattern to the kernel, not the device that was asked for.
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    tun::set_vnet_header_len(&attached.0, vnet::LEN as libc::c_int)?;
    Ok(Arc::new(attached.0))
}

/// Offer all offloads; an older kernel knows no segmentation of UDP (before 6.2).
fn offer(tap: &OwnedFd) -> io::Result<bool> {
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
    if tun::set_offload(tap, tcp | libc::TUN_F_USO4 | libc::TUN_F_USO6).is_ok() {
        return Ok(true);
    }
    tun::set_offload(tap, tcp)?;
    Ok(false)
}

/// One worker's receive side.
pub(crate) struct TapRx {
    fd: Arc<OwnedFd>,
    soft: Arc<Soft>,
    index: usize,
    /// The big buffer that the next read goes into; back in the pool while the tap is idle.
    spare: Option<Frame>,
}

impl TapRx {
    pub(crate) fn new(fd: Arc<OwnedFd>, soft: Arc<Soft>, index: usize) -> TapRx {
        TapRx { fd, soft, index, spare: None }
    }
}

impl RxQueue for TapRx {
    fn rx_burst(&mut self, pool: &mut Pool, out: &mut Vec<Frame>, max: usize) -> io::Result<usize> {
        let (before, mut bytes) = (out.len(), 0);
        let mut failure = None;
        for _ in 0..max {
            let mut buffer = self.spare.take().unwrap_or_else(|| pool.big());
            match rustix::io::read(&self.fd, buffer.spare_with_prefix_mut(vnet::LEN)) {
                Ok(n) if n > vnet::LEN => {
                    if let Some(frame) = keep(buffer, n - vnet::LEN, pool, &mut self.spare) {
                        bytes += frame.len() as u64;
                        out.push(frame);
                    }
                }
                Ok(_) => self.spare = Some(buffer),
                Err(error) => {
                    pool.put(buffer);
                    failure = (error != rustix::io::Errno::AGAIN).then_some(error);
                    break;
                }
            }
        }
        let count = out.len() - before;
        if count > 0 {
            self.soft.rx[self.index].add(count as u64, bytes);
        }
        match failure {
            // What came before the failure is not lost; it will be told again.
            Some(error) if count == 0 => Err(error.into()),
            _ => Ok(count),
        }
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}

/// Make a frame of the `len` bytes that `buffer` received: as it is, or copied into a small one.
fn keep(mut buffer: Frame, len: usize, pool: &mut Pool, spare: &mut Option<Frame>) -> Option<Frame> {
    let header: [u8; vnet::LEN] = *buffer.spare_with_prefix_mut(vnet::LEN).first_chunk()?;
    let mut frame = if len <= SMALL - HEADROOM {
        let mut small = pool.small();
        let copied = len.next_multiple_of(64).min(SMALL - HEADROOM);
        small.spare_mut()[..copied].copy_from_slice(&buffer.spare_mut()[..copied]);
        *spare = Some(buffer);
        small
    } else {
        buffer
    };
    frame.set_len(len);
    if vnet::read(&header, &mut frame) {
        return Some(frame);
    }
    pool.put(frame);
    None
}

/// One worker's transmit side.
pub(crate) struct TapTx {
    fd: Arc<OwnedFd>,
    soft: Arc<Soft>,
    index: usize,
    uso: bool,
}

impl TapTx {
    pub(crate) fn new(fd: Arc<OwnedFd>, soft: Arc<Soft>, index: usize, uso: bool) -> TapTx {
        TapTx { fd, soft, index, uso }
    }
}

impl TxQueue for TapTx {
    fn tx_burst(&mut self, frames: &mut Vec<Frame>, pool: &mut Pool) -> TxReport {
        let mut report = TxReport::default();
        let mut is_down = false;
        for mut frame in frames.drain(..) {
            let header = vnet::write(&frame);
            let bytes = frame.with_prefix_mut(vnet::LEN);
            bytes[..vnet::LEN].copy_from_slice(&header);
            // A bridge's own tap is often left down, and every flood goes there: one refusal speaks for the burst.
            let written = if is_down { Err(rustix::io::Errno::IO) } else { rustix::io::write(&self.fd, bytes) };
            match written {
                Ok(_) => {
                    report.sent += 1;
                    report.sent_bytes += frame.len() as u64;
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS) => report.full += 1,
                // EIO: the tap is administratively down.
                Err(error) => {
                    is_down |= error == rustix::io::Errno::IO;
                    report.errors += 1;
                }
            }
            pool.put(frame);
        }
        self.soft.tx[self.index].add(report.sent.into(), report.sent_bytes);
        if report.full + report.errors > 0 {
            self.soft.tx_dropped.add_shared(u64::from(report.full) + u64::from(report.errors));
        }
        report
    }

    fn caps(&self) -> TxCaps {
        TxCaps { checksum: true, tso4: true, tso6: true, uso: self.uso }
    }
}
