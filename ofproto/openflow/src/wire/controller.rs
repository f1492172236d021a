//! Roles and asynchronous configuration.

use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use super::nicira::{read_property, write_property};
use super::said::{Module, warn};
use crate::controller::{AsyncConfig, Role, RoleMessage, RoleStatus};
use crate::error::ErrorCode;
use crate::ids::Version;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct RoleWire {
    role: U32,
    pad: [u8; 4],
    generation_id: U64,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct RoleStatusWire {
    role: U32,
    reason: u8,
    pad: [u8; 3],
    generation_id: U64,
}

fn role(number: u32) -> Decoded<Role> {
    match number {
        0 => Ok(Role::NoChange),
        1 => Ok(Role::Equal),
        2 => Ok(Role::Primary),
        3 => Ok(Role::Secondary),
        n => bad(ErrorCode::OFPRRFC_BAD_ROLE, format!("unknown role {n}")),
    }
}

pub(crate) fn read_role(r: &mut Reader<'_>) -> Decoded<RoleMessage> {
    let wire: &RoleWire = r.get("role")?;
    let role = role(wire.role.get())?;
    let id = wire.generation_id.get();
    let generation_id = match role {
        Role::Primary | Role::Secondary => Some(id),
        _ if id != u64::MAX && id != 0 => Some(id),
        _ => None,
    };
    Ok(RoleMessage { role, generation_id })
}

/// Nicira's form: 0 other (equal), 1 master, 2 slave.
pub(crate) fn read_nx_role(r: &mut Reader<'_>) -> Decoded<RoleMessage> {
    let number = r.get::<U32>("role")?.get();
    if number > 2 {
        return bad(ErrorCode::OFPRRFC_BAD_ROLE, format!("unknown role {number}"));
    }
    Ok(RoleMessage { role: role(number + 1)?, generation_id: None })
}

pub(crate) fn write_role(w: &mut Writer, m: &RoleMessage, reply: bool) {
    let none = if reply { u64::MAX } else { 0 };
    w.put(&RoleWire {
        role: (m.role as u32).into(),
        pad: [0; 4],
        generation_id: m.generation_id.unwrap_or(none).into(),
    });
}

pub(crate) fn write_nx_role(w: &mut Writer, m: &RoleMessage, version: Version) -> Encoded<()> {
    if m.role == Role::NoChange {
        return cannot(version, "a role request that changes nothing");
    }
    w.put(&U32::new(m.role as u32 - 1));
    Ok(())
}

pub(crate) fn read_role_status(r: &mut Reader<'_>) -> Decoded<RoleStatus> {
    let wire: &RoleStatusWire = r.get("role status")?;
    if wire.reason > 2 {
        return bad(ErrorCode::OFPRRFC_BAD_ROLE, format!("unknown role status reason {}", wire.reason));
    }
    let id = wire.generation_id.get();
    Ok(RoleStatus { role: role(wire.role.get())?, reason: wire.reason, generation_id: (id != u64::MAX).then_some(id) })
}

pub(crate) fn write_role_status(w: &mut Writer, s: &RoleStatus) {
    w.put(&RoleStatusWire {
        role: (s.role as u32).into(),
        reason: s.reason,
        pad: [0; 3],
        generation_id: s.generation_id.unwrap_or(u64::MAX).into(),
    });
}

/// 1.3's (and Nicira's) six bitmaps.
pub(crate) fn read_async13(r: &mut Reader<'_>) -> Decoded<AsyncConfig> {
    // reasons that nobody knows are not asked for
    let mut pair = |kind: u16| -> Decoded<[Option<u32>; 2]> {
        let known = reasons(kind, Version::V14);
        Ok([Some(r.get::<U32>("bitmap")?.get() & known), Some(r.get::<U32>("bitmap")?.get() & known)])
    };
    Ok(AsyncConfig { packet_in: pair(0)?, port_status: pair(2)?, flow_removed: pair(4)?, ..AsyncConfig::default() })
}

/// Whether the six bitmaps say all of it: each of them is there, and nothing that only 1.4 has.
pub(crate) fn says_async13(a: &AsyncConfig) -> bool {
    let newer = [a.role_status, a.table_status, a.request_forward];
    [a.packet_in, a.port_status, a.flow_removed].iter().flatten().all(Option::is_some)
        && newer.iter().flatten().all(Option::is_none)
}

pub(crate) fn write_async13(w: &mut Writer, a: &AsyncConfig) {
    for pair in [a.packet_in, a.port_status, a.flow_removed] {
        pair.iter().for_each(|bits| w.put(&U32::new(bits.unwrap_or(0))));
    }
}

/// Property numbers of 1.4: even for secondaries, odd for the others.
fn slot(a: &mut AsyncConfig, kind: u16) -> Option<&mut Option<u32>> {
    let pair = match kind / 2 {
        0 => &mut a.packet_in,
        1 => &mut a.port_status,
        2 => &mut a.flow_removed,
        3 => &mut a.role_status,
        4 => &mut a.table_status,
        5 => &mut a.request_forward,
        _ => return None,
    };
    Some(&mut pair[usize::from(kind & 1 == 0)])
}

const NAMES: [&str; 6] = ["PACKET_IN", "PORT_STATUS", "FLOW_REMOVED", "ROLE_STATUS", "TABLE_STATUS", "REQUESTFORWARD"];

/// The reasons that a version has of each kind, in the order of [`slot`].
fn reasons(kind: u16, version: Version) -> u32 {
    let packet_in = if version >= Version::V14 { 0x3f } else { 0x7 };
    [packet_in, 0x7, 0x3f, 0x7, 0x18, 0x3][usize::from(kind / 2)]
}

pub(crate) fn read_async14(r: &mut Reader<'_>, version: Version) -> Decoded<AsyncConfig> {
    let mut a = AsyncConfig::default();
    while !r.is_empty() {
        let (kind, mut body) = read_property(r)?;
        match slot(&mut a, kind) {
            Some(bits) => {
                let wanted = body.get::<U32>("bitmap")?.get();
                if !body.is_empty() {
                    return bad(ErrorCode::OFPBPC_BAD_LEN, "an asynchronous configuration has one bitmap");
                }
                let known = reasons(kind, version);
                if wanted & !known != 0 {
                    let name = NAMES[usize::from(kind / 2)];
                    let text = format!("bad value {wanted:#x} for {name} (allowed mask {known:#x})");
                    warn(Module::Connection, || text.clone());
                    return bad(ErrorCode::OFPACFC_INVALID, text);
                }
                *bits = Some(wanted);
            }
            None => {
                let text = format!("unknown async config property type {kind}");
                warn(Module::Connection, || text.clone());
                return bad(ErrorCode::OFPACFC_UNSUPPORTED, text);
            }
        }
    }
    Ok(a)
}

pub(crate) fn write_async14(w: &mut Writer, a: &AsyncConfig) {
    let mut a = a.clone();
    for kind in 0..12 {
        if let Some(Some(bits)) = slot(&mut a, kind) {
            let bits = U32::new(*bits);
            write_property(w, kind, |w| w.put(&bits));
        }
    }
}
