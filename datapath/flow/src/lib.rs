//! Flows: what a frame says, which of it matters, and what to do.
//!
//! - [`key`]: [`FlowKey`] and [`FlowMask`], fixed arrays of words; the drawing says where each field lies.
//! - [`field`]: the field registry, one row per field of ovs-fields(7): names, OXM/NXM ids, width, prerequisites.
//! - [`mod@extract`]: from a frame's bytes to its key.
//! - [`matching`]: [`Match`], a key with its mask.
//! - [`classifier`]: finding what matches a key, for OpenFlow tables and for megaflows.
//! - [`action`]: what the datapath does to a frame.
//! - [`tun_metadata`]: tunnel options as fields, which have no fixed place.
//! - [`tunnel`]: what outer headers said, within a key.
//! - [`prerequisite`]: which fields a match may speak of.
//! - [`text`]: how people write values, ports and matches. [`dpctl`]: the datapath's own syntax.
//!
//! Invariant: a field's place, width and names are said once, in the registry.

pub mod action;
pub mod classifier;
pub mod dpctl;
pub mod extract;
pub mod field;
pub mod key;
pub mod matching;
pub mod port;
pub mod prerequisite;
pub mod text;
pub mod tun_metadata;
pub mod tunnel;

pub use action::DpAction;
pub use classifier::{CompactMatch, FlowTable, Masks, RuleTable};
pub use extract::extract;
pub use field::{Field, FieldId};
pub use key::{FlowKey, FlowMask, SparseKey};
pub use matching::Match;
pub use port::OfPort;
