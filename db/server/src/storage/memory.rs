//! A log in memory.

use super::{DiskJob, Rewrite, Storage, replay_bytes};
use crate::log::Torn;
use serde_json::Value;
use std::io;
use std::sync::{Arc, Mutex};
use weft_ovsdb::{Error, Result};

/// A log in memory, which can be told to fail and shows what a crash would leave.
#[derive(Clone, Default)]
pub struct MemoryStorage(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    synced: usize,
    syncs: usize,
    full: bool,
    /// A log that is to replace this one, and what it lacks.
    new: Option<New>,
    notes: std::collections::BTreeMap<String, Vec<u8>>,
}

#[derive(Default)]
struct New {
    bytes: Vec<u8>,
    /// Where in the old log goes on what the new one lacks.
    from: usize,
    follows: bool,
}

impl MemoryStorage {
    /// A log with these bytes.
    pub fn new(bytes: Vec<u8>) -> MemoryStorage {
        let synced = bytes.len();
        MemoryStorage(Arc::new(Mutex::new(Memory { bytes, synced, ..Memory::default() })))
    }

    /// Makes appends fail as on a full disk, or succeed again.
    pub fn set_full(&self, full: bool) {
        self.memory().full = full;
    }

    /// All bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.memory().bytes.clone()
    }

    /// The bytes that are on the disk for sure.
    pub fn synced(&self) -> Vec<u8> {
        let memory = self.memory();
        memory.bytes[..memory.synced].to_vec()
    }

    /// How often `sync` was called.
    pub fn syncs(&self) -> usize {
        self.memory().syncs
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Storage for MemoryStorage {
    fn replay(&mut self, each: &mut dyn FnMut(Value) -> Result<()>) -> Result<Option<Torn>> {
        let bytes = self.bytes();
        let (torn, whole) = replay_bytes(&bytes, each, "memory")?;
        let mut memory = self.memory();
        memory.bytes.truncate(whole);
        memory.synced = memory.synced.min(whole);
        Ok(torn)
    }

    fn append(&mut self, framed: &[u8]) -> Result<()> {
        let mut memory = self.memory();
        if memory.full {
            let error = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
            return Err(Error::io("memory: write failed", &error));
        }
        memory.bytes.extend_from_slice(framed);
        if let Some(new) = memory.new.as_mut().filter(|new| new.follows) {
            new.bytes.extend_from_slice(framed);
        }
        Ok(())
    }

    fn syncing(&mut self) -> DiskJob {
        let (shared, appended) = (self.clone(), self.memory().bytes.len());
        Box::new(move || {
            let mut memory = shared.memory();
            // It may have been replaced meanwhile by one that is on the disk.
            memory.synced = memory.synced.max(appended).min(memory.bytes.len());
            memory.syncs += 1;
            Ok(())
        })
    }

    fn rewriting(&mut self, rewrite: Rewrite) -> Result<DiskJob> {
        let mut memory = self.memory();
        memory.new = Some(New { from: memory.bytes.len(), ..New::default() });
        drop(memory);
        let shared = self.clone();
        Ok(Box::new(move || {
            let mut bytes = Vec::new();
            let failed = |e: io::Error| Error::io("memory: compaction failed", &e);
            (rewrite.log)(&mut bytes).map_err(failed)?;
            if let Some((name, note)) = rewrite.note {
                let mut text = Vec::new();
                note(&mut text).map_err(failed)?;
                shared.memory().notes.insert(name.to_owned(), text);
            }
            if let Some(new) = &mut shared.memory().new {
                new.bytes = bytes;
            }
            Ok(())
        }))
    }

    fn catch_up(&mut self) -> Result<()> {
        let mut memory = self.memory();
        let Memory { bytes, new, .. } = &mut *memory;
        let new = new.as_mut().ok_or_else(|| Error::bare("memory: no compaction is under way"))?;
        new.bytes.extend_from_slice(&bytes[new.from..]);
        new.follows = true;
        Ok(())
    }

    fn replace(&mut self) -> Result<()> {
        let mut memory = self.memory();
        let new = memory.new.take().ok_or_else(|| Error::bare("memory: no compaction is under way"))?;
        memory.bytes = new.bytes;
        memory.synced = memory.bytes.len();
        Ok(())
    }

    fn give_up(&mut self) {
        self.memory().new = None;
    }

    fn size(&self) -> u64 {
        self.memory().bytes.len() as u64
    }

    fn keep(&mut self, name: &str, note: Option<&[u8]>) -> Result<()> {
        match note {
            Some(note) => drop(self.memory().notes.insert(name.to_owned(), note.to_vec())),
            None => drop(self.memory().notes.remove(name)),
        }
        Ok(())
    }

    fn kept(&mut self, name: &str) -> Option<Vec<u8>> {
        self.memory().notes.get(name).cloned()
    }
}
