//! The daemon: rows become a configuration, a configuration a plan, a plan a running switch, and what the switch
//! does becomes rows again.
//!
//! - [`program`]: the programs that this executable is; [`options`]: their command lines.
//! - [`database`]: which part of the database is copied.
//! - [`config`]: rows of the database as typed values.
//! - [`plan`]: the difference between what is wanted and what is.
//! - [`switch`]: the running switch; the only place where a plan acts. [`pmd`]: which core polls which queue.
//! - [`status`]: what the switch does, as rows.
//! - [`serve`]: the sockets. [`event`]: all that can wake the owner. [`owner`]: the loop that owns all of this.
//! - [`commands`]: what appctl can ask.

pub mod options;
pub mod program;

pub mod database;

pub mod config;
pub mod plan;
pub mod status;

pub mod pmd;
pub mod switch;

pub mod serve;

pub mod commands;
pub mod event;
pub mod owner;
