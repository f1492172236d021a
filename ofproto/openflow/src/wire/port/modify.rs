//! Port mods: new configuration bits, and which of them change.

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{CONFIG10, CONFIG11, features10, features10_bits, features11};
use crate::error::ErrorCode;
use crate::ids::{Mac, Version};
use crate::port::{PortConfig, PortFeatures, PortMod};
use crate::wire::buf::{Decoded, Encoded, Reader, Writer, bad};
use crate::wire::flow::{port16, port32};
use crate::wire::nicira::{read_property, write_property};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Mod10Wire {
    port: U16,
    hw_addr: [u8; 6],
    config: U32,
    mask: U32,
    advertise: U32,
    pad: [u8; 4],
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct Mod11Wire {
    port: U32,
    pad1: [u8; 4],
    hw_addr: [u8; 6],
    pad2: [u8; 2],
    config: U32,
    mask: U32,
}

pub(crate) fn read_mod(r: &mut Reader<'_>, version: Version) -> Decoded<PortMod> {
    if version == Version::V10 {
        let wire: &Mod10Wire = r.get("port mod")?;
        return Ok(PortMod {
            port: OfPort::from_u16(wire.port.get()),
            hw_addr: Mac(wire.hw_addr),
            config: PortConfig::from_bits_truncate(wire.config.get() & CONFIG10),
            mask: PortConfig::from_bits_truncate(wire.mask.get() & CONFIG10),
            advertise: features10(wire.advertise.get()),
        });
    }
    let wire: &Mod11Wire = r.get("port mod")?;
    let mut advertise = PortFeatures::empty();
    if version >= Version::V14 {
        while !r.is_empty() {
            let (kind, mut body) = read_property(r)?;
            match kind {
                0 => advertise = features11(*body.get("advertise")?),
                _ => return bad(ErrorCode::OFPBPC_BAD_TYPE, format!("unknown port mod property {kind}")),
            }
        }
    } else {
        advertise = features11(*r.get("advertise")?);
        r.skip(4, "padding")?;
    }
    Ok(PortMod {
        port: port32(wire.port.get())?,
        hw_addr: Mac(wire.hw_addr),
        config: PortConfig::from_bits_truncate(wire.config.get() & CONFIG11),
        mask: PortConfig::from_bits_truncate(wire.mask.get() & CONFIG11),
        advertise,
    })
}

pub(crate) fn write_mod(w: &mut Writer, m: &PortMod, version: Version) -> Encoded<()> {
    if version == Version::V10 {
        w.put(&Mod10Wire {
            port: port16(m.port, version)?,
            hw_addr: m.hw_addr.0,
            config: m.config.bits().into(),
            mask: m.mask.bits().into(),
            advertise: features10_bits(m.advertise),
            pad: [0; 4],
        });
        return Ok(());
    }
    w.put(&Mod11Wire {
        port: m.port.0.into(),
        pad1: [0; 4],
        hw_addr: m.hw_addr.0,
        pad2: [0; 2],
        config: (m.config.bits() & CONFIG11).into(),
        mask: (m.mask.bits() & CONFIG11).into(),
    });
    if version >= Version::V14 {
        if !m.advertise.is_empty() {
            write_property(w, 0, |w| w.put(&U32::new(m.advertise.bits())));
        }
    } else {
        w.put(&U32::new(m.advertise.bits()));
        w.zeros(4);
    }
    Ok(())
}
