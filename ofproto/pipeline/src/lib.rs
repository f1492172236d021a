//! The OpenFlow pipeline: what happens to a frame that no cache knows, and to whoever programs the tables.
//!
//! In reading order:
//! - [`config`], [`vlan`]: what the daemon tells us, in the database's terms.
//! - [`tables`], [`bridge`], [`flow_table`], [`rule`], [`shared`], [`mac_table`]: the state, one value behind one lock.
//! - [`tunnel`]: tunnel ports, routes, next hops. `tlv`: tunnel options of a bridge. [`features`]: what of the datapath is used.
//! - [`pipeline`]: [`Pipeline`], the room's door: configuration, connections, upcalls, the periodic run, queries.
//!
//! Invariants: translation is a pure function of the tables and a key; what it wants done (learn, count, send to a
//! controller) it returns. Nothing here does I/O or reads a clock: everything is told `now`.

pub mod bridge;
mod check;
pub mod command;
pub mod config;
pub mod connection;
mod continuation;
pub mod eviction;
pub mod features;
pub mod flow_mod;
pub mod flow_table;
pub mod frozen;
pub mod group;
pub mod learn;
pub mod liveness;
pub mod mac_table;
pub mod meter;
pub mod pipeline;
pub mod revalidate;
pub mod rule;
pub mod shared;
pub mod tables;
mod text;
mod tlv;
pub mod translate;
pub mod tunnel;
mod upcall;
pub mod vlan;

pub use config::{
    BridgeSettings, BundleSettings, ConfigError, ConnectionId, ConnectionKind, ConnectionSettings, ConnectionStatus,
    Description, Ended, FailMode, HiddenRule, PaceStats, PortCounters, PortKind, PortSettings, PortState,
    TableSettings, Versions,
};
pub use pipeline::{Hooks, Pipeline};
pub use revalidate::Limits;
pub use tables::Tables;
pub use vlan::{PriorityTags, VlanMode, VlanSet};
