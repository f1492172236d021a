//! The question for flow or aggregate statistics: which flows are meant.

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{port16, port32, read_match11, read_nxm, write_match11, write_nxm};
use crate::flow::FlowStatsRequest;
use crate::ids::{Cookie, GroupId, TableId, Version};
use crate::wire::buf::{Decoded, Encoded, Reader, Writer, cannot};
use crate::wire::oxm::Unknown;
use crate::wire::{match10, match11};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Request10Wire {
    matching: match10::Match10Wire,
    table: u8,
    pad: u8,
    out_port: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct NxRequestWire {
    out_port: U16,
    match_len: U16,
    table: u8,
    pad: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Request11Wire {
    table: u8,
    pad1: [u8; 3],
    out_port: U32,
    out_group: U32,
    pad2: [u8; 4],
    cookie: U64,
    cookie_mask: U64,
}

pub(crate) fn read_request10(r: &mut Reader<'_>) -> Decoded<FlowStatsRequest> {
    let wire: &Request10Wire = r.get("flow stats request")?;
    Ok(FlowStatsRequest {
        matching: match10::read(&wire.matching),
        table: TableId(wire.table),
        out_port: OfPort::from_u16(wire.out_port.get()),
        ..FlowStatsRequest::default()
    })
}

pub(crate) fn read_nx_request(r: &mut Reader<'_>) -> Decoded<FlowStatsRequest> {
    let wire: &NxRequestWire = r.get("flow stats request")?;
    let (matching, filter) = read_nxm(r, wire.match_len.get().into())?;
    let (cookie, cookie_mask) = filter.unwrap_or((0, 0));
    Ok(FlowStatsRequest {
        matching,
        table: TableId(wire.table),
        out_port: OfPort::from_u16(wire.out_port.get()),
        out_group: GroupId::ANY,
        cookie: Cookie(cookie),
        cookie_mask,
    })
}

pub(crate) fn read_request11(r: &mut Reader<'_>) -> Decoded<FlowStatsRequest> {
    let wire: &Request11Wire = r.get("flow stats request")?;
    let matching = read_match11(r, Unknown::Refuse)?;
    r.take_rest(); // whatever is left says nothing
    Ok(FlowStatsRequest {
        matching,
        table: TableId(wire.table),
        out_port: port32(wire.out_port.get())?,
        out_group: GroupId(wire.out_group.get()),
        cookie: Cookie(wire.cookie.get() & wire.cookie_mask.get()),
        cookie_mask: wire.cookie_mask.get(),
    })
}

pub(crate) fn write_request10(w: &mut Writer, q: &FlowStatsRequest) -> Encoded<()> {
    w.put(&Request10Wire {
        matching: match10::write(&q.matching),
        table: q.table.0,
        pad: 0,
        out_port: port16(q.out_port, Version::V10)?,
    });
    Ok(())
}

pub(crate) fn write_nx_request(w: &mut Writer, q: &FlowStatsRequest) -> Encoded<()> {
    let start = w.len();
    w.put(&NxRequestWire {
        out_port: port16(q.out_port, Version::V10)?,
        match_len: 0.into(),
        table: q.table.0,
        pad: [0; 3],
    });
    let len = write_nxm(w, &q.matching, (q.cookie.0, q.cookie_mask));
    w.set_u16(start + 2, len);
    Ok(())
}

pub(crate) fn write_request11(w: &mut Writer, q: &FlowStatsRequest, version: Version) -> Encoded<()> {
    if version == Version::V11 && !match11::says_all(&q.matching) {
        return cannot(version, "this match");
    }
    w.put(&Request11Wire {
        table: q.table.0,
        pad1: [0; 3],
        out_port: q.out_port.0.into(),
        out_group: q.out_group.0.into(),
        pad2: [0; 4],
        cookie: q.cookie.0.into(),
        cookie_mask: q.cookie_mask.into(),
    });
    write_match11(w, &q.matching, version);
    Ok(())
}
