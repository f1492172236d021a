//! TCP (RFC 9293 §3.1).
//!
//! ```text
//! | src: 2 | dst: 2 | sequence: 4 | acknowledgement: 4 | offset:4 flags:12 | window: 2 | checksum: 2 | urgent: 2 |
//! ```

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header without options.
pub const LEN: usize = 20;
#[allow(missing_docs, reason = "the flags' names")]
pub mod flags {
    pub const FIN: u16 = 0x001;
    pub const SYN: u16 = 0x002;
    pub const RST: u16 = 0x004;
    pub const PSH: u16 = 0x008;
    pub const ACK: u16 = 0x010;
    pub const URG: u16 = 0x020;
    pub const ECE: u16 = 0x040;
    pub const CWR: u16 = 0x080;
    pub const NS: u16 = 0x100;
}

/// The header without options as it lies on the wire.
#[derive(FromBytes, IntoBytes, Unaligned, Immutable, KnownLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct TcpWire {
    /// Source port.
    pub src: U16,
    /// Destination port.
    pub dst: U16,
    /// Sequence number.
    pub seq: U32,
    /// Acknowledgement number.
    pub ack: U32,
    /// Header length in words, and the flags.
    pub offset_flags: U16,
    /// Window.
    pub window: U16,
    /// Checksum.
    pub checksum: U16,
    /// Urgent pointer.
    pub urgent: U16,
}

impl TcpWire {
    /// A header without options; the checksum is left zero.
    pub fn new(src: u16, dst: u16, flags: u16) -> TcpWire {
        TcpWire {
            src: src.into(),
            dst: dst.into(),
            seq: 0.into(),
            ack: 0.into(),
            offset_flags: (5 << 12 | flags & 0xfff).into(),
            window: 0.into(),
            checksum: 0.into(),
            urgent: 0.into(),
        }
    }

    /// Length of the header, options included.
    pub fn header_len(&self) -> usize {
        usize::from(self.offset_flags.get() >> 12) * 4
    }

    /// The flags.
    pub fn flags(&self) -> u16 {
        self.offset_flags.get() & 0xfff
    }

    /// Replace the flags.
    pub fn set_flags(&mut self, flags: u16) {
        self.offset_flags = (self.offset_flags.get() & 0xf000 | flags & 0xfff).into();
    }
}
