//! `multipath`, `bundle` and `bundle_load`: choose a link or a member by hash.

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{simple, sub_bits, sub_field};
use crate::action::{Action, Bundle, BundleAlgorithm, HashFields, Multipath, MultipathAlgorithm};
use crate::error::ErrorCode;
use crate::ids::Version;
use crate::wire::action::check_destination;
use crate::wire::buf::{Decoded, Encoded, Reader, Writer, bad, cannot};
use crate::wire::oxm;
use crate::wire::said::{Module, warn};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct MultipathWire {
    pub(super) fields: U16,
    pub(super) basis: U16,
    pub(super) pad1: [u8; 2],
    pub(super) algorithm: U16,
    pub(super) max_link: U16,
    pub(super) arg: U32,
    pub(super) pad2: [u8; 2],
    pub(super) ofs_nbits: U16,
}

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct BundleWire {
    algorithm: U16,
    fields: U16,
    basis: U16,
    member_type: U32,
    n_members: U16,
    ofs_nbits: U16,
    dst: U32,
    pad: [u8; 4],
}

const HASHES: [HashFields; 7] = [
    HashFields::EthSrc,
    HashFields::SymmetricL4,
    HashFields::SymmetricL3L4,
    HashFields::SymmetricL3L4Udp,
    HashFields::NwSrc,
    HashFields::NwDst,
    HashFields::SymmetricL3,
];

fn hash_fields(number: u16) -> Decoded<HashFields> {
    match HASHES.get(usize::from(number)) {
        Some(fields) => Ok(*fields),
        None => complain(format!("unsupported fields {number}")),
    }
}

/// An argument that is not known, and its line in the log.
fn complain<T>(text: String) -> Decoded<T> {
    warn(Module::Actions, || text.clone());
    bad(ErrorCode::OFPBAC_BAD_ARGUMENT, text)
}

pub(super) fn hash_number(fields: HashFields) -> u16 {
    HASHES.iter().position(|f| *f == fields).unwrap_or(0) as u16
}

pub(super) fn multipath(r: &mut Reader<'_>) -> Decoded<Action> {
    let wire: &MultipathWire = r.get("multipath")?;
    let field = oxm::read_short_field(r)?;
    let fields = hash_fields(wire.fields.get())?;
    let algorithm = match wire.algorithm.get() {
        0 => MultipathAlgorithm::ModuloN,
        1 => MultipathAlgorithm::HashThreshold,
        2 => MultipathAlgorithm::Hrw,
        3 => MultipathAlgorithm::IterHash,
        n => return complain(format!("unsupported algorithm {n}")),
    };
    let dst = sub_field(wire.ofs_nbits.get(), field);
    let n_links = usize::from(wire.max_link.get()) + 1;
    if dst.n_bits < 16 && n_links > 1 << dst.n_bits {
        let least = usize::BITS - (n_links - 1).leading_zeros();
        return complain(format!("multipath action requires at least {least} bits for {n_links} links"));
    }
    check_destination(dst)?;
    Ok(Action::Multipath(Multipath {
        fields,
        basis: wire.basis.get(),
        algorithm,
        max_link: wire.max_link.get(),
        arg: wire.arg.get(),
        dst,
    }))
}

/// The members' type: NXM_OF_IN_PORT, that is OpenFlow ports.
const MEMBER_PORTS: u32 = 0x0000_0002;

pub(super) fn bundle(r: &mut Reader<'_>, load: bool) -> Decoded<Action> {
    let wire: &BundleWire = r.get("bundle")?;
    let fields = hash_fields(wire.fields.get())?;
    let algorithm = match wire.algorithm.get() {
        0 => BundleAlgorithm::ActiveBackup,
        1 => BundleAlgorithm::Hrw,
        n => return complain(format!("unsupported algorithm {n}")),
    };
    if wire.member_type.get() != MEMBER_PORTS {
        return complain(format!("unsupported member type {}", wire.member_type.get()));
    }
    let n = usize::from(wire.n_members.get());
    if n > MAX_MEMBERS {
        return complain("too many members".to_owned());
    }
    if wire.pad != [0; 4] {
        return complain("reserved field is nonzero".to_owned());
    }
    let dst = if load {
        let bytes = wire.dst.get().to_be_bytes();
        let field = oxm::read_short_field(&mut Reader::new(&bytes, ErrorCode::OFPBAC_BAD_LEN))?;
        let dst = sub_field(wire.ofs_nbits.get(), field);
        if dst.n_bits < 16 {
            return complain("bundle_load action requires at least 16 bit destination.".to_owned());
        }
        check_destination(dst)?;
        Some(dst)
    } else if wire.ofs_nbits.get() != 0 || wire.dst.get() != 0 {
        return complain("bundle action has nonzero reserved fields".to_owned());
    } else {
        None
    };
    let have = r.len();
    let Ok(members) = r.bytes(2 * n, "bundle's members") else {
        let name = if load { "bundle_load" } else { "bundle" };
        let text = format!(
            "Nicira action {name} only has {have} bytes allocated for members.  {} bytes are required for {n} members.",
            2 * n
        );
        warn(Module::Actions, || text.clone());
        return bad(ErrorCode::OFPBAC_BAD_LEN, text);
    };
    let members = members.chunks(2).map(|m| OfPort::from_u16(u16::from_be_bytes([m[0], m[1]]))).collect();
    Ok(Action::Bundle(Bundle { fields, basis: wire.basis.get(), algorithm, members, dst }))
}

const MAX_MEMBERS: usize = 2048;

pub(super) fn write_bundle(w: &mut Writer, bundle: &Bundle, version: Version) -> Encoded<()> {
    if bundle.members.iter().any(|m| m.to_u16().is_none()) {
        return cannot(version, "a bundle with ports above 65535");
    }
    simple(w, if bundle.dst.is_some() { 13 } else { 12 }, |w| {
        let dst = bundle.dst.and_then(|dst| oxm::Header::of(dst.field, None));
        w.put(&BundleWire {
            algorithm: (bundle.algorithm as u16).into(),
            fields: hash_number(bundle.fields).into(),
            basis: bundle.basis.into(),
            member_type: MEMBER_PORTS.into(),
            n_members: (bundle.members.len() as u16).into(),
            ofs_nbits: bundle.dst.map_or(0, sub_bits).into(),
            dst: dst.map_or(0, oxm::Header::number).into(),
            pad: [0; 4],
        });
        bundle.members.iter().for_each(|m| w.put(&U16::new(m.to_u16().unwrap_or(0xffff))));
    });
    Ok(())
}
