//! The database server: tables, transactions, monitors, locks, storage.

pub mod uuids;

pub mod commit;
pub mod exec;
pub mod rbac;
pub mod table;
pub mod txn;

pub mod compaction;
pub mod database;
pub mod history;
pub mod locks;
pub mod log;
pub mod mirror;
pub mod monitor;
pub mod storage;

pub mod server;

pub mod serve;
