//! The switch itself: features, configuration, description, tunnel option table.

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Encoded, Reader, Writer, bad, text};
use super::port;
use super::table::{action_set, action_set_bits};
use crate::error::ErrorCode;
use crate::ids::Version;
use crate::switch::{
    Capabilities, FragHandling, SwitchConfig, SwitchDesc, SwitchFeatures, TlvMap, TlvTable, TlvTableCommand,
    TlvTableMod,
};
use crate::table::ActionSet;

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct FeaturesWire {
    datapath_id: U64,
    n_buffers: U32,
    n_tables: u8,
    auxiliary_id: u8,
    pad: [u8; 2],
    capabilities: U32,
    /// 1.0's actions, reserved since.
    actions: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct ConfigWire {
    flags: U16,
    miss_send_len: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct DescWire {
    mfr: [u8; 256],
    hw: [u8; 256],
    sw: [u8; 256],
    serial: [u8; 32],
    dp: [u8; 256],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct TlvMapWire {
    class: U16,
    kind: u8,
    len: u8,
    index: U16,
    pad: [u8; 2],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct TlvModWire {
    command: U16,
    pad: [u8; 6],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct TlvReplyWire {
    max_space: U32,
    max_fields: U16,
    pad: [u8; 10],
}

/// 1.0's OFPC_STP is bit 3, where 1.1 has group statistics.
const STP10: u32 = 1 << 3;
const COMMON: u32 = 0x67;

/// What a version can say of capabilities, and where.
fn capability_bits(version: Version) -> u32 {
    COMMON
        | match version {
            Version::V10 => 1 << 7,
            Version::V11 => 1 << 3 | 1 << 7,
            Version::V12 | Version::V13 => 1 << 3 | 1 << 8,
            _ => 1 << 3 | 1 << 8 | 1 << 9 | 1 << 10,
        }
}

pub(crate) fn read_features(r: &mut Reader<'_>, version: Version) -> Decoded<SwitchFeatures> {
    let wire: &FeaturesWire = r.get("features")?;
    let bits = wire.capabilities.get();
    let mut capabilities = Capabilities::from_bits_truncate(bits & capability_bits(version));
    if version == Version::V10 && bits & STP10 != 0 {
        capabilities |= Capabilities::STP;
    }
    let mut ports = Vec::new();
    if version < Version::V13 {
        while !r.is_empty() {
            ports.push(port::read_port(r, version)?);
        }
    }
    Ok(SwitchFeatures {
        datapath_id: wire.datapath_id.get(),
        n_buffers: wire.n_buffers.get(),
        n_tables: wire.n_tables,
        auxiliary_id: if version >= Version::V13 { wire.auxiliary_id } else { 0 },
        capabilities,
        actions: if version == Version::V10 { action_set(wire.actions.get(), version) } else { ActionSet::empty() },
        ports,
        ports_truncated: false,
    })
}

pub(crate) fn write_features(w: &mut Writer, f: &SwitchFeatures, version: Version) -> Encoded<()> {
    let mut bits = f.capabilities.bits() & capability_bits(version);
    if version == Version::V10 && f.capabilities.contains(Capabilities::STP) {
        bits |= STP10;
    }
    w.put(&FeaturesWire {
        datapath_id: f.datapath_id.into(),
        n_buffers: f.n_buffers.into(),
        n_tables: f.n_tables,
        auxiliary_id: if version >= Version::V13 { f.auxiliary_id } else { 0 },
        pad: [0; 2],
        capabilities: bits.into(),
        actions: if version == Version::V10 { action_set_bits(f.actions, version) } else { 0 }.into(),
    });
    if version < Version::V13 {
        for p in &f.ports {
            // A message has 64 KiB: what does not fit is asked for with a port description request.
            if w.len() + 64 > 0xffff {
                break;
            }
            port::write_port(w, p, version)?;
        }
    }
    Ok(())
}

const INVALID_TTL: u16 = 1 << 2;

pub(crate) fn read_config(r: &mut Reader<'_>, version: Version, set: bool) -> Decoded<SwitchConfig> {
    let wire: &ConfigWire = r.get("switch configuration")?;
    let flags = wire.flags.get();
    let ttl_known = version <= Version::V12; // 1.0 as an extension
    let allowed = 3 | if ttl_known { INVALID_TTL } else { 0 };
    if set && flags & !allowed != 0 {
        return bad(ErrorCode::OFPSCFC_BAD_FLAGS, format!("unknown configuration flags {flags:#x}"));
    }
    let frag = match flags & 3 {
        0 => FragHandling::Normal,
        1 => FragHandling::Drop,
        2 => FragHandling::Reassemble,
        _ => FragHandling::NxMatch,
    };
    Ok(SwitchConfig {
        frag,
        invalid_ttl_to_controller: ttl_known.then_some(flags & INVALID_TTL != 0),
        miss_send_len: wire.miss_send_len.get(),
    })
}

pub(crate) fn write_config(w: &mut Writer, c: &SwitchConfig, version: Version) {
    let ttl_known = version <= Version::V12; // 1.0 as an extension
    let ttl = if ttl_known && c.invalid_ttl_to_controller == Some(true) { INVALID_TTL } else { 0 };
    w.put(&ConfigWire { flags: (c.frag as u16 | ttl).into(), miss_send_len: c.miss_send_len.into() });
}

pub(crate) fn read_desc(r: &mut Reader<'_>) -> Decoded<SwitchDesc> {
    let wire: &DescWire = r.get("switch description")?;
    Ok(SwitchDesc {
        mfr_desc: text(&wire.mfr),
        hw_desc: text(&wire.hw),
        sw_desc: text(&wire.sw),
        serial_num: text(&wire.serial),
        dp_desc: text(&wire.dp),
    })
}

pub(crate) fn write_desc(w: &mut Writer, d: &SwitchDesc) {
    w.text(&d.mfr_desc, 256);
    w.text(&d.hw_desc, 256);
    w.text(&d.sw_desc, 256);
    w.text(&d.serial_num, 32);
    w.text(&d.dp_desc, 256);
}

fn read_maps(r: &mut Reader<'_>) -> Decoded<Vec<TlvMap>> {
    let mut maps = Vec::new();
    while !r.is_empty() {
        let wire: &TlvMapWire = r.get("TLV map")?;
        if wire.index.get() >= 64 {
            return bad(ErrorCode::NXTTMFC_BAD_FIELD_IDX, format!("tun_metadata{} does not exist", wire.index));
        }
        if !wire.len.is_multiple_of(4) || wire.len > 124 {
            return bad(ErrorCode::NXTTMFC_BAD_OPT_LEN, format!("a tunnel option of {} bytes", wire.len));
        }
        maps.push(TlvMap { class: wire.class.get(), kind: wire.kind, len: wire.len, index: wire.index.get() });
    }
    Ok(maps)
}

fn write_maps(w: &mut Writer, maps: &[TlvMap]) {
    for m in maps {
        w.put(&TlvMapWire { class: m.class.into(), kind: m.kind, len: m.len, index: m.index.into(), pad: [0; 2] });
    }
}

pub(crate) fn read_tlv_mod(r: &mut Reader<'_>) -> Decoded<TlvTableMod> {
    let wire: &TlvModWire = r.get("TLV table mod")?;
    let command = match wire.command.get() {
        0 => TlvTableCommand::Add,
        1 => TlvTableCommand::Delete,
        2 => TlvTableCommand::Clear,
        n => return bad(ErrorCode::NXTTMFC_BAD_COMMAND, format!("unknown TLV table command {n}")),
    };
    Ok(TlvTableMod { command, maps: read_maps(r)? })
}

pub(crate) fn write_tlv_mod(w: &mut Writer, m: &TlvTableMod) {
    w.put(&TlvModWire { command: (m.command as u16).into(), pad: [0; 6] });
    write_maps(w, &m.maps);
}

pub(crate) fn read_tlv_table(r: &mut Reader<'_>) -> Decoded<TlvTable> {
    let wire: &TlvReplyWire = r.get("TLV table")?;
    Ok(TlvTable { max_option_space: wire.max_space.get(), max_fields: wire.max_fields.get(), maps: read_maps(r)? })
}

pub(crate) fn write_tlv_table(w: &mut Writer, t: &TlvTable) {
    w.put(&TlvReplyWire { max_space: t.max_option_space.into(), max_fields: t.max_fields.into(), pad: [0; 10] });
    write_maps(w, &t.maps);
}
