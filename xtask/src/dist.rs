//! `cargo xtask dist DIR`: release binaries under all their names, and what belongs to them.
//!
//! ```text
//!   DIR/vsctl ...                                 the programs, for scripts that take them from one folder
//!   DIR/bin/vsctl ...                             the same files
//!   DIR/include/weftdb.h  DIR/lib/libweftdb.*     the database for C programs, with lib/pkgconfig/weftdb.pc
//!   DIR/share/man/man8/vsctl.8 ...                manual pages under all names
//!   DIR/share/bash-completion/completions/vsctl   completions under all names; fish beside it
//!   DIR/share/weft/                               proto file, schema, example programs, completions to be sourced
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use weft_tests::stage::PROGRAMS;

use crate::report::{step, stopwatch};

/// Build the release binaries and put them into `dir` under all their names, with what belongs to them.
///
/// # Errors
/// When the build fails or `dir` cannot be written.
pub fn fill(dir: &Path) -> Result<()> {
    let built = build()?;
    make(&dir.join("bin"))?;
    for (program, names) in PROGRAMS {
        let from = built.join(program);
        let first = dir.join(names[0]);
        replace(&first, |to| std::fs::copy(&from, to).map(drop))?;
        // separate names of one file: each starts as what it is called
        let others = names[1..].iter().map(|name| dir.join(name));
        for name in others.chain(names.iter().map(|name| dir.join("bin").join(name))) {
            replace(&name, |to| std::fs::hard_link(&first, to))?;
        }
    }
    make(&dir.join("lib"))?;
    for library in LIBRARIES {
        replace(&dir.join("lib").join(library), |to| std::fs::copy(built.join(library), to).map(drop))?;
    }
    let documents = documents(dir)?;
    let count: usize = PROGRAMS.iter().map(|(_, names)| names.len()).sum();
    step(&format!(
        "{count} programs, libweftdb, {documents} manual pages, completions and sources in {}",
        dir.display()
    ));
    Ok(())
}

/// Puts manual pages, completions, the header and what programs are written by where `man -M DIR/share/man`, shells and
/// `pkg-config` look for them; how many.
fn documents(dir: &Path) -> Result<usize> {
    let root = crate::root();
    let mut count = 0;
    let mut put = |from: PathBuf, to: PathBuf| -> Result<()> {
        make(to.parent().unwrap_or(dir))?;
        count += 1;
        replace(&to, |to| std::fs::copy(&from, to).map(drop)).with_context(|| format!("from {}", from.display()))
    };
    for tool in tools() {
        let (ours, theirs) = tool;
        for section in ["1", "8"] {
            let page = root.join("docs/man").join(format!("{ours}.{section}"));
            if page.exists() {
                for name in [ours, theirs] {
                    let to = dir.join(format!("share/man/man{section}/{name}.{section}"));
                    put(page.clone(), to)?;
                }
            }
        }
        for name in [ours, theirs] {
            let completion = root.join("docs/completion");
            put(completion.join("weft.bash"), dir.join("share/bash-completion/completions").join(name))?;
            put(
                completion.join("weft.fish"),
                dir.join("share/fish/vendor_completions.d").join(format!("{name}.fish")),
            )?;
        }
    }
    for (from, to) in FILES {
        put(root.join(from), dir.join(to))?;
    }
    let config = dir.join("lib/pkgconfig/weftdb.pc");
    make(config.parent().unwrap_or(dir))?;
    let text = format!(
        "prefix=${{pcfiledir}}/../..\nName: weftdb\nDescription: OVSDB databases for C programs\nVersion: {}\n\
         Cflags: -I${{prefix}}/include\nLibs: -L${{prefix}}/lib -lweftdb\n",
        env!("CARGO_PKG_VERSION")
    );
    replace(&config, |to| std::fs::write(to, text))?;
    Ok(count + 1)
}

/// The tools by our name and by Open vSwitch's.
fn tools() -> impl Iterator<Item = (&'static str, &'static str)> {
    let names = PROGRAMS.iter().filter(|(program, _)| *program == "weft").flat_map(|(_, names)| *names);
    let (ours, theirs): (Vec<&str>, Vec<&str>) = names.partition(|name| !name.starts_with("ov"));
    ours.into_iter().zip(theirs)
}

/// What goes where, beside programs, manual pages and completions.
const FILES: &[(&str, &str)] = &[
    ("db/capi/include/weftdb.h", "include/weftdb.h"),
    ("db/grpc/proto/weft/v1/switch.proto", "share/weft/proto/weft/v1/switch.proto"),
    ("db/ovsdb/schema/open_vswitch.json", "share/weft/vswitch.ovsschema"),
    ("db/capi/examples/ports.c", "share/weft/examples/ports.c"),
    ("docs/completion/weft.bash", "share/weft/completion/weft.bash"),
    ("docs/completion/weft.zsh", "share/weft/completion/weft.zsh"),
    ("docs/completion/weft.fish", "share/weft/completion/weft.fish"),
    ("docs/operators.md", "share/weft/doc/operators.md"),
    ("docs/bindings.md", "share/weft/doc/bindings.md"),
    ("docs/grpc.md", "share/weft/doc/grpc.md"),
];

const LIBRARIES: &[&str] = &["libweftdb.so", "libweftdb.a"];

/// Build the release binaries; the folder that they lie in.
///
/// # Errors
/// When the build fails.
pub fn build() -> Result<PathBuf> {
    step("building the release binaries (a few minutes the first time)");
    let took = stopwatch();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "-p", "weft-vswitchd", "-p", "weft-cli", "-p", "weft-capi"])
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

fn make(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_lie_where_they_are_looked_for() {
        let dir = std::env::temp_dir().join(format!("weft-dist-{}", std::process::id()));
        let count = documents(&dir).unwrap();
        for file in [
            "include/weftdb.h",
            "lib/pkgconfig/weftdb.pc",
            "share/man/man8/vsctl.8",
            "share/man/man8/ovs-vsctl.8",
            "share/man/man1/ovsdb-tool.1",
            "share/bash-completion/completions/ovs-ofctl",
            "share/fish/vendor_completions.d/dbclient.fish",
            "share/weft/proto/weft/v1/switch.proto",
            "share/weft/vswitch.ovsschema",
        ] {
            assert!(dir.join(file).is_file(), "{file}");
        }
        assert_eq!(documents(&dir).unwrap(), count, "a second time replaces");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn each_tool_has_two_names() {
        let names: Vec<_> = tools().collect();
        assert!(names.contains(&("dbtool", "ovsdb-tool")) && names.contains(&("vsctl", "ovs-vsctl")), "{names:?}");
        assert_eq!(names.len(), 6);
    }
}
