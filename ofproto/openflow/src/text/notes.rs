//! What a parser would tell its user besides the result: the lines that the tools log.

/// How much it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Something was changed.
    Info,
    /// Something is wrong, or old-fashioned.
    Warn,
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

impl Note {
    /// A warning.
    pub fn warn(module: &'static str, text: impl Into<String>) -> Note {
        Note { module, level: Level::Warn, text: text.into() }
    }

    /// Something worth knowing.
    pub fn info(module: &'static str, text: impl Into<String>) -> Note {
        Note { module, level: Level::Info, text: text.into() }
    }
}
