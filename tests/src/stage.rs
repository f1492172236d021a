//! A switch with hosts around it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use crate::sandbox::scratch;
use crate::{Output, Program};

/// Our two executables and the names that each answers to: ours, then those that users' scripts know.
pub const PROGRAMS: [(&str, &[&str]); 2] = [
    ("vswitchd", &["vswitchd", "ovs-vswitchd", "ovsdb-server"]),
    (
        "weft",
        &[
            "vsctl",
            "ofctl",
            "appctl",
            "dpctl",
            "dbclient",
            "dbtool",
            "ovs-vsctl",
            "ovs-ofctl",
            "ovs-appctl",
            "ovs-dpctl",
            "ovsdb-client",
            "ovsdb-tool",
        ],
    ),
];

/// A run directory with a daemon in it, and the folder that holds the programs.
pub struct Stage {
    /// Where our programs lie.
    pub bin: PathBuf,
    /// The run directory: database, sockets, pidfiles, logs.
    pub run: PathBuf,
}

/// A daemon that was detached; ended when dropped.
pub struct Daemon {
    pidfile: PathBuf,
}

/// A host: a network namespace with one interface.
pub struct Host {
    /// Name of the namespace.
    pub netns: String,
    /// Name of its interface.
    pub interface: String,
}

impl Stage {
    /// A new run directory `run` (which must not exist) for the programs in `bin`.
    ///
    /// # Errors
    /// When the folder cannot be made or `bin` holds no `vswitchd`.
    pub fn new(bin: &Path, run: &Path) -> Result<Stage> {
        if !bin.join("vswitchd").exists() {
            bail!("no vswitchd in {}: run `cargo xtask test` or build it first", bin.display());
        }
        std::fs::create_dir_all(run).with_context(|| format!("cannot make {}", run.display()))?;
        Ok(Stage { bin: bin.to_owned(), run: run.to_owned() })
    }

    /// The stage for a test program in `target/PROFILE/deps`: our programs lie one folder above, and get
    /// links under all their names.
    ///
    /// # Errors
    /// As [`Stage::new`].
    pub fn for_test(name: &str) -> Result<Stage> {
        let this = std::env::current_exe()?;
        let built = this.parent().and_then(Path::parent).context("a test program lies in target/PROFILE/deps")?;
        let (bin, run) = (scratch().join(format!("{name}-bin")), scratch().join(name));
        std::fs::create_dir_all(&bin)?;
        for (program, names) in PROGRAMS {
            let program = built.join(program);
            if !program.exists() {
                bail!("no {}: run `cargo xtask test`, or build it first", program.display());
            }
            for as_name in names {
                std::os::unix::fs::symlink(&program, bin.join(as_name))?;
            }
        }
        Stage::new(&bin, &run)
    }

    /// A program with this stage's directories in its environment; a bare name is ours, a path is taken as it is.
    pub fn program(&self, name: &str, args: &[&str]) -> Program {
        let path = if name.contains('/') { PathBuf::from(name) } else { self.bin.join(name) };
        let mut program = Program::new(path, args);
        for key in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            program = program.env(key, &self.run);
        }
        program
    }

    /// Run one of our programs; its standard output.
    ///
    /// # Errors
    /// When it fails.
    pub fn ours(&self, name: &str, args: &[&str]) -> Result<String> {
        self.program(name, args).run()
    }

    /// `vsctl ARGS`, one string split at spaces.
    ///
    /// # Errors
    /// When it fails.
    pub fn vsctl(&self, args: &str) -> Result<String> {
        let mut all = vec!["--timeout=20"];
        all.extend(args.split_whitespace());
        self.ours("vsctl", &all)
    }

    /// `ofctl ARGS`.
    ///
    /// # Errors
    /// When it fails.
    pub fn ofctl(&self, args: &[&str]) -> Result<String> {
        self.ours("ofctl", args)
    }

    /// `appctl ARGS`.
    ///
    /// # Errors
    /// When it fails.
    pub fn appctl(&self, args: &[&str]) -> Result<String> {
        self.ours("appctl", args)
    }

    /// Start a whole switch with its embedded database; returns once it is ready.
    ///
    /// # Errors
    /// When it does not come up; the error carries its log.
    pub fn start(&self, extra: &[&str]) -> Result<Daemon> {
        let pidfile = self.run.join("ovs-vswitchd.pid");
        let mut args = vec!["--detach", "--no-chdir", "--pidfile", "--log-file", "-vconsole:off"];
        args.extend_from_slice(extra);
        let output = self.program("vswitchd", &args).output()?;
        output.check().with_context(|| self.log("ovs-vswitchd"))?;
        Ok(Daemon { pidfile })
    }

    /// A daemon that was detached here, by the name of its pidfile.
    pub fn daemon(&self, program: &str) -> Daemon {
        Daemon { pidfile: self.run.join(format!("{program}.pid")) }
    }

    /// What a daemon logged.
    pub fn log(&self, program: &str) -> String {
        std::fs::read_to_string(self.run.join(format!("{program}.log"))).unwrap_or_else(|_| "(no log)".to_owned())
    }

    /// A host behind a tap port: the switch makes the tap, then it moves into the host's namespace.
    ///
    /// # Errors
    /// When any step fails.
    pub fn tap_host(&self, bridge: &str, name: &str, address: &str, port_columns: &str) -> Result<Host> {
        Program::new("ip", &["netns", "add", name]).run()?;
        let interface = format!("t-{name}");
        self.vsctl(&format!("add-port {bridge} {interface} {port_columns} -- set Interface {interface} type=tap"))?;
        Program::new("ip", &["link", "set", &interface, "netns", name]).run()?;
        let host = Host { netns: name.to_owned(), interface };
        host.configure(address)?;
        Ok(host)
    }

    /// A host behind a veth pair whose near end is a `system` port of the switch.
    ///
    /// # Errors
    /// When any step fails.
    pub fn veth_host(&self, bridge: &str, name: &str, address: &str, port_columns: &str) -> Result<Host> {
        Program::new("ip", &["netns", "add", name]).run()?;
        let (near, far) = (format!("v-{name}"), format!("e-{name}"));
        Program::new("ip", &["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", name]).run()?;
        Program::new("ip", &["link", "set", &near, "up"]).run()?;
        self.vsctl(&format!("add-port {bridge} {near} {port_columns}"))?;
        let host = Host { netns: name.to_owned(), interface: far };
        host.configure(address)?;
        Ok(host)
    }
}

impl Host {
    fn configure(&self, address: &str) -> Result<()> {
        let n = self.netns.as_str();
        // no IPv6 chatter: what is counted in a story is what the story sent
        Program::in_netns(n, "sysctl", &["-qw", "net.ipv6.conf.all.disable_ipv6=1"]).run()?;
        Program::new("ip", &["-n", n, "link", "set", "lo", "up"]).run()?;
        Program::new("ip", &["-n", n, "link", "set", &self.interface, "up"]).run()?;
        if !address.is_empty() {
            Program::new("ip", &["-n", n, "addr", "add", address, "dev", &self.interface]).run()?;
        }
        Ok(())
    }

    /// Run a program on the host.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn output(&self, name: &str, args: &[&str]) -> Result<Output> {
        Program::in_netns(&self.netns, name, args).output()
    }

    /// Whether an address answers a ping, asked up to `tries` times, a second each.
    ///
    /// # Errors
    /// When ping cannot be started.
    pub fn reaches(&self, address: &str, tries: u32) -> Result<bool> {
        Ok(self.output("ping", &["-n", "-c", "1", "-i", "0.2", "-W", &tries.to_string(), address])?.ok())
    }

    /// The interface's MAC address.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn mac(&self) -> Result<String> {
        let shown = Program::new("ip", &["-n", &self.netns, "-j", "link", "show", &self.interface]).run()?;
        let links: serde_json::Value = serde_json::from_str(&shown)?;
        links[0]["address"].as_str().map(str::to_owned).context("an interface has an address")
    }
}

impl Daemon {
    /// The daemon's process id.
    ///
    /// # Errors
    /// When its pidfile cannot be read.
    pub fn pid(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.pidfile)?.trim().to_owned())
    }

    /// End it at once, as a power cut would.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill(self) -> Result<()> {
        let pid = self.pid()?;
        Program::new("kill", &["-9", &pid]).run()?;
        wait_until("the daemon's end", Duration::from_secs(10), || Ok(!alive(&pid)))?;
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Ok(pid) = self.pid() else { return };
        // a daemon that is gone already is what we want
        let _ = Program::new("kill", &[&pid]).output();
        if wait_until("the daemon's end", Duration::from_secs(10), || Ok(!alive(&pid))).is_err() {
            let _ = Program::new("kill", &["-9", &pid]).output();
        }
    }
}

fn alive(pid: &str) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => !status.lines().any(|line| line.starts_with("State:") && line.contains('Z')),
        Err(_) => false,
    }
}

/// Ask again and again until `condition` holds.
///
/// # Errors
/// When it still does not hold after `limit`, or asking failed.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = SystemTime::now();
    while !condition()? {
        if began.elapsed().unwrap_or_default() > limit {
            bail!("no {what} within {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
