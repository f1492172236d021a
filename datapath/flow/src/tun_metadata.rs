//! Tunnel options as match fields: `tun_metadata0` to `tun_metadata63` (ovs-fields(7), "Geneve Fields").
//!
//! What: a [`TlvTable`] says which option (class, type, length) is which field; a [`TunLayout`] says where a field lies
//! within the 256 bytes that a key has for options; a [`TunValue`] is up to 124 bytes with a mask.
//!
//! Why: the fields have no width and no place of their own. A bridge's table gives both; tools and codecs, which know no
//! table, let each [`Match`](crate::Match) lay its options out by itself. [`Match::bind`](crate::Match::bind) moves such
//! a match to the places of a bridge.
//!
//! ```text
//! word 39 ............................. 70      64 slots of 4 bytes; a field takes as many as it needs, in any order
//! word 71: bit N of the key: option N is there; of the mask: that matters
//! ```
//!
//! Invariants: a mapping never moves while it exists. The bytes of an option that is not there are zero.

mod layout;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use layout::{TunLayout, Unmapped};
pub use table::{TlvError, TlvMap, TlvTable};
pub use value::{BadNumber, TunValue};

/// How many fields there are.
pub const FIELDS: u8 = 64;
/// Bytes of options in all.
pub const SPACE: usize = 256;
/// The longest option.
pub const MAX_LEN: usize = 124;
/// The word that says which options are there.
pub const PRESENT_WORD: usize = crate::key::TUN_METADATA_WORD + SPACE / 8;
