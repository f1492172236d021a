//! The server as a process of its own: `examples/serve`, which `cargo test` builds.
#![allow(dead_code, reason = "each test that shares this uses a part")]

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A process that ends with its owner.
pub struct Running(Child);

impl Running {
    /// Serves the files at the socket; `None`, and said so, if the server has not been built.
    pub fn start(files: &[&Path], socket: &Path) -> Option<Running> {
        Running::start_with(files, socket, &[])
    }

    /// The same with more options.
    pub fn start_with(files: &[&Path], socket: &Path, options: &[&str]) -> Option<Running> {
        let server = server()?;
        let child = Command::new(server)
            .args(files)
            .args(options)
            .arg(format!("--remote=punix:{}", socket.display()))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut running = Running(child);
        while UnixStream::connect(socket).is_err() {
            assert!(running.0.try_wait().unwrap().is_none(), "the server has ended");
            std::thread::yield_now();
        }
        Some(running)
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Some other program.
    pub fn of(child: Child) -> Running {
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program; `None`, and said so, if it has not been built.
pub fn server() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    let server = test.parent()?.parent()?.join("examples/serve");
    if !server.exists() {
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{} has not been built", server.display());
        eprintln!("SKIPPED: {} has not been built", server.display());
        return None;
    }
    Some(server)
}
