//! Tunnels on the fast path: the ports, and frames that go in and come out.
//!
//! What: [`Tunnels`] knows each tunnel port's encapsulation; `push` and `pop` are the actions `tnl_push` and `tnl_pop`.
//! How: pushing copies prepared headers in front of the frame; popping reads them into the key, which is then looked up as one
//! that came in by the tunnel port. A frame that waits for segmentation stays whole both ways; what a device put together
//! from several datagrams is taken apart, and TCP segments among them become one frame again.
//! A tunnel port may also have a device, where the host's own stack carries the outer packets: what comes from it is popped at
//! once, and what `set(tunnel(..))` said is put on what goes to it.
//!
//! Invariants: nothing is kept of a frame but the port's next number, and pieces of STT frames for a bounded time in bounded
//! memory ([`assembly`]); what is malformed dies with a reason of its own.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;
use weft_base::Time;
use weft_flow::{FlowKey, tunnel};
use weft_packet::coalesce::Coalescer;
use weft_packet::tunnel::stt::{self, assembly};
use weft_packet::tunnel::{Decap, Dialect, ETHERNET, Encap, Kind, Push, TunnelError, decap, encap, of_ethertype};
use weft_packet::{ChecksumState, DpPort, DropReason, Frame, GsoKind, Mac, segment};

use crate::dp_hash;
use crate::execute::{Again, Executor, MAX_RECIRCULATIONS, Scene};

/// A tunnel port.
#[derive(Debug)]
pub struct TunnelPort {
    /// What it speaks.
    pub dialect: Dialect,
    /// The next packet's number: GRE sequence numbers, IPv4 identifications.
    next: AtomicU32,
}

/// The tunnel ports of a datapath, shared by its workers.
#[derive(Debug)]
pub struct Tunnels {
    ports: ArcSwap<Vec<(u32, Arc<TunnelPort>)>>,
    /// The lowest UDP source port, and how many there are.
    sources: AtomicU32,
}

/// UDP source ports, as those of Open vSwitch by default.
const SOURCES: (u16, u16) = (32768, 61000);

impl Default for Tunnels {
    fn default() -> Tunnels {
        let tunnels = Tunnels { ports: ArcSwap::default(), sources: AtomicU32::new(0) };
        tunnels.set_sources(SOURCES.0, SOURCES.1);
        tunnels
    }
}

impl Tunnels {
    /// Put a tunnel port in, change or remove it.
    pub fn set(&self, port: DpPort, dialect: Option<Dialect>) {
        self.ports.rcu(|all| {
            let mut all = Vec::clone(all);
            let at = all.partition_point(|(number, _)| *number < port.0);
            let old = all.get(at).filter(|(number, _)| *number == port.0).map(|(_, old)| Arc::clone(old));
            if old.is_some() {
                all.remove(at);
            }
            if let Some(dialect) = dialect {
                // a port that stays goes on counting
                let next = old.map_or(0, |old| old.next.load(Ordering::Relaxed));
                all.insert(at, (port.0, Arc::new(TunnelPort { dialect, next: AtomicU32::new(next) })));
            }
            all
        });
    }

    /// From which UDP ports packets are sent (`tnl/egress_port_range`).
    pub fn set_sources(&self, lowest: u16, highest: u16) {
        let count = highest.saturating_sub(lowest).saturating_add(1);
        self.sources.store(u32::from(lowest) << 16 | u32::from(count), Ordering::Relaxed);
    }

    /// The lowest and the highest of them.
    pub fn sources(&self) -> (u16, u16) {
        let both = self.sources.load(Ordering::Relaxed);
        let (lowest, count) = ((both >> 16) as u16, both as u16);
        (lowest, lowest + (count - 1))
    }

    /// What a port speaks.
    #[inline]
    pub fn dialect(&self, port: u32) -> Option<Dialect> {
        self.with(port, |port| port.dialect)
    }

    /// The number of a port's next packet, of which `count` are taken. A port that is not there numbers nothing.
    #[inline]
    fn number(&self, port: u32, count: u32) -> u32 {
        self.with(port, |port| port.next.fetch_add(count, Ordering::Relaxed)).unwrap_or(0)
    }

    /// A flow's source port.
    #[inline]
    fn source(&self, key: &FlowKey) -> u16 {
        let both = self.sources.load(Ordering::Relaxed);
        let (lowest, count) = (both >> 16, u64::from(both as u16));
        let hash = match key.word(1) >> 16 & 0xffff {
            0x0800 | 0x86dd => dp_hash::hash(key, false, 0),
            _ => dp_hash::hash_link(key),
        };
        lowest.wrapping_add(((u64::from(hash) * count) >> 32) as u32) as u16
    }

    #[inline]
    fn with<T>(&self, port: u32, read: impl FnOnce(&TunnelPort) -> T) -> Option<T> {
        let ports = self.ports.load();
        let at = ports.partition_point(|(number, _)| *number < port);
        ports.get(at).filter(|(number, _)| *number == port).map(|(_, port)| read(port))
    }
}

/// [`Push`] with the port that it is for.
#[derive(Debug)]
pub struct PushStep {
    /// The headers.
    pub push: Push,
    /// The tunnel port.
    pub port: u32,
}

impl PushStep {
    /// Put the headers on. The frame must not wait for segmentation behind other outer headers already.
    #[inline]
    pub fn apply(&self, frame: &mut Frame, key: &mut FlowKey, tunnels: &Tunnels) {
        let segments = match frame.gso {
            Some(gso) => (frame.len() / usize::from(gso.size.max(1))) as u32 + 1,
            None => 1,
        };
        let number = if self.push.counts() || segments > 1 { tunnels.number(self.port, segments) } else { 0 };
        let is_ethernet = key.word(1) >> 32 == 0;
        self.push.apply(frame, is_ethernet, tunnels.source(key), number);
        // what goes on has an Ethernet header, and is in no tunnel yet
        key.set_word(1, key.word(1) & 0xffff_ffff);
        if tunnel::is_there(key) {
            tunnel::clear(key);
        }
    }
}

impl Executor {
    /// Take outer headers off and have the packet looked up as one of a tunnel port.
    pub(crate) fn pop(&mut self, port: u32, mut frame: Frame, scene: &Scene<'_>) {
        let Some(dialect) = scene.tunnels.dialect(port) else {
            return self.ports.discard(frame, DropReason::TunnelUnknown, &mut self.pool);
        };
        if scene.times >= MAX_RECIRCULATIONS {
            return self.ports.discard(frame, DropReason::RecursionTooDeep, &mut self.pool);
        }
        if dialect.kind == Kind::Stt {
            return self.pop_stt(port, frame, scene);
        }
        if frame.outer.is_some() || frame.gso.is_some_and(|gso| is_datagrams(&frame, gso.kind)) {
            return self.pop_each(port, frame, scene);
        }
        // a device has looked, or the sum is one of our own host's in the making
        let is_checked = frame.checksum != ChecksumState::Unknown;
        let read = match decap(dialect, frame.bytes(), frame.l3.into(), is_checked) {
            Ok(read) => read,
            Err(error) => return self.ports.discard(frame, error.reason(), &mut self.pool),
        };
        let key = key_of(&read, port);
        let (at, end) = (read.at, read.end);
        // what lies behind the outer packet stays, as padding; STT alone says how long its frame is
        if end < frame.len() && dialect.kind == Kind::Stt {
            frame.truncate(end);
        }
        // a sum of the outer packet's says nothing of the inner one that could be filled in; one inside goes on
        match frame.checksum {
            ChecksumState::Partial { start, .. } if usize::from(start) < at => frame.checksum = ChecksumState::Valid,
            ChecksumState::Valid => frame.checksum = ChecksumState::Unknown,
            _ => {}
        }
        frame.outer = None;
        frame.remove(0, at);
        (frame.l3, frame.l4) = (0, 0);
        self.again.push(Again { frame, key, times: scene.times + 1 });
    }

    /// An STT frame, or a piece of one. What was left to be done to the packet inside is left to be done to it here.
    fn pop_stt(&mut self, port: u32, frame: Frame, scene: &Scene<'_>) {
        let ports = &mut self.ports;
        let lost = |lost: assembly::Lost| {
            ports.count_many_lost(lost.in_port, DropReason::TunnelFragment, lost.pieces);
        };
        let mut frame = match self.pieces.add(frame, port, scene.now, &mut self.pool, lost) {
            assembly::Added::Whole(frame) => frame,
            assembly::Added::Taken => return,
            assembly::Added::Refused(frame, error) => {
                return self.ports.discard(frame, error.reason(), &mut self.pool);
            }
        };
        let read = match decap(Dialect::of(Kind::Stt), frame.bytes(), frame.l3.into(), true) {
            Ok(read) => read,
            Err(error) => return self.ports.discard(frame, error.reason(), &mut self.pool),
        };
        let key = key_of(&read, port);
        let (at, end) = (read.at, read.end);
        let header: [u8; stt::LEN] =
            *frame.bytes()[..at].last_chunk().expect("the packet inside begins behind STT's header");
        frame.truncate(end);
        frame.remove(0, at);
        (frame.l3, frame.l4) = (0, 0);
        match stt::open(&mut frame, &header) {
            Ok(()) => self.again.push(Again { frame, key, times: scene.times + 1 }),
            Err(error) => self.ports.discard(frame, error.reason(), &mut self.pool),
        }
    }

    /// Give up what has waited too long for its other pieces.
    #[cold]
    pub(crate) fn expire_pieces(&mut self, now: Time) {
        let ports = &mut self.ports;
        self.pieces.expire(now, &mut self.pool, |lost| {
            ports.count_many_lost(lost.in_port, DropReason::TunnelFragment, lost.pieces);
        });
    }

    /// Several datagrams in one frame, each with its own headers.
    #[cold]
    fn pop_each(&mut self, port: u32, frame: Frame, scene: &Scene<'_>) {
        let in_port = frame.in_port;
        let Some(dialect) = scene.tunnels.dialect(port) else {
            return self.ports.discard(frame, DropReason::TunnelUnknown, &mut self.pool);
        };
        if let Ok(read) = decap(dialect, frame.bytes(), frame.l3.into(), true)
            && let Some((body, head, each)) = alike(&frame, &read)
        {
            let (key, times) = (key_of(&read, port), scene.times + 1);
            let (again, pool) = (&mut self.again, &mut self.pool);
            let mut emit = |mut frame: Frame| {
                frame.in_port = in_port;
                again.push(Again { frame, key: key.clone(), times });
            };
            let mut coalescer = Coalescer::default();
            for datagram in frame.bytes()[body..].chunks(each) {
                coalescer.add(&datagram[head..], read.inner == ETHERNET, pool, &mut emit);
            }
            coalescer.flush(emit);
            return self.pool.put(frame);
        }
        let mut cuts = Vec::new();
        if segment::finish(frame, &mut self.pool, |cut| cuts.push(cut)).is_err() {
            return self.ports.count_lost(in_port, DropReason::Malformed);
        }
        cuts.into_iter().for_each(|cut| self.pop(port, cut, scene));
    }

    /// Put on what `set(tunnel(..))` said, for a device that hands outer packets to the host's stack.
    pub(crate) fn push_by_key(
        &mut self,
        port: u32,
        frame: &mut Frame,
        key: &mut FlowKey,
        scene: &Scene<'_>,
    ) -> Result<(), DropReason> {
        let dialect = scene.tunnels.dialect(port).ok_or(DropReason::TunnelUnknown)?;
        let (tunnel, options) = (tunnel::read(key), tunnel::raw(key));
        let wanted = Encap {
            dialect,
            dst: Mac::ZERO,
            src: Mac::ZERO,
            tunnel: &tunnel,
            options: &options,
            inner: inner_type(key),
            seq: false,
            label: 0,
            segments: &[],
        };
        let push = encap(&wanted).and_then(|header| Push::new(dialect.kind, &header).ok_or(TunnelError::Options));
        let push = push.map_err(|error| error.reason())?;
        PushStep { push, port }.apply(frame, key, scene.tunnels);
        Ok(())
    }
}

/// What outer headers say, as a key that the packet's own headers are to follow.
#[inline]
fn key_of(read: &Decap<'_>, port: u32) -> FlowKey {
    let mut key = FlowKey::new();
    key.begin(0, port);
    tunnel::write(&read.tunnel, &mut key);
    if !read.options.is_empty() {
        tunnel::set_raw(read.options, &mut key);
    }
    if read.inner != ETHERNET {
        key.set_word(1, u64::from(read.inner) << 32);
    }
    key
}

/// The datagrams of one frame that all have the same tunnel header: where the first packet begins behind it, how long the
/// tunnel header is, how long the datagrams are.
fn alike(frame: &Frame, read: &Decap<'_>) -> Option<(usize, usize, usize)> {
    let gso = frame.gso.filter(|gso| gso.kind == GsoKind::UdpL4 && frame.outer.is_none())?;
    let (body, each) = (usize::from(gso.header_len), usize::from(gso.size));
    let head = read.at.checked_sub(body)?;
    let bytes = frame.bytes();
    let first = bytes.get(body..read.at)?;
    let same =
        read.end == bytes.len() && bytes[body..].chunks(each).all(|datagram| datagram.get(..head) == Some(first));
    same.then_some((body, head, each))
}

/// What type of packet a key speaks of.
fn inner_type(key: &FlowKey) -> u32 {
    match (key.word(1) >> 32) as u32 {
        0 => 0,
        kind if kind >> 16 == 1 => of_ethertype(kind as u16),
        other => other,
    }
}

/// Whether segmentation would cut the outer packet: what its device put together were datagrams of the tunnel.
fn is_datagrams(frame: &Frame, kind: GsoKind) -> bool {
    match (kind, frame.checksum) {
        (GsoKind::UdpL4, ChecksumState::Partial { start, .. }) => start == frame.l4,
        (GsoKind::UdpL4, _) => true,
        _ => false,
    }
}
