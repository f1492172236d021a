//! The database for C programs: `libweftdb` and `include/weftdb.h`.
//!
//! ```text
//!   C ── weftdb.h ──> ffi.rs (pointers, and nothing else) ──> Handle (safe) ──> weft_ovsdb::replica::Database
//! ```
//!
//! Why `unsafe` outside the cellar: a C function has a name without mangling and takes pointers, and Rust calls both
//! unsafe. [`ffi`] turns pointers into references and texts, line by line, and does nothing else.
//!
//! Invariants: no panic crosses the border; a handle's text stays where it is until the next call.

mod ffi;
mod handle;

pub use ffi::*;
pub use handle::Handle;
