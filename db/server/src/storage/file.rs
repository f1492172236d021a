//! A log in a file.

use super::{DiskJob, Rewrite, Storage, replay_bytes};
use crate::log::Torn;
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use weft_ovsdb::{Error, Result};

/// A log in a file, locked against other servers and tools.
pub struct FileStorage {
    /// As the user wrote it, for messages.
    name: String,
    path: PathBuf,
    file: Arc<File>,
    size: u64,
    /// A failed append left bytes behind that could not be cut off yet.
    dirty: bool,
    /// The log that is to take this one's place.
    new: Option<New>,
    /// The new log has taken its place, and its name is not on the disk yet.
    renamed: bool,
    /// The kernel has failed to put on the disk what it had taken, and will not try again: what is appended behind a
    /// hole cannot be called durable. A new log mends it.
    broken: Arc<AtomicBool>,
    _lock: Option<File>,
}

/// A log that is being written beside the old one.
struct New {
    file: Arc<File>,
    size: u64,
    /// Where in the old log goes on what the new one lacks.
    from: u64,
    /// Whether it gets what the old one gets.
    follows: bool,
    /// It could not be put on the disk.
    spoilt: Arc<AtomicBool>,
}

impl FileStorage {
    /// Opens an existing file for reading and writing, and locks it.
    pub fn open(path: &Path) -> Result<FileStorage> {
        let name = path.display().to_string();
        let path = std::fs::canonicalize(path).map_err(|e| open_failed(path, &e))?;
        let lock = lock(&path)?;
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(|e| open_failed(&path, &e))?;
        Ok(FileStorage::of(name, path, file, Some(lock)))
    }

    /// Opens an existing file for reading only, without a lock.
    pub fn open_read_only(path: &Path) -> Result<FileStorage> {
        let file = File::open(path).map_err(|e| open_failed(path, &e))?;
        Ok(FileStorage::of(path.display().to_string(), path.to_owned(), file, None))
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
        let storage = FileStorage::of(path.display().to_string(), path.to_owned(), file, Some(lock));
        Ok(FileStorage { size: framed.len() as u64, ..storage })
    }

    fn of(name: String, path: PathBuf, file: File, lock: Option<File>) -> FileStorage {
        FileStorage {
            name,
            path,
            file: Arc::new(file),
            size: 0,
            dirty: false,
            new: None,
            renamed: false,
            broken: Arc::default(),
            _lock: lock,
        }
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

    /// Where a new log is written.
    fn temporary(&self) -> PathBuf {
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(".tmp");
        PathBuf::from(temporary)
    }

    fn compaction_failed(&self, error: &io::Error) -> Error {
        Error::io(format!("{}: compaction failed", self.path.display()), error)
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.size)?;
        (&*self.file).seek(SeekFrom::Start(self.size))?;
        self.dirty = false;
        Ok(())
    }
}

impl Storage for FileStorage {
    fn replay(&mut self, each: &mut dyn FnMut(Value) -> Result<()>) -> Result<Option<Torn>> {
        let name = self.name.clone();
        let mut bytes = Vec::new();
        (&*self.file).seek(SeekFrom::Start(0)).map_err(|e| Error::io(format!("{name}: seek failed"), &e))?;
        (&*self.file).read_to_end(&mut bytes).map_err(|e| Error::io(format!("{name}: read failed"), &e))?;
        let (torn, whole) = replay_bytes(&bytes, each, &name)?;
        self.size = whole as u64;
        if torn.is_some() && self._lock.is_some() {
            self.cut().map_err(|e| Error::io(format!("{name}: truncate failed"), &e))?;
        }
        (&*self.file).seek(SeekFrom::Start(self.size)).map_err(|e| Error::io(format!("{name}: seek failed"), &e))?;
        Ok(torn)
    }

    fn append(&mut self, framed: &[u8]) -> Result<()> {
        let name = self.name.clone();
        if self.dirty {
            self.cut().map_err(|e| Error::io(format!("{name}: truncate failed"), &e))?;
        }
        if let Err(error) = (&*self.file).write_all(framed) {
            self.dirty = self.cut().is_err();
            return Err(Error::io(format!("{name}: write failed"), &error));
        }
        self.size += framed.len() as u64;
        if let Some(new) = self.new.as_mut().filter(|new| new.follows) {
            match (&*new.file).write_all(framed) {
                Ok(()) => new.size += framed.len() as u64,
                // The old log has it; the new one is of no use without.
                Err(_) => new.spoilt.store(true, Ordering::Relaxed),
            }
        }
        Ok(())
    }

    fn syncing(&mut self) -> DiskJob {
        let (path, file, broken) = (self.path.clone(), self.file.clone(), self.broken.clone());
        let follower = self.new.as_ref().filter(|new| new.follows).map(|new| (new.file.clone(), new.spoilt.clone()));
        let renamed = std::mem::take(&mut self.renamed);
        Box::new(move || {
            if let Some((new, spoilt)) = follower
                && new.sync_all().is_err()
            {
                spoilt.store(true, Ordering::Relaxed);
            }
            let synced = match broken.load(Ordering::Relaxed) {
                true => Err(io::Error::other("an earlier fsync failed")),
                false => file.sync_data().and_then(|()| if renamed { sync_dir(&path) } else { Ok(()) }),
            };
            synced.map_err(|error| {
                broken.store(true, Ordering::Relaxed);
                Error::io(format!("{}: fsync failed", path.display()), &error)
            })
        })
    }

    fn rewriting(&mut self, rewrite: Rewrite) -> Result<DiskJob> {
        self.give_up();
        let temporary = self.temporary();
        let mode = self.file.metadata().map_err(|e| self.compaction_failed(&e))?.mode() & 0o777;
        // A left-over of a compaction that was cut short.
        let _ = std::fs::remove_file(&temporary);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(&temporary);
        let file = Arc::new(file.map_err(|e| self.compaction_failed(&e))?);
        let spoilt = Arc::new(AtomicBool::new(false));
        self.new = Some(New { file: file.clone(), size: 0, from: self.size, follows: false, spoilt });
        let (path, note_path) = (self.path.clone(), rewrite.note.as_ref().map(|(name, _)| self.note_path(name)));
        Ok(Box::new(move || {
            if let (Some((_, note)), Some(note_path)) = (rewrite.note, note_path)
                && let Err(error) = write_note(&note_path, mode, note)
            {
                tracing::warn!(target: "ovsdb_server", "{}: write failed ({error})", note_path.display());
            }
            let mut out = io::BufWriter::with_capacity(WRITE, &*file);
            let written = (rewrite.log)(&mut out).and_then(|()| out.flush()).and_then(|()| file.sync_all());
            written.map_err(|e| Error::io(format!("{}: compaction failed", path.display()), &e))
        }))
    }

    fn catch_up(&mut self) -> Result<()> {
        let mut behind = vec![0; WRITE];
        let Some(new) = &mut self.new else { return Err(Error::bare("no compaction is under way")) };
        let mut copy = || -> io::Result<()> {
            while new.from < self.size {
                let count = behind.len().min((self.size - new.from) as usize);
                self.file.read_exact_at(&mut behind[..count], new.from)?;
                (&*new.file).write_all(&behind[..count])?;
                new.from += count as u64;
            }
            new.size = (&*new.file).stream_position()?;
            Ok(())
        };
        let copied = copy();
        new.follows = true;
        copied.map_err(|e| self.compaction_failed(&e))
    }

    fn replace(&mut self) -> Result<()> {
        let temporary = self.temporary();
        let Some(new) = self.new.take() else { return Err(Error::bare("no compaction is under way")) };
        if new.spoilt.load(Ordering::Relaxed) {
            let _ = std::fs::remove_file(&temporary);
            return Err(self.compaction_failed(&io::Error::other("the new log could not be written")));
        }
        if let Err(error) = std::fs::rename(&temporary, &self.path) {
            let _ = std::fs::remove_file(&temporary);
            return Err(self.compaction_failed(&error));
        }
        (self.file, self.size) = (new.file, new.size);
        (self.dirty, self.renamed, self.broken) = (false, true, Arc::default());
        Ok(())
    }

    fn give_up(&mut self) {
        if self.new.take().is_some() {
            let _ = std::fs::remove_file(self.temporary());
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
        let mode = self.file.metadata().map_err(failed)?.mode() & 0o777;
        write_note(&path, mode, |out| out.write_all(note)).map_err(failed)
    }

    fn kept(&mut self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.note_path(name)).ok()
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

/// Replaces a note in one step.
fn write_note(path: &Path, mode: u32, note: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    // A left-over of a note that was cut short.
    let _ = std::fs::remove_file(&temporary);
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    let mut out = io::BufWriter::new(&file);
    note(&mut out)?;
    out.flush()?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_dir(path)
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
/// So much is written at once.
const WRITE: usize = 256 << 10;
