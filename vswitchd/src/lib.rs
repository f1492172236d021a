//! The daemon: rows become a configuration, a configuration a plan, a plan a running switch, and what the switch
//! does becomes rows again.
//!
//! - [`options`]: the command line under each of the executable's names.
//! - [`database`]: which part of the database is copied.
//! - [`config`]: rows of the database as typed values.
//! - [`plan`]: the difference between what is wanted and what is.
//! - [`status`]: what the switch does, as rows.
//! - [`serve`]: the sockets.

pub mod options;

pub mod database;

pub mod config;
pub mod plan;
pub mod status;

pub mod serve;
