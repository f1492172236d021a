//! What: a client's copy of a database, kept up to date by the server, and transactions against it.
//!
//! Why: the switch's configuration and every command of `vsctl` read rows by the dozen; asking the server for
//! each would be slow and, worse, not a snapshot.
//!
//! ```text
//!   bytes ── Session ── Link (async) ── Client (pure: messages in, messages and events out)
//!                                          │ owns
//!                                       Replica ──> Table ──> Row
//!                                          ^
//!                             Transaction ─┘ reads through it, overlays it, becomes a Request
//! ```
//!
//! Programs begin with [`Database`], which is all of it in one handle, and with [`rows!`](crate::rows), which makes rows
//! structs; `examples/ports.rs` shows both.
//!
//! How: on each connection the client asks for the schema, then for `monitor_cond_since`, and falls back to
//! `monitor_cond` and `monitor` for servers that know only those. After a reconnect the owner is told what
//! differs, not everything.
//!
//! Invariants: [`Client`] and all below know no socket and no clock; a [`Replica`] is always one consistent
//! snapshot; a reference in it may dangle only if its table is not selected.

mod changes;
mod client;
mod database;
mod index;
mod link;
mod rows;
mod transaction;
pub mod typed;

pub use changes::{Changes, RowChange};
pub use client::{Client, Event, Token};
pub use database::{ClientError, Committed, Database};
pub use link::Link;
pub use rows::{Replica, Row, RowRef, Select, Table};
pub use transaction::{Outcome, Request, Transaction};
pub use typed::Change;

#[cfg(test)]
mod tests;
