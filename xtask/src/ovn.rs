//! OVN's programs for the tests of the database: Debian's packages, unpacked below the build folder. Installing them would
//! begin daemons; unpacking needs no root and takes 3 MB and a second. Where the archive cannot be reached the story is
//! skipped, which it says; in CI it is an error, with what apt said.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::report::step;

const PACKAGES: [&str; 2] = ["ovn-common", "ovn-central"];

/// The folder for `OVN_ROOT`, if OVN is in it.
pub fn unpacked(target: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(target.join("ovn")).ok()?;
    folder.join("usr/bin/ovn-northd").exists().then_some(folder)
}

/// Unpacks them unless they are there.
///
/// # Errors
/// When they cannot be had, with what apt said.
pub fn unpack(target: &Path) -> Result<()> {
    if unpacked(target).is_some() {
        return Ok(());
    }
    step("unpacking Debian packages ovn-common and ovn-central into target/ovn");
    // Beside its place until all of it is there: what was left of an attempt that broke off does not count.
    let attempt = target.join("ovn.part");
    for folder in [&attempt, &target.join("ovn")] {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
    }
    std::fs::create_dir_all(&attempt)?;
    fetch(&attempt).context("Debian packages ovn-common and ovn-central cannot be had")?;
    std::fs::rename(&attempt, target.join("ovn"))?;
    match unpacked(target) {
        Some(_) => Ok(()),
        None => bail!("Debian packages ovn-common and ovn-central bring no usr/bin/ovn-northd"),
    }
}

fn fetch(folder: &Path) -> Result<()> {
    // An archive that does not answer is an error within a minute, not a run that hangs.
    let patience = ["-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"];
    let download =
        || run(Command::new("apt-get").args(patience).args(["download", "-qq"]).args(PACKAGES).current_dir(folder));
    if download().is_err() {
        crate::packages::apt(&["update", "-qq"])?;
        download()?;
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "deb") {
            run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(folder))?;
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let done = command.output().with_context(|| format!("{:?} does not start", command.get_program()))?;
    if !done.status.success() {
        bail!("{:?}: {}", command.get_program(), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}
