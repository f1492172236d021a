//! `cargo xtask test`: everything that must hold.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::report::{Table, step, stopwatch};
use crate::{dist, faucet, ovn, packages, root};

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
    let took = stopwatch();
    if let Err(error) = ovn::unpack(&dist::target()) {
        println!("  no OVN, its story will {}: {error:#}", if in_ci { "fail" } else { "be skipped" });
        table.row(["OVN's packages", if in_ci { "FAILED" } else { "none" }, &format!("{:.0}", took().as_secs_f64())]);
        good &= !in_ci;
    }
    let checks: [(&str, &[&str]); 3] = [
        ("format", &["fmt", "--all", "--check"]),
        ("clippy", &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        ("programs", &["build", "--locked", "-p", "weft-vswitchd", "-p", "weft-cli"]),
    ];
    for (name, args) in checks {
        step(&format!("{name}: cargo {}", args.join(" ")));
        let took = stopwatch();
        let ok = cargo(args, in_ci)?;
        table.row([name, if ok { "ok" } else { "FAILED" }, &format!("{:.0}", took().as_secs_f64())]);
        good &= ok;
    }
    good &= tests(in_ci, &mut table)?;
    println!("\n{table}");
    if !weft_tests::sandbox::is_root() {
        println!("  Not root: the end-to-end tests were skipped (lines `weft-skip`), in CI that is a failure.");
    }
    Ok(good)
}

/// All tests. A program of tests that failed runs once more with the machine to itself: a story about real processes can lose
/// against its neighbours, and whoever reads the table learns that it did.
fn tests(in_ci: bool, table: &mut Table) -> Result<bool> {
    step("tests: cargo test --locked --workspace --no-fail-fast");
    let took = stopwatch();
    let (ok, failed) = listening(&["test", "--locked", "--workspace", "--no-fail-fast"], in_ci)?;
    let result = if ok { "ok".to_owned() } else { format!("FAILED {}", failed.join(", ")) };
    table.row(["tests", &result, &format!("{:.0}", took().as_secs_f64())]);
    // A failure that names no program, such as one of the compiler, has no second try.
    let mut good = ok || !failed.is_empty();
    for program in failed {
        step(&format!("tests, second try: cargo test {program}"));
        let took = stopwatch();
        let args = ["test", "--locked"].into_iter().chain(program.split(' ')).chain(["--", "--test-threads=1"]);
        let ok = cargo(&args.collect::<Vec<_>>(), in_ci)?;
        let result = if ok { "ok alone: UNSTEADY" } else { "FAILED again" };
        table.row([&format!("  {program}"), result, &format!("{:.0}", took().as_secs_f64())]);
        good &= ok;
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
    if let Err(error) = ovn::unpack(&dist::target()) {
        println!("  no OVN, its story will be skipped: {error:#}");
    }
    if !cargo(&["build", "-p", "weft-vswitchd", "-p", "weft-cli"], false)? {
        bail!("the programs do not build");
    }
    cargo(&["test", "--workspace", pattern], false)
}

fn cargo(args: &[&str], e2e_required: bool) -> Result<bool> {
    Ok(command(args, e2e_required).status()?.success())
}

/// As [`cargo`], and which programs of tests failed, in the words that run them again (`-p weft-flow --lib`).
fn listening(args: &[&str], e2e_required: bool) -> Result<(bool, Vec<String>)> {
    let mut child = command(args, e2e_required).stderr(Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let (said, heard) = mpsc::channel();
    // A thread of its own that nobody joins: a daemon that a test left behind would hold the pipe open for good.
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            eprintln!("{line}");
            if said.send(line).is_err() {
                return;
            }
        }
    });
    let ok = child.wait()?.success();
    let mut failed = Vec::new();
    while let Ok(line) = heard.recv_timeout(Duration::from_secs(2)) {
        failed.extend(program_of(&line));
    }
    Ok((ok, failed))
}

/// The program in a line of the list that ends a run with `--no-fail-fast`.
fn program_of(line: &str) -> Option<String> {
    line.strip_prefix("    `-p ")?.strip_suffix('`').map(|words| format!("-p {words}"))
}

/// Where the random cases of property and fuzz tests come from: the same ones in every run of all checks, so that what is red or
/// green is the commit. A plain `cargo test` draws new ones each time; set a variable to try another seed.
const SEEDS: [&str; 2] = ["PROPTEST_RNG_SEED", "BOLERO_RANDOM_SEED"];

fn command(args: &[&str], e2e_required: bool) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(root()).stdin(Stdio::null()).env("CARGO_TARGET_DIR", dist::target());
    for seed in SEEDS {
        command.env(seed, std::env::var(seed).unwrap_or_else(|_| "7047".to_owned()));
    }
    if std::env::var_os("OVN_ROOT").is_none()
        && let Some(folder) = ovn::unpacked(&dist::target())
    {
        command.env("OVN_ROOT", folder);
    }
    if e2e_required {
        command.env(weft_tests::sandbox::REQUIRED, "1");
    }
    command
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_programs_that_failed_are_read_from_the_list_at_the_end() {
        let end = "error: 2 targets failed:\n    `-p weft-jsonrpc --lib`\n    `-p weft-server --test kill`\n   Doc-tests weft_flow";
        let found: Vec<String> = end.lines().filter_map(super::program_of).collect();
        assert_eq!(found, ["-p weft-jsonrpc --lib", "-p weft-server --test kill"]);
    }
}
