//! The stage for stories about whole switches: a sandbox of namespaces, hosts, and a running daemon.
//!
//! - [`sandbox`]: run a function in network, mount and process namespaces of its own, so that nothing is left behind.
//! - [`command`]: run a program and keep what it said.
//! - [`peer`]: Open vSwitch as the far end of tunnels.
//! - [`stage`]: a switch daemon in a run directory of its own, and hosts in namespaces around it.
//!
//! Used by the end-to-end tests and by `cargo xtask demo`.

pub mod command;
pub mod peer;
pub mod sandbox;
pub mod stage;

pub use command::{Output, Program};
pub use stage::{Daemon, Host, Stage};
