//! `cargo xtask demo | test | dist DIR`: everything a newcomer or CI has to call.

mod demo;
mod dist;
mod faucet;
mod ovn;
mod packages;
mod proto;
mod report;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Weft's own commands.

  cargo xtask demo           build the release binaries and show a switch at work:
                             hosts in VLANs, pings, a TCP transfer, MACs, flows, a trace
  cargo xtask test           format, clippy, house rules, unit, property, golden and
                             end-to-end tests (root for the last; in CI a skip fails)
  cargo xtask test PATTERN   only the tests whose name contains PATTERN, no lints
  cargo xtask dist DIR       fill DIR with release binaries under our names (vswitchd vsctl ...) and
                             under Open vSwitch's (ovs-vsctl ...), libweftdb, manual pages
  cargo xtask proto          write the Rust of db/grpc/proto anew, after a change there

All of them install the Debian packages that they need and say so.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(true)
        }
        ["demo"] => demo::run(),
        ["demo-inside", bin] => demo::run_inside(Path::new(bin)),
        ["test"] => test::all(),
        ["test", pattern] => test::some(pattern),
        ["proto"] => proto::generate(),
        ["dist", dir] => dist::fill(Path::new(dir)).map(|()| true),
        _ => Err(anyhow::anyhow!("unknown command `{}`\n\n{HELP}", args.join(" "))),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}
