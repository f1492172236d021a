//! gRPC: the switch and its database for programs that do not want OVSDB.
//!
//! ```text
//!   client ── HTTP/2 ──> serve ─> Service ──┬── one request ──> OVSDB connection (value.rs: messages <-> its JSON)
//!                                           ├── a replica ────> plan, apply, watch (weft-intent, weft-ovsdb)
//!                                           └── Counters ─────> who knows the ports (vswitchd's owner loop)
//! ```
//!
//! Why so: the service is a client of the database server like any other. It works the same beside the embedded database
//! and beside one on another machine, and nothing about transactions, history or confirming is decided twice.
//!
//! [`v1`] is generated from `proto/weft/v1/switch.proto`, which documents the messages, by `cargo xtask proto` and checked
//! in: a build needs no protoc. A test compares the two.
//!
//! Invariants: no state of its own; a client that does not read a stream holds up its own stream only.

mod database;
mod serve;
mod service;
pub mod value;

pub use serve::{parse_listen, serve};
pub use service::{CounterSource, Service};

/// The generated messages, client and server.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated; documented in the proto file")]
#[rustfmt::skip]
pub mod v1 {
    include!("generated/weft.v1.rs");
}

/// The compiled proto file, for programs that read it at run time.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/weft.v1.bin");

#[cfg(test)]
mod tests;
