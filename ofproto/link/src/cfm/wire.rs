//! The continuity check message (IEEE 802.1ag-2007 §21.6) with Open vSwitch's extension in the bytes that ITU-T Y.1731 uses.
//!
//! ```text
//!   0  MD level, version   1  opcode 1   2  flags: RDI, interval   3  offset of the first TLV (70)
//!   4  sequence number     8  MEPID     10  MAID (48 bytes)
//!  58  Y.1731; extended: interval in ms (2), MPID (8), operationally down (1), 0 (5)       74  end TLV
//! ```

use std::fmt;

use weft_packet::Mac;
use weft_packet::builder::Builder;
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    big_endian::{U16, U32, U64},
};

/// The EtherType of CFM.
pub const ETHERTYPE: u16 = 0x8902;
/// Where messages go: class 1, MD level 0.
pub const GROUP: Mac = Mac([0x01, 0x80, 0xc2, 0, 0, 0x30]);
/// Where those of the extended mode go.
pub const EXTENDED_GROUP: Mac = Mac([0x01, 0x23, 0x20, 0, 0, 0x30]);

const LEN: usize = 75;
const OPCODE_CCM: u8 = 1;
const FIRST_TLV: u8 = 70;
const RDI: u8 = 0x80;
const INTERVAL: u8 = 0x07;

/// "ovs" for the domain, "ovs" for the association, both as text.
const MAID: [u8; 48] = {
    let mut maid = [0; 48];
    let text = [4, 3, b'o', b'v', b's', 2, 3, b'o', b'v', b's'];
    let mut i = 0;
    while i < text.len() {
        maid[i] = text[i];
        i += 1;
    }
    maid
};

#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout)]
#[repr(C)]
struct CcmWire {
    level_version: u8,
    opcode: u8,
    flags: u8,
    first_tlv: u8,
    sequence: U32,
    mepid: U16,
    maid: [u8; 48],
    extended_interval: U16,
    extended_mpid: U64,
    extended_down: u8,
    zero: [u8; 5],
    end: u8,
}

const _: () = assert!(size_of::<CcmWire>() == LEN);

/// What a message says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ccm {
    /// Its sender hears nobody, or not as it should.
    pub rdi: bool,
    /// The interval's code (§21.6.1.3), 0 in extended mode.
    pub interval: u8,
    /// Counts messages.
    pub sequence: u32,
    /// The sender's MPID.
    pub mepid: u16,
    /// Whether the MAID is the one that we use.
    pub maid_is_ours: bool,
    /// Extended mode.
    pub extended: Extended,
}

/// The extension's fields; nothing where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Extended {
    /// In milliseconds.
    pub interval: u16,
    /// The sender's MPID.
    pub mpid: u64,
    /// The sender is operationally down.
    pub down: bool,
}

/// Not a continuity check message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotCcm {
    /// A message has 75 bytes or more; this has so many.
    Short(usize),
    /// Another of CFM's operations.
    Opcode(u8),
}

impl fmt::Display for NotCcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotCcm::Short(have) => write!(f, "a continuity check message has {LEN} bytes, this one {have}"),
            NotCcm::Opcode(code) => write!(f, "operation {code} of CFM is no continuity check"),
        }
    }
}

impl std::error::Error for NotCcm {}

impl Ccm {
    /// Read what follows the EtherType.
    ///
    /// # Errors
    /// If it is no continuity check message. Bytes behind it are no fault.
    pub fn parse(bytes: &[u8]) -> Result<Ccm, NotCcm> {
        let (wire, _) = CcmWire::ref_from_prefix(bytes).map_err(|_| NotCcm::Short(bytes.len()))?;
        if wire.opcode != OPCODE_CCM {
            return Err(NotCcm::Opcode(wire.opcode));
        }
        Ok(Ccm {
            rdi: wire.flags & RDI != 0,
            interval: wire.flags & INTERVAL,
            sequence: wire.sequence.get(),
            mepid: wire.mepid.get(),
            maid_is_ours: wire.maid == MAID,
            extended: Extended {
                interval: wire.extended_interval.get(),
                mpid: wire.extended_mpid.get(),
                down: wire.extended_down != 0,
            },
        })
    }

    /// As what follows the EtherType, with our MAID.
    pub fn emit(&self) -> [u8; LEN] {
        let wire = CcmWire {
            level_version: 0,
            opcode: OPCODE_CCM,
            flags: if self.rdi { RDI } else { 0 } | self.interval & INTERVAL,
            first_tlv: FIRST_TLV,
            sequence: self.sequence.into(),
            mepid: self.mepid.into(),
            maid: MAID,
            extended_interval: self.extended.interval.into(),
            extended_mpid: self.extended.mpid.into(),
            extended_down: self.extended.down.into(),
            zero: [0; 5],
            end: 0,
        };
        zerocopy::transmute!(wire)
    }

    /// As a frame from a port with this address, with the tag control information `tci` if there is one.
    pub fn frame(&self, group: Mac, port: Mac, tci: Option<u16>) -> Vec<u8> {
        let builder = Builder::ethernet(group, port);
        let builder = match tci {
            Some(tci) => builder.vlan(0x8100, tci),
            None => builder,
        };
        builder.ethertype(ETHERTYPE).payload(&self.emit()).build()
    }
}
