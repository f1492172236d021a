//! Where records are kept: the seam between the database and the disk.
//!
//! [`FileStorage`] is the real side, [`MemoryStorage`] the one for tests and for databases that live no longer than
//! the process. Appending is quick and done by the owner; what waits for the disk is a [`DiskJob`], which anybody may do,
//! so that the owner goes on meanwhile and many transactions share one `fsync`.
//!
//! A log is replaced in four steps, so that commits go on all the time:
//!
//! ```text
//!   rewriting()  job: the new log is written beside the old one        commits go to the old log
//!   catch_up()   what was committed meanwhile follows                  commits go to both
//!   syncing()    job: both are on the disk
//!   replace()    the new log takes the old one's name                  commits go to the new log
//!   syncing()    job: so is the name
//! ```
//!
//! Invariants: an append that fails leaves the log as it was; once a job of `syncing` is done, everything appended
//! before it was asked for survives the process and the machine; at each moment the log by its name is whole.

mod file;
mod memory;

pub use file::FileStorage;
pub use memory::MemoryStorage;

use crate::log::{Records, Torn};
use serde_json::Value;
use std::io;
use weft_ovsdb::{Error, Result};

/// Work that takes as long as the disk does. It may be done in any thread, while the storage is used.
pub type DiskJob = Box<dyn FnOnce() -> Result<()> + Send>;
/// Puts something into words, piece by piece.
pub type Writer = Box<dyn FnOnce(&mut dyn io::Write) -> io::Result<()> + Send>;

/// A new log, and a note that has to be on the disk before it.
pub struct Rewrite {
    /// The framed records.
    pub log: Writer,
    /// The note's name and text. A note that cannot be written stops nothing.
    pub note: Option<(&'static str, Writer)>,
}

impl From<Vec<u8>> for Rewrite {
    /// A log of these framed records.
    fn from(framed: Vec<u8>) -> Rewrite {
        Rewrite { log: Box::new(move |out| out.write_all(&framed)), note: None }
    }
}

/// A log of records.
pub trait Storage: Send {
    /// Gives every whole record to `each`, the first one being the schema, and cuts off what follows the last whole
    /// one. Returns what was wrong with that, if anything was.
    fn replay(&mut self, each: &mut dyn FnMut(Value) -> Result<()>) -> Result<Option<Torn>>;
    /// Appends framed records; all of them or, with an error, none.
    fn append(&mut self, framed: &[u8]) -> Result<()>;
    /// What puts everything appended so far on the disk.
    fn syncing(&mut self) -> DiskJob;
    /// Begins to replace the log: what writes the new one. A replacement that was under way is given up.
    fn rewriting(&mut self, rewrite: Rewrite) -> Result<DiskJob>;
    /// The new log has been written: whatever has been appended meanwhile follows.
    fn catch_up(&mut self) -> Result<()>;
    /// Puts the new log in the place of the old one, after `catch_up` and after a job of `syncing` that came later. Fails
    /// if the new log is not wholly on the disk; it may be while the old one has failed.
    fn replace(&mut self) -> Result<()>;
    /// Gives up to replace the log.
    fn give_up(&mut self);
    /// Bytes in the log.
    fn size(&self) -> u64;
    /// Keeps a note beside the log in one step, or removes it; it is on the disk when this returns. A storage that has
    /// no place for notes forgets them.
    fn keep(&mut self, _name: &str, _note: Option<&[u8]>) -> Result<()> {
        Ok(())
    }
    /// The note, if there is one.
    fn kept(&mut self, _name: &str) -> Option<Vec<u8>> {
        None
    }

    /// Waits until everything appended is on the disk.
    fn sync(&mut self) -> Result<()> {
        self.syncing()()
    }

    /// Replaces the whole log, and waits for it.
    fn compact(&mut self, rewrite: Rewrite) -> Result<()> {
        let steps = || {
            self.rewriting(rewrite)?()?;
            self.catch_up()?;
            let _ = self.sync();
            self.replace()
        };
        if let Err(error) = steps() {
            self.give_up();
            return Err(error);
        }
        self.sync()
    }
}

/// What was wrong at the end, and how many bytes are whole records.
fn replay_bytes(bytes: &[u8], each: &mut dyn FnMut(Value) -> Result<()>, name: &str) -> Result<(Option<Torn>, usize)> {
    let mut records = Records::new(bytes);
    let mut whole = 0;
    loop {
        match records.next_record() {
            Ok(Some(record)) => match each(record) {
                Ok(()) => whole = records.offset(),
                // What has no schema is not a damaged database but none.
                Err(error) if whole == 0 => return Err(error.context(name)),
                Err(error) => return Ok((Some(Torn::Refused(error)), whole)),
            },
            Ok(None) if records.offset() == 0 => {
                return Err(Error::new("ovsdb error", format!("{name}: cannot identify file type")));
            }
            Ok(None) => return Ok((None, records.offset())),
            // A file that does not even have a schema is something else, not torn.
            Err(torn) if records.offset() == 0 => return Err(not_ours(&torn, name)),
            Err(torn) => return Ok((Some(torn), records.offset())),
        }
    }
}

fn not_ours(torn: &Torn, name: &str) -> Error {
    match torn {
        Torn::Header { clustered: true, .. } => Error::new(
            "ovsdb error",
            format!(
                "{name}: clustered databases are not supported; convert it with \"ovsdb-tool cluster-to-standalone\""
            ),
        ),
        Torn::Header { .. } => Error::new("ovsdb error", format!("{name}: unexpected file format")),
        torn => torn.to_error(name),
    }
}
