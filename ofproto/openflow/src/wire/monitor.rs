//! Flow monitors in three forms: Nicira's (1.0 to 1.2), ONF's extension of 1.3, and OpenFlow 1.4's.
//!
//! ONF's form lies like Nicira's, but its matches have headers, its ports 32 bits, and its updates instructions.

use weft_flow::{Match, OfPort};
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Encoded, Reader, Writer, bad};
use super::flow::{port16, port32, read_match11, write_match11};
use super::oxm::{self, Unknown};
use super::{action, instruction};
use crate::codec::Kind;
use crate::error::ErrorCode;
use crate::ids::{Cookie, GroupId, TableId, Timeout, Version, Xid};
use crate::instruction::Instructions;
use crate::monitor::{
    FlowMonitorCommand, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateEvent, FlowUpdateFull,
};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct NxRequestWire {
    id: U32,
    flags: U16,
    out_port: U16,
    match_len: U16,
    table: u8,
    pad: [u8; 5],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct OnfRequestWire {
    id: U32,
    flags: U16,
    match_len: U16,
    out_port: U32,
    table: u8,
    pad: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct RequestWire {
    id: U32,
    out_port: U32,
    out_group: U32,
    flags: U16,
    table: u8,
    command: u8,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct NxFullWire {
    len: U16,
    event: U16,
    reason: U16,
    priority: U16,
    idle: U16,
    hard: U16,
    match_len: U16,
    table: u8,
    pad: u8,
    cookie: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct FullWire {
    len: U16,
    event: U16,
    table: u8,
    reason: u8,
    idle: U16,
    hard: U16,
    priority: U16,
    pad: [u8; 4],
    cookie: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct AbbrevWire {
    len: U16,
    event: U16,
    xid: U32,
}

/// Which of the three forms a message has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Nicira,
    Onf,
    Standard,
}

impl Form {
    pub fn of(kind: Kind, version: Version) -> Form {
        match kind {
            Kind::NxFlowMonitorRequest | Kind::NxFlowMonitorReply => Form::Nicira,
            _ if version < Version::V14 => Form::Onf,
            _ => Form::Standard,
        }
    }

    /// Nicira's numbers of events, and its flags: "own changes too" is a bit lower than in 1.4.
    fn is_older(self) -> bool {
        self != Form::Standard
    }
}

/// Nicira's NXFMF_OWN.
const OWN: u16 = 1 << 5;

/// Each monitor asks for some change at least. 1.4's NO_ABBREV is not for requests that OVS takes.
fn flags(bits: u16, form: Form) -> Decoded<FlowMonitorFlags> {
    use FlowMonitorFlags as F;
    let own = if form.is_older() { OWN } else { F::ONLY_OWN.bits() };
    let plain = F::from_bits_truncate(bits & !own);
    let known = F::all() - F::NO_ABBREV - F::ONLY_OWN;
    let changes = plain.intersects(F::ADD | F::REMOVED | F::MODIFY);
    if bits & !own & !known.bits() != 0 || !changes {
        return bad(ErrorCode::OFPMOFC_BAD_FLAGS, format!("flow monitor flags {bits:#x}"));
    }
    Ok(if bits & own != 0 { plain | F::ONLY_OWN } else { plain })
}

fn flag_bits(flags: FlowMonitorFlags, form: Form) -> U16 {
    use FlowMonitorFlags as F;
    let wants_own = flags.intersects(F::NO_ABBREV | F::ONLY_OWN);
    let own = if form.is_older() { OWN } else { F::ONLY_OWN.bits() };
    U16::new((flags - F::NO_ABBREV - F::ONLY_OWN).bits() | if wants_own { own } else { 0 })
}

pub(crate) fn read_request(r: &mut Reader<'_>, form: Form) -> Decoded<FlowMonitorRequest> {
    match form {
        Form::Nicira => read_nx_request(r),
        Form::Onf => read_onf_request(r),
        Form::Standard => read_standard_request(r),
    }
}

pub(crate) fn write_request(w: &mut Writer, q: &FlowMonitorRequest, version: Version, form: Form) -> Encoded<()> {
    match form {
        Form::Nicira => write_nx_request(w, q, version)?,
        Form::Onf => write_onf_request(w, q, version),
        Form::Standard => write_standard_request(w, q, version),
    }
    Ok(())
}

fn read_nx_request(r: &mut Reader<'_>) -> Decoded<FlowMonitorRequest> {
    let wire: &NxRequestWire = r.get("flow monitor")?;
    let flags = flags(wire.flags.get(), Form::Nicira)?;
    if wire.pad != [0; 5] {
        return bad(ErrorCode::NXBRC_MUST_BE_ZERO, "flow monitor's padding is not zero");
    }
    let matching = read_padded(r, wire.match_len.get())?;
    Ok(FlowMonitorRequest {
        id: wire.id.get(),
        command: FlowMonitorCommand::Add,
        flags,
        out_port: OfPort::from_u16(wire.out_port.get()),
        out_group: GroupId::ANY,
        table: TableId(wire.table),
        matching,
    })
}

/// TLVs whose length stands elsewhere.
fn read_padded(r: &mut Reader<'_>, len: u16) -> Decoded<Match> {
    let len = usize::from(len);
    let mut padded = match r.sub(len.next_multiple_of(8), "flow monitor's match") {
        Ok(padded) => padded,
        Err(e) => return bad(ErrorCode::OFPBMC_BAD_LEN, e.reason),
    };
    Ok(oxm::read_match(padded.bytes(len, "match")?, Unknown::Refuse)?.0)
}

fn write_nx_request(w: &mut Writer, q: &FlowMonitorRequest, version: Version) -> Encoded<()> {
    let start = w.len();
    w.put(&NxRequestWire {
        id: q.id.into(),
        flags: flag_bits(q.flags, Form::Nicira),
        out_port: port16(q.out_port, version)?,
        match_len: 0.into(),
        table: q.table.0,
        pad: [0; 5],
    });
    let at = w.len();
    oxm::write_match(w, &q.matching, None);
    let len = w.len() - at;
    w.set_u16(start + 8, len);
    w.pad(at, 8);
    Ok(())
}

fn read_onf_request(r: &mut Reader<'_>) -> Decoded<FlowMonitorRequest> {
    let wire: &OnfRequestWire = r.get("flow monitor")?;
    let flags = flags(wire.flags.get(), Form::Onf)?;
    if wire.pad != [0; 3] {
        return bad(ErrorCode::NXBRC_MUST_BE_ZERO, "flow monitor's padding is not zero");
    }
    Ok(FlowMonitorRequest {
        id: wire.id.get(),
        command: FlowMonitorCommand::Add,
        flags,
        out_port: port32(wire.out_port.get())?,
        out_group: GroupId::ANY,
        table: TableId(wire.table),
        matching: read_match11(r, Unknown::Refuse)?,
    })
}

fn write_onf_request(w: &mut Writer, q: &FlowMonitorRequest, version: Version) {
    let start = w.len();
    w.put(&OnfRequestWire {
        id: q.id.into(),
        flags: flag_bits(q.flags, Form::Onf),
        match_len: 0.into(),
        out_port: q.out_port.0.into(),
        table: q.table.0,
        pad: [0; 3],
    });
    write_counted_match(w, start + 6, &q.matching, version);
}

/// A match with its header, the header's length also at `len_at`.
fn write_counted_match(w: &mut Writer, len_at: usize, matching: &Match, version: Version) {
    let at = w.len();
    write_match11(w, matching, version);
    let len = usize::from(u16::from_be_bytes([w.bytes[at + 2], w.bytes[at + 3]]));
    w.set_u16(len_at, len);
}

fn read_standard_request(r: &mut Reader<'_>) -> Decoded<FlowMonitorRequest> {
    let wire: &RequestWire = r.get("flow monitor")?;
    let command = match wire.command {
        0 => FlowMonitorCommand::Add,
        1 => FlowMonitorCommand::Modify,
        2 => FlowMonitorCommand::Delete,
        n => return bad(ErrorCode::OFPMOFC_BAD_COMMAND, format!("unknown flow monitor command {n}")),
    };
    let flags = match command {
        FlowMonitorCommand::Delete => FlowMonitorFlags::from_bits_truncate(wire.flags.get()),
        _ => flags(wire.flags.get(), Form::Standard)?,
    };
    Ok(FlowMonitorRequest {
        id: wire.id.get(),
        command,
        flags,
        out_port: port32(wire.out_port.get())?,
        out_group: GroupId(wire.out_group.get()),
        table: TableId(wire.table),
        matching: read_match11(r, Unknown::Refuse)?,
    })
}

fn write_standard_request(w: &mut Writer, q: &FlowMonitorRequest, version: Version) {
    w.put(&RequestWire {
        id: q.id.into(),
        out_port: q.out_port.0.into(),
        out_group: q.out_group.0.into(),
        flags: flag_bits(q.flags, Form::Standard),
        table: q.table.0,
        command: q.command as u8,
    });
    write_match11(w, &q.matching, version);
}

/// Event numbers: Nicira has no "initial".
fn event(number: u16, nicira: bool) -> Option<FlowUpdateEvent> {
    use FlowUpdateEvent::{Added, Initial, Modified, Removed};
    match (number, nicira) {
        (0, true) | (1, false) => Some(Added),
        (1, true) | (2, false) => Some(Removed),
        (2, true) | (3, false) => Some(Modified),
        (0, false) => Some(Initial),
        _ => None,
    }
}

pub(crate) fn read_update(r: &mut Reader<'_>, version: Version, form: Form) -> Decoded<FlowUpdate> {
    let nicira = form.is_older();
    let head: &AbbrevWire = r.peek("flow update")?;
    let (len, number) = (usize::from(head.len.get()), head.event.get());
    if len < 8 || len % 8 != 0 {
        return r.bad_len(format!("a flow update of {len} bytes"));
    }
    let mut e = r.sub(len, "flow update")?;
    let abbrev = if nicira { 3 } else { 4 };
    if number == abbrev {
        return Ok(FlowUpdate::Abbrev(Xid(e.get::<AbbrevWire>("flow update")?.xid.get())));
    }
    match (number, nicira) {
        (5, false) => return Ok(FlowUpdate::Paused),
        (6, false) => return Ok(FlowUpdate::Resumed),
        _ => {}
    }
    let Some(event) = event(number, nicira) else {
        return bad(ErrorCode::NXBRC_FM_BAD_EVENT, format!("unknown flow update {number}"));
    };
    let full = if nicira {
        let wire: &NxFullWire = e.get("flow update")?;
        let matching = match form {
            Form::Nicira => read_padded(&mut e, wire.match_len.get())?,
            _ => read_match11(&mut e, Unknown::Refuse)?,
        };
        FlowUpdateFull {
            event,
            reason: wire.reason.get() as u8,
            priority: wire.priority.get(),
            idle_timeout: Timeout(wire.idle.get()),
            hard_timeout: Timeout(wire.hard.get()),
            cookie: Cookie(wire.cookie.get()),
            table: TableId(wire.table),
            matching,
            actions: match form {
                Form::Nicira => action::read_list(e.take_rest(), version)?,
                _ => instruction::read(e.take_rest(), version)?.apply,
            },
        }
    } else {
        let wire: &FullWire = e.get("flow update")?;
        FlowUpdateFull {
            event,
            reason: wire.reason,
            priority: wire.priority.get(),
            idle_timeout: Timeout(wire.idle.get()),
            hard_timeout: Timeout(wire.hard.get()),
            cookie: Cookie(wire.cookie.get()),
            table: TableId(wire.table),
            matching: read_match11(&mut e, Unknown::Refuse)?,
            actions: instruction::read(e.take_rest(), version)?.apply,
        }
    };
    Ok(FlowUpdate::Full(Box::new(full)))
}

pub(crate) fn write_update(w: &mut Writer, u: &FlowUpdate, version: Version, form: Form) -> Encoded<()> {
    let start = w.len();
    let nicira = form.is_older();
    let short = |w: &mut Writer, event: u16, xid: u32| {
        w.put(&AbbrevWire { len: 8.into(), event: event.into(), xid: xid.into() });
        Ok(())
    };
    let full = match u {
        FlowUpdate::Abbrev(xid) => return short(w, if nicira { 3 } else { 4 }, xid.0),
        FlowUpdate::Paused => return short(w, 5, 0),
        FlowUpdate::Resumed => return short(w, 6, 0),
        FlowUpdate::Full(full) => full,
    };
    let number = match full.event {
        FlowUpdateEvent::Initial => 0,
        FlowUpdateEvent::Added => 1 - u16::from(nicira),
        FlowUpdateEvent::Removed => 2 - u16::from(nicira),
        FlowUpdateEvent::Modified => 3 - u16::from(nicira),
    };
    if nicira {
        w.put(&NxFullWire {
            len: 0.into(),
            event: number.into(),
            reason: u16::from(full.reason).into(),
            priority: full.priority.into(),
            idle: full.idle_timeout.0.into(),
            hard: full.hard_timeout.0.into(),
            match_len: 0.into(),
            table: full.table.0,
            pad: 0,
            cookie: full.cookie.0.into(),
        });
        if form == Form::Onf {
            write_counted_match(w, start + 12, &full.matching, version);
            instruction::write(w, &Instructions::apply(full.actions.clone()), version, false)?;
        } else {
            let at = w.len();
            oxm::write_match(w, &full.matching, None);
            let len = w.len() - at;
            w.set_u16(start + 12, len);
            w.pad(at, 8);
            action::write_list(w, &full.actions, version, false)?;
        }
    } else {
        w.put(&FullWire {
            len: 0.into(),
            event: number.into(),
            table: full.table.0,
            reason: full.reason,
            idle: full.idle_timeout.0.into(),
            hard: full.hard_timeout.0.into(),
            priority: full.priority.into(),
            pad: [0; 4],
            cookie: full.cookie.0.into(),
        });
        write_match11(w, &full.matching, version);
        instruction::write(w, &Instructions::apply(full.actions.clone()), version, false)?;
    }
    w.close(start, 0);
    Ok(())
}
