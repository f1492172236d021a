//! Which actions a version has: their numbers, the names that the tools give them, and how long they may be.
//!
//! Invariant: a decoder of an action's body sees only bytes whose length passed here.

use super::{HeaderWire, NICIRA, ONF, VENDOR, VendorWire};
use crate::error::ErrorCode;
use crate::ids::Version;
use crate::wire::buf::{Decoded, Reader, bad};
use crate::wire::said::{Module, note, warn};

use Version::{V10, V11, V12, V13, V14, V15};

/// One action of some versions.
struct Row {
    vendor: u32,
    kind: u16,
    versions: (Version, Version),
    name: &'static str,
    /// Bytes, header included.
    least: usize,
    most: usize,
}

const fn row(
    vendor: u32,
    kind: u16,
    versions: (Version, Version),
    name: &'static str,
    least: usize,
    most: usize,
) -> Row {
    Row { vendor, kind, versions, name, least, most }
}

const ANY: (Version, Version) = (V10, V15);
const OLD: (Version, Version) = (V10, V10);
const NEW: (Version, Version) = (V11, V15);
const BEFORE15: (Version, Version) = (V10, V14);

/// As long as a 16-bit length can say.
const OPEN: usize = 65528;

const ROWS: &[Row] = &[
    row(0, 0, OLD, "OFPAT_OUTPUT", 8, 8),
    row(0, 0, NEW, "OFPAT_OUTPUT", 16, 16),
    row(0, 1, ANY, "OFPAT_SET_VLAN_VID", 8, 8),
    row(0, 2, ANY, "OFPAT_SET_VLAN_PCP", 8, 8),
    row(0, 3, OLD, "OFPAT_STRIP_VLAN", 8, 8),
    row(0, 4, OLD, "OFPAT_SET_DL_SRC", 16, 16),
    row(0, 5, OLD, "OFPAT_SET_DL_DST", 16, 16),
    row(0, 6, OLD, "OFPAT_SET_NW_SRC", 8, 8),
    row(0, 7, OLD, "OFPAT_SET_NW_DST", 8, 8),
    row(0, 8, OLD, "OFPAT_SET_NW_TOS", 8, 8),
    row(0, 3, NEW, "OFPAT_SET_DL_SRC", 16, 16),
    row(0, 4, NEW, "OFPAT_SET_DL_DST", 16, 16),
    row(0, 5, NEW, "OFPAT_SET_NW_SRC", 8, 8),
    row(0, 6, NEW, "OFPAT_SET_NW_DST", 8, 8),
    row(0, 7, NEW, "OFPAT_SET_NW_TOS", 8, 8),
    row(0, 8, NEW, "OFPAT_SET_NW_ECN", 8, 8),
    row(0, 9, ANY, "OFPAT_SET_TP_SRC", 8, 8),
    row(0, 10, ANY, "OFPAT_SET_TP_DST", 8, 8),
    row(0, 11, OLD, "OFPAT_ENQUEUE", 16, 16),
    row(0, 13, NEW, "OFPAT_SET_MPLS_LABEL", 8, 8),
    row(0, 14, NEW, "OFPAT_SET_MPLS_TC", 8, 8),
    row(0, 15, NEW, "OFPAT_SET_MPLS_TTL", 8, 8),
    row(0, 16, NEW, "OFPAT_DEC_MPLS_TTL", 8, 8),
    row(0, 17, NEW, "OFPAT_PUSH_VLAN", 8, 8),
    row(0, 18, NEW, "OFPAT_POP_VLAN", 8, 8),
    row(0, 19, NEW, "OFPAT_PUSH_MPLS", 8, 8),
    row(0, 20, NEW, "OFPAT_POP_MPLS", 8, 8),
    row(0, 21, NEW, "OFPAT_SET_QUEUE", 8, 8),
    row(0, 22, NEW, "OFPAT_GROUP", 8, 8),
    row(0, 23, NEW, "OFPAT_SET_NW_TTL", 8, 8),
    row(0, 24, NEW, "OFPAT_DEC_NW_TTL", 8, 8),
    row(0, 25, (V12, V15), "OFPAT_SET_FIELD", 8, OPEN),
    row(0, 28, (V15, V15), "OFPAT_COPY_FIELD", 16, OPEN),
    row(0, 29, (V15, V15), "OFPAT_METER", 8, 8),
    row(ONF, 3200, (V13, V14), "ONFACT_COPY_FIELD", 24, OPEN),
];

/// By number.
const NICIRA_ROWS: &[Row] = &[
    row(NICIRA, 1, ANY, "NXAST_RESUBMIT", 16, 16),
    row(NICIRA, 2, ANY, "NXAST_SET_TUNNEL", 16, 16),
    row(NICIRA, 4, OLD, "OFPAT_SET_QUEUE", 16, 16),
    row(NICIRA, 5, ANY, "NXAST_POP_QUEUE", 16, 16),
    row(NICIRA, 6, BEFORE15, "NXAST_REG_MOVE", 16, OPEN),
    row(NICIRA, 7, BEFORE15, "NXAST_REG_LOAD", 24, 24),
    row(NICIRA, 8, ANY, "NXAST_NOTE", 16, OPEN),
    row(NICIRA, 9, ANY, "NXAST_SET_TUNNEL64", 24, 24),
    row(NICIRA, 10, ANY, "NXAST_MULTIPATH", 32, 32),
    row(NICIRA, 12, ANY, "NXAST_BUNDLE", 32, OPEN),
    row(NICIRA, 13, ANY, "NXAST_BUNDLE_LOAD", 32, OPEN),
    row(NICIRA, 14, ANY, "NXAST_RESUBMIT_TABLE", 16, 16),
    row(NICIRA, 15, ANY, "NXAST_OUTPUT_REG", 24, 24),
    row(NICIRA, 16, ANY, "NXAST_LEARN", 32, OPEN),
    row(NICIRA, 17, ANY, "NXAST_EXIT", 16, 16),
    row(NICIRA, 18, OLD, "OFPAT_DEC_NW_TTL", 16, 16),
    row(NICIRA, 19, ANY, "NXAST_FIN_TIMEOUT", 16, 16),
    row(NICIRA, 20, ANY, "NXAST_CONTROLLER", 16, 16),
    row(NICIRA, 21, ANY, "NXAST_DEC_TTL_CNT_IDS", 16, OPEN),
    row(NICIRA, 22, ANY, "NXAST_WRITE_METADATA", 32, 32),
    row(NICIRA, 23, OLD, "OFPAT_PUSH_MPLS", 16, 16),
    row(NICIRA, 24, OLD, "OFPAT_POP_MPLS", 16, 16),
    row(NICIRA, 25, OLD, "OFPAT_SET_MPLS_TTL", 16, 16),
    row(NICIRA, 26, OLD, "OFPAT_DEC_MPLS_TTL", 16, 16),
    row(NICIRA, 27, ANY, "NXAST_STACK_PUSH", 24, 24),
    row(NICIRA, 28, ANY, "NXAST_STACK_POP", 24, 24),
    row(NICIRA, 29, ANY, "NXAST_SAMPLE", 24, 24),
    row(NICIRA, 30, OLD, "OFPAT_SET_MPLS_LABEL", 16, 16),
    row(NICIRA, 31, OLD, "OFPAT_SET_MPLS_TC", 16, 16),
    row(NICIRA, 32, ANY, "NXAST_OUTPUT_REG2", 24, 24),
    row(NICIRA, 33, BEFORE15, "NXAST_REG_LOAD2", 16, OPEN),
    row(NICIRA, 34, ANY, "NXAST_CONJUNCTION", 16, 16),
    row(NICIRA, 35, ANY, "NXAST_CT", 24, OPEN),
    row(NICIRA, 36, ANY, "NXAST_NAT", 16, OPEN),
    row(NICIRA, 37, ANY, "NXAST_CONTROLLER2", 16, OPEN),
    row(NICIRA, 38, ANY, "NXAST_SAMPLE2", 32, 32),
    row(NICIRA, 39, ANY, "NXAST_OUTPUT_TRUNC", 16, 16),
    row(NICIRA, 40, OLD, "OFPAT_GROUP", 16, 16),
    row(NICIRA, 41, ANY, "NXAST_SAMPLE3", 32, 32),
    row(NICIRA, 42, ANY, "NXAST_CLONE", 16, OPEN),
    row(NICIRA, 43, ANY, "NXAST_CT_CLEAR", 16, 16),
    row(NICIRA, 44, ANY, "NXAST_RESUBMIT_TABLE_CT", 16, 16),
    row(NICIRA, 45, ANY, "NXAST_LEARN2", 40, OPEN),
    row(NICIRA, 46, (V13, V15), "NXAST_ENCAP", 16, OPEN),
    row(NICIRA, 47, (V13, V15), "NXAST_DECAP", 16, OPEN),
    row(NICIRA, 48, (V13, V15), "NXAST_DEC_NSH_TTL", 16, 16),
    row(NICIRA, 49, ANY, "NXAST_CHECK_PKT_LARGER", 24, OPEN),
    row(NICIRA, 50, ANY, "NXAST_DELETE_FIELD", 24, 24),
    row(NICIRA, 254, ANY, "NXAST_DEBUG_SLOW", 16, 16),
    row(NICIRA, 255, ANY, "NXAST_DEBUG_RECIRC", 16, 16),
];

/// The next action's bytes, header included: one that the version has, of a length that it may have.
pub(in crate::wire) fn split_one<'a>(r: &mut Reader<'a>, version: Version) -> Decoded<&'a [u8]> {
    let header: &HeaderWire = r.peek("action header")?;
    let len = usize::from(header.len.get());
    let (vendor, kind) = match header.kind.get() {
        VENDOR => vendor_of(r)?,
        kind => (0, kind),
    };
    let known =
        |row: &&Row| (row.vendor, row.kind) == (vendor, kind) && (row.versions.0..=row.versions.1).contains(&version);
    let row = match vendor {
        NICIRA => NICIRA_ROWS.binary_search_by_key(&kind, |row| row.kind).ok().map(|i| &NICIRA_ROWS[i]).filter(known),
        _ => ROWS.iter().find(known),
    };
    let Some(row) = row else {
        warn(Module::Actions, || {
            let vendor = if vendor == 0 { "0".to_owned() } else { format!("{vendor:#x}") };
            format!("unknown {version} action for vendor {vendor} and type {kind}")
        });
        let code = if vendor == 0 { ErrorCode::OFPBAC_BAD_TYPE } else { ErrorCode::OFPBAC_BAD_VENDOR_TYPE };
        return bad(code, format!("{version} has no action {kind} of vendor {vendor:#x}"));
    };
    if vendor == 0 && version >= V12 && matches!(kind, 1..=10 | 13..=15) {
        note(|| format!("{} is deprecated in {version} (use Set-Field)", row.name));
    }
    let why = if len > r.len() {
        Some(format!("exceeds action buffer length {}", r.len()))
    } else if len < row.least || len > row.most {
        Some(format!("not in valid range [{},{}]", row.least, row.most))
    } else if len % 8 != 0 {
        Some("is not a multiple of 8".to_owned())
    } else {
        None
    };
    if let Some(why) = why {
        let text = format!("OpenFlow action {} length {len} {why}", row.name);
        warn(Module::Actions, || text.clone());
        return bad(ErrorCode::OFPBAC_BAD_LEN, text);
    }
    r.bytes(len, "action")
}

/// An experimenter's number and what it calls the action.
fn vendor_of(r: &Reader<'_>) -> Decoded<(u32, u16)> {
    let Some(vendor) = r.rest().get(4..8).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])) else {
        return bad(ErrorCode::OFPBAC_BAD_LEN, "an experimenter's action has 8 bytes at least");
    };
    if vendor != NICIRA && vendor != ONF {
        warn(Module::Actions, || format!("OpenFlow action has unknown vendor {vendor:#x}"));
        return bad(ErrorCode::OFPBAC_BAD_VENDOR, format!("unknown experimenter {vendor:#x}"));
    }
    let wire: &VendorWire = r.peek("experimenter's action")?;
    Ok((vendor, wire.subtype.get()))
}
