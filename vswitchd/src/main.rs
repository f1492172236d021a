//! The executable: `vswitchd`, `ovs-vswitchd` or `ovsdb-server`, whichever its file is called.

use std::process::ExitCode;

fn main() -> ExitCode {
    weft_vswitchd::program::run(std::env::args().skip(1))
}

/// The database makes and drops many small values; this allocator does both at a third of the cost of the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
