//! Ports and queues: descriptions, changes, statistics, configuration.

use std::time::Duration;

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Encoded, Reader, Writer, bad, text};
use super::flow::{port16, port32};
use super::nicira::{read_property, write_property};
use crate::error::ErrorCode;
use crate::ids::{Mac, QueueId, Version};
use crate::port::{
    PortConfig, PortDesc, PortFeatures, PortMod, PortReason, PortState, PortStats, PortStatus, QueueConfig, QueueStats,
    Rfc2819Stats,
};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Port10Wire {
    port: U16,
    hw_addr: [u8; 6],
    name: [u8; 16],
    config: U32,
    state: U32,
    current: U32,
    advertised: U32,
    supported: U32,
    peer: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Port11Wire {
    port: U32,
    pad1: [u8; 4],
    hw_addr: [u8; 6],
    pad2: [u8; 2],
    name: [u8; 16],
    config: U32,
    state: U32,
    current: U32,
    advertised: U32,
    supported: U32,
    peer: U32,
    curr_speed: U32,
    max_speed: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Port14Wire {
    port: U32,
    len: U16,
    pad1: [u8; 2],
    hw_addr: [u8; 6],
    pad2: [u8; 2],
    name: [u8; 16],
    config: U32,
    state: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct EthernetWire {
    pad: [u8; 4],
    current: U32,
    advertised: U32,
    supported: U32,
    peer: U32,
    curr_speed: U32,
    max_speed: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Counters {
    rx_packets: U64,
    tx_packets: U64,
    rx_bytes: U64,
    tx_bytes: U64,
    rx_dropped: U64,
    tx_dropped: U64,
    rx_errors: U64,
    tx_errors: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct EthernetCounters {
    rx_frame_err: U64,
    rx_over_err: U64,
    rx_crc_err: U64,
    collisions: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Lifetime {
    seconds: U32,
    nanos: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Stats14Wire {
    len: U16,
    pad: [u8; 2],
    port: U32,
    lifetime: Lifetime,
    counters: Counters,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Mod10Wire {
    port: U16,
    hw_addr: [u8; 6],
    config: U32,
    mask: U32,
    advertise: U32,
    pad: [u8; 4],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Mod11Wire {
    port: U32,
    pad1: [u8; 4],
    hw_addr: [u8; 6],
    pad2: [u8; 2],
    config: U32,
    mask: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct QueueStatsWire {
    queue: U32,
    tx_bytes: U64,
    tx_packets: U64,
    tx_errors: U64,
}

impl Lifetime {
    fn of(d: Duration) -> Lifetime {
        Lifetime {
            seconds: (d.as_secs().min(u32::MAX.into()) as u32).into(),
            nanos: (d.subsec_millis() * 1_000_000).into(),
        }
    }

    /// All ones: not known.
    fn duration(&self) -> Option<Duration> {
        (self.seconds.get() != u32::MAX)
            .then(|| Duration::new(self.seconds.get().into(), self.nanos.get().min(999_999_999)))
    }

    fn unknown() -> Lifetime {
        Lifetime { seconds: u32::MAX.into(), nanos: u32::MAX.into() }
    }
}

/// 1.0's feature bits; from 1.1 on three speeds and "other" stand in the middle.
fn features10(bits: u32) -> PortFeatures {
    PortFeatures::from_bits_truncate(bits & 0x7f | (bits & 0xf80) << 4)
}

fn features10_bits(features: PortFeatures) -> U32 {
    let bits = features.bits();
    (bits & 0x7f | (bits >> 4) & 0xf80).into()
}

fn features11(bits: U32) -> PortFeatures {
    PortFeatures::from_bits_truncate(bits.get())
}

const CONFIG10: u32 = 0x7f;
const CONFIG11: u32 = 0x65;
const STATE10: u32 = 0x301;
const STATE11: u32 = 0x7;

pub(crate) fn read_port(r: &mut Reader<'_>, version: Version) -> Decoded<PortDesc> {
    let mask = |bits: U32, all: u32| bits.get() & all;
    if version == Version::V10 {
        let wire: &Port10Wire = r.get("port")?;
        return Ok(PortDesc {
            port: OfPort::from_u16(wire.port.get()),
            hw_addr: Mac(wire.hw_addr),
            name: text(&wire.name),
            config: PortConfig::from_bits_truncate(mask(wire.config, CONFIG10)),
            state: PortState::from_bits_truncate(mask(wire.state, STATE10)),
            current: features10(wire.current.get()),
            advertised: features10(wire.advertised.get()),
            supported: features10(wire.supported.get()),
            peer: features10(wire.peer.get()),
            curr_speed: kbps(features10(wire.current.get())),
            max_speed: kbps(features10(wire.supported.get())),
        });
    }
    if version >= Version::V14 {
        let len = usize::from(r.peek::<Port14Wire>("port")?.len.get());
        let mut e = r.sub(len.max(size_of::<Port14Wire>()), "port")?;
        let wire: &Port14Wire = e.get("port")?;
        let mut desc = PortDesc {
            port: port32(wire.port.get())?,
            hw_addr: Mac(wire.hw_addr),
            name: text(&wire.name),
            config: PortConfig::from_bits_truncate(mask(wire.config, CONFIG11)),
            state: PortState::from_bits_truncate(mask(wire.state, STATE11)),
            current: PortFeatures::empty(),
            advertised: PortFeatures::empty(),
            supported: PortFeatures::empty(),
            peer: PortFeatures::empty(),
            curr_speed: 0,
            max_speed: 0,
        };
        while !e.is_empty() {
            let (kind, mut body) = read_property(&mut e)?;
            if kind != 0 {
                continue;
            }
            let wire: &EthernetWire = body.get("port's Ethernet property")?;
            desc.current = features11(wire.current);
            desc.advertised = features11(wire.advertised);
            desc.supported = features11(wire.supported);
            desc.peer = features11(wire.peer);
            desc.curr_speed = wire.curr_speed.get();
            desc.max_speed = wire.max_speed.get();
        }
        return Ok(desc);
    }
    let wire: &Port11Wire = r.get("port")?;
    Ok(PortDesc {
        port: port32(wire.port.get())?,
        hw_addr: Mac(wire.hw_addr),
        name: text(&wire.name),
        config: PortConfig::from_bits_truncate(mask(wire.config, CONFIG11)),
        state: PortState::from_bits_truncate(mask(wire.state, STATE11)),
        current: features11(wire.current),
        advertised: features11(wire.advertised),
        supported: features11(wire.supported),
        peer: features11(wire.peer),
        curr_speed: wire.curr_speed.get(),
        max_speed: wire.max_speed.get(),
    })
}

/// The fastest speed among features.
fn kbps(features: PortFeatures) -> u32 {
    let speeds = [
        (PortFeatures::FD_1TB, 1_000_000_000),
        (PortFeatures::FD_100GB, 100_000_000),
        (PortFeatures::FD_40GB, 40_000_000),
        (PortFeatures::FD_10GB, 10_000_000),
        (PortFeatures::FD_1GB | PortFeatures::HD_1GB, 1_000_000),
        (PortFeatures::FD_100MB | PortFeatures::HD_100MB, 100_000),
        (PortFeatures::FD_10MB | PortFeatures::HD_10MB, 10_000),
    ];
    speeds.iter().find(|(bits, _)| features.intersects(*bits)).map_or(0, |(_, kbps)| *kbps)
}

fn name16(name: &str) -> [u8; 16] {
    let mut out = [0; 16];
    let n = name.len().min(15);
    out[..n].copy_from_slice(&name.as_bytes()[..n]);
    out
}

pub(crate) fn write_port(w: &mut Writer, p: &PortDesc, version: Version) -> Encoded<()> {
    if version == Version::V10 {
        w.put(&Port10Wire {
            port: port16(p.port, version)?,
            hw_addr: p.hw_addr.0,
            name: name16(&p.name),
            config: (p.config.bits() & CONFIG10).into(),
            state: (p.state.bits() & STATE10).into(),
            current: features10_bits(p.current),
            advertised: features10_bits(p.advertised),
            supported: features10_bits(p.supported),
            peer: features10_bits(p.peer),
        });
        return Ok(());
    }
    let config = (p.config.bits() & CONFIG11).into();
    let state = (p.state.bits() & STATE11).into();
    let port = p.port.0.into();
    if version >= Version::V14 {
        let start = w.len();
        w.put(&Port14Wire {
            port,
            len: 0.into(),
            pad1: [0; 2],
            hw_addr: p.hw_addr.0,
            pad2: [0; 2],
            name: name16(&p.name),
            config,
            state,
        });
        write_property(w, 0, |w| {
            w.put(&EthernetWire {
                pad: [0; 4],
                current: p.current.bits().into(),
                advertised: p.advertised.bits().into(),
                supported: p.supported.bits().into(),
                peer: p.peer.bits().into(),
                curr_speed: p.curr_speed.into(),
                max_speed: p.max_speed.into(),
            });
        });
        w.close(start, 4);
        return Ok(());
    }
    w.put(&Port11Wire {
        port,
        pad1: [0; 4],
        hw_addr: p.hw_addr.0,
        pad2: [0; 2],
        name: name16(&p.name),
        config,
        state,
        current: p.current.bits().into(),
        advertised: p.advertised.bits().into(),
        supported: p.supported.bits().into(),
        peer: p.peer.bits().into(),
        curr_speed: p.curr_speed.into(),
        max_speed: p.max_speed.into(),
    });
    Ok(())
}

pub(crate) fn read_status(r: &mut Reader<'_>, version: Version) -> Decoded<PortStatus> {
    let reason = match r.bytes(8, "port status")?[0] {
        0 => PortReason::Add,
        1 => PortReason::Delete,
        2 => PortReason::Modify,
        n => return bad(ErrorCode::NXBRC_BAD_REASON, format!("unknown port status reason {n}")),
    };
    Ok(PortStatus { reason, desc: read_port(r, version)? })
}

pub(crate) fn write_status(w: &mut Writer, s: &PortStatus, version: Version) -> Encoded<()> {
    w.slice(&[s.reason as u8, 0, 0, 0, 0, 0, 0, 0]);
    write_port(w, &s.desc, version)
}

pub(crate) fn read_mod(r: &mut Reader<'_>, version: Version) -> Decoded<PortMod> {
    if version == Version::V10 {
        let wire: &Mod10Wire = r.get("port mod")?;
        return Ok(PortMod {
            port: OfPort::from_u16(wire.port.get()),
            hw_addr: Mac(wire.hw_addr),
            config: PortConfig::from_bits_truncate(wire.config.get() & CONFIG10),
            mask: PortConfig::from_bits_truncate(wire.mask.get() & CONFIG10),
            advertise: features10(wire.advertise.get()),
        });
    }
    let wire: &Mod11Wire = r.get("port mod")?;
    let mut advertise = PortFeatures::empty();
    if version >= Version::V14 {
        while !r.is_empty() {
            let (kind, mut body) = read_property(r)?;
            match kind {
                0 => advertise = features11(*body.get("advertise")?),
                _ => return bad(ErrorCode::OFPBPC_BAD_TYPE, format!("unknown port mod property {kind}")),
            }
        }
    } else {
        advertise = features11(*r.get("advertise")?);
        r.skip(4, "padding")?;
    }
    Ok(PortMod {
        port: port32(wire.port.get())?,
        hw_addr: Mac(wire.hw_addr),
        config: PortConfig::from_bits_truncate(wire.config.get() & CONFIG11),
        mask: PortConfig::from_bits_truncate(wire.mask.get() & CONFIG11),
        advertise,
    })
}

pub(crate) fn write_mod(w: &mut Writer, m: &PortMod, version: Version) -> Encoded<()> {
    if version == Version::V10 {
        w.put(&Mod10Wire {
            port: port16(m.port, version)?,
            hw_addr: m.hw_addr.0,
            config: m.config.bits().into(),
            mask: m.mask.bits().into(),
            advertise: features10_bits(m.advertise),
            pad: [0; 4],
        });
        return Ok(());
    }
    w.put(&Mod11Wire {
        port: m.port.0.into(),
        pad1: [0; 4],
        hw_addr: m.hw_addr.0,
        pad2: [0; 2],
        config: (m.config.bits() & CONFIG11).into(),
        mask: (m.mask.bits() & CONFIG11).into(),
    });
    if version >= Version::V14 {
        if !m.advertise.is_empty() {
            write_property(w, 0, |w| w.put(&U32::new(m.advertise.bits())));
        }
    } else {
        w.put(&U32::new(m.advertise.bits()));
        w.zeros(4);
    }
    Ok(())
}

impl Counters {
    fn of(s: &PortStats) -> Counters {
        Counters {
            rx_packets: s.rx_packets.into(),
            tx_packets: s.tx_packets.into(),
            rx_bytes: s.rx_bytes.into(),
            tx_bytes: s.tx_bytes.into(),
            rx_dropped: s.rx_dropped.into(),
            tx_dropped: s.tx_dropped.into(),
            rx_errors: s.rx_errors.into(),
            tx_errors: s.tx_errors.into(),
        }
    }

    fn read(&self, s: &mut PortStats) {
        s.rx_packets = self.rx_packets.get();
        s.tx_packets = self.tx_packets.get();
        s.rx_bytes = self.rx_bytes.get();
        s.tx_bytes = self.tx_bytes.get();
        s.rx_dropped = self.rx_dropped.get();
        s.tx_dropped = self.tx_dropped.get();
        s.rx_errors = self.rx_errors.get();
        s.tx_errors = self.tx_errors.get();
    }
}

impl EthernetCounters {
    fn of(s: &PortStats) -> EthernetCounters {
        EthernetCounters {
            rx_frame_err: s.rx_frame_err.into(),
            rx_over_err: s.rx_over_err.into(),
            rx_crc_err: s.rx_crc_err.into(),
            collisions: s.collisions.into(),
        }
    }

    fn read(&self, s: &mut PortStats) {
        s.rx_frame_err = self.rx_frame_err.get();
        s.rx_over_err = self.rx_over_err.get();
        s.rx_crc_err = self.rx_crc_err.get();
        s.collisions = self.collisions.get();
    }
}

/// OVS's experimenter property with named counters.
const INTEL: u32 = 0x0000_aa01;
const EXPERIMENTER: u16 = 0xffff;

pub(crate) fn read_stats(r: &mut Reader<'_>, version: Version) -> Decoded<PortStats> {
    if version >= Version::V14 {
        let len = usize::from(r.peek::<U16>("port stats")?.get());
        let mut e = r.sub(len.max(size_of::<Stats14Wire>()), "port stats")?;
        let wire: &Stats14Wire = e.get("port stats")?;
        let mut s = PortStats::unknown(port32(wire.port.get())?);
        s.duration = wire.lifetime.duration();
        wire.counters.read(&mut s);
        while !e.is_empty() {
            let (kind, mut body) = read_property(&mut e)?;
            match kind {
                0 => {
                    body.skip(4, "padding")?;
                    body.get::<EthernetCounters>("port's Ethernet counters")?.read(&mut s);
                }
                EXPERIMENTER => read_custom(body, &mut s)?,
                _ => {}
            }
        }
        return Ok(s);
    }
    let port = if version == Version::V10 {
        let port = OfPort::from_u16(r.get::<U16>("port stats")?.get());
        r.skip(6, "padding")?;
        port
    } else {
        let port = port32(r.get::<U32>("port stats")?.get())?;
        r.skip(4, "padding")?;
        port
    };
    let mut s = PortStats::unknown(port);
    r.get::<Counters>("port counters")?.read(&mut s);
    r.get::<EthernetCounters>("port counters")?.read(&mut s);
    if version >= Version::V13 {
        s.duration = r.get::<Lifetime>("port's lifetime")?.duration();
    }
    Ok(s)
}

fn read_rfc2819(mut r: Reader<'_>, s: &mut PortStats) -> Decoded<()> {
    r.skip(4, "padding")?;
    let mut counters = [0; 21];
    for counter in &mut counters {
        *counter = r.get::<U64>("RFC 2819 counter")?.get();
    }
    if counters.iter().any(|n| *n != u64::MAX) {
        s.rfc2819 = Some(Box::new(Rfc2819Stats::from_counters(counters)));
    }
    Ok(())
}

/// Named counters: count:16, then length:8 name value:64 each.
fn read_custom(mut r: Reader<'_>, s: &mut PortStats) -> Decoded<()> {
    let vendor = r.get::<U32>("experimenter")?.get();
    let kind = r.get::<U32>("experimenter type")?.get();
    match (vendor, kind) {
        (INTEL, 1) => return read_rfc2819(r, s),
        (INTEL, 2) => {}
        _ => return Ok(()),
    }
    r.skip(2, "padding")?;
    let n = r.get::<U16>("number of counters")?.get();
    for _ in 0..n {
        let len = usize::from(r.bytes(1, "counter's name")?[0]);
        let name = text(r.bytes(len, "counter's name")?);
        s.custom.push((name, r.get::<U64>("counter")?.get()));
    }
    Ok(())
}

pub(crate) fn write_stats(w: &mut Writer, s: &PortStats, version: Version) -> Encoded<()> {
    let lifetime = s.duration.map_or_else(Lifetime::unknown, Lifetime::of);
    if version >= Version::V14 {
        let start = w.len();
        w.put(&Stats14Wire { len: 0.into(), pad: [0; 2], port: s.port.0.into(), lifetime, counters: Counters::of(s) });
        write_property(w, 0, |w| {
            w.zeros(4);
            w.put(&EthernetCounters::of(s));
        });
        if let Some(rmon) = &s.rfc2819 {
            write_property(w, EXPERIMENTER, |w| {
                w.put(&U32::new(INTEL));
                w.put(&U32::new(1));
                w.zeros(4);
                rmon.counters().iter().for_each(|n| w.put(&U64::new(*n)));
            });
        }
        if !s.custom.is_empty() {
            write_property(w, EXPERIMENTER, |w| {
                w.put(&U32::new(INTEL));
                w.put(&U32::new(2));
                w.zeros(2);
                w.put(&U16::new(s.custom.len() as u16));
                for (name, value) in &s.custom {
                    let name = &name.as_bytes()[..name.len().min(255)];
                    w.slice(&[name.len() as u8]);
                    w.slice(name);
                    w.put(&U64::new(*value));
                }
            });
        }
        w.close(start, 0);
        return Ok(());
    }
    if version == Version::V10 {
        w.put(&port16(s.port, version)?);
        w.zeros(6);
    } else {
        w.put(&U32::new(s.port.0));
        w.zeros(4);
    }
    w.put(&Counters::of(s));
    w.put(&EthernetCounters::of(s));
    if version >= Version::V13 {
        w.put(&lifetime);
    }
    Ok(())
}

/// A port alone, as port and port description requests have it, padded to 8.
pub(crate) fn read_port_number(r: &mut Reader<'_>, version: Version) -> Decoded<OfPort> {
    if version == Version::V10 {
        let port = OfPort::from_u16(r.get::<U16>("port")?.get());
        r.skip(6, "padding")?;
        return Ok(port);
    }
    let port = port32(r.get::<U32>("port")?.get())?;
    r.skip(4, "padding")?;
    Ok(port)
}

pub(crate) fn write_port_number(w: &mut Writer, port: OfPort, version: Version) -> Encoded<()> {
    if version == Version::V10 {
        w.put(&port16(port, version)?);
        w.zeros(6);
    } else {
        w.put(&U32::new(port.0));
        w.zeros(4);
    }
    Ok(())
}

/// Port and queue, 8 bytes.
pub(crate) fn read_queue(r: &mut Reader<'_>, version: Version) -> Decoded<(OfPort, QueueId)> {
    let port = if version == Version::V10 {
        let port = r.get::<U16>("port")?.get();
        r.skip(2, "padding")?;
        // 1.0 says "all ports" where later versions say "any".
        if port == 0xfffc { OfPort::NONE } else { OfPort::from_u16(port) }
    } else {
        port32(r.get::<U32>("port")?.get())?
    };
    Ok((port, QueueId(r.get::<U32>("queue")?.get())))
}

pub(crate) fn write_queue(w: &mut Writer, port: OfPort, queue: QueueId, version: Version) -> Encoded<()> {
    if version == Version::V10 {
        w.put(&if port == OfPort::NONE { U16::new(0xfffc) } else { port16(port, version)? });
        w.zeros(2);
    } else {
        w.put(&U32::new(port.0));
    }
    w.put(&U32::new(queue.0));
    Ok(())
}

pub(crate) fn read_queue_stats(r: &mut Reader<'_>, version: Version) -> Decoded<QueueStats> {
    let mut e = *r;
    if version >= Version::V14 {
        let len = usize::from(r.peek::<U16>("queue stats")?.get());
        e = r.sub(len, "queue stats")?;
        e.skip(8, "queue stats")?;
    }
    let port = if version == Version::V10 {
        let port = OfPort::from_u16(e.get::<U16>("port")?.get());
        e.skip(2, "padding")?;
        port
    } else {
        port32(e.get::<U32>("port")?.get())?
    };
    let wire: &QueueStatsWire = e.get("queue stats")?;
    let duration = if version >= Version::V13 { e.get::<Lifetime>("queue's lifetime")?.duration() } else { None };
    if version < Version::V14 {
        *r = e;
    }
    Ok(QueueStats {
        port,
        queue: QueueId(wire.queue.get()),
        tx_bytes: wire.tx_bytes.get(),
        tx_packets: wire.tx_packets.get(),
        tx_errors: wire.tx_errors.get(),
        duration,
    })
}

pub(crate) fn write_queue_stats(w: &mut Writer, s: &QueueStats, version: Version) -> Encoded<()> {
    let start = w.len();
    if version >= Version::V14 {
        w.zeros(8);
    }
    if version == Version::V10 {
        w.put(&port16(s.port, version)?);
        w.zeros(2);
    } else {
        w.put(&U32::new(s.port.0));
    }
    w.put(&QueueStatsWire {
        queue: s.queue.0.into(),
        tx_bytes: s.tx_bytes.into(),
        tx_packets: s.tx_packets.into(),
        tx_errors: s.tx_errors.into(),
    });
    if version >= Version::V13 {
        w.put(&s.duration.map_or_else(Lifetime::unknown, Lifetime::of));
    }
    if version >= Version::V14 {
        w.close(start, 0);
    }
    Ok(())
}

const MIN_RATE: u16 = 1;
const MAX_RATE: u16 = 2;

/// One queue of QUEUE_GET_CONFIG_REPLY (before 1.4) or of a queue description (1.4+).
pub(crate) fn read_queue_config(r: &mut Reader<'_>, version: Version, port: OfPort) -> Decoded<QueueConfig> {
    let mut q = QueueConfig { port, queue: QueueId(0), min_rate: None, max_rate: None };
    let mut head = *r;
    let header_len = match version {
        Version::V10 | Version::V11 => {
            q.queue = QueueId(head.get::<U32>("queue")?.get());
            8
        }
        Version::V12 | Version::V13 => {
            q.queue = QueueId(head.get::<U32>("queue")?.get());
            // Which port is said in the reply's own header.
            head.skip(4, "port")?;
            16
        }
        _ => {
            q.port = port32(head.get::<U32>("port")?.get())?;
            q.queue = QueueId(head.get::<U32>("queue")?.get());
            16
        }
    };
    let len = usize::from(head.get::<U16>("queue's length")?.get());
    if len < header_len {
        return r.bad_len(format!("a queue of {len} bytes"));
    }
    let mut e = r.sub(len, "queue")?;
    e.skip(header_len, "queue")?;
    while !e.is_empty() {
        let (kind, mut body) = read_property(&mut e)?;
        if version < Version::V14 {
            body.skip(4, "padding")?;
        }
        match kind {
            MIN_RATE => q.min_rate = rate(body.get::<U16>("rate")?.get()),
            MAX_RATE => q.max_rate = rate(body.get::<U16>("rate")?.get()),
            _ => {}
        }
    }
    Ok(q)
}

/// Above 1000 tenths of a percent: not configured.
fn rate(rate: u16) -> Option<u16> {
    (rate <= 1000).then_some(rate)
}

pub(crate) fn write_queue_config(w: &mut Writer, q: &QueueConfig, version: Version) {
    let start = w.len();
    let len_at = match version {
        Version::V10 | Version::V11 => {
            w.put(&U32::new(q.queue.0));
            w.zeros(4);
            4
        }
        Version::V12 | Version::V13 => {
            w.put(&U32::new(q.queue.0));
            w.put(&U32::new(q.port.0));
            w.zeros(8);
            8
        }
        _ => {
            w.put(&U32::new(q.port.0));
            w.put(&U32::new(q.queue.0));
            w.zeros(8);
            8
        }
    };
    let property = |w: &mut Writer, kind: u16, rate: u16| {
        write_property(w, kind, |w| {
            if version < Version::V14 {
                w.zeros(4);
            }
            w.put(&U16::new(rate));
            w.zeros(if version < Version::V14 { 6 } else { 2 });
        });
    };
    if let Some(rate) = q.min_rate {
        property(w, MIN_RATE, rate);
    }
    if let Some(rate) = q.max_rate.filter(|_| version >= Version::V12) {
        property(w, MAX_RATE, rate);
    }
    w.close(start, len_at);
}
