//! What: database files as this tool reads them: whole, or not at all.
//!
//! Invariants: a damaged file is an error that says where; nothing here writes.

use crate::failure::{Failure, fail};
use std::path::Path;
use weft_ovsdb::{DatabaseSchema, Error};
use weft_server::database::Database;
use weft_server::log::{Records, Torn};
use weft_server::storage::MemoryStorage;

/// What a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Magic {
    Standalone,
    Cluster,
}

/// Which of both kinds of database a file is.
pub fn magic(path: &str) -> Result<Magic, Failure> {
    magic_of(path, &read(path)?)
}

fn magic_of(path: &str, bytes: &[u8]) -> Result<Magic, Failure> {
    let is_header = |magic: &str| {
        let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        matches!(words[..], [b"OVSDB", word, _, digest] if word == magic.as_bytes() && digest.len() == 40)
    };
    match bytes {
        [] => fail(format!("ovsdb error: {path}: cannot identify file type")),
        _ if is_header("JSON") => Ok(Magic::Standalone),
        _ if is_header("CLUSTER") => Ok(Magic::Cluster),
        _ => fail(format!("ovsdb error: {path}: unexpected file format")),
    }
}

pub fn read(path: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        let what = if error.kind() == std::io::ErrorKind::IsADirectory { "read error" } else { "open failed" };
        Error::io(format!("{path}: {what}"), &error).into()
    })
}

/// The whole file, if it is a standalone database.
pub fn read_standalone(path: &str) -> Result<Vec<u8>, Failure> {
    let bytes = read(path)?;
    match magic_of(path, &bytes)? {
        Magic::Standalone => Ok(bytes),
        Magic::Cluster => fail(format!("ovsdb error: {path}: cannot apply this operation to clustered database file")),
    }
}

/// The schema in front of a file; the rest is not looked at.
pub fn schema(path: &str) -> Result<DatabaseSchema, Failure> {
    let bytes = read_standalone(path)?;
    match Records::new(&bytes).next_record() {
        Ok(Some(json)) => Ok(DatabaseSchema::from_json(&json)?),
        Ok(None) => fail(format!("ovsdb error: {path}: unexpected file format")),
        Err(torn) => Err(damage(path, &torn)),
    }
}

/// The database in memory; the file is only read.
pub fn open_copy(path: &str) -> Result<Database, Failure> {
    let bytes = read_standalone(path)?;
    let (database, torn) = Database::open(Box::new(MemoryStorage::new(bytes)))?;
    match torn {
        None => Ok(database),
        Some(torn) => Err(damage(path, &torn)),
    }
}

/// What is wrong with a file.
pub fn damage(path: &str, torn: &Torn) -> Failure {
    torn.to_error(path).into()
}

/// Who holds a lock file.
pub fn lock_owner(lock: &Path) -> std::io::Result<Option<i32>> {
    let file = std::fs::File::options().read(true).write(true).open(lock)?;
    let owner =
        rustix::process::fcntl_getlk(&file, &rustix::process::Flock::from(rustix::process::FlockType::WriteLock))?;
    Ok(owner.and_then(|owner| owner.pid).map(|pid| pid.as_raw_nonzero().get()))
}
