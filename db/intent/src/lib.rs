//! Desired state: a file says what a switch should be; this room says what that changes.
//!
//! Why: rows, references and UUIDs are the database's business. Operators think in bridges, ports and controllers, and
//! before they change a switch they want to know which ports will flap and which flows will go.
//!
//! ```text
//!   text ─> Document ─ write ─> Transaction over a replica ─ request ─> the server
//!                                       │
//!                                    consequences ─> [Consequence]   "port eth1 of br0 flaps: options:remote_ip ..."
//! ```
//!
//! How: [`Document`] is TOML or JSON; [`shape`] maps its words to the schema's tables and columns; [`Document::write`]
//! puts what differs into a transaction; [`consequences`] compares what the transaction shows with what lies under it, so it
//! explains any transaction, not only those that come from files.
//!
//! Invariants: no socket, no clock. A document that is written twice changes nothing the second time.

mod consequence;
mod document;
mod error;
pub mod shape;
mod value;
mod view;
mod write;

pub use consequence::{Consequence, Kind, Moved, Plan, consequences};
pub use document::{Document, Format};
pub use error::{Error, Result};

#[cfg(test)]
mod tests;
