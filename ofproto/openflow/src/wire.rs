//! How messages lie on the wire: one file per kind, both directions.
//!
//! Big-endian exists only inside `*Wire` structs. Decoders take a bounded [`buf::Reader`] and give the meaning or a
//! [`DecodeError`] with the error that goes back; encoders append to a [`buf::Writer`] or say what a version cannot say.

pub(crate) mod action;
pub(crate) mod buf;
pub(crate) mod conntrack;
pub(crate) mod controller;
pub(crate) mod flow;
pub(crate) mod group;
pub(crate) mod instruction;
pub(crate) mod match10;
pub(crate) mod match11;
pub(crate) mod meter;
pub(crate) mod monitor;
pub(crate) mod multipart;
pub(crate) mod nicira;
pub(crate) mod oxm;
pub(crate) mod packet;
pub(crate) mod port;
pub mod said;
pub(crate) mod set_field;
pub(crate) mod switch;
pub(crate) mod table;
pub(crate) mod tun_metadata;

pub use buf::{DecodeError, EncodeError};

/// Nicira's experimenter id.
pub(crate) const NICIRA: u32 = 0x0000_2320;
/// The Open Networking Foundation's experimenter id.
pub(crate) const ONF: u32 = 0x4f4e_4600;
