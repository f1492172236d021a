//! The controller of the end-to-end tests: Faucet, in a Python environment of its own under the build folder.
//!
//! Every package is pinned, and the list is kept beside the environment: as long as it is the same, nothing is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::report::step;

/// What is installed; `pip freeze` of the environment that the story was written with.
const REQUIREMENTS: &str = include_str!("faucet.txt");

/// Installs it unless it is there. Without network the tests that need it are skipped, which they say; in CI they fail.
///
/// # Errors
/// When the environment cannot be written to.
pub fn install(target: &Path) -> Result<()> {
    let folder = target.join("faucet");
    let stamp = folder.join("requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Ok(());
    }
    step("installing the controller Faucet into target/faucet");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    if let Err(error) = environment(&folder) {
        println!("  no Faucet, its story will be skipped: {error:#}");
        return Ok(());
    }
    std::fs::write(stamp, REQUIREMENTS)?;
    Ok(())
}

fn environment(folder: &Path) -> Result<()> {
    let python = ["/usr/bin/python3", "/usr/local/bin/python3"].into_iter().find(|path| Path::new(path).exists());
    let venv = || run(Command::new(python.unwrap_or("python3")).args(["-m", "venv"]).arg(folder));
    if venv().is_err() {
        // Debian keeps what it needs in a package that no program's name tells of.
        crate::packages::apt(&["update", "-qq"])?;
        crate::packages::apt(&["install", "-y", "-qq", "--no-install-recommends", "python3-venv"])?;
        venv()?;
    }
    let list = folder.join("wanted.txt");
    std::fs::write(&list, REQUIREMENTS)?;
    let pip: PathBuf = folder.join("bin/pip");
    run(Command::new(pip).args(["install", "--quiet", "--no-deps", "--disable-pip-version-check", "-r"]).arg(list))
}

fn run(command: &mut Command) -> Result<()> {
    let done = command.output()?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let last: Vec<&str> = said.trim().lines().rev().take(3).collect();
        bail!("{:?}: {}", command.get_program(), last.into_iter().rev().collect::<Vec<_>>().join(" / "));
    }
    Ok(())
}
