//! What decoding has to say to the log, in the modules and words that users of OVS search for.
//!
//! An error goes back to the sender as a code; who keeps the switch wants to know what was wrong. Invariant: whatever a
//! peer sends, at most [`BURST`] lines of a module come per refill, so that nobody can fill the log.

use std::sync::atomic::{AtomicU32, Ordering};

/// Which module of OVS says it; the log shows the name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Module {
    Actions,
    /// What is wrong with actions that were understood.
    Verify,
    MetaFlow,
    NxMatch,
    Msgs,
    Port,
    Table,
    Connection,
    Util,
}

const MODULES: usize = Module::Util as usize + 1;

/// Lines of a module until the next refill.
const BURST: u32 = 5;

/// As [`BURST`], of what only a wrong program sends.
const VERIFY_BURST: u32 = 60;

static LEFT: [AtomicU32; MODULES] = {
    let mut left = [const { AtomicU32::new(BURST) }; MODULES];
    left[Module::Verify as usize] = AtomicU32::new(VERIFY_BURST);
    left
};

/// To be called every few seconds by a program that runs for long: each module may say one line more.
pub fn refill() {
    for (i, left) in LEFT.iter().enumerate() {
        let most = if i == Module::Verify as usize { VERIFY_BURST } else { BURST };
        let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left < most).then(|| left + 1));
    }
}

/// A warning.
pub(crate) fn warn(module: Module, text: impl FnOnce() -> String) {
    let left = &LEFT[module as usize];
    if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
        return;
    }
    let text = text();
    match module {
        Module::Actions | Module::Verify => tracing::warn!(target: "ofp_actions", "{text}"),
        Module::MetaFlow => tracing::warn!(target: "meta_flow", "{text}"),
        Module::NxMatch => tracing::warn!(target: "nx_match", "{text}"),
        Module::Msgs => tracing::warn!(target: "ofp_msgs", "{text}"),
        Module::Port => tracing::warn!(target: "ofp_port", "{text}"),
        Module::Table => tracing::warn!(target: "ofp_table", "{text}"),
        Module::Connection => tracing::warn!(target: "ofp_connection", "{text}"),
        Module::Util => tracing::warn!(target: "ofp_util", "{text}"),
    }
}

/// As [`warn`], as a note.
pub(crate) fn note(text: impl FnOnce() -> String) {
    let left = &LEFT[Module::Util as usize];
    if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        tracing::info!(target: "ofp_actions", "{}", text());
    }
}

/// Bytes, sixteen a line, without what they would be as letters.
pub(crate) fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (i, line) in bytes.chunks(16).enumerate() {
        if i > 0 {
            text.push('\n');
        }
        text.push_str(&format!("{:08x} ", i * 16));
        for (at, byte) in line.iter().enumerate() {
            text.push(if at == 8 { '-' } else { ' ' });
            text.push_str(&format!("{byte:02x}"));
        }
        if line.len() == 8 {
            text.push('-');
        }
    }
    text
}
