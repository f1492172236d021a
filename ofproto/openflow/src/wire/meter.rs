//! Meters (1.3+).

use std::time::Duration;

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::buf::{Decoded, Reader, Writer, bad};
use crate::error::ErrorCode;
use crate::ids::MeterId;
use crate::meter::{
    BandKind, MeterBand, MeterConfig, MeterFeatures, MeterFlags, MeterMod, MeterModCommand, MeterStats,
};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct ModWire {
    command: U16,
    flags: U16,
    meter: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct BandWire {
    kind: U16,
    len: U16,
    rate: U32,
    burst: U32,
    prec_level: u8,
    pad: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct ConfigWire {
    len: U16,
    flags: U16,
    meter: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct StatsWire {
    meter: U32,
    len: U16,
    pad: [u8; 6],
    flow_count: U32,
    packets: U64,
    bytes: U64,
    seconds: U32,
    nanos: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct FeaturesWire {
    max_meter: U32,
    band_types: U32,
    capabilities: U32,
    max_bands: u8,
    max_color: u8,
    pad: [u8; 2],
}

fn read_bands(mut r: Reader<'_>) -> Decoded<Vec<MeterBand>> {
    let mut bands = Vec::new();
    while !r.is_empty() {
        let len = usize::from(r.peek::<BandWire>("meter band")?.len.get());
        if len != size_of::<BandWire>() {
            return r.bad_len(format!("a meter band of {len} bytes"));
        }
        let wire: &BandWire = r.get("meter band")?;
        let kind = match wire.kind.get() {
            1 => BandKind::Drop,
            2 => BandKind::DscpRemark { prec_level: wire.prec_level },
            n => return bad(ErrorCode::OFPMMFC_BAD_BAND, format!("unknown meter band {n}")),
        };
        bands.push(MeterBand { kind, rate: wire.rate.get(), burst: wire.burst.get() });
    }
    Ok(bands)
}

fn write_bands(w: &mut Writer, bands: &[MeterBand]) {
    for band in bands {
        let (kind, prec_level) = match band.kind {
            BandKind::Drop => (1, 0),
            BandKind::DscpRemark { prec_level } => (2, prec_level),
        };
        w.put(&BandWire {
            kind: kind.into(),
            len: (size_of::<BandWire>() as u16).into(),
            rate: band.rate.into(),
            burst: band.burst.into(),
            prec_level,
            pad: [0; 3],
        });
    }
}

pub(crate) fn read_mod(r: &mut Reader<'_>) -> Decoded<MeterMod> {
    let wire: &ModWire = r.get("meter mod")?;
    let command = match wire.command.get() {
        0 => MeterModCommand::Add,
        1 => MeterModCommand::Modify,
        2 => MeterModCommand::Delete,
        n => return bad(ErrorCode::OFPMMFC_BAD_COMMAND, format!("unknown meter mod command {n}")),
    };
    let id = MeterId(wire.meter.get());
    let flags = if command == MeterModCommand::Delete {
        MeterFlags::empty()
    } else {
        let bits = wire.flags.get();
        // what is unknown or missing, the switch itself refuses
        let flags = MeterFlags::from_bits_retain(bits);
        if flags.contains(MeterFlags::KBPS | MeterFlags::PKTPS) {
            return bad(ErrorCode::OFPMMFC_BAD_FLAGS, "a meter counts either kbps or pktps");
        }
        flags
    };
    let bands = if command == MeterModCommand::Delete { Vec::new() } else { read_bands(*r)? };
    r.take_rest();
    Ok(MeterMod { command, meter: MeterConfig { id, flags, bands } })
}

pub(crate) fn write_mod(w: &mut Writer, m: &MeterMod) {
    w.put(&ModWire {
        command: (m.command as u16).into(),
        flags: m.meter.flags.bits().into(),
        meter: m.meter.id.0.into(),
    });
    write_bands(w, &m.meter.bands);
}

pub(crate) fn read_config(r: &mut Reader<'_>) -> Decoded<MeterConfig> {
    let len = usize::from(r.peek::<ConfigWire>("meter")?.len.get());
    if len < size_of::<ConfigWire>() {
        return r.bad_len(format!("a meter of {len} bytes"));
    }
    let mut e = r.sub(len, "meter")?;
    let wire: &ConfigWire = e.get("meter")?;
    Ok(MeterConfig {
        id: MeterId(wire.meter.get()),
        flags: MeterFlags::from_bits_truncate(wire.flags.get()),
        bands: read_bands(e)?,
    })
}

pub(crate) fn write_config(w: &mut Writer, m: &MeterConfig) {
    let start = w.len();
    w.put(&ConfigWire { len: 0.into(), flags: m.flags.bits().into(), meter: m.id.0.into() });
    write_bands(w, &m.bands);
    w.close(start, 0);
}

pub(crate) fn read_stats(r: &mut Reader<'_>) -> Decoded<MeterStats> {
    let len = usize::from(r.peek::<StatsWire>("meter stats")?.len.get());
    if len < size_of::<StatsWire>() || !(len - size_of::<StatsWire>()).is_multiple_of(16) {
        return r.bad_len(format!("meter stats of {len} bytes"));
    }
    let mut e = r.sub(len, "meter stats")?;
    let wire: &StatsWire = e.get("meter stats")?;
    let mut bands = Vec::new();
    while !e.is_empty() {
        bands.push((e.get::<U64>("band's packets")?.get(), e.get::<U64>("band's bytes")?.get()));
    }
    Ok(MeterStats {
        id: MeterId(wire.meter.get()),
        flow_count: wire.flow_count.get(),
        packet_in_count: wire.packets.get(),
        byte_in_count: wire.bytes.get(),
        duration: Duration::new(wire.seconds.get().into(), wire.nanos.get().min(999_999_999)),
        bands,
    })
}

pub(crate) fn write_stats(w: &mut Writer, s: &MeterStats) {
    let start = w.len();
    w.put(&StatsWire {
        meter: s.id.0.into(),
        len: 0.into(),
        pad: [0; 6],
        flow_count: s.flow_count.into(),
        packets: s.packet_in_count.into(),
        bytes: s.byte_in_count.into(),
        seconds: (s.duration.as_secs() as u32).into(),
        nanos: s.duration.subsec_nanos().into(),
    });
    for (packets, bytes) in &s.bands {
        w.put(&U64::new(*packets));
        w.put(&U64::new(*bytes));
    }
    w.close(start, 4);
}

pub(crate) fn read_features(r: &mut Reader<'_>) -> Decoded<MeterFeatures> {
    let wire: &FeaturesWire = r.get("meter features")?;
    Ok(MeterFeatures {
        max_meters: wire.max_meter.get(),
        band_types: wire.band_types.get(),
        capabilities: wire.capabilities.get(),
        max_bands: wire.max_bands,
        max_color: wire.max_color,
    })
}

pub(crate) fn write_features(w: &mut Writer, f: &MeterFeatures) {
    w.put(&FeaturesWire {
        max_meter: f.max_meters.into(),
        band_types: f.band_types.into(),
        capabilities: f.capabilities.into(),
        max_bands: f.max_bands,
        max_color: f.max_color,
        pad: [0; 2],
    });
}
