//! What a frame still needs before a device can have it.
//!
//! Invariant: what [`prepare`] leaves, the queue takes without help and the MTU allows.

#[cfg(test)]
mod tests;

use weft_netdev::TxCaps;
use weft_packet::tunnel::stt;
use weft_packet::{ChecksumState, DropReason, Frame, GsoKind, Pool, checksum, segment};

/// Segment and sum in software what the queue cannot; drop what is too long, and say so.
#[inline]
pub fn prepare(
    frames: &mut Vec<Frame>,
    scratch: &mut Vec<Frame>,
    caps: TxCaps,
    mtu: u32,
    pool: &mut Pool,
    mut dropped: impl FnMut(DropReason, Option<&Frame>),
) {
    // Untagged Ethernet; longer headers are looked at one by one below.
    let plain_len = mtu as usize + 14;
    let is_plain =
        |f: &Frame| f.gso.is_none() && f.len() <= plain_len && !matches!(f.checksum, ChecksumState::Partial { .. });
    if frames.iter().all(is_plain) {
        return;
    }
    for mut frame in frames.drain(..) {
        stt::fit(&mut frame, mtu as usize);
        if is_plain(&frame) {
            scratch.push(frame);
        } else if payload(&frame) > mtu as usize {
            dropped(DropReason::MtuExceeded, Some(&frame));
            pool.put(frame);
        } else if !takes(caps, &frame) {
            if caps.uso && segment::bundle(&frame, pool, |big| scratch.push(big)).is_ok() {
                // one call sends many datagrams of a tunnel, each with a segment of what was inside
                pool.put(frame);
            } else if segment::finish(frame, pool, |cut| scratch.push(cut)).is_err() {
                dropped(DropReason::TxError, None);
            }
        } else {
            scratch.push(frame);
        }
    }
    std::mem::swap(frames, scratch);
}

/// Bytes behind the Ethernet header and its tags: of the frame, or of a segment of it.
fn payload(frame: &Frame) -> usize {
    let l3 = match frame.l3 {
        0 => 14,
        l3 => usize::from(l3),
    };
    let len = match frame.gso {
        Some(gso) => frame.len().min(usize::from(gso.header_len) + usize::from(gso.size)),
        None => frame.len(),
    };
    len.saturating_sub(l3)
}

/// Whether the queue does what is still to be done.
fn takes(caps: TxCaps, frame: &Frame) -> bool {
    match frame.gso {
        Some(gso) => {
            // its outer headers are for each segment, and the device knows nothing of them
            caps.checksum
                && frame.outer.is_none()
                && is_bare_ip(frame)
                && match gso.kind {
                    GsoKind::TcpV4 => caps.tso4,
                    GsoKind::TcpV6 => caps.tso6,
                    GsoKind::UdpL4 => caps.uso,
                }
        }
        None => caps.checksum || !matches!(frame.checksum, ChecksumState::Partial { .. }),
    }
}

/// Whether IP follows the Ethernet header and its tags: no device looks behind MPLS labels or service headers.
fn is_bare_ip(frame: &Frame) -> bool {
    let l3 = usize::from(frame.l3);
    let kind = frame.bytes().get(l3.wrapping_sub(2)..).and_then(|bytes| bytes.first_chunk::<2>());
    l3 == 0 || kind.is_some_and(|kind| matches!(u16::from_be_bytes(*kind), 0x0800 | 0x86dd))
}

/// Cut a frame short for an output with a maximum length. Its checksum is that of the whole frame.
pub fn truncate(frame: &mut Frame, max_len: u32) {
    if (max_len as usize) < frame.len() {
        if frame.gso.is_none() {
            checksum::fill(frame);
        }
        frame.checksum = ChecksumState::Unknown;
        frame.truncate(max_len as usize);
    }
}
