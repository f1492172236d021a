//! Programs and what they said.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A program with its arguments, ready to run.
pub struct Program {
    command: Command,
    shown: String,
}

/// How a program ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    shown: String,
}

impl Program {
    /// `name` with `args`, found on the path or given as a path.
    pub fn new(name: impl Into<PathBuf>, args: &[&str]) -> Program {
        let name = name.into();
        let mut shown = name.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        for arg in args {
            shown.push(' ');
            shown.push_str(arg);
        }
        let mut command = Command::new(name);
        command.args(args).stdin(Stdio::null());
        Program { command, shown }
    }

    /// `name` with `args` inside the network namespace `netns`.
    pub fn in_netns(netns: &str, name: &str, args: &[&str]) -> Program {
        let mut all = vec!["netns", "exec", netns, name];
        all.extend_from_slice(args);
        Program::new("ip", &all)
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<std::ffi::OsStr>) -> Program {
        self.command.env(key, value);
        self
    }

    /// Run it to its end, whatever that is.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn output(mut self) -> Result<Output> {
        let done = self.command.output().with_context(|| format!("cannot run `{}`", self.shown))?;
        Ok(Output {
            status: done.status.code(),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
            shown: self.shown,
        })
    }

    /// Run it; its standard output if it ended well.
    ///
    /// # Errors
    /// When it cannot be started or its exit status is not 0; the error carries what it said.
    pub fn run(self) -> Result<String> {
        let output = self.output()?;
        output.check()?;
        Ok(output.stdout)
    }

    /// Run a program that detaches a daemon, which may keep its standard output and error open for ever.
    ///
    /// # Errors
    /// When it cannot be started or its exit status is not 0.
    pub fn detach(self) -> Result<()> {
        let shown = self.shown.clone();
        let status = self.spawn()?.wait()?;
        if !status.success() {
            bail!("`{shown}`: {status}");
        }
        Ok(())
    }

    /// Start it and let it run.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(mut self) -> Result<std::process::Child> {
        self.command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run `{}`", self.shown))
    }
}

impl Output {
    /// Whether the exit status was 0.
    pub fn ok(&self) -> bool {
        self.status == Some(0)
    }

    /// An error with all that the program said, unless its exit status was 0.
    ///
    /// # Errors
    /// See above.
    pub fn check(&self) -> Result<()> {
        if !self.ok() {
            bail!("`{}`: exit status {:?}\n{}{}", self.shown, self.status, self.stdout, self.stderr);
        }
        Ok(())
    }
}
