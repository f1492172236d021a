//! The executable: `vswitchd`, `ovs-vswitchd` or `ovsdb-server`, whichever its file is called.

use std::process::ExitCode;

fn main() -> ExitCode {
    weft_vswitchd::program::run(std::env::args().skip(1))
}

/// The database makes and drops many small values; in profiles of its updates this allocator takes half as much of the time
/// as the one of the C library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
