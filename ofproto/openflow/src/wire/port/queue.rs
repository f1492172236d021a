//! Queues of a port: which are meant, their counters, their rates.

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Lifetime;
use crate::ids::{QueueId, Version};
use crate::port::{QueueConfig, QueueStats};
use crate::wire::buf::{Decoded, Encoded, Reader, Writer};
use crate::wire::flow::{port16, port32};
use crate::wire::nicira::{read_property, write_property};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct QueueStatsWire {
    queue: U32,
    tx_bytes: U64,
    tx_packets: U64,
    tx_errors: U64,
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

/// All ones: not configured.
fn rate(rate: u16) -> Option<u16> {
    (rate != u16::MAX).then_some(rate)
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
