//! Putting the pieces of STT frames together (draft-davie-stt-08 §3.2).
//!
//! What: [`Assembly`] takes outer packets, each with a piece of an STT frame; the last one that was missing gives the whole, as
//! if it had come in one packet. Pieces may come in any order, and twice.
//! How: pieces belong together if they have the same addresses, ports, frame id and length. The first that comes gets a buffer of
//! that length, into which each is copied at its offset; which bytes are there is a short list of ranges.
//! Invariants: at most [`MOST`] frames are open, [`SHARE`] from one address: the oldest goes for a new one, so memory is bounded
//! by `MOST` big buffers. None is open longer than [`LIFE`], and the time is told. Pieces that overlap without being equal end
//! their frame: a receiver cannot know which one is true (RFC 5722 §4). Who gives up says how many pieces are lost.

use std::time::Duration;

use weft_base::Time;

use super::{LEN, TCP_LEN};
use crate::DpPort;
use crate::checksum::Sum;
use crate::frame::{ChecksumState, Frame, Pool};
use crate::tunnel::{Ends, Tunnel, TunnelError, outer_ip, pseudo};
use crate::wire::ipv4::Ipv4Wire;
use crate::wire::ipv6::Ipv6Wire;
use crate::wire::{ipv6, proto, view_mut};

/// Frames that may be open.
pub const MOST: usize = 64;
/// Of one sender.
pub const SHARE: usize = 16;
/// How long a frame waits for its pieces. They leave their sender together.
pub const LIFE: Duration = Duration::from_secs(1);
/// Runs of bytes with gaps between them, in one frame.
const RANGES: usize = 32;
/// Longest outer headers: Ethernet with two tags, IP with some options, and the TCP-like one.
const HEAD: usize = 128;

/// Pieces that will not become a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    /// Where the first of them came in.
    pub in_port: DpPort,
    /// How many.
    pub pieces: u32,
}

/// Frames in the making.
#[derive(Default)]
pub struct Assembly {
    /// The oldest first.
    open: Vec<Open>,
}

/// What became of an outer packet.
#[derive(Debug)]
pub enum Added {
    /// An outer packet with a whole STT frame.
    Whole(Frame),
    /// It has been kept until its neighbours come, or is lost and told.
    Taken,
    /// It is no piece of any.
    Refused(Frame, TunnelError),
}

impl Assembly {
    /// Frames that are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The next outer packet, for tunnel port `port`; `lost` is told who will not become a frame.
    pub fn add(&mut self, frame: Frame, port: u32, now: Time, pool: &mut Pool, mut lost: impl FnMut(Lost)) -> Added {
        let piece = match Piece::read(&frame, port) {
            Ok(piece) if piece.offset == 0 && piece.len == piece.key.total => return Added::Whole(frame),
            Ok(piece) => piece,
            Err(error) => return Added::Refused(frame, error),
        };
        self.expire(now, pool, &mut lost);
        let at = match self.open.iter().position(|open| open.key == piece.key) {
            Some(at) => at,
            None => {
                self.make_room(&piece.key, pool, &mut lost);
                self.open.push(Open::new(&piece, frame.in_port, now, pool));
                self.open.len() - 1
            }
        };
        let taken = self.open[at].take(&piece, frame.bytes());
        let again = Lost { in_port: frame.in_port, pieces: 1 };
        pool.put(frame);
        match taken {
            Taken::Waits => {}
            Taken::Again => lost(again),
            Taken::Contradicts => lost(self.open.remove(at).give_up(pool)),
            Taken::Done => return Added::Whole(self.open.remove(at).whole()),
        }
        Added::Taken
    }

    /// Give up those that have waited too long.
    pub fn expire(&mut self, now: Time, pool: &mut Pool, mut lost: impl FnMut(Lost)) {
        let old = self.open.iter().take_while(|open| now.since(open.since) >= LIFE).count();
        self.open.drain(..old).for_each(|open| lost(open.give_up(pool)));
    }

    /// The oldest goes: of a sender that has its share, or of all.
    fn make_room(&mut self, of: &Key, pool: &mut Pool, lost: &mut impl FnMut(Lost)) {
        let its = |open: &&Open| open.key.ends.src() == of.ends.src();
        let oldest = if self.open.iter().filter(its).count() >= SHARE {
            self.open.iter().position(|open| its(&open))
        } else {
            (self.open.len() >= MOST).then_some(0)
        };
        if let Some(at) = oldest {
            lost(self.open.remove(at).give_up(pool));
        }
    }
}

/// Which pieces belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    port: u32,
    ends: Ends,
    ports: [u8; 4],
    id: [u8; 4],
    total: usize,
}

/// An outer packet's place in its STT frame.
struct Piece {
    key: Key,
    offset: usize,
    len: usize,
    /// Where its bytes begin in the packet.
    at: usize,
    l3: u16,
    l4: u16,
    /// The way has been congested.
    ce: bool,
}

impl Piece {
    fn read(frame: &Frame, port: u32) -> Result<Piece, TunnelError> {
        let bytes = frame.bytes();
        let mut tunnel = Tunnel::default();
        let (l4, end, proto) = outer_ip(bytes, frame.l3.into(), &mut tunnel)?;
        if proto != proto::TCP {
            return Err(TunnelError::Payload);
        }
        let packet = &bytes[l4..end];
        let tcp: &[u8; TCP_LEN] = packet.first_chunk().ok_or(TunnelError::Short)?;
        if usize::from(tcp[12] >> 4) * 4 != TCP_LEN {
            return Err(TunnelError::Flags);
        }
        let is_checked = frame.checksum != ChecksumState::Unknown;
        if !is_checked && pseudo(&tunnel.ends, proto::TCP, packet.len()).with(packet).finish() != 0 {
            return Err(TunnelError::Checksum);
        }
        let [ports, sequence, id] = [0, 4, 8].map(|at| [tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
        let sequence = u32::from_be_bytes(sequence);
        let (total, offset) = ((sequence >> 16) as usize, usize::from(sequence as u16));
        let (at, len) = (l4 + TCP_LEN, packet.len() - TCP_LEN);
        if len == 0 || total <= LEN || offset + len > total || at > HEAD {
            return Err(TunnelError::Length);
        }
        let key = Key { port, ends: tunnel.ends, ports, id, total };
        Ok(Piece { key, offset, len, at, l3: frame.l3, l4: l4 as u16, ce: tunnel.tos & 3 == 3 })
    }
}

/// A frame whose pieces are not all there.
struct Open {
    key: Key,
    since: Time,
    in_port: DpPort,
    pieces: u32,
    ce: bool,
    /// The bytes from STT's header on.
    frame: Frame,
    /// Which of them are there: ranges in order that do not touch.
    ranges: [(u16, u16); RANGES],
    count: usize,
    /// The headers of the piece at offset 0.
    head: [u8; HEAD],
    head_len: usize,
    l3: u16,
    l4: u16,
}

enum Taken {
    Waits,
    /// It was there.
    Again,
    /// It says other than those before, or makes too many gaps.
    Contradicts,
    /// It was the last.
    Done,
}

impl Open {
    fn new(piece: &Piece, in_port: DpPort, now: Time, pool: &mut Pool) -> Open {
        let mut frame = pool.sized(piece.key.total);
        frame.set_len(piece.key.total);
        Open {
            key: piece.key,
            since: now,
            in_port,
            pieces: 0,
            ce: false,
            frame,
            ranges: [(0, 0); RANGES],
            count: 0,
            head: [0; HEAD],
            head_len: 0,
            l3: 0,
            l4: 0,
        }
    }

    fn take(&mut self, piece: &Piece, bytes: &[u8]) -> Taken {
        let (from, to) = (piece.offset, piece.offset + piece.len);
        let data = &bytes[piece.at..piece.at + piece.len];
        self.pieces += 1;
        match self.cover(from as u16, to as u16) {
            Some(true) => {}
            Some(false) if self.frame.bytes()[from..to] == *data => {
                self.pieces -= 1;
                return Taken::Again;
            }
            _ => return Taken::Contradicts,
        }
        self.frame.bytes_mut()[from..to].copy_from_slice(data);
        self.ce |= piece.ce;
        if from == 0 {
            self.head_len = piece.at;
            self.head[..piece.at].copy_from_slice(&bytes[..piece.at]);
            (self.l3, self.l4) = (piece.l3, piece.l4);
        }
        if self.count == 1 && self.ranges[0] == (0, self.key.total as u16) { Taken::Done } else { Taken::Waits }
    }

    /// Note that bytes are there: true if none of them was, false if all were, `None` for some or if there is no room.
    fn cover(&mut self, from: u16, to: u16) -> Option<bool> {
        let at = self.ranges[..self.count].partition_point(|range| range.1 < from);
        if let Some(range) = self.ranges[..self.count].get(at..).and_then(|rest| rest.iter().find(|r| r.1 > from))
            && range.0 < to
        {
            return (range.0 <= from && to <= range.1).then_some(false);
        }
        let joins_left = at < self.count && self.ranges[at].1 == from;
        let next = at + usize::from(joins_left);
        let joins_right = next < self.count && self.ranges[next].0 == to;
        match (joins_left, joins_right) {
            (true, true) => {
                self.ranges[at].1 = self.ranges[next].1;
                self.ranges.copy_within(next + 1..self.count, next);
                self.count -= 1;
            }
            (true, false) => self.ranges[at].1 = to,
            (false, true) => self.ranges[next].0 = from,
            (false, false) if self.count == RANGES => return None,
            (false, false) => {
                self.ranges.copy_within(at..self.count, at + 1);
                self.ranges[at] = (from, to);
                self.count += 1;
            }
        }
        Some(true)
    }

    fn give_up(self, pool: &mut Pool) -> Lost {
        pool.put(self.frame);
        Lost { in_port: self.in_port, pieces: self.pieces }
    }

    /// As if all had come in the first packet.
    fn whole(self) -> Frame {
        const WAS_THERE: &str = "the first piece has been read";
        let (mut frame, l3) = (self.frame, usize::from(self.l3));
        frame.insert(0, self.head_len);
        frame.in_port = self.in_port;
        let len = frame.len();
        let bytes = frame.bytes_mut();
        bytes[..self.head_len].copy_from_slice(&self.head[..self.head_len]);
        let congested = if self.ce { 3 } else { 0 }; // RFC 3168 §5.3
        let short = |len: usize| u16::try_from(len).unwrap_or(0);
        if bytes[l3] >> 4 == 4 {
            let ip = view_mut::<Ipv4Wire>(bytes, l3).expect(WAS_THERE);
            (ip.tos, ip.total_len, ip.checksum) = (ip.tos | congested, short(len - l3).into(), 0.into());
            let sum = Sum::of(&bytes[l3..usize::from(self.l4)]).finish();
            view_mut::<Ipv4Wire>(bytes, l3).expect(WAS_THERE).checksum = sum.into();
        } else {
            let ip = view_mut::<Ipv6Wire>(bytes, l3).expect(WAS_THERE);
            ip.first = (ip.first.get() | u32::from(congested) << 20).into();
            ip.payload_len = short(len - l3 - ipv6::LEN).into();
        }
        (frame.l3, frame.l4, frame.checksum) = (self.l3, self.l4, ChecksumState::Valid);
        frame
    }
}
