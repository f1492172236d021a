//! What can be wrong with a document.

/// Where in the document, and what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Error {
    /// The place, such as `bridges.br0.ports.eth1.tag`; empty for the whole text.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// With our [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error at a place.
pub(crate) fn at<T>(path: &str, message: impl Into<String>) -> Result<T> {
    Err(Error { path: path.to_owned(), message: message.into() })
}
