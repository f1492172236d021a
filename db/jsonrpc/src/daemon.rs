//! What: what makes a process a daemon: its name, `--pidfile`, `--detach`, `--monitor`.
//!
//! Why: a forked child of a threaded program is not safe Rust, so the program starts itself again and
//! waits. The pipe by which the child says "ready" is the child's standard input, which a daemon does not
//! need otherwise.
//!
//! ```text
//!   launcher ──spawn──> [monitor ──spawn──>] worker
//!      │ waits              │ restarts it after a crash
//!      └<── one byte ───────┴<── one byte ─────┘ ready(); then stdin, stdout, stderr become /dev/null
//!   exit 0; without the byte: the child's own exit status
//! ```
//!
//! Invariants: a pidfile that exists and is locked names a living daemon; it is removed when [`Daemon`] is
//! dropped; errors before `ready` reach the user's terminal.

mod pidfile;

pub use pidfile::Pidfile;

use crate::rundir;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

/// The flags of ovs-vswitchd(8) "Daemon Options", as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `--pidfile[=FILE]`
    pub pidfile: Option<Option<PathBuf>>,
    /// `--overwrite-pidfile`
    pub overwrite_pidfile: bool,
    /// `--detach`
    pub detach: bool,
    /// `--monitor`
    pub monitor: bool,
    /// `--no-chdir`
    pub no_chdir: bool,
    /// `--user=USER:GROUP`
    pub user: Option<String>,
    /// Not a flag: the program's results go to standard output even when it is detached.
    pub keep_stdout: bool,
    role: Role,
}

/// What to do after [`start`].
#[derive(Debug)]
pub enum Launch {
    /// This process is the daemon.
    Run(Daemon),
    /// This process was the launcher or the monitor: exit with this status.
    Exit(u8),
}

/// The daemon's hold on its pidfile and on whoever waits for it.
#[derive(Debug)]
pub struct Daemon {
    pidfile: Option<Pidfile>,
    ready: Option<OwnedFd>,
    no_chdir: bool,
    keep_stdout: bool,
}

/// Why the process cannot become a daemon.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The pidfile belongs to a living process.
    #[error("{path}: already running as pid {pid}, aborting")]
    Running {
        /// The pidfile.
        path: String,
        /// Its owner.
        pid: i32,
    },
    /// The pidfile could not be made.
    #[error("{path}: create failed ({reason})")]
    Pidfile {
        /// The pidfile.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// A flag that is understood and not served.
    #[error("--user is not supported by this build")]
    User,
    /// Starting the child failed.
    #[error("could not start the daemon process: {0}")]
    Spawn(io::Error),
}

impl Options {
    /// Takes a long option (without its dashes) if it is one of ours.
    pub fn take(&mut self, name: &str, value: Option<&str>) -> bool {
        match name {
            "pidfile" => self.pidfile = Some(value.map(PathBuf::from)),
            "overwrite-pidfile" => self.overwrite_pidfile = true,
            "detach" => self.detach = true,
            "monitor" => self.monitor = true,
            "no-chdir" => self.no_chdir = true,
            "no-self-confinement" => {}
            "user" => self.user = value.map(str::to_string),
            ROLE_WORKER => self.role = Role::Worker,
            ROLE_MONITOR => self.role = Role::Monitor,
            _ => return false,
        }
        true
    }

    /// Long options and whether they take a value: `None` not, `Some(false)` may, `Some(true)` must.
    pub const LONG: &[(&str, Option<bool>)] = &[
        ("pidfile", Some(false)),
        ("overwrite-pidfile", None),
        ("detach", None),
        ("monitor", None),
        ("no-chdir", None),
        ("no-self-confinement", None),
        ("user", Some(true)),
        (ROLE_WORKER, None),
        (ROLE_MONITOR, None),
    ];
}

/// Becomes what the options ask for. Call it before opening anything: a launcher does nothing but wait.
pub fn start(program: &str, options: &Options) -> Result<Launch, DaemonError> {
    if options.user.is_some() {
        return Err(DaemonError::User);
    }
    match options.role {
        Role::Launcher if options.detach => {
            let role = if options.monitor { ROLE_MONITOR } else { ROLE_WORKER };
            let (mut child, pipe) = spawn(role).map_err(DaemonError::Spawn)?;
            Ok(Launch::Exit(if said_ready(pipe) { 0 } else { exit_code(child.wait()) }))
        }
        Role::Launcher if options.monitor => Ok(Launch::Exit(monitor(None)?)),
        Role::Launcher => {
            let pidfile = lock(program, options)?;
            Ok(Launch::Run(Daemon { pidfile, ready: None, no_chdir: true, keep_stdout: true }))
        }
        Role::Monitor => {
            let ready = take_ready_pipe().map_err(DaemonError::Spawn)?;
            Ok(Launch::Exit(monitor(Some(ready))?))
        }
        Role::Worker => {
            let ready = take_ready_pipe().map_err(DaemonError::Spawn)?;
            let no_chdir = options.no_chdir || !options.detach;
            let pidfile = lock(program, options)?;
            Ok(Launch::Run(Daemon { pidfile, ready: Some(ready), no_chdir, keep_stdout: options.keep_stdout }))
        }
    }
}

impl Daemon {
    /// Tells whoever waits that the daemon does its work now. After that, nothing reaches the terminal.
    pub fn ready(&mut self) -> io::Result<()> {
        let Some(pipe) = self.ready.take() else { return Ok(()) };
        if !self.no_chdir {
            std::env::set_current_dir("/")?;
        }
        let null = open_null()?;
        if !self.keep_stdout {
            rustix::stdio::dup2_stdout(&null)?;
        }
        rustix::stdio::dup2_stderr(&null)?;
        std::fs::File::from(pipe).write_all(b"+")
    }

    /// Is this the process that the user started, with its terminal?
    pub fn is_foreground(&self) -> bool {
        self.ready.is_none()
    }

    /// The pidfile, if one was asked for.
    pub fn pidfile(&self) -> Option<&Path> {
        self.pidfile.as_ref().map(Pidfile::path)
    }
}

/// The file name under which this executable was started, whatever `argv[0]` says: one executable
/// answers to many names, and some callers choose an `argv[0]` of their own.
pub fn executable_name() -> String {
    Path::new(executable()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Launcher,
    Monitor,
    Worker,
}

const ROLE_WORKER: &str = "daemon-role-worker";
const ROLE_MONITOR: &str = "daemon-role-monitor";

/// As the kernel was told it, so a symbolic link keeps its own name.
fn executable() -> &'static OsStr {
    OsStr::from_bytes(rustix::param::linux_execfn().to_bytes())
}

fn lock(program: &str, options: &Options) -> Result<Option<Pidfile>, DaemonError> {
    let Some(path) = &options.pidfile else { return Ok(None) };
    let name = path.clone().unwrap_or_else(|| format!("{program}.pid").into());
    Pidfile::create(&rundir::resolve(&rundir::run_dir(), name), options.overwrite_pidfile).map(Some)
}

/// Starts this program again with the same arguments in another role, and gives the pipe's reading end.
fn spawn(role: &str) -> io::Result<(Child, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let mut args = std::env::args_os();
    let mut command = Command::new(executable());
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    command.arg(format!("--{role}")).args(args.filter(|arg| !is_role(arg)));
    // The command keeps its copy of the writing end until it is dropped at the end of this function.
    Ok((command.stdin(writer).spawn()?, reader))
}

fn is_role(arg: &OsStr) -> bool {
    [ROLE_WORKER, ROLE_MONITOR].iter().any(|role| arg.as_bytes().strip_prefix(b"--") == Some(role.as_bytes()))
}

fn said_ready(mut pipe: PipeReader) -> bool {
    pipe.read_exact(&mut [0]).is_ok()
}

/// Moves the pipe away from standard input.
fn take_ready_pipe() -> io::Result<OwnedFd> {
    let pipe = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(open_null()?)?;
    // Fails only for a process that leads a group already, which then has what it needs.
    let _ = rustix::process::setsid();
    Ok(pipe)
}

fn open_null() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}

/// Runs workers until one ends for a reason that another try would not cure.
fn monitor(mut ready: Option<OwnedFd>) -> Result<u8, DaemonError> {
    loop {
        let (mut child, pipe) = spawn(ROLE_WORKER).map_err(DaemonError::Spawn)?;
        if said_ready(pipe)
            && let Some(pipe) = ready.take()
        {
            // The launcher may have been killed; the daemon carries on without it.
            let _ = std::fs::File::from(pipe).write_all(b"+");
            if let Ok(null) = open_null() {
                let _ = rustix::stdio::dup2_stderr(&null);
            }
        }
        let status = child.wait().map_err(DaemonError::Spawn)?;
        let crashed = status.signal().is_some_and(|signal| CRASHES.contains(&signal));
        if !crashed || ready.is_some() {
            return Ok(exit_code(Ok(status)));
        }
        tracing::error!(target: "daemon", "pid {} died, {status}, restarting", child.id());
    }
}

fn exit_code(status: io::Result<ExitStatus>) -> u8 {
    match status {
        Ok(status) => status.code().map_or(1, |code| code as u8),
        Err(_) => 1,
    }
}

/// Signals that mean a programming error: ABRT ALRM BUS FPE ILL PIPE SEGV XCPU XFSZ.
const CRASHES: [i32; 9] = [6, 14, 7, 8, 4, 13, 11, 24, 25];
