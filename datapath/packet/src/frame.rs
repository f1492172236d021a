//! A frame: bytes with headroom, and what virtio_net_hdr carries about them.
//!
//! What: [`Frame`] owns one buffer, [`Pool`] recycles buffers. A TCP frame of 64 kB with a checksum still to be
//! filled in is ONE frame from the ingress tap to the egress queue; only an egress that cannot take it segments.
//! How: header edits move the few bytes in front of them into the headroom; checksum offsets move with them.
//! Invariants: `headroom + len <= capacity`; offsets in [`ChecksumState::Partial`] are relative to the first byte.

use crate::DpPort;

/// Bytes kept free in front of a received frame, for VLAN tags and tunnel headers.
pub const HEADROOM: usize = 128;
/// Capacity of a small buffer, headroom included: any frame of an MTU up to 1,500 with tags and tunnel headers.
pub const SMALL: usize = 2048;
/// Capacity of a big buffer: the largest GSO frame with its headers.
pub const BIG: usize = 65536 + 512;

/// What is known of the frame's transport checksum (virtio 1.2 §5.1.6, `virtio_net_hdr.flags`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ChecksumState {
    /// Nobody looked: the bytes stand as they came.
    #[default]
    Unknown,
    /// Checked and good (VIRTIO_NET_HDR_F_DATA_VALID).
    Valid,
    /// Still to be summed from `start` to the end of the frame into the 16 bits at `start + offset`, where the
    /// pseudo header's sum stands already (VIRTIO_NET_HDR_F_NEEDS_CSUM).
    Partial {
        /// Offset of the first summed byte from the frame's first byte.
        start: u16,
        /// Offset of the checksum field from `start`.
        offset: u16,
    },
}

/// What kind of segmentation a GSO frame waits for (`virtio_net_hdr.gso_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GsoKind {
    /// TCP over IPv4 (VIRTIO_NET_HDR_GSO_TCPV4).
    TcpV4,
    /// TCP over IPv6 (VIRTIO_NET_HDR_GSO_TCPV6).
    TcpV6,
    /// UDP segments of equal size (VIRTIO_NET_HDR_GSO_UDP_L4).
    UdpL4,
}

/// Segmentation still to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gso {
    /// Which protocol's segmentation.
    pub kind: GsoKind,
    /// Payload bytes of a segment (`gso_size`).
    pub size: u16,
    /// Length of all headers in front of the payload (`hdr_len`), from the frame's first byte.
    pub header_len: u16,
    /// The TCP segment carries ECN CWR (VIRTIO_NET_HDR_GSO_ECN).
    pub ecn: bool,
}

/// Outer headers of a tunnel, in front of a packet that waits for segmentation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outer {
    /// Which encapsulation.
    pub kind: crate::tunnel::Kind,
    /// Offset of the outer IP header.
    pub l3: u16,
    /// Offset of what follows it.
    pub l4: u16,
    /// Offset of the inner packet.
    pub at: u16,
    /// Whether the inner packet begins with an Ethernet header.
    pub ethernet: bool,
    /// The number of the first segment's outer packet (IPv4 identification, GRE sequence number).
    pub number: u32,
}

/// A protocol layer, for errors that say where bytes were missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
    /// The Ethernet header.
    Ethernet,
    /// An 802.1Q tag.
    Vlan,
    /// An MPLS label stack entry.
    Mpls,
    /// The network header.
    Network,
    /// The transport header.
    Transport,
}

/// What is wrong with a frame's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// The frame ends inside a header.
    Short {
        /// Whose header.
        layer: Layer,
        /// Bytes that the header needs.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// More bytes than a buffer holds.
    TooLong {
        /// Bytes that were offered.
        len: usize,
    },
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameError::Short { layer, need, have } => {
                write!(f, "{layer:?} header needs {need} bytes, the frame has {have} left")
            }
            FrameError::TooLong { len } => write!(f, "frame of {len} bytes is longer than {BIG}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Bytes with headroom, and their offload metadata.
#[derive(Debug)]
pub struct Frame {
    buf: Box<[u8]>,
    start: u32,
    end: u32,
    /// Where the frame came in.
    pub in_port: DpPort,
    /// Offset of the network header, 0 while unknown; written by extraction, moved by header edits.
    pub l3: u16,
    /// Offset of the transport header, 0 if there is none (also for later fragments).
    pub l4: u16,
    /// State of the transport checksum.
    pub checksum: ChecksumState,
    /// Segmentation still to be done.
    pub gso: Option<Gso>,
    /// Where the headers in front of the packet that is to be segmented lie: each segment gets its own of them.
    pub outer: Option<Outer>,
}

impl Frame {
    /// An empty frame with room for `capacity - HEADROOM` bytes.
    pub fn with_capacity(capacity: usize) -> Frame {
        let buf = vec![0u8; capacity.max(HEADROOM)].into_boxed_slice();
        Frame {
            buf,
            start: HEADROOM as u32,
            end: HEADROOM as u32,
            in_port: DpPort::NONE,
            l3: 0,
            l4: 0,
            checksum: ChecksumState::Unknown,
            gso: None,
            outer: None,
        }
    }

    /// A frame of its own with a copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Frame {
        let mut frame = Frame::with_capacity(HEADROOM + bytes.len().max(64));
        frame.fill(bytes);
        frame
    }

    /// Forget all but the buffer: empty, full headroom, no offload.
    #[inline]
    pub fn reset(&mut self) {
        self.start = HEADROOM as u32;
        self.end = HEADROOM as u32;
        self.l3 = 0;
        self.l4 = 0;
        self.checksum = ChecksumState::Unknown;
        self.gso = None;
        self.outer = None;
    }

    /// The frame's bytes, from the Ethernet destination on.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.buf[self.start as usize..self.end as usize]
    }

    /// The frame's bytes, to edit.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buf[self.start as usize..self.end as usize]
    }

    /// Number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Size of the whole buffer, headroom included.
    pub fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// Free bytes in front.
    pub fn headroom(&self) -> usize {
        self.start as usize
    }

    /// The room behind the headroom, for a device to receive into; follow with [`Frame::set_len`].
    pub fn spare_mut(&mut self) -> &mut [u8] {
        &mut self.buf[self.start as usize..]
    }

    /// [`Frame::spare_mut`] with the last `n` bytes of the headroom in front: for a device that delivers a header of its
    /// own before the frame. `n` must not exceed the headroom.
    #[inline]
    pub fn spare_with_prefix_mut(&mut self, n: usize) -> &mut [u8] {
        &mut self.buf[self.start as usize - n..]
    }

    /// The frame with the `n` bytes of headroom in front of it, to write a device's own header there; makes headroom if
    /// there is too little.
    #[inline]
    pub fn with_prefix_mut(&mut self, n: usize) -> &mut [u8] {
        if self.headroom() < n {
            self.grow_headroom(n);
        }
        &mut self.buf[self.start as usize - n..self.end as usize]
    }

    /// The frame with the `n` bytes in front of it, as [`Frame::with_prefix_mut`] left them.
    #[inline]
    pub fn with_prefix(&self, n: usize) -> &[u8] {
        &self.buf[self.start as usize - n..self.end as usize]
    }

    /// Say how many bytes of [`Frame::spare_mut`] are the frame.
    ///
    /// # Panics
    /// If `len` is more than the buffer holds.
    #[inline]
    pub fn set_len(&mut self, len: usize) {
        assert!(self.start as usize + len <= self.buf.len());
        self.end = self.start + len as u32;
    }

    /// Replace the bytes by a copy of `bytes`, which must fit (see [`Frame::capacity`]); resets all metadata.
    ///
    /// # Panics
    /// If they do not fit.
    #[inline]
    pub fn fill(&mut self, bytes: &[u8]) {
        self.reset();
        self.set_len(bytes.len());
        self.bytes_mut().copy_from_slice(bytes);
    }

    /// Cut the end off (`output(max_len=)`, trunc). A longer `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.end = self.start + len as u32;
            self.gso = None;
            self.outer = None;
        }
    }

    /// Append bytes, growing the buffer if it must.
    pub fn append(&mut self, bytes: &[u8]) {
        let end = self.end as usize;
        if end + bytes.len() > self.buf.len() {
            let mut grown = vec![0u8; (end + bytes.len()).next_power_of_two()].into_boxed_slice();
            grown[..end].copy_from_slice(&self.buf[..end]);
            self.buf = grown;
        }
        self.buf[end..end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len() as u32;
    }

    /// Open a gap of `n` bytes at offset `at` by moving what stands before it into the headroom; the gap's bytes
    /// are not cleared. Offsets of layers and checksum at or behind `at` move with their bytes.
    pub fn insert(&mut self, at: usize, n: usize) {
        if self.headroom() < n {
            self.grow_headroom(n);
        }
        let start = self.start as usize;
        self.buf.copy_within(start..start + at, start - n);
        self.start -= n as u32;
        self.shift_offsets(at, n as i32);
    }

    /// Take `n` bytes at offset `at` out by moving what stands before them.
    ///
    /// # Panics
    /// If the frame is shorter than `at + n`.
    pub fn remove(&mut self, at: usize, n: usize) {
        assert!(at + n <= self.len());
        let start = self.start as usize;
        self.buf.copy_within(start..start + at, start + n);
        self.start += n as u32;
        self.shift_offsets(at, -(n as i32));
    }

    /// A copy with its own buffer of the same capacity class.
    pub fn duplicate(&self) -> Frame {
        let mut copy =
            Frame::with_capacity(if self.len() + HEADROOM <= SMALL { SMALL } else { self.buf.len().max(BIG) });
        copy.copy_from(self);
        copy
    }

    /// Become a copy of `other`, metadata included; the buffer must be large enough.
    fn copy_from(&mut self, other: &Frame) {
        self.fill(other.bytes());
        self.in_port = other.in_port;
        self.l3 = other.l3;
        self.l4 = other.l4;
        self.checksum = other.checksum;
        self.gso = other.gso;
        self.outer = other.outer;
    }

    fn grow_headroom(&mut self, n: usize) {
        let extra = n.max(HEADROOM);
        let mut grown = vec![0u8; self.buf.len() + extra].into_boxed_slice();
        let (start, end) = (self.start as usize, self.end as usize);
        grown[start + extra..end + extra].copy_from_slice(&self.buf[start..end]);
        self.buf = grown;
        self.start += extra as u32;
        self.end += extra as u32;
    }

    fn shift_offsets(&mut self, at: usize, by: i32) {
        let moved = |offset: u16| if offset as usize >= at { (i32::from(offset) + by).max(0) as u16 } else { offset };
        if self.l3 != 0 {
            self.l3 = moved(self.l3);
        }
        if self.l4 != 0 {
            self.l4 = moved(self.l4);
        }
        if let ChecksumState::Partial { start, .. } = &mut self.checksum {
            *start = moved(*start);
        }
        if let Some(gso) = &mut self.gso {
            gso.header_len = moved(gso.header_len);
        }
        if let Some(outer) = &mut self.outer {
            (outer.l3, outer.l4, outer.at) = (moved(outer.l3), moved(outer.l4), moved(outer.at));
        }
    }
}

/// Recycled frames of the two sizes. One per worker; never shared.
#[derive(Debug, Default)]
pub struct Pool {
    small: Vec<Frame>,
    big: Vec<Frame>,
    /// Frames that had to be allocated after the pool ran dry.
    pub allocated: u64,
}

/// How many spare frames a pool keeps of each size; more are freed.
const KEEP_SMALL: usize = 4096;
const KEEP_BIG: usize = 128;

impl Pool {
    /// A pool with `small` frames made in advance.
    pub fn new(small: usize) -> Pool {
        let mut pool = Pool { small: Vec::with_capacity(KEEP_SMALL), big: Vec::with_capacity(KEEP_BIG), allocated: 0 };
        pool.small.extend((0..small.min(KEEP_SMALL)).map(|_| Frame::with_capacity(SMALL)));
        pool
    }

    /// An empty frame for up to `SMALL - HEADROOM` bytes.
    #[inline]
    pub fn small(&mut self) -> Frame {
        match self.small.pop() {
            Some(frame) => frame,
            None => {
                self.allocated += 1;
                Frame::with_capacity(SMALL)
            }
        }
    }

    /// An empty frame for up to `BIG - HEADROOM` bytes.
    pub fn big(&mut self) -> Frame {
        match self.big.pop() {
            Some(frame) => frame,
            None => {
                self.allocated += 1;
                Frame::with_capacity(BIG)
            }
        }
    }

    /// An empty frame for at least `len` bytes.
    #[inline]
    pub fn sized(&mut self, len: usize) -> Frame {
        if len + HEADROOM <= SMALL {
            self.small()
        } else if len + HEADROOM <= BIG {
            self.big()
        } else {
            Frame::with_capacity(len + HEADROOM)
        }
    }

    /// A pooled copy of a frame.
    pub fn copy(&mut self, of: &Frame) -> Frame {
        let mut copy = self.sized(of.len());
        copy.copy_from(of);
        copy
    }

    /// Give a frame back. Only buffers of the two sizes are kept.
    #[inline]
    pub fn put(&mut self, mut frame: Frame) {
        let (shelf, keep) = match frame.buf.len() {
            SMALL => (&mut self.small, KEEP_SMALL),
            BIG => (&mut self.big, KEEP_BIG),
            _ => return,
        };
        if shelf.len() < keep {
            frame.reset();
            shelf.push(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(len: usize) -> Frame {
        let mut frame = Frame::with_capacity(SMALL);
        frame.fill(&(0..len).map(|i| i as u8).collect::<Vec<_>>());
        frame
    }

    #[test]
    fn insert_and_remove_undo_each_other_and_carry_the_offsets() {
        let mut frame = numbered(100);
        frame.l3 = 14;
        frame.l4 = 34;
        frame.checksum = ChecksumState::Partial { start: 34, offset: 16 };
        let before = frame.bytes().to_vec();
        frame.insert(12, 4);
        assert_eq!((frame.len(), frame.l3, frame.l4), (104, 18, 38));
        assert_eq!(frame.checksum, ChecksumState::Partial { start: 38, offset: 16 });
        assert_eq!(&frame.bytes()[..12], &before[..12]);
        assert_eq!(&frame.bytes()[16..], &before[12..]);
        frame.remove(12, 4);
        assert_eq!(frame.bytes(), &before[..]);
        assert_eq!((frame.l3, frame.l4), (14, 34));
    }

    #[test]
    fn headroom_grows_when_headers_need_more() {
        let mut frame = numbered(60);
        let tail = frame.bytes()[12..].to_vec();
        frame.insert(12, 3 * HEADROOM);
        assert_eq!(frame.len(), 60 + 3 * HEADROOM);
        assert_eq!(&frame.bytes()[12 + 3 * HEADROOM..], &tail[..]);
    }

    #[test]
    fn a_pool_hands_out_what_it_got_back() {
        let mut pool = Pool::new(1);
        let mut frame = pool.small();
        frame.fill(&[1; 60]);
        frame.gso = Some(Gso { kind: GsoKind::TcpV4, size: 1448, header_len: 54, ecn: false });
        pool.put(frame);
        let again = pool.small();
        assert!(again.is_empty() && again.gso.is_none() && pool.allocated == 0);
    }
}
