//! The receive ring that a packet socket shares with the kernel (TPACKET_V2, packet_mmap.rst).
//!
//! ```text
//!  block 0                          block 1
//!  | slot | slot | ... | (unused) | | slot | slot | ...      slot: tpacket2_hdr | sockaddr_ll | pad | vnet | frame
//!            ^ next: ours when TP_STATUS_USER is set, the kernel's otherwise
//! ```
//! Invariant: a [`Slot`] exists only while its status says that it is ours, and gives the slot back when dropped.

use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use libc::tpacket2_hdr;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapped ring and our position on it.
pub(crate) struct RxRing {
    base: NonNull<u8>,
    len: usize,
    slots: usize,
    per_block: usize,
    next: usize,
    /// Offset of slot `next`.
    at: usize,
}

// SAFETY: the mapping belongs to this value alone on our side; the kernel's side is guarded by each slot's status.
unsafe impl Send for RxRing {}

impl RxRing {
    /// Give `socket` a ring of at least `slots` slots, and map it. The socket must speak TPACKET_V2 already.
    pub(crate) fn new(socket: impl AsFd, slots: usize) -> io::Result<RxRing> {
        let per_block = BLOCK / SLOT;
        let blocks = slots.div_ceil(per_block).max(1);
        let request = libc::tpacket_req {
            tp_block_size: BLOCK as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: SLOT as u32,
            tp_frame_nr: (blocks * per_block) as u32,
        };
        super::packet::set_rx_ring(&socket, &request)?;
        let len = blocks * BLOCK;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe {
            mmap(std::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, socket, 0)
        }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(RxRing { base, len, slots: blocks * per_block, per_block, next: 0, at: 0 })
    }

    /// The oldest slot that the kernel has filled, if any.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<Slot<'_>> {
        let status = self.status().load(Ordering::Acquire);
        if status & libc::TP_STATUS_USER == 0 {
            return None;
        }
        let header = self.slot().cast::<tpacket2_hdr>();
        // SAFETY: the slot begins with a header, aligned to 16 bytes; the status, read with acquire, says that the
        // kernel has finished it and leaves it alone until we give the slot back.
        let header = unsafe { header.read() };
        Some(Slot { ring: self, header, status })
    }

    /// Start loading the header of the slot after the next.
    #[inline]
    fn prefetch(&self) {
        let mut after = self.at + SLOT;
        if after + SLOT > self.len {
            after = 0;
        }
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: `after + SLOT <= len`, so this stays inside the mapping.
            let slot = unsafe { self.base.add(after) };
            // SAFETY: a prefetch never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(slot.as_ptr().cast_const().cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = after;
    }

    fn slot(&self) -> NonNull<u8> {
        debug_assert!(self.at + SLOT <= self.len);
        // SAFETY: `at` is the offset of a whole slot inside the mapping (see `advance`).
        unsafe { self.base.add(self.at) }
    }

    fn status(&self) -> &AtomicU32 {
        // The header's first field is its status.
        let status = self.slot().cast::<u32>();
        // SAFETY: aligned (slots are at multiples of 16), inside the mapping, and both sides access it atomically.
        unsafe { AtomicU32::from_ptr(status.as_ptr()) }
    }

    fn advance(&mut self) {
        self.next += 1;
        if self.next == self.slots {
            self.next = 0;
        }
        self.at = self.next / self.per_block * BLOCK + self.next % self.per_block * SLOT;
    }
}

impl Drop for RxRing {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and no slot borrows it any more.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

/// A filled slot; dropping it gives it back to the kernel.
pub(crate) struct Slot<'a> {
    ring: &'a mut RxRing,
    header: tpacket2_hdr,
    status: u32,
}

impl Slot<'_> {
    /// The flags `TP_STATUS_*`.
    #[inline]
    pub(crate) fn status(&self) -> u32 {
        self.status
    }

    /// Length of the frame on the wire, without stripped VLAN tag.
    #[inline]
    pub(crate) fn wire_len(&self) -> usize {
        self.header.tp_len as usize
    }

    /// The VLAN tag (TPID, TCI) that the kernel took out of the frame.
    #[inline]
    pub(crate) fn vlan(&self) -> Option<(u16, u16)> {
        if self.status & libc::TP_STATUS_VLAN_VALID == 0 {
            return None;
        }
        let has_tpid = self.status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
        let tpid = if has_tpid { self.header.tp_vlan_tpid } else { libc::ETH_P_8021Q as u16 };
        Some((tpid, self.header.tp_vlan_tci))
    }

    /// The captured bytes of the frame with the `prefix` bytes of offload header before them.
    #[inline]
    pub(crate) fn bytes(&self, prefix: usize) -> &[u8] {
        let (mac, snap) = (self.header.tp_mac as usize, self.header.tp_snaplen as usize);
        // The kernel keeps to the slot; were it ever wrong, an empty frame is dropped as malformed.
        if mac < prefix || mac + snap > SLOT {
            return &[];
        }
        // SAFETY: `mac - prefix < SLOT`, so this stays inside the slot.
        let first = unsafe { self.ring.slot().add(mac - prefix) };
        // SAFETY: the bytes end inside the slot (checked above), are initialised (the mapping is) and stay untouched by
        // the kernel while the slot is ours; `&self` keeps it so.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), prefix + snap) }
    }
}

impl Drop for Slot<'_> {
    #[inline]
    fn drop(&mut self) {
        self.ring.prefetch();
        self.ring.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.ring.advance();
    }
}

/// Bytes of a slot: 76 of headers, and a frame of up to 180. Small, so that a ring of 1 MB rides out several milliseconds
/// in which the worker does not run.
const SLOT: usize = 256;
/// Bytes of a block, a power of two of pages.
const BLOCK: usize = 65536;
