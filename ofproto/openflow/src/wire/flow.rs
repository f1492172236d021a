//! Flow messages in every version and in Nicira's NXM form of OpenFlow 1.0.
//!
//! - [`modify`]: flow mods; [`removed`]: a flow is gone; [`request`] and [`stats`]: counters and the question for them;
//!   [`oxs`]: how OpenFlow 1.5 writes counters.
//! - Here: what they share, that is ports of both widths, matches with their headers, durations and flags.
//!
//! Invariant: a form differs from its siblings in layout only; what it cannot say is refused or dropped in one place.

mod modify;
mod oxs;
mod removed;
mod request;
mod stats;

pub(crate) use modify::{read_mod, wants_nxm, write_mod10, write_mod11, write_nx_mod};
pub(crate) use removed::{read_nx_removed, read_removed, write_nx_removed, write_removed};
pub(crate) use request::{
    read_nx_request, read_request10, read_request11, write_nx_request, write_request10, write_request11,
};
pub(crate) use stats::{read_aggregate, read_stats, write_aggregate, write_stats};

use std::time::Duration;

use weft_flow::{FieldId, Match, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use super::match11;
use super::oxm::{self, NxCookie, Unknown};
use super::said::{Module, warn};
use crate::error::ErrorCode;
use crate::flow::FlowModFlags;
use crate::ids::Version;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct MatchHeaderWire {
    kind: U16,
    len: U16,
}

/// Ports before 1.1 have 16 bits.
pub(super) fn port16(port: OfPort, version: Version) -> Encoded<U16> {
    match port.to_u16() {
        Some(port) => Ok(port.into()),
        None => cannot(version, format!("port {}", port.0)),
    }
}

/// A 32-bit port; the numbers between 1.0's and 1.1's reserved ones do not exist.
pub(super) fn port32(port: u32) -> Decoded<OfPort> {
    if !oxm::is_port(port) {
        let text =
            format!("port {port} is outside the supported range 0 through 65279 or 0xffffff00 through 0xffffffff");
        warn(Module::Port, || text.clone());
        return bad(ErrorCode::OFPBAC_BAD_OUT_PORT, text);
    }
    Ok(OfPort(port))
}

/// A match of 1.1 and later, with its header and padding.
pub(super) fn read_match11(r: &mut Reader<'_>, unknown: Unknown) -> Decoded<Match> {
    let mut matching = Match::any();
    read_match11_into(r, unknown, &mut matching)?;
    Ok(matching)
}

/// [`read_match11`] into a match that requires nothing yet.
fn read_match11_into(r: &mut Reader<'_>, unknown: Unknown, matching: &mut Match) -> Decoded<()> {
    let header: &MatchHeaderWire =
        r.peek("match header").or_else(|_| bad(ErrorCode::OFPBMC_BAD_LEN, "match is cut"))?;
    let len = usize::from(header.len.get());
    match header.kind.get() {
        0 => {
            *matching = match11::read(r.get("match").or_else(|_| bad(ErrorCode::OFPBMC_BAD_LEN, "match is cut"))?)?;
            Ok(())
        }
        1 if len >= 4 => {
            let mut padded = match r.sub(len.next_multiple_of(8), "match") {
                Ok(padded) => padded,
                Err(e) => return bad(ErrorCode::OFPBMC_BAD_LEN, e.reason),
            };
            padded.skip(4, "match header")?;
            let tlvs = padded.bytes(len - 4, "match")?;
            match oxm::read_match_into(tlvs, unknown, matching)? {
                Some(_) if unknown == Unknown::Refuse => {
                    bad(ErrorCode::OFPBMC_BAD_FIELD, "a cookie is no field of OXM")
                }
                _ => Ok(()),
            }
        }
        1 => bad(ErrorCode::OFPBMC_BAD_LEN, format!("a match of {len} bytes")),
        kind => bad(ErrorCode::OFPBMC_BAD_TYPE, format!("unknown match type {kind}")),
    }
}

/// The inverse of [`read_match11`].
pub(super) fn write_match11(w: &mut Writer, m: &Match, version: Version) {
    if version == Version::V11 && match11::says_all(m) {
        w.put(&match11::write(m));
        return;
    }
    let start = w.len();
    w.put(&MatchHeaderWire { kind: 1.into(), len: 0.into() });
    oxm::write_match(w, m, Some(version));
    w.close(start, 2);
    w.pad(start, 8);
}

/// NXM TLVs whose length stands elsewhere, with padding.
fn read_nxm(r: &mut Reader<'_>, len: usize) -> Decoded<(Match, NxCookie)> {
    let mut padded = match r.sub(len.next_multiple_of(8), "match") {
        Ok(padded) => padded,
        Err(e) => return bad(ErrorCode::OFPBMC_BAD_LEN, e.reason),
    };
    oxm::read_match(padded.bytes(len, "match")?, Unknown::Refuse)
}

/// The inverse of [`read_nxm`]; gives the length without padding.
fn write_nxm(w: &mut Writer, m: &Match, cookie: (u64, u64)) -> usize {
    let start = w.len();
    oxm::write_match(w, m, None);
    oxm::write_nx_cookie(w, cookie.0, cookie.1);
    let len = w.len() - start;
    w.pad(start, 8);
    len
}

/// Whether packets of this match are known to have a VLAN tag.
fn has_vlan(m: &Match) -> bool {
    let (tci, mask) = m.get(FieldId::VlanTci);
    mask & tci & 0x1000 != 0
}

fn duration(seconds: U32, nanos: U32) -> Duration {
    Duration::new(seconds.get().into(), nanos.get().min(999_999_999))
}

fn seconds(d: Duration) -> U32 {
    (d.as_secs().min(u32::MAX.into()) as u32).into()
}

fn nanos(d: Duration) -> U32 {
    // Whole milliseconds, as users of Open vSwitch know durations.
    (d.subsec_millis() * 1_000_000).into()
}

fn flags_of(version: Version) -> FlowModFlags {
    let base = FlowModFlags::SEND_FLOW_REM | FlowModFlags::CHECK_OVERLAP;
    match version {
        Version::V10 | Version::V11 => base,
        Version::V12 => base | FlowModFlags::RESET_COUNTS,
        _ => base | FlowModFlags::RESET_COUNTS | FlowModFlags::NO_PKT_COUNTS | FlowModFlags::NO_BYT_COUNTS,
    }
}
