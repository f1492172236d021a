//! Ports and queues on the wire.
//!
//! - [`desc`]: what a port is, and that it changed; [`modify`]: change it; [`stats`]: its counters; [`queue`]: its queues.
//! - Here: what they share, that is features, lifetimes, and port numbers of both widths.

mod desc;
mod modify;
mod queue;
mod stats;

pub(crate) use desc::{read_port, read_status, write_port, write_status};
pub(crate) use modify::{read_mod, write_mod};
pub(crate) use queue::{
    read_queue, read_queue_config, read_queue_stats, write_queue, write_queue_config, write_queue_stats,
};
pub(crate) use stats::{read_stats, write_stats};

use std::time::Duration;

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Encoded, Reader, Writer};
use super::flow::{port16, port32};
use crate::ids::Version;
use crate::port::PortFeatures;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Lifetime {
    seconds: U32,
    nanos: U32,
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
