//! What: the control plane's sockets. Addresses, streams, JSON framing, JSON-RPC sessions, the appctl
//! control channel, and what every daemon needs around them (run directory, log, pidfile, detaching).
//!
//! Why: OVSDB and appctl are both JSON-RPC over a byte stream, and daemons and tools meet in the same
//! directories; one room knows how to get there.
//!
//! How it fits: floor 1. `db/ovsdb` builds its replica on [`session`], `db/server` serves over
//! [`stream::Listener`], `vswitchd` and `cli` meet in [`unixctl`].
//!
//! Invariants: what arrives from a peer is bounded in size and depth before it is parsed; a bad message
//! costs its sender the connection and nobody else anything.

pub mod rundir;

pub mod address;
pub mod stream;
pub mod tls;

pub mod connection;
pub mod framing;
pub mod json_syntax;
pub mod message;
pub mod outlet;
pub mod session;

pub mod unixctl;

pub mod daemon;
pub mod vlog;
