//! Reading and writing bytes: a bounded cursor and a growing message.
//!
//! Invariants: a read never passes the end of what it was given; a short read names what was missing and carries the
//! error that the surrounding structure prescribes.

use std::borrow::Cow;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::ErrorCode;
use crate::ids::Version;

/// Why a message was not understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct DecodeError {
    /// What goes back to the sender.
    pub code: ErrorCode,
    /// Which part, and what was expected.
    pub reason: Cow<'static, str>,
}

/// Why something cannot be said in a version.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{version} cannot say {what}")]
pub struct EncodeError {
    /// Which version.
    pub version: Version,
    /// What.
    pub what: Cow<'static, str>,
}

pub(crate) type Decoded<T> = Result<T, DecodeError>;
pub(crate) type Encoded<T> = Result<T, EncodeError>;

/// A decode error in one line.
pub(crate) fn bad<T>(code: ErrorCode, reason: impl Into<Cow<'static, str>>) -> Decoded<T> {
    Err(DecodeError { code, reason: reason.into() })
}

/// An encode error in one line.
pub(crate) fn cannot<T>(version: Version, what: impl Into<Cow<'static, str>>) -> Encoded<T> {
    Err(EncodeError { version, what: what.into() })
}

/// A cursor over bytes from outside.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    short: ErrorCode,
}

impl<'a> Reader<'a> {
    /// Reads of `bytes`; running out is `short`.
    pub fn new(bytes: &'a [u8], short: ErrorCode) -> Reader<'a> {
        Reader { rest: bytes, short }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize, what: &'static str) -> Decoded<&'a [u8]> {
        match self.rest.split_at_checked(n) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => bad(self.short, format!("{what} needs {n} bytes, {} are left", self.rest.len())),
        }
    }

    /// A cursor over the next `n` bytes.
    pub fn sub(&mut self, n: usize, what: &'static str) -> Decoded<Reader<'a>> {
        Ok(Reader { rest: self.bytes(n, what)?, short: self.short })
    }

    /// Everything that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// The next wire struct.
    pub fn get<T: FromBytes + KnownLayout + Immutable + Unaligned>(&mut self, what: &'static str) -> Decoded<&'a T> {
        match T::ref_from_prefix(self.rest) {
            Ok((value, rest)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(_) => bad(self.short, format!("{what} needs {} bytes, {} are left", size_of::<T>(), self.rest.len())),
        }
    }

    /// The wire struct at the cursor, without moving it.
    pub fn peek<T: FromBytes + KnownLayout + Immutable + Unaligned>(&self, what: &'static str) -> Decoded<&'a T> {
        self.clone().get(what)
    }

    /// Skips padding.
    pub fn skip(&mut self, n: usize, what: &'static str) -> Decoded<()> {
        self.bytes(n, what).map(|_| ())
    }

    /// The same bytes, but running out is another error.
    pub fn short(self, short: ErrorCode) -> Reader<'a> {
        Reader { short, ..self }
    }

    /// The error for a bad length here.
    pub fn bad_len<T>(&self, reason: impl Into<Cow<'static, str>>) -> Decoded<T> {
        bad(self.short, reason)
    }
}

/// A message under construction.
#[derive(Default)]
pub(crate) struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    pub fn put<T: IntoBytes + Immutable>(&mut self, value: &T) {
        self.bytes.extend_from_slice(value.as_bytes());
    }

    pub fn slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub fn zeros(&mut self, n: usize) {
        self.bytes.resize(self.bytes.len() + n, 0);
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Zeros until the length since `start` is a multiple of `to`.
    pub fn pad(&mut self, start: usize, to: usize) {
        let len = self.bytes.len() - start;
        self.zeros(len.next_multiple_of(to) - len);
    }

    /// Overwrite a big-endian u16; what does not fit is said when the message is closed.
    pub fn set_u16(&mut self, at: usize, value: usize) {
        self.bytes[at..at + 2].copy_from_slice(&(value.min(0xffff) as u16).to_be_bytes());
    }

    /// Write the length since `start` at `start + at`.
    pub fn close(&mut self, start: usize, at: usize) {
        let len = self.bytes.len() - start;
        self.set_u16(start + at, len);
    }

    /// A string in a field of fixed size, cut so that a zero byte ends it.
    pub fn text(&mut self, text: &str, size: usize) {
        let take = text.len().min(size - 1);
        self.slice(&text.as_bytes()[..take]);
        self.zeros(size - take);
    }
}

/// A string from a field of fixed size, up to the first zero byte.
pub(crate) fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}
