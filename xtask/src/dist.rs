//! `cargo xtask dist DIR`: release binaries under all their names.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use weft_tests::stage::PROGRAMS;

use crate::report::{step, stopwatch};

/// Build the release binaries and put them into `dir` under all their names.
///
/// # Errors
/// When the build fails or `dir` cannot be written.
pub fn fill(dir: &Path) -> Result<()> {
    let built = build()?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (program, names) in PROGRAMS {
        let from = built.join(program);
        let first = dir.join(names[0]);
        replace(&first, |to| std::fs::copy(&from, to).map(drop))?;
        for name in &names[1..] {
            // separate names of one file: each starts as what it is called
            replace(&dir.join(name), |to| std::fs::hard_link(&first, to))?;
        }
    }
    let documents = manuals(dir)?;
    let count: usize = PROGRAMS.iter().map(|(_, names)| names.len()).sum();
    step(&format!("{count} programs, {documents} manual pages and completions in {}", dir.display()));
    Ok(())
}

/// Puts manual pages and completions where `man -M DIR/share/man` and shells look for them; how many.
fn manuals(dir: &Path) -> Result<usize> {
    let docs = crate::root().join("docs");
    let mut count = 0;
    for (from, to) in [("man", "share/man"), ("completion", "share/completion")] {
        for entry in std::fs::read_dir(docs.join(from)).with_context(|| format!("cannot read docs/{from}"))? {
            let path = entry?.path();
            let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
            let to = match ending.as_str() {
                "more" => continue,
                "1" | "8" => dir.join(to).join(format!("man{ending}")),
                _ => dir.join(to),
            };
            std::fs::create_dir_all(&to).with_context(|| format!("cannot make {}", to.display()))?;
            std::fs::copy(&path, to.join(path.file_name().unwrap_or_default()))?;
            count += 1;
        }
    }
    Ok(count)
}

/// Build the release binaries; the folder that they lie in.
///
/// # Errors
/// When the build fails.
pub fn build() -> Result<PathBuf> {
    step("building the release binaries (a few minutes the first time)");
    let took = stopwatch();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "-p", "weft-vswitchd", "-p", "weft-cli"])
        .current_dir(crate::root())
        .status()?;
    if !status.success() {
        bail!("the release build failed");
    }
    step(&format!("built in {:.0} s", took().as_secs_f64()));
    Ok(target().join("release"))
}

/// The target folder that cargo uses.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from)
}

fn replace(to: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    match std::fs::remove_file(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace {}", to.display()));
        }
        _ => {}
    }
    make(to).with_context(|| format!("cannot write {}", to.display()))
}
