//! Where records are kept: the seam between the database and the disk.
//!
//! [`FileStorage`] is the real side, [`MemoryStorage`] the one for tests and for databases that live no longer than
//! the process. Appending is separate from syncing, so that many transactions share one write and one `fsync`.
//!
//! Invariants: an append that fails leaves the file as it was; once `sync` returned, everything appended before
//! survives the process and the machine; `compact` replaces the file in one step.

use crate::log::{Records, Torn};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use weft_ovsdb::{Error, Result};

/// A log of records.
pub trait Storage: Send {
    /// Gives every whole record to `each`, the first one being the schema, and cuts off what follows the last whole
    /// one. Returns what was wrong with that, if anything was.
    fn replay(&mut self, each: &mut dyn FnMut(Value) -> Result<()>) -> Result<Option<Torn>>;
    /// Appends framed records; all of them or, with an error, none.
    fn append(&mut self, framed: &[u8]) -> Result<()>;
    /// Waits until everything appended is on the disk.
    fn sync(&mut self) -> Result<()>;
    /// Replaces the whole log.
    fn compact(&mut self, framed: &[u8]) -> Result<()>;
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
}

/// A log in a file, locked against other servers and tools.
pub struct FileStorage {
    /// As the user wrote it, for messages.
    name: String,
    path: PathBuf,
    file: File,
    size: u64,
    /// A failed append left bytes behind that could not be cut off yet.
    dirty: bool,
    _lock: Option<File>,
}

impl FileStorage {
    /// Opens an existing file for reading and writing, and locks it.
    pub fn open(path: &Path) -> Result<FileStorage> {
        let name = path.display().to_string();
        let path = std::fs::canonicalize(path).map_err(|e| open_failed(path, &e))?;
        let lock = lock(&path)?;
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(|e| open_failed(&path, &e))?;
        Ok(FileStorage { name, path, file, size: 0, dirty: false, _lock: Some(lock) })
    }

    /// Opens an existing file for reading only, without a lock.
    pub fn open_read_only(path: &Path) -> Result<FileStorage> {
        let file = File::open(path).map_err(|e| open_failed(path, &e))?;
        Ok(FileStorage {
            name: path.display().to_string(),
            path: path.to_owned(),
            file,
            size: 0,
            dirty: false,
            _lock: None,
        })
    }

    /// Creates a file that must not exist yet, with these records.
    pub fn create(path: &Path, framed: &[u8]) -> Result<FileStorage> {
        let path = &followed(path);
        let lock = lock(path)?;
        let failed = |e: io::Error| Error::io(format!("{}: create failed", path.display()), &e);
        let mut file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o640).open(path).map_err(failed)?;
        file.write_all(framed).and_then(|()| file.sync_all()).map_err(failed)?;
        sync_dir(path).map_err(failed)?;
        let (name, path, size) = (path.display().to_string(), path.to_owned(), framed.len() as u64);
        Ok(FileStorage { name, path, file, size, dirty: false, _lock: Some(lock) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes lie beside the lock, under names like its: `.conf.db.~history~`.
    fn note_path(&self, name: &str) -> PathBuf {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{file}.~{name}~"))
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.size)?;
        self.file.seek(SeekFrom::Start(self.size))?;
        self.dirty = false;
        Ok(())
    }
}

impl Storage for FileStorage {
    fn replay(&mut self, each: &mut dyn FnMut(Value) -> Result<()>) -> Result<Option<Torn>> {
        let name = self.name.clone();
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0)).map_err(|e| Error::io(format!("{name}: seek failed"), &e))?;
        self.file.read_to_end(&mut bytes).map_err(|e| Error::io(format!("{name}: read failed"), &e))?;
        let (torn, whole) = replay_bytes(&bytes, each, &name)?;
        self.size = whole as u64;
        if torn.is_some() && self._lock.is_some() {
            self.cut().map_err(|e| Error::io(format!("{name}: truncate failed"), &e))?;
        }
        self.file.seek(SeekFrom::Start(self.size)).map_err(|e| Error::io(format!("{name}: seek failed"), &e))?;
        Ok(torn)
    }

    fn append(&mut self, framed: &[u8]) -> Result<()> {
        let name = self.name.clone();
        if self.dirty {
            self.cut().map_err(|e| Error::io(format!("{name}: truncate failed"), &e))?;
        }
        if let Err(error) = self.file.write_all(framed) {
            self.dirty = self.cut().is_err();
            return Err(Error::io(format!("{name}: write failed"), &error));
        }
        self.size += framed.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io(format!("{}: fsync failed", self.path.display()), &e))
    }

    fn compact(&mut self, framed: &[u8]) -> Result<()> {
        let failed = |what: &str, e: &io::Error| Error::io(format!("{}: {what}", self.path.display()), e);
        let meta = self.file.metadata().map_err(|e| failed("stat failed", &e))?;
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let replace = || -> io::Result<File> {
            // A left-over of a compaction that was cut short.
            let _ = std::fs::remove_file(&temporary);
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(meta.mode() & 0o777)
                .open(&temporary)?;
            file.write_all(framed)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &self.path)?;
            sync_dir(&self.path)?;
            Ok(file)
        };
        match replace() {
            Ok(file) => {
                self.file = file;
                self.size = framed.len() as u64;
                self.dirty = false;
                Ok(())
            }
            Err(error) => {
                let _ = std::fs::remove_file(&temporary);
                Err(failed("compaction failed", &error))
            }
        }
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn keep(&mut self, name: &str, note: Option<&[u8]>) -> Result<()> {
        let path = self.note_path(name);
        let failed = |e: io::Error| Error::io(format!("{}: write failed", path.display()), &e);
        let Some(note) = note else {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => sync_dir(&path).map_err(failed),
            };
        };
        let temporary = path.with_extension("tmp");
        let write = || -> io::Result<()> {
            let mode = self.file.metadata()?.mode() & 0o777;
            // A left-over of a note that was cut short.
            let _ = std::fs::remove_file(&temporary);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
            file.write_all(note)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)?;
            sync_dir(&path)
        };
        write().map_err(failed)
    }

    fn kept(&mut self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.note_path(name)).ok()
    }
}

/// A log in memory, which can be told to fail and shows what a crash would leave.
#[derive(Clone, Default)]
pub struct MemoryStorage(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    synced: usize,
    syncs: usize,
    full: bool,
    notes: std::collections::BTreeMap<String, Vec<u8>>,
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
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let mut memory = self.memory();
        memory.synced = memory.bytes.len();
        memory.syncs += 1;
        Ok(())
    }

    fn compact(&mut self, framed: &[u8]) -> Result<()> {
        let mut memory = self.memory();
        memory.bytes = framed.to_vec();
        memory.synced = framed.len();
        Ok(())
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

fn open_failed(path: &Path, error: &io::Error) -> Error {
    Error::io(format!("{}: open failed", path.display()), error)
}

/// Where links lead, also to a file that does not exist yet.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(&path) else { break };
        path = path.parent().map_or_else(|| target.clone(), |dir| dir.join(&target));
    }
    path
}

/// Locks `.NAME.~lock~` beside the file, as the OVS tools do.
fn lock(path: &Path) -> Result<File> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lock = path.with_file_name(format!(".{name}.~lock~"));
    let failed = |e: io::Error| Error::io(format!("{}: failed to lock lockfile", path.display()), &e);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&lock);
    let file = file.map_err(failed)?;
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|e| failed(e.into()))?;
    Ok(file)
}

fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// More links than this are a circle.
const MAX_LINKS: usize = 40;
