//! What: the words of `-v` and `vlog/set`.
//!
//! Invariants: at most one word of each kind; a word of no kind is named in the error.

use super::level::{Destination, Facility, Level};

/// What the words ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// Change levels; what is absent means all of them.
    Levels {
        /// Which module.
        module: Option<String>,
        /// Which destination.
        destination: Option<Destination>,
        /// The new level, `dbg` if no word said so.
        level: Level,
    },
    /// Change how lines look.
    Pattern {
        /// Which destination; absent means all.
        destination: Option<Destination>,
        /// See ovs-appctl(8).
        pattern: String,
    },
    /// Change the syslog facility.
    Facility(Facility),
}

/// What is wrong with the words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum SpecError {
    #[error("no destination, level, or module \"{0}\"")]
    Word(String),
    #[error("cannot specify multiple levels")]
    Levels,
    #[error("cannot specify multiple destinations")]
    Destinations,
    #[error("cannot specify multiple modules")]
    Modules,
    #[error("missing destination")]
    NoDestination,
    #[error("unknown destination \"{0}\"")]
    Destination(String),
    #[error("invalid facility")]
    Facility,
}

impl Spec {
    /// `module` finds a module by a word in any case.
    pub fn parse(text: &str, module: impl Fn(&str) -> Option<String>) -> Result<Spec, SpecError> {
        let (head, tail) = split_word(text);
        if head.eq_ignore_ascii_case("PATTERN") {
            return pattern(tail);
        }
        if head.eq_ignore_ascii_case("FACILITY") {
            return Facility::parse(tail).map(Spec::Facility).ok_or(SpecError::Facility);
        }
        let (mut level, mut destination, mut chosen) = (None, None, None);
        for word in text.split(SEPARATORS).filter(|word| !word.is_empty()) {
            let taken = if let Some(found) = Destination::parse(word) {
                destination.replace(found).map(|_| SpecError::Destinations)
            } else if let Some(found) = Level::parse(word) {
                level.replace(found).map(|_| SpecError::Levels)
            } else if let Some(found) = module(word) {
                chosen.replace(found).map(|_| SpecError::Modules)
            } else if word.eq_ignore_ascii_case("any") {
                None
            } else {
                Some(SpecError::Word(word.to_string()))
            };
            if let Some(error) = taken {
                return Err(error);
            }
        }
        Ok(Spec::Levels { module: chosen, destination, level: level.unwrap_or(Level::Dbg) })
    }
}

fn pattern(tail: &str) -> Result<Spec, SpecError> {
    let (word, pattern) = split_word(tail);
    if word.is_empty() {
        return Err(SpecError::NoDestination);
    }
    let destination = match Destination::parse(word) {
        None if !word.eq_ignore_ascii_case("any") => return Err(SpecError::Destination(word.to_string())),
        found => found,
    };
    Ok(Spec::Pattern { destination, pattern: pattern.to_string() })
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_once(':').unwrap_or((text, ""))
}

const SEPARATORS: [char; 5] = [' ', ',', ':', '\t', '\n'];
