//! OpenFlow 1.5's statistics as TLVs (§7.2.4.2): a header like a match's, then one TLV per counter.
//!
//! Invariant: an unknown counter (`u64::MAX`) is not written, and one that was not said reads as unknown.

use std::time::Duration;

use zerocopy::byteorder::big_endian::{U32, U64};

use super::{MatchHeaderWire, duration, nanos, seconds};
use crate::error::ErrorCode;
use crate::wire::buf::{Decoded, Reader, Writer, bad};
use crate::wire::oxm;

/// OpenFlow 1.5's statistics as TLVs (§7.2.4.2).
pub(super) struct Oxs {
    pub(super) duration: Duration,
    pub(super) idle_age: Option<u16>,
    pub(super) flows: u32,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

const OXS_CLASS: u16 = 0x8002;

const OXS_DURATION: u8 = 0;

const OXS_IDLE_TIME: u8 = 1;

const OXS_FLOW_COUNT: u8 = 3;

const OXS_PACKET_COUNT: u8 = 4;

const OXS_BYTE_COUNT: u8 = 5;

pub(super) fn read_oxs(r: &mut Reader<'_>) -> Decoded<Oxs> {
    let header: &MatchHeaderWire =
        r.peek("statistics").or_else(|_| bad(ErrorCode::OFPBMC_BAD_LEN, "statistics are cut"))?;
    let len = usize::from(header.len.get());
    if len < 4 {
        return bad(ErrorCode::OFPBMC_BAD_LEN, format!("statistics of {len} bytes"));
    }
    let mut padded = match r.sub(len.next_multiple_of(8), "statistics") {
        Ok(padded) => padded,
        Err(e) => return bad(ErrorCode::OFPBMC_BAD_LEN, e.reason),
    };
    padded.skip(4, "statistics header")?;
    let mut tlvs = padded.sub(len - 4, "statistics")?;
    let mut out = Oxs { duration: Duration::ZERO, idle_age: None, flows: 0, packets: u64::MAX, bytes: u64::MAX };
    while !tlvs.is_empty() {
        let header = oxm::Header::read(&mut tlvs)?;
        let mut body = tlvs.sub(header.payload, "statistic")?.short(ErrorCode::OFPBMC_BAD_LEN);
        if header.class != OXS_CLASS {
            continue;
        }
        match header.field {
            OXS_DURATION => out.duration = duration(*body.get("duration")?, *body.get("duration")?),
            OXS_IDLE_TIME => out.idle_age = Some(body.get::<U32>("idle time")?.get().min(0xffff) as u16),
            OXS_FLOW_COUNT => out.flows = body.get::<U32>("flow count")?.get(),
            OXS_PACKET_COUNT => out.packets = body.get::<U64>("packet count")?.get(),
            OXS_BYTE_COUNT => out.bytes = body.get::<U64>("byte count")?.get(),
            _ => {}
        }
    }
    Ok(out)
}

pub(super) fn write_oxs(
    w: &mut Writer,
    lifetime: Option<Duration>,
    idle: Option<u16>,
    flows: Option<u32>,
    packets: u64,
    bytes: u64,
) {
    let start = w.len();
    w.put(&MatchHeaderWire { kind: 0.into(), len: 0.into() });
    let tlv = |w: &mut Writer, field: u8, body: &[u8]| {
        let header = oxm::Header { class: OXS_CLASS, vendor: 0, field, has_mask: false, payload: body.len() };
        header.write(w);
        w.slice(body);
    };
    if let Some(lifetime) = lifetime {
        tlv(w, OXS_DURATION, &[seconds(lifetime).to_bytes(), nanos(lifetime).to_bytes()].concat());
    }
    if let Some(idle) = idle {
        tlv(w, OXS_IDLE_TIME, &[u32::from(idle).to_be_bytes(), [0; 4]].concat());
    }
    if packets != u64::MAX {
        tlv(w, OXS_PACKET_COUNT, &packets.to_be_bytes());
    }
    if bytes != u64::MAX {
        tlv(w, OXS_BYTE_COUNT, &bytes.to_be_bytes());
    }
    if let Some(flows) = flows {
        tlv(w, OXS_FLOW_COUNT, &flows.to_be_bytes());
    }
    w.close(start, 2);
    w.pad(start, 8);
}
