//! OVN's programs for the tests of the database: Debian's packages, unpacked below the build folder. Installing them would
//! begin daemons; unpacking needs no root and takes 3 MB and a second. Where the archive cannot be reached the story is
//! skipped, which it says; in CI it fails.

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
/// When the build folder cannot be written to.
pub fn unpack(target: &Path) -> Result<()> {
    if unpacked(target).is_some() {
        return Ok(());
    }
    let folder = target.join("ovn");
    step("unpacking Debian packages ovn-common and ovn-central into target/ovn");
    std::fs::create_dir_all(&folder)?;
    if let Err(error) = fetch(&folder) {
        println!("  no OVN, its story will be skipped: {error:#}");
    }
    Ok(())
}

fn fetch(folder: &Path) -> Result<()> {
    let download = || run(Command::new("apt-get").args(["download", "-qq"]).args(PACKAGES).current_dir(folder));
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
