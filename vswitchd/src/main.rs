//! The executable: `vswitchd`, `ovs-vswitchd` or `ovsdb-server`, whichever its file is called.

use std::process::ExitCode;

fn main() -> ExitCode {
    weft_vswitchd::program::run(std::env::args().skip(1))
}
