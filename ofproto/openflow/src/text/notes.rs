//! What a parser would tell its user besides the result: the lines that the tools log.

use std::cell::RefCell;

/// How much it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Something was changed.
    Info,
    /// Something is wrong, or old-fashioned.
    Warn,
    /// Something failed.
    Error,
}

/// One line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The log module under which users know it.
    pub module: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The line.
    pub text: String,
}

thread_local! {
    /// What the parsers of words have said since the line began: what they return is the word's meaning alone.
    static SAID: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
}

/// Keeps a note until whoever reads the line takes it.
pub(super) fn say(note: Note) {
    SAID.with_borrow_mut(|said| said.push(note));
}

/// What was said since the last time.
pub(super) fn take() -> Vec<Note> {
    SAID.take()
}

/// What `read` makes of a word that stands alone, and what there is to say of it.
pub fn noted<T>(read: impl FnOnce() -> T) -> (T, Vec<Note>) {
    take();
    let made = read();
    (made, take())
}

impl Note {
    /// A failure.
    pub fn error(module: &'static str, text: impl Into<String>) -> Note {
        Note { module, level: Level::Error, text: text.into() }
    }

    /// A warning.
    pub fn warn(module: &'static str, text: impl Into<String>) -> Note {
        Note { module, level: Level::Warn, text: text.into() }
    }

    /// Something worth knowing.
    pub fn info(module: &'static str, text: impl Into<String>) -> Note {
        Note { module, level: Level::Info, text: text.into() }
    }
}
