//! `cargo xtask test`: everything that must hold.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::report::{Table, step, stopwatch};
use crate::{dist, faucet, packages, root};

/// All checks, in the order of what is cheapest to learn first.
///
/// # Errors
/// When a check cannot be run.
pub fn all() -> Result<bool> {
    let in_ci = std::env::var("CI").is_ok_and(|v| v == "true");
    packages::install(&[packages::DEMO, packages::TEST])?;
    faucet::install(&dist::target())?;
    let mut table = Table::new(&["check", "result", "seconds"]);
    let mut good = true;
    let checks: [(&str, &[&str]); 4] = [
        ("format", &["fmt", "--all", "--check"]),
        ("clippy", &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        ("programs", &["build", "--locked", "-p", "weft-vswitchd", "-p", "weft-cli"]),
        ("tests", &["test", "--locked", "--workspace", "--no-fail-fast"]),
    ];
    for (name, args) in checks {
        step(&format!("{name}: cargo {}", args.join(" ")));
        let took = stopwatch();
        let ok = cargo(args, in_ci)?;
        table.row([
            name.to_owned(),
            if ok { "ok" } else { "FAILED" }.to_owned(),
            format!("{:.0}", took().as_secs_f64()),
        ]);
        good &= ok;
    }
    println!("\n{table}");
    if !weft_tests::sandbox::is_root() {
        println!("  Not root: the end-to-end tests were skipped (lines `weft-skip`), in CI that is a failure.");
    }
    Ok(good)
}

/// Only the tests whose name contains `pattern`.
///
/// # Errors
/// When cargo cannot be run.
pub fn some(pattern: &str) -> Result<bool> {
    packages::install(&[packages::DEMO, packages::TEST])?;
    faucet::install(&dist::target())?;
    if !cargo(&["build", "-p", "weft-vswitchd", "-p", "weft-cli"], false)? {
        bail!("the programs do not build");
    }
    cargo(&["test", "--workspace", pattern], false)
}

fn cargo(args: &[&str], e2e_required: bool) -> Result<bool> {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(root()).stdin(Stdio::null()).env("CARGO_TARGET_DIR", dist::target());
    if e2e_required {
        command.env(weft_tests::sandbox::REQUIRED, "1");
    }
    Ok(command.status()?.success())
}
