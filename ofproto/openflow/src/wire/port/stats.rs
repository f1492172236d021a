//! Port counters; from 1.4 on with properties for Ethernet's and RFC 2819's and for named ones.
//!
//! Invariant: `u64::MAX` is "unknown" in every version.

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Lifetime;
use crate::ids::Version;
use crate::port::{PortStats, Rfc2819Stats};
use crate::wire::buf::{Decoded, Encoded, Reader, Writer, text};
use crate::wire::flow::{port16, port32};
use crate::wire::nicira::{read_property, write_property};

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
struct Stats14Wire {
    len: U16,
    pad: [u8; 2],
    port: U32,
    lifetime: Lifetime,
    counters: Counters,
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
