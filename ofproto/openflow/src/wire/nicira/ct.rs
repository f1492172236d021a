//! NXAST_CT and NXAST_NAT.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_flow::FieldId;
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{open, simple, sub_bits, sub_field};
use crate::action::{Action, Ct, CtZone, Nat, NatAlgorithm, NatDirection};
use crate::error::ErrorCode;
use crate::ids::{TableId, Version};
use crate::text::verify::action_name;
use crate::wire::action::{check_source, read_items, refuse, write_list, written};
use crate::wire::buf::{Decoded, Encoded, Reader, Writer, bad};
use crate::wire::oxm;
use crate::wire::said::{Module, warn};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct CtWire {
    flags: U16,
    /// 0: `zone` is a number, else the field that has it.
    zone_src: U32,
    zone: U16,
    table: u8,
    pad: [u8; 3],
    alg: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct NatWire {
    pad: [u8; 2],
    flags: U16,
    present: U16,
}

const COMMIT: u16 = 1 << 0;
const FORCE: u16 = 1 << 1;

const NAT_SRC: u16 = 1 << 0;
const NAT_DST: u16 = 1 << 1;
const PERSISTENT: u16 = 1 << 2;
const HASH: u16 = 1 << 3;
const RANDOM: u16 = 1 << 4;

const IPV4_MIN: u16 = 1 << 0;
const IPV4_MAX: u16 = 1 << 1;
const IPV6_MIN: u16 = 1 << 2;
const IPV6_MAX: u16 = 1 << 3;
const PROTO_MIN: u16 = 1 << 4;
const PROTO_MAX: u16 = 1 << 5;

pub(super) fn read(r: &mut Reader<'_>, version: Version, depth: u8) -> Decoded<Action> {
    let wire: &CtWire = r.get("ct")?;
    let flags = wire.flags.get();
    if flags & FORCE != 0 && flags & COMMIT == 0 {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "ct(force) needs commit");
    }
    let zone = match wire.zone_src.get() {
        0 => CtZone::Immediate(wire.zone.get()),
        header => {
            let bytes = header.to_be_bytes();
            let field = oxm::read_short_field(&mut Reader::new(&bytes, ErrorCode::OFPBAC_BAD_LEN))?;
            let sub = sub_field(wire.zone.get(), field);
            check_source(sub)?;
            if sub.n_bits != 16 {
                let text = format!("zone n_bits {} not within valid range [16..16]", sub.n_bits);
                warn(Module::Actions, || text.clone());
                return bad(ErrorCode::OFPBAC_BAD_SET_LEN, text);
            }
            CtZone::Field(sub)
        }
    };
    let list = read_items(r.take_rest(), version, depth + 1)?;
    if list.metadata.is_some() {
        return refuse(ErrorCode::OFPBIC_UNSUP_INST, "write_metadata instruction not allowed here");
    }
    let actions = list.actions;
    for action in &actions {
        let what = match written(action) {
            Some(FieldId::CtMark | FieldId::CtLabel) => continue,
            Some(field) => format!("modification of {}", field.field().name),
            None if matches!(action, Action::Nat(_)) => continue,
            None => format!("action {}", action_name(action)),
        };
        return refuse(ErrorCode::OFPBAC_BAD_ARGUMENT, format!("ct action doesn't support nested {what}"));
    }
    let says_more = |action: &Action| !matches!(action, Action::Nat(nat) if *nat == Nat::default());
    if flags & COMMIT == 0 && actions.iter().any(says_more) {
        let text = "CT action requires commit flag if actions other than NAT without arguments are specified.";
        return refuse(ErrorCode::OFPBAC_BAD_ARGUMENT, text);
    }
    Ok(Action::Ct(Box::new(Ct {
        commit: flags & COMMIT != 0,
        force: flags & FORCE != 0,
        zone,
        table: (wire.table != 0xff).then_some(TableId(wire.table)),
        alg: wire.alg.get(),
        actions,
    })))
}

pub(super) fn write(w: &mut Writer, ct: &Ct, version: Version) -> Encoded<()> {
    let (zone_src, zone) = match ct.zone {
        CtZone::Immediate(zone) => (0, zone),
        CtZone::Field(sub) => (oxm::Header::of(sub.field, None).map_or(0, oxm::Header::number), sub_bits(sub)),
    };
    let start = open(w, 35);
    w.put(&CtWire {
        flags: (if ct.commit { COMMIT } else { 0 } | if ct.force { FORCE } else { 0 }).into(),
        zone_src: zone_src.into(),
        zone: zone.into(),
        table: ct.table.map_or(0xff, |t| t.0),
        pad: [0; 3],
        alg: ct.alg.into(),
    });
    write_list(w, &ct.actions, version, false)?;
    w.close(start, 2);
    Ok(())
}

pub(super) fn read_nat(r: &mut Reader<'_>) -> Decoded<Action> {
    let wire: &NatWire = r.get("nat")?;
    let (flags, present) = (wire.flags.get(), wire.present.get());
    if flags & !(NAT_SRC | NAT_DST | PERSISTENT | HASH | RANDOM) != 0 {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "nat with unknown flags");
    }
    let direction = match flags & (NAT_SRC | NAT_DST) {
        0 => None,
        NAT_SRC => Some(NatDirection::Source),
        NAT_DST => Some(NatDirection::Destination),
        _ => return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "nat in both directions"),
    };
    let algorithm = match flags & (HASH | RANDOM) {
        0 => None,
        HASH => Some(NatAlgorithm::Hash),
        RANDOM => Some(NatAlgorithm::Random),
        _ => return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "nat with hash and random"),
    };
    if present & (IPV4_MIN | IPV4_MAX) != 0 && present & (IPV6_MIN | IPV6_MAX) != 0 {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "nat to IPv4 and IPv6");
    }
    let maxes = [(IPV4_MAX, IPV4_MIN), (IPV6_MAX, IPV6_MIN), (PROTO_MAX, PROTO_MIN)];
    if maxes.iter().any(|&(max, min)| present & max != 0 && present & min == 0) {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "nat's range has an end and no start");
    }
    let mut address = |bit4: u16, bit6: u16| -> Decoded<Option<IpAddr>> {
        if present & bit4 != 0 {
            let ip = r.get::<U32>("IPv4 address")?.get();
            return Ok(Some(Ipv4Addr::from(ip).into()));
        }
        if present & bit6 != 0 {
            let ip = r.get::<[u8; 16]>("IPv6 address")?;
            return Ok(Some(Ipv6Addr::from(*ip).into()));
        }
        Ok(None)
    };
    let min = address(IPV4_MIN, IPV6_MIN)?;
    let max = address(IPV4_MAX, IPV6_MAX)?;
    let mut port = |bit: u16| -> Decoded<Option<u16>> {
        if present & bit == 0 { Ok(None) } else { Ok(Some(r.get::<U16>("port")?.get())) }
    };
    let (port_min, port_max) = (port(PROTO_MIN)?, port(PROTO_MAX)?);
    if min.zip(max).is_some_and(|(min, max)| min > max) || port_min.zip(port_max).is_some_and(|(min, max)| min > max) {
        return bad(ErrorCode::OFPBAC_BAD_ARGUMENT, "nat's range ends before it starts");
    }
    Ok(Action::Nat(Nat {
        direction,
        persistent: flags & PERSISTENT != 0,
        algorithm,
        addresses: min.map(|min| (min, max)),
        ports: port_min.map(|min| (min, port_max)),
    }))
}

pub(super) fn write_nat(w: &mut Writer, nat: &Nat) {
    let mut flags = match nat.direction {
        None => 0,
        Some(NatDirection::Source) => NAT_SRC,
        Some(NatDirection::Destination) => NAT_DST,
    };
    flags |= if nat.persistent { PERSISTENT } else { 0 };
    flags |= match nat.algorithm {
        None => 0,
        Some(NatAlgorithm::Hash) => HASH,
        Some(NatAlgorithm::Random) => RANDOM,
    };
    let mut present = 0;
    let mut body = Vec::new();
    if let Some((min, max)) = nat.addresses {
        for (ip, bit4, bit6) in [(Some(min), IPV4_MIN, IPV6_MIN), (max, IPV4_MAX, IPV6_MAX)] {
            match ip {
                Some(IpAddr::V4(ip)) => {
                    present |= bit4;
                    body.extend_from_slice(&ip.octets());
                }
                Some(IpAddr::V6(ip)) => {
                    present |= bit6;
                    body.extend_from_slice(&ip.octets());
                }
                None => {}
            }
        }
    }
    if let Some((min, max)) = nat.ports {
        for (port, bit) in [(Some(min), PROTO_MIN), (max, PROTO_MAX)] {
            if let Some(port) = port {
                present |= bit;
                body.extend_from_slice(&port.to_be_bytes());
            }
        }
    }
    simple(w, 36, |w| {
        w.put(&NatWire { pad: [0; 2], flags: flags.into(), present: present.into() });
        w.slice(&body);
    });
}
