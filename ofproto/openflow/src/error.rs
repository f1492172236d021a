//! Errors that go over the wire: OFPET_* types and codes, ONF's and Nicira's extensions.
//!
//! What: [`ErrorCode`] names an error independent of the version; the table says what each version puts on the wire.
//! Invariant: an error that a version cannot say is sent as `NXBRC_UNENCODABLE_ERROR`.

mod table;

use std::fmt;

use crate::ids::Version;
use table::{ROWS, Wire};

/// A named error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(u8);

/// An error message: what went wrong, and the start of the message that caused it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorMessage {
    /// What.
    pub code: ErrorCode,
    /// The offending message (at least its first 64 bytes); for OFPHFC_* a text.
    pub data: Vec<u8>,
}

/// The numbers of an error on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorWire {
    /// `type`, `code`.
    Standard(u16, u16),
    /// 1.0 and 1.1: type 0xb0c2, code 0, Nicira's id, then an inner type and code.
    Nicira(u16, u16),
    /// 1.2+: type 0xffff, exp_type, the experimenter's id.
    Experimenter(u32, u16),
}

impl ErrorCode {
    /// `OFPBAC_BAD_LEN` and so on.
    pub fn name(self) -> &'static str {
        ROWS[self.0 as usize].name
    }

    /// The inverse of [`ErrorCode::name`].
    pub fn by_name(name: &str) -> Option<ErrorCode> {
        ROWS.iter().position(|row| row.name.eq_ignore_ascii_case(name)).map(|i| ErrorCode(i as u8))
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = ErrorCode> {
        (0..ROWS.len()).map(|i| ErrorCode(i as u8))
    }

    /// What a version puts on the wire.
    pub fn to_wire(self, version: Version) -> ErrorWire {
        match ROWS[self.0 as usize].wire[version as usize - 1] {
            Wire::Standard(kind, code) => ErrorWire::Standard(kind, code),
            Wire::Nicira(kind, code) => ErrorWire::Nicira(kind, code),
            Wire::Experimenter(vendor, kind) => ErrorWire::Experimenter(vendor, kind),
            Wire::Unencodable => ErrorCode::NXBRC_UNENCODABLE_ERROR.to_wire(version),
        }
    }

    /// Whether a version has it; others send the nearest that they have.
    pub fn is_of(self, version: Version) -> bool {
        !matches!(ROWS[usize::from(self.0)].wire[version as usize - 1], Wire::Unencodable)
    }

    /// Vendor (0: the standard), type and code, as `ofctl print-error` shows them.
    pub fn numbers(self, version: Version) -> (u32, u16, u16) {
        match self.to_wire(version) {
            ErrorWire::Standard(kind, code) => (0, kind, code),
            ErrorWire::Nicira(kind, code) => (crate::wire::NICIRA, kind, code),
            ErrorWire::Experimenter(vendor, kind) => (vendor, kind, 0),
        }
    }

    /// The error with these numbers; the first by name where several share them.
    pub fn from_wire(version: Version, wire: ErrorWire) -> Option<ErrorCode> {
        let wanted = match wire {
            ErrorWire::Standard(kind, code) => Wire::Standard(kind, code),
            ErrorWire::Nicira(kind, code) => Wire::Nicira(kind, code),
            ErrorWire::Experimenter(vendor, kind) => Wire::Experimenter(vendor, kind),
        };
        ROWS.iter().position(|row| row.wire[version as usize - 1] == wanted).map(|i| ErrorCode(i as u8))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_find_their_errors() {
        for code in ErrorCode::all() {
            assert_eq!(ErrorCode::by_name(code.name()), Some(code));
            for version in Version::ALL {
                let back = ErrorCode::from_wire(version, code.to_wire(version)).expect("every error has a wire form");
                assert_eq!(back.to_wire(version), code.to_wire(version), "{code} {version}");
            }
        }
        assert_eq!(ErrorCode::OFPBAC_BAD_LEN.to_wire(Version::V13), ErrorWire::Standard(2, 1));
    }
}
