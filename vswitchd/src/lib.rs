//! The daemon: rows become a configuration, a configuration a plan, a plan a running switch, and what the switch
//! does becomes rows again.
//!
//! - [`options`]: the command line under each of the executable's names.
//! - [`config`]: rows of the database as typed values.
//! - [`plan`]: the difference between what is wanted and what is.

pub mod options;

pub mod config;
pub mod plan;
