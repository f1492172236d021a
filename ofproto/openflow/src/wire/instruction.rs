//! Instructions (OpenFlow 1.5 §7.2.5), and OpenFlow 1.0's action lists that stand for them.

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use super::said::{Module, warn};
use super::{action, nicira};
use crate::action::{Action, Resubmit};
use crate::error::ErrorCode;
use crate::ids::{MeterId, TableId, Version};
use crate::instruction::{Instructions, WriteMetadata};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct HeaderWire {
    kind: U16,
    len: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct MetadataWire {
    pad: [u8; 4],
    value: U64,
    mask: U64,
}

const GOTO_TABLE: u16 = 1;
const METADATA: u16 = 2;
const WRITE_ACTIONS: u16 = 3;
const APPLY_ACTIONS: u16 = 4;
const CLEAR_ACTIONS: u16 = 5;
const METER: u16 = 6;
const EXPERIMENTER: u16 = 0xffff;

/// Everything that is left of a message or an entry.
pub(crate) fn read(bytes: &[u8], version: Version) -> Decoded<Instructions> {
    if version == Version::V10 {
        return read10(bytes);
    }
    let mut out = Instructions::default();
    read11(bytes, version, &mut out)?;
    Ok(out)
}

fn read10(bytes: &[u8]) -> Decoded<Instructions> {
    let list = action::read_with_metadata(bytes, Version::V10)?;
    action::check_outside_ct(&list.actions)?;
    let mut out = Instructions::default();
    if let Some((before, metadata)) = list.metadata {
        if before < list.actions.len() {
            let text = "invalid instruction ordering: apply_actions must appear before write_metadata, for OpenFlow 1.1+ \
                        compatibility";
            return action::refuse(ErrorCode::OFPBAC_UNSUPPORTED_ORDER, text);
        }
        out.write_metadata = Some(metadata);
    }
    out.apply = list.actions;
    Ok(out)
}

/// Those of 1.1 and later, into a value that has none yet.
pub(crate) fn read11(bytes: &[u8], version: Version, out: &mut Instructions) -> Decoded<()> {
    if !bytes.len().is_multiple_of(8) {
        let text = format!("OpenFlow message instructions length {} is not a multiple of 8", bytes.len());
        warn(Module::Actions, || text.clone());
        return bad(ErrorCode::OFPBIC_BAD_LEN, text);
    }
    let mut r = Reader::new(bytes, ErrorCode::OFPBIC_BAD_LEN);
    let mut seen = 0u32;
    while !r.is_empty() {
        let header: &HeaderWire = r.peek("instruction header")?;
        let (kind, len) = (header.kind.get(), usize::from(header.len.get()));
        if len < 8 || len % 8 != 0 || len > r.len() {
            let text = format!("bad instruction format at offset {}", bytes.len() - r.len());
            warn(Module::Actions, || text.clone());
            return bad(ErrorCode::OFPBIC_BAD_LEN, text);
        }
        let mut body = r.sub(len, "instruction")?;
        body.skip(4, "instruction header")?;
        if kind == EXPERIMENTER {
            return bad(ErrorCode::OFPBIC_BAD_EXPERIMENTER, "unknown experimenter instruction");
        }
        let known = GOTO_TABLE..=if version >= Version::V13 { METER } else { CLEAR_ACTIONS };
        if !known.contains(&kind) {
            return bad(ErrorCode::OFPBIC_UNKNOWN_INST, format!("unknown instruction {kind}"));
        }
        if seen & 1 << kind != 0 {
            return bad(ErrorCode::OFPBIC_DUP_INST, format!("instruction {kind} twice"));
        }
        seen |= 1 << kind;
        match kind {
            GOTO_TABLE => out.goto_table = Some(TableId(body.bytes(4, "goto_table")?[0])),
            METADATA => {
                let wire: &MetadataWire = body.get("write_metadata")?;
                out.write_metadata = Some(WriteMetadata { value: wire.value.get(), mask: wire.mask.get() });
            }
            METER => out.meter = Some(MeterId(body.get::<U32>("meter")?.get())),
            CLEAR_ACTIONS => {
                body.skip(4, "clear_actions")?;
                out.clear = true;
            }
            _ => {
                body.skip(4, "padding")?;
                let actions = action::read_list(body.take_rest(), version)?;
                if kind == WRITE_ACTIONS {
                    check_action_set(&actions)?;
                    out.write_actions = Some(actions);
                } else {
                    out.apply = actions;
                }
            }
        }
        if !body.is_empty() {
            return bad(ErrorCode::OFPBIC_BAD_LEN, format!("instruction {kind} has {len} bytes"));
        }
    }
    // The meter action of 1.5 in front of everything is the meter instruction of 1.3.
    if version >= Version::V15
        && out.meter.is_none()
        && let Some(Action::Meter(meter)) = out.apply.first()
    {
        out.meter = Some(*meter);
        out.apply.remove(0);
    }
    Ok(())
}

/// The action set takes only what ovs-actions(7), "Action Sets", lists.
fn check_action_set(actions: &[Action]) -> Decoded<()> {
    match actions.iter().all(crate::text::verify::fits_action_set) {
        true => Ok(()),
        false => action::refuse(ErrorCode::OFPBAC_BAD_TYPE, "disallowed action in action set"),
    }
}

/// Appends instructions. `has_vlan`: see [`action::write_list`].
pub(crate) fn write(w: &mut Writer, i: &Instructions, version: Version, has_vlan: bool) -> Encoded<()> {
    if version == Version::V10 { write10(w, i, has_vlan) } else { write11(w, i, version, has_vlan) }
}

/// OpenFlow 1.0 has no action set: what concerns it says nothing. goto_table is a resubmit.
fn write10(w: &mut Writer, i: &Instructions, has_vlan: bool) -> Encoded<()> {
    if i.meter.is_some() {
        return cannot(Version::V10, "meter");
    }
    action::write_list(w, &i.apply, Version::V10, has_vlan)?;
    if let Some(metadata) = i.write_metadata {
        nicira::write_write_metadata(w, metadata);
    }
    if let Some(table) = i.goto_table {
        let resubmit = Action::Resubmit(Resubmit { in_port: OfPort::IN_PORT, table, ct: false });
        action::write_list(w, &[resubmit], Version::V10, has_vlan)?;
    }
    Ok(())
}

fn write11(w: &mut Writer, i: &Instructions, version: Version, has_vlan: bool) -> Encoded<()> {
    let mut apply = i.apply.as_slice();
    let mut meter = i.meter;
    // A meter action in front of everything is what 1.3 has an instruction for.
    if meter.is_none()
        && version < Version::V15
        && let Some((Action::Meter(first), rest)) = apply.split_first()
    {
        (meter, apply) = (Some(*first), rest);
    }
    if let Some(meter) = meter {
        if version < Version::V13 {
            return cannot(version, "meter");
        }
        if version < Version::V15 {
            instruction(w, METER, |w| {
                w.put(&U32::new(meter.0));
                Ok(())
            })?;
        }
    }
    let metered = version >= Version::V15 && meter.is_some();
    if !apply.is_empty() || metered {
        instruction(w, APPLY_ACTIONS, |w| {
            w.zeros(4);
            if let Some(meter) = meter.filter(|_| metered) {
                action::write_list(w, &[Action::Meter(meter)], version, has_vlan)?;
            }
            action::write_list(w, apply, version, has_vlan)
        })?;
    }
    if i.clear {
        instruction(w, CLEAR_ACTIONS, |w| {
            w.zeros(4);
            Ok(())
        })?;
    }
    if let Some(actions) = &i.write_actions {
        instruction(w, WRITE_ACTIONS, |w| {
            w.zeros(4);
            action::write_list(w, actions, version, has_vlan)
        })?;
    }
    if let Some(metadata) = i.write_metadata {
        instruction(w, METADATA, |w| {
            w.put(&MetadataWire { pad: [0; 4], value: metadata.value.into(), mask: metadata.mask.into() });
            Ok(())
        })?;
    }
    if let Some(table) = i.goto_table {
        instruction(w, GOTO_TABLE, |w| {
            w.slice(&[table.0, 0, 0, 0]);
            Ok(())
        })?;
    }
    Ok(())
}

fn instruction(w: &mut Writer, kind: u16, body: impl FnOnce(&mut Writer) -> Encoded<()>) -> Encoded<()> {
    let start = w.len();
    w.put(&HeaderWire { kind: kind.into(), len: 0.into() });
    body(w)?;
    w.close(start, 2);
    Ok(())
}
