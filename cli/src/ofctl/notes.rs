//! What reading flows had to say besides: to the log, as the tools' users know it.
//!
//! Why a limit: a file of a million flows that all say the same would drown its user.

use std::sync::atomic::{AtomicU32, Ordering};

use weft_openflow::text::{Level, Note};

/// How many of a kind are said.
const BURST: u32 = 5;

static NORMALIZATIONS: AtomicU32 = AtomicU32::new(0);

/// Logs them.
pub fn log(notes: &[Note]) {
    let mut quiet = false;
    for note in notes {
        if note.module == "ofp_match" && note.text.starts_with("normalization") {
            quiet = NORMALIZATIONS.fetch_add(1, Ordering::Relaxed) >= BURST;
        }
        match (note.level, note.module) {
            (Level::Info, "ofp_match") if quiet => {}
            (Level::Info, "ofp_match") => tracing::info!(target: "ofp_match", "{}", note.text),
            (Level::Info, _) => tracing::info!(target: "ofctl", "{}", note.text),
            (Level::Warn, "meta_flow") => tracing::warn!(target: "meta_flow", "{}", note.text),
            (Level::Warn, "ofp_port") => tracing::warn!(target: "ofp_port", "{}", note.text),
            (Level::Warn, "ofp_table") => tracing::warn!(target: "ofp_table", "{}", note.text),
            (Level::Warn, "bundle") => tracing::warn!(target: "bundle", "{}", note.text),
            (Level::Error, _) => tracing::error!(target: "socket_util", "{}", note.text),
            (Level::Warn, _) => tracing::warn!(target: "ofp_actions", "{}", note.text),
        }
    }
}
