//! How a database's commits get to its log and the log to the disk.

use super::*;
use crate::compaction::Rule;
use crate::log::Snapshot;
use crate::storage::{DiskJob, Rewrite};
use weft_base::Time;

impl Database {
    /// Writes what has been executed since the last time. If that fails, all of it is undone.
    pub fn append(&mut self) -> Result<()> {
        if self.batch.sets.is_empty() {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.batch);
        let Some(storage) = &mut self.storage else { return Ok(()) };
        let written = if batch.framed.is_empty() { Ok(()) } else { storage.append(&batch.framed) };
        self.trouble = written.as_ref().err().map(ToString::to_string);
        match &written {
            Err(_) => {
                for set in batch.sets.iter().rev() {
                    apply_unchecked(&self.schema, &mut self.tables, set, true);
                }
            }
            Ok(()) => {
                self.growth.commits += batch.commits.len() as u64;
                batch.commits.into_iter().for_each(|commit| self.history.push(commit));
            }
        }
        // Keep the allocation, unless something huge passed through.
        batch.framed.clear();
        if batch.framed.capacity() <= KEEP_BATCH {
            self.batch.framed = batch.framed;
        }
        written
    }

    /// Writes what has been executed and, if some of it asked for that, waits for the disk. What the disk refuses stays in
    /// the tables as in the log, but nobody may call it durable.
    pub fn flush(&mut self) -> Result<()> {
        let durable = self.batch.durable;
        self.append()?;
        if durable { self.sync() } else { Ok(()) }
    }

    /// What puts everything appended so far on the disk; none for a database that is kept nowhere.
    pub fn syncing(&mut self) -> Option<DiskJob> {
        Some(self.storage.as_mut()?.syncing())
    }

    /// Puts everything appended so far on the disk.
    pub fn sync(&mut self) -> Result<()> {
        let synced = self.syncing().map_or(Ok(()), |job| job());
        self.synced(&synced);
        synced
    }

    /// What became of a job of [`Database::syncing`].
    pub fn synced(&mut self, result: &Result<()>) {
        if let Err(error) = result {
            self.trouble = Some(error.to_string());
        }
    }

    /// Whether the log should be compacted now.
    pub fn wants_compaction(&mut self, rule: &Rule, now: Time) -> bool {
        self.storage.as_ref().is_some_and(|storage| rule.is_due(&mut self.growth, storage.size(), now))
    }

    /// The first step of a compaction, see [`crate::storage`]: a log with the schema and the present rows. None for a
    /// database that is kept nowhere.
    pub fn rewriting(&mut self, date_ms: i64) -> Result<Option<DiskJob>> {
        self.rewriting_as("compacting database online", date_ms)
    }

    fn rewriting_as(&mut self, comment: &str, date_ms: i64) -> Result<Option<DiskJob>> {
        self.flush()?;
        let Some(storage) = &mut self.storage else { return Ok(None) };
        let mut framed = Vec::new();
        log::frame(&self.schema.to_json().to_string(), &mut framed);
        let rows = Snapshot::new(&self.tables, comment, date_ms, !self.whole_columns);
        let rewrite = Rewrite {
            log: Box::new(move |out| {
                out.write_all(&framed)?;
                rows.write_framed(out)
            }),
            note: Some((history::NOTE, self.history.to_note(&self.tables))),
        };
        storage.rewriting(rewrite).map(Some)
    }

    /// The second step.
    pub fn catch_up(&mut self) -> Result<()> {
        self.storage.as_mut().map_or(Ok(()), |storage| storage.catch_up())
    }

    /// The last step.
    pub fn replace(&mut self) -> Result<()> {
        let Some(storage) = &mut self.storage else { return Ok(()) };
        storage.replace()?;
        self.growth.compacted(storage.size());
        self.trouble = None;
        Ok(())
    }

    /// Compacts no further.
    pub fn give_up_compaction(&mut self) {
        if let Some(storage) = &mut self.storage {
            storage.give_up();
        }
    }

    /// Replaces the log by one that holds the schema and the present rows, and waits for it.
    pub fn compact(&mut self, date_ms: i64) -> Result<()> {
        self.compact_as("compacting database online", date_ms)
    }

    pub(super) fn compact_as(&mut self, comment: &str, date_ms: i64) -> Result<()> {
        let Some(job) = self.rewriting_as(comment, date_ms)? else { return Ok(()) };
        let steps = job().and_then(|()| self.catch_up()).and_then(|()| {
            // Whether it counts for the new log is for the replacement to know.
            let _ = self.sync();
            self.replace()
        });
        if let Err(error) = steps {
            self.give_up_compaction();
            return Err(error);
        }
        self.sync()
    }

    /// Keeps a note beside the log; see [`Storage::keep`].
    pub fn keep(&mut self, name: &str, note: Option<&[u8]>) -> Result<()> {
        self.storage.as_mut().map_or(Ok(()), |storage| storage.keep(name, note))
    }

    /// The note, if there is one.
    pub fn kept(&mut self, name: &str) -> Option<Vec<u8>> {
        self.storage.as_mut()?.kept(name)
    }

    /// "ok", or what went wrong with the storage and has not gone well since.
    pub fn storage_status(&self) -> &str {
        self.trouble.as_deref().unwrap_or("ok")
    }

    /// Bytes in the log.
    pub fn log_size(&self) -> u64 {
        self.storage.as_ref().map_or(0, |s| s.size())
    }
}

/// A buffer of at most this size is kept for the next batch.
const KEEP_BATCH: usize = 1 << 20;
