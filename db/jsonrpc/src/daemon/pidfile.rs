//! What: a file that says which process is the daemon, locked for as long as it lives.
//!
//! Invariants: the file appears under its name complete and locked, or not at all.

use super::DaemonError;
use crate::session::bare;
use rustix::fs::FlockOperation;
use rustix::process::{Flock, FlockType};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Removed when dropped.
#[derive(Debug)]
pub struct Pidfile {
    path: PathBuf,
    _locked: File,
}

impl Pidfile {
    /// Refuses if another process holds it, unless `overwrite`.
    pub fn create(path: &Path, overwrite: bool) -> Result<Pidfile, DaemonError> {
        if !overwrite && let Some(pid) = holder(path) {
            return Err(DaemonError::Running { path: path.display().to_string(), pid });
        }
        match write_locked(path) {
            Ok(file) => Ok(Pidfile { path: path.to_path_buf(), _locked: file }),
            Err(error) => Err(DaemonError::Pidfile { path: path.display().to_string(), reason: bare(&error) }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        // Somebody may have removed it before us, or overwritten it: then it is no longer ours.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The process that holds the lock on an existing pidfile.
fn holder(path: &Path) -> Option<i32> {
    let file = File::options().read(true).write(true).open(path).ok()?;
    let lock = rustix::process::fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok()??;
    lock.pid.map(|pid| pid.as_raw_nonzero().get())
}

fn write_locked(path: &Path) -> io::Result<File> {
    let pid = std::process::id();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp{pid}"));
    let temporary = PathBuf::from(name);
    let result = (|| {
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&temporary)?;
        rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)?;
        writeln!(file, "{pid}")?;
        std::fs::rename(&temporary, path)?;
        Ok(file)
    })();
    if result.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pidfile_lives_as_long_as_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.pid");
        std::fs::write(&path, "stale").unwrap();
        let pidfile = Pidfile::create(&path, false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        drop(pidfile);
        assert!(!path.exists());
        let error = Pidfile::create(&dir.path().join("no/d.pid"), false).unwrap_err();
        assert!(error.to_string().ends_with("/no/d.pid: create failed (No such file or directory)"));
    }
}
