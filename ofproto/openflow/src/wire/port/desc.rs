//! Port descriptions, as such and inside a port status: 1.0's, those of 1.1 to 1.3, and 1.4's with properties.

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{CONFIG10, CONFIG11, features10, features10_bits, features11};
use crate::error::ErrorCode;
use crate::ids::{Mac, Version};
use crate::port::{PortConfig, PortDesc, PortFeatures, PortReason, PortState, PortStatus};
use crate::wire::buf::{Decoded, Encoded, Reader, Writer, bad, text};
use crate::wire::flow::{port16, port32};
use crate::wire::nicira::{read_property, write_property};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Port10Wire {
    port: U16,
    hw_addr: [u8; 6],
    name: [u8; 16],
    config: U32,
    state: U32,
    current: U32,
    advertised: U32,
    supported: U32,
    peer: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Port11Wire {
    port: U32,
    pad1: [u8; 4],
    hw_addr: [u8; 6],
    pad2: [u8; 2],
    name: [u8; 16],
    config: U32,
    state: U32,
    current: U32,
    advertised: U32,
    supported: U32,
    peer: U32,
    curr_speed: U32,
    max_speed: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Port14Wire {
    port: U32,
    len: U16,
    pad1: [u8; 2],
    hw_addr: [u8; 6],
    pad2: [u8; 2],
    name: [u8; 16],
    config: U32,
    state: U32,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct EthernetWire {
    pad: [u8; 4],
    current: U32,
    advertised: U32,
    supported: U32,
    peer: U32,
    curr_speed: U32,
    max_speed: U32,
}

const STATE10: u32 = 0x301;

const STATE11: u32 = 0x7;

pub(crate) fn read_port(r: &mut Reader<'_>, version: Version) -> Decoded<PortDesc> {
    let mask = |bits: U32, all: u32| bits.get() & all;
    if version == Version::V10 {
        let wire: &Port10Wire = r.get("port")?;
        return Ok(PortDesc {
            port: OfPort::from_u16(wire.port.get()),
            hw_addr: Mac(wire.hw_addr),
            name: text(&wire.name),
            config: PortConfig::from_bits_truncate(mask(wire.config, CONFIG10)),
            state: PortState::from_bits_truncate(mask(wire.state, STATE10)),
            current: features10(wire.current.get()),
            advertised: features10(wire.advertised.get()),
            supported: features10(wire.supported.get()),
            peer: features10(wire.peer.get()),
            curr_speed: kbps(features10(wire.current.get())),
            max_speed: kbps(features10(wire.supported.get())),
        });
    }
    if version >= Version::V14 {
        let len = usize::from(r.peek::<Port14Wire>("port")?.len.get());
        let mut e = r.sub(len.max(size_of::<Port14Wire>()), "port")?;
        let wire: &Port14Wire = e.get("port")?;
        let mut desc = PortDesc {
            port: port32(wire.port.get())?,
            hw_addr: Mac(wire.hw_addr),
            name: text(&wire.name),
            config: PortConfig::from_bits_truncate(mask(wire.config, CONFIG11)),
            state: PortState::from_bits_truncate(mask(wire.state, STATE11)),
            current: PortFeatures::empty(),
            advertised: PortFeatures::empty(),
            supported: PortFeatures::empty(),
            peer: PortFeatures::empty(),
            curr_speed: 0,
            max_speed: 0,
        };
        while !e.is_empty() {
            let (kind, mut body) = read_property(&mut e)?;
            if kind != 0 {
                continue;
            }
            let wire: &EthernetWire = body.get("port's Ethernet property")?;
            desc.current = features11(wire.current);
            desc.advertised = features11(wire.advertised);
            desc.supported = features11(wire.supported);
            desc.peer = features11(wire.peer);
            desc.curr_speed = wire.curr_speed.get();
            desc.max_speed = wire.max_speed.get();
        }
        return Ok(desc);
    }
    let wire: &Port11Wire = r.get("port")?;
    Ok(PortDesc {
        port: port32(wire.port.get())?,
        hw_addr: Mac(wire.hw_addr),
        name: text(&wire.name),
        config: PortConfig::from_bits_truncate(mask(wire.config, CONFIG11)),
        state: PortState::from_bits_truncate(mask(wire.state, STATE11)),
        current: features11(wire.current),
        advertised: features11(wire.advertised),
        supported: features11(wire.supported),
        peer: features11(wire.peer),
        curr_speed: wire.curr_speed.get(),
        max_speed: wire.max_speed.get(),
    })
}

/// The fastest speed among features.
fn kbps(features: PortFeatures) -> u32 {
    let speeds = [
        (PortFeatures::FD_1TB, 1_000_000_000),
        (PortFeatures::FD_100GB, 100_000_000),
        (PortFeatures::FD_40GB, 40_000_000),
        (PortFeatures::FD_10GB, 10_000_000),
        (PortFeatures::FD_1GB | PortFeatures::HD_1GB, 1_000_000),
        (PortFeatures::FD_100MB | PortFeatures::HD_100MB, 100_000),
        (PortFeatures::FD_10MB | PortFeatures::HD_10MB, 10_000),
    ];
    speeds.iter().find(|(bits, _)| features.intersects(*bits)).map_or(0, |(_, kbps)| *kbps)
}

fn name16(name: &str) -> [u8; 16] {
    let mut out = [0; 16];
    // Cut between characters: half a character would read back as another one.
    let n = (0..=15).rev().find(|&n| name.is_char_boundary(n)).unwrap_or(0).min(name.len());
    out[..n].copy_from_slice(&name.as_bytes()[..n]);
    out
}

pub(crate) fn write_port(w: &mut Writer, p: &PortDesc, version: Version) -> Encoded<()> {
    if version == Version::V10 {
        w.put(&Port10Wire {
            port: port16(p.port, version)?,
            hw_addr: p.hw_addr.0,
            name: name16(&p.name),
            config: (p.config.bits() & CONFIG10).into(),
            state: (p.state.bits() & STATE10).into(),
            current: features10_bits(p.current),
            advertised: features10_bits(p.advertised),
            supported: features10_bits(p.supported),
            peer: features10_bits(p.peer),
        });
        return Ok(());
    }
    let config = (p.config.bits() & CONFIG11).into();
    let state = (p.state.bits() & STATE11).into();
    let port = p.port.0.into();
    if version >= Version::V14 {
        let start = w.len();
        w.put(&Port14Wire {
            port,
            len: 0.into(),
            pad1: [0; 2],
            hw_addr: p.hw_addr.0,
            pad2: [0; 2],
            name: name16(&p.name),
            config,
            state,
        });
        write_property(w, 0, |w| {
            w.put(&EthernetWire {
                pad: [0; 4],
                current: p.current.bits().into(),
                advertised: p.advertised.bits().into(),
                supported: p.supported.bits().into(),
                peer: p.peer.bits().into(),
                curr_speed: p.curr_speed.into(),
                max_speed: p.max_speed.into(),
            });
        });
        w.close(start, 4);
        return Ok(());
    }
    w.put(&Port11Wire {
        port,
        pad1: [0; 4],
        hw_addr: p.hw_addr.0,
        pad2: [0; 2],
        name: name16(&p.name),
        config,
        state,
        current: p.current.bits().into(),
        advertised: p.advertised.bits().into(),
        supported: p.supported.bits().into(),
        peer: p.peer.bits().into(),
        curr_speed: p.curr_speed.into(),
        max_speed: p.max_speed.into(),
    });
    Ok(())
}

pub(crate) fn read_status(r: &mut Reader<'_>, version: Version) -> Decoded<PortStatus> {
    let reason = match r.bytes(8, "port status")?[0] {
        0 => PortReason::Add,
        1 => PortReason::Delete,
        2 => PortReason::Modify,
        n => return bad(ErrorCode::NXBRC_BAD_REASON, format!("unknown port status reason {n}")),
    };
    Ok(PortStatus { reason, desc: read_port(r, version)? })
}

pub(crate) fn write_status(w: &mut Writer, s: &PortStatus, version: Version) -> Encoded<()> {
    w.slice(&[s.reason as u8, 0, 0, 0, 0, 0, 0, 0]);
    write_port(w, &s.desc, version)
}
