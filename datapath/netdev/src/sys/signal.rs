//! Signals that mean a crash.

use super::checked;

/// Lets `SIGSEGV` and `SIGBUS` end the process at once, as they do a C program: the language's own handler takes the
/// first one that another process sends for a stack overflow and swallows it.
pub fn die_of_crashes() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: installs no handler of ours, only the default action; a stack overflow still ends the process.
        let set = unsafe { libc::signal(signal, libc::SIG_DFL) };
        // Fails only for numbers that are no signals.
        debug_assert!(checked(if set == libc::SIG_ERR { -1 } else { 0 }).is_ok());
    }
}
