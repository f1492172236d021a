//! What: OVS's log, as a subscriber of the `tracing` crate.
//!
//! Why: users' scripts set levels with `-vMODULE:DEST:LEVEL` and `vlog/set`, and read `TIME|NNNNN|module|LEVEL|text`;
//! code should just say `tracing::info!(target: "bridge", ...)`.
//!
//! How: a tracing target is a module name. The daemon supplies the list of its modules, as a name that is
//! not on it is the user's error. Each module has a level for each [`Destination`]; `tracing` is told which
//! call sites matter, so a message nobody wants costs one load.
//!
//! ```text
//!   tracing::warn!(target: "bridge", ..) ─> Vlog ─┬ console  pattern ─> stderr
//!                                                 ├ file     pattern ─> LOGDIR/PROGRAM.log (after --log-file)
//!                                                 └ syslog   pattern ─> /dev/log, unix:, udp:, null
//! ```
//!
//! Invariants: logging never fails its caller. `trace!` counts as `dbg`. A target that is on no list, such
//! as another crate's module path, belongs to the module `other`, whose level is `err`.

mod commands;
mod level;
mod limit;
mod pattern;
mod spec;
mod subscriber;
mod syslog;

pub use commands::register;
pub use level::{Destination, Facility, Level};
pub use pattern::Pattern;
pub use spec::{Spec, SpecError};
pub use syslog::MethodError;

use pattern::Record;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use syslog::Syslog;

/// The log of one process. Cheap to clone.
#[derive(Clone)]
pub struct Vlog(Arc<Inner>);

struct Inner {
    program: String,
    serial: AtomicU64,
    settings: RwLock<Settings>,
    outlets: Mutex<Outlets>,
    limits: Mutex<limit::Limits>,
}

struct Settings {
    modules: BTreeMap<String, [Level; 3]>,
    patterns: [Pattern; 3],
    facility: Option<Facility>,
    console: bool,
}

#[derive(Default)]
struct Outlets {
    path: Option<PathBuf>,
    file: Option<File>,
    syslog: Option<Syslog>,
    target: Option<Syslog>,
}

impl Vlog {
    /// A log at level info everywhere. `modules` are the names used as tracing targets.
    pub fn new(program: &str, modules: &[&str]) -> Vlog {
        let names = modules.iter().chain(OWN_MODULES);
        let mut table: BTreeMap<_, _> = names.map(|name| (name.to_string(), [Level::Info; 3])).collect();
        table.insert(OTHER.to_string(), [Level::Err; 3]);
        let settings = Settings {
            modules: table,
            patterns: Destination::ALL.map(|destination| Pattern::parse(destination.default_pattern())),
            facility: None,
            console: true,
        };
        Vlog(Arc::new(Inner {
            program: program.to_string(),
            serial: AtomicU64::new(0),
            settings: RwLock::new(settings),
            outlets: Mutex::default(),
            limits: Mutex::default(),
        }))
    }

    /// Makes this the process's log. Only the first call of a process has an effect.
    pub fn install(&self) {
        // A second log in one process happens in tests alone; the first one keeps working.
        let _ = tracing::subscriber::set_global_default(subscriber::Subscriber(self.clone()));
    }

    /// Applies `-v` or `vlog/set`.
    pub fn set(&self, spec: &str) -> Result<(), SpecError> {
        let mut settings = self.0.settings.write().expect("no one panics while holding the settings");
        let names = |word: &str| settings.modules.keys().find(|name| name.eq_ignore_ascii_case(word)).cloned();
        match Spec::parse(spec, names)? {
            Spec::Levels { module, destination, level } => {
                let rows = settings.modules.iter_mut();
                for (_, levels) in rows.filter(|(name, _)| module.as_ref().is_none_or(|module| module == *name)) {
                    for at in Destination::ALL.into_iter().filter(|at| destination.is_none_or(|only| only == *at)) {
                        levels[at as usize] = level;
                    }
                }
            }
            Spec::Pattern { destination, pattern } => {
                for at in Destination::ALL.into_iter().filter(|at| destination.is_none_or(|only| only == *at)) {
                    settings.patterns[at as usize] = Pattern::parse(&pattern);
                }
            }
            Spec::Facility(facility) => settings.facility = Some(facility),
        }
        drop(settings);
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }

    /// `--log-file`: `None` means `LOGDIR/PROGRAM.log`. Says in the log that it was opened.
    pub fn open_file(&self, path: Option<&Path>) -> io::Result<()> {
        let path = match path {
            Some(path) => path.to_path_buf(),
            None => crate::rundir::log_dir().join(format!("{}.log", self.0.program)),
        };
        self.outlets().path = Some(path);
        self.reopen()
    }

    /// `vlog/reopen`: does nothing if no log file was ever asked for.
    pub fn reopen(&self) -> io::Result<()> {
        let Some(path) = self.outlets().path.clone() else { return Ok(()) };
        if self.outlets().file.is_some() {
            tracing::info!(target: "vlog", "closing log file");
        }
        let opened = open_append(&path);
        let mut outlets = self.outlets();
        match opened {
            Ok(file) => outlets.file = Some(file),
            Err(error) => {
                outlets.file = None;
                drop(outlets);
                let why = crate::session::bare(&error);
                tracing::warn!(target: "vlog", "failed to open {} for logging: {why}", path.display());
                return Err(error);
            }
        }
        drop(outlets);
        tracing::info!(target: "vlog", "opened log file {}", path.display());
        Ok(())
    }

    /// `vlog/close`.
    pub fn close(&self) {
        self.outlets().file = None;
    }

    /// `--syslog-method`, or `OVS_SYSLOG_METHOD`; see ovs-vswitchd(8) for the forms.
    pub fn set_syslog_method(&self, method: &str) -> Result<(), MethodError> {
        let syslog = Syslog::open(method)?;
        self.outlets().syslog = syslog;
        Ok(())
    }

    /// `--syslog-target`: HOST:PORT that gets a copy of every syslog message.
    pub fn set_syslog_target(&self, target: &str) -> Result<(), MethodError> {
        let syslog = Syslog::open(&format!("udp:{target}"))?;
        self.outlets().target = syslog;
        Ok(())
    }

    /// After detaching nobody reads stderr.
    pub fn set_console(&self, on: bool) {
        self.0.settings.write().expect("no one panics while holding the settings").console = on;
    }

    /// `vlog/list`.
    pub fn list(&self) -> String {
        let settings = self.0.settings.read().expect("no one panics while holding the settings");
        let mut text =
            String::from("                 console    syslog    file\n                 -------    ------    ------\n");
        for (name, levels) in &settings.modules {
            let [syslog, console, file] = levels.map(Level::name);
            text += &format!("{name:<16}  {console:>4}       {syslog:>4}       {file:>4}\n");
        }
        text
    }

    /// `vlog/list-pattern`.
    pub fn list_patterns(&self) -> String {
        let settings = self.0.settings.read().expect("no one panics while holding the settings");
        let mut text = String::from(
            "         prefix                            format\n         ------                            ------\n",
        );
        for at in Destination::ALL {
            let prefix = if at == Destination::Syslog { syslog::PREFIX } else { "none" };
            text += &format!("{:<7}  {prefix:<32}  {}\n", at.name().to_uppercase(), settings.patterns[at as usize]);
        }
        text
    }

    /// `vlog/enable-rate-limit` and `vlog/disable-rate-limit`, of one module or all. False: no such module.
    pub fn limit_rate(&self, module: Option<&str>, limited: bool) -> bool {
        let settings = self.0.settings.read().expect("no one panics while holding the settings");
        let is_meant = |name: &&String| module.is_none_or(|module| name.eq_ignore_ascii_case(module));
        let names: Vec<&String> = settings.modules.keys().filter(is_meant).collect();
        let mut limits = self.0.limits.lock().expect("no one panics while holding the limits");
        names.iter().for_each(|name| limits.set(name, limited));
        !names.is_empty()
    }

    /// Writes an event that may come only so often a minute; see [`limit`].
    fn write_limited(
        &self,
        place: tracing::callsite::Identifier,
        per_minute: u64,
        target: &str,
        level: Level,
        message: &str,
    ) {
        let module = {
            let settings = self.0.settings.read().expect("no one panics while holding the settings");
            settings.levels(target).0.to_owned()
        };
        #[allow(clippy::disallowed_methods, reason = "whoever logs has no clock at hand")]
        let now = std::time::Instant::now();
        let passed = {
            let mut limits = self.0.limits.lock().expect("no one panics while holding the limits");
            limits.pass(place, &module, per_minute, now)
        };
        if let Ok(dropped) = passed {
            if let Some(dropped) = dropped {
                self.write(target, level, &dropped.say(now));
            }
            self.write(target, level, message);
        }
    }

    /// Most talkative level that some destination wants from the module that `target` belongs to.
    fn wanted(&self, target: &str) -> Level {
        let settings = self.0.settings.read().expect("no one panics while holding the settings");
        settings.levels(target).1.iter().copied().max().unwrap_or(Level::Off)
    }

    /// Most talkative level of all modules.
    fn wanted_by_any(&self) -> Level {
        let settings = self.0.settings.read().expect("no one panics while holding the settings");
        settings.modules.values().flatten().copied().max().unwrap_or(Level::Off)
    }

    fn write(&self, target: &str, level: Level, message: &str) {
        let settings = self.0.settings.read().expect("no one panics while holding the settings");
        let (module, levels) = settings.levels(target);
        let facility = settings.facility;
        let record = Record {
            program: &self.0.program,
            module,
            level,
            message,
            // What `%B` shows when nobody chose a facility, as ovs-appctl(8) has it.
            facility: facility.unwrap_or(Facility::LOCAL0),
            serial: self.0.serial.fetch_add(1, Ordering::Relaxed) + 1,
            now: jiff::Timestamp::now(),
        };
        let text =
            |at: Destination| (levels[at as usize] >= level).then(|| settings.patterns[at as usize].format(&record));
        let (console, file, syslog) = (text(Destination::Console), text(Destination::File), text(Destination::Syslog));
        if let Some(line) = console.filter(|_| settings.console) {
            // stderr may be closed; there is nobody left to tell.
            let _ = io::stderr().lock().write_all((line + "\n").as_bytes());
        }
        let mut outlets = self.outlets();
        if let (Some(line), Some(out)) = (file, &mut outlets.file) {
            // A full disk must not stop a switch.
            let _ = out.write_all((line + "\n").as_bytes());
        }
        if let Some(line) = syslog {
            if let Some(out) = &outlets.syslog {
                out.send(&Record { facility: facility.unwrap_or(Facility::DAEMON), ..record }, &line);
            }
            if let Some(out) = &outlets.target {
                out.send(&Record { facility: facility.unwrap_or(Facility::LOCAL0), ..record }, &line);
            }
        }
    }

    fn outlets(&self) -> MutexGuard<'_, Outlets> {
        self.0.outlets.lock().expect("no one panics while holding the outlets")
    }
}

impl Settings {
    fn levels(&self, target: &str) -> (&str, &[Level; 3]) {
        let found = self
            .modules
            .get_key_value(target)
            .or_else(|| target.rsplit("::").find_map(|segment| self.modules.get_key_value(segment)));
        let (name, levels) = found.unwrap_or_else(|| self.modules.get_key_value(OTHER).expect("always on the list"));
        (name, levels)
    }
}

impl std::fmt::Debug for Vlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vlog({})", self.0.program)
    }
}

fn open_append(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().append(true).create(true).mode(0o660).open(path)
}

/// Modules of this room, in every program.
const OWN_MODULES: &[&str] = &["daemon", "jsonrpc", "reconnect", "socket_util", "unixctl", "vlog"];
const OTHER: &str = "other";

#[cfg(test)]
mod tests;
