//! Namespaces of one's own.
//!
//! A story re-executes its own test program under `unshare`: its network devices, named network namespaces, mounts
//! and processes exist only there and vanish with it, also when it is killed.

use std::path::Path;
use std::process::Command;

use crate::Program;

const INSIDE: &str = "WEFT_SANDBOX";
/// Set where a skipped end-to-end test must count as a failure.
pub const REQUIRED: &str = "WEFT_E2E_REQUIRED";

/// Whether this process is root, which namespaces with devices need.
pub fn is_root() -> bool {
    Program::new("id", &["-u"]).run().is_ok_and(|uid| uid.trim() == "0")
}

/// Whether this process runs inside a sandbox already.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// The command that runs `program` with `args` in a sandbox. All of it ends with the returned process.
pub fn command(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(program)
        .args(args)
        .env(INSIDE, "1");
    command
}

/// The folder for a sandbox's own files: a folder of the machine, with a private file system mounted over it, in which
/// neither this program nor its build lies.
pub fn scratch() -> &'static Path {
    let this = std::env::current_exe().unwrap_or_default();
    let folders = ["/tmp", "/mnt", "/srv"].map(Path::new);
    folders.into_iter().find(|folder| folder.is_dir() && !this.starts_with(folder)).unwrap_or(folders[0])
}

/// Inside a sandbox: private folders for named namespaces and temporary files, and a loopback that is up.
///
/// # Errors
/// When the mounts or the loopback cannot be made.
pub fn furnish() -> anyhow::Result<()> {
    std::fs::create_dir_all("/run/netns")?;
    Program::new("mount", &["-t", "tmpfs", "weft", "/run/netns"]).run()?;
    let scratch = scratch().to_str().unwrap_or("/tmp");
    Program::new("mount", &["-t", "tmpfs", "weft", scratch]).run()?;
    Program::new("mount", &["-t", "sysfs", "weft", "/sys"]).run()?;
    Program::new("ip", &["link", "set", "lo", "up"]).run()?;
    Ok(())
}

/// Play a story in a sandbox: `test` is the full name of the calling test function.
///
/// Without root the story is skipped, and says so; where [`REQUIRED`] is set, that is a failure.
///
/// # Panics
/// When the story fails.
pub fn story(test: &str, body: impl FnOnce() -> anyhow::Result<()>) {
    if is_inside() {
        furnish().and_then(|()| body()).unwrap_or_else(|error| panic!("{error:?}"));
        return;
    }
    if !is_root() {
        assert!(std::env::var_os(REQUIRED).is_none(), "{test}: end-to-end tests need root");
        println!("weft-skip {test}: needs root");
        return;
    }
    let this = std::env::current_exe().expect("a test program has a path");
    let done = command(&this, &["--exact", test, "--nocapture", "--test-threads=1"])
        .output()
        .expect("unshare (package util-linux) starts");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{test} failed in its sandbox:\n{said}");
    assert!(said.contains("1 passed"), "{test} did not run in its sandbox:\n{said}");
}
