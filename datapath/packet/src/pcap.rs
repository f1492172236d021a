//! Capture files: the classic pcap format, read and written.
//!
//! What: a 24-byte file header, then records of a 16-byte header and the captured bytes. Four magics: microseconds or
//! nanoseconds, in either byte order (draft-ietf-opsawg-pcap).
//! How: [`Reader`] iterates over a byte slice and borrows from it; [`Writer`] writes whole records, so that a file
//! can be read while it grows.
//! Invariants: a reader never panics and never yields bytes from beyond its slice; after an error it ends.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// One captured frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// When, since the Unix epoch.
    pub at: Duration,
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// How long the frame was; more than `bytes` if the capture cut it.
    pub full_len: u32,
}

/// What is wrong with a capture file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PcapError {
    /// The file is shorter than its header.
    #[error("capture file header needs {FILE_HEADER} bytes, the file has {have}")]
    NoHeader {
        /// Bytes that are there.
        have: usize,
    },
    /// Not one of the four magic numbers.
    #[error("not a capture file: magic number {magic:#010x} is unknown")]
    BadMagic {
        /// What stands there, read as little-endian.
        magic: u32,
    },
    /// A version other than 2.
    #[error("capture file version {major}.{minor} is not supported (expected 2.4)")]
    BadVersion {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// The frames are not Ethernet frames.
    #[error("capture file has link type {link_type}, expected 1 (Ethernet)")]
    NotEthernet {
        /// Its link type.
        link_type: u32,
    },
    /// The file ends inside a record.
    #[error("capture file ends inside the record at offset {at}: it needs {need} bytes, {have} are left")]
    TornRecord {
        /// Offset of the record.
        at: usize,
        /// Bytes that its part needs.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// A record claims more bytes than any frame has.
    #[error("capture file's record at offset {at} claims {len} bytes, more than {LONGEST}")]
    LongRecord {
        /// Offset of the record.
        at: usize,
        /// What it claims.
        len: u32,
    },
    /// There are no frames to play.
    #[error("capture file has no frames")]
    Empty,
}

/// Iterates over the records of a capture.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    file: &'a [u8],
    at: usize,
    order: Order,
    nanos_per_fraction: u32,
}

impl<'a> Reader<'a> {
    /// Check the file header.
    ///
    /// # Errors
    /// When it is not that of an Ethernet capture.
    pub fn new(file: &'a [u8]) -> Result<Reader<'a>, PcapError> {
        let Some(header) = file.first_chunk::<FILE_HEADER>() else {
            return Err(PcapError::NoHeader { have: file.len() });
        };
        let magic = Order::Little.u32(&header[..4]);
        let (order, nanos_per_fraction) = match magic {
            MICROS => (Order::Little, 1000),
            NANOS => (Order::Little, 1),
            m if m.swap_bytes() == MICROS => (Order::Big, 1000),
            m if m.swap_bytes() == NANOS => (Order::Big, 1),
            _ => return Err(PcapError::BadMagic { magic }),
        };
        let (major, minor) = (order.u16(&header[4..6]), order.u16(&header[6..8]));
        if major != 2 {
            return Err(PcapError::BadVersion { major, minor });
        }
        // The upper half of the field tells of frame check sequences, which nobody we know of records.
        let link_type = order.u32(&header[20..24]) & 0xffff;
        if link_type != ETHERNET {
            return Err(PcapError::NotEthernet { link_type });
        }
        Ok(Reader { file, at: FILE_HEADER, order, nanos_per_fraction })
    }

    fn record(&self) -> Result<(Record<'a>, usize), PcapError> {
        let rest = &self.file[self.at..];
        let Some((header, body)) = rest.split_first_chunk::<RECORD_HEADER>() else {
            return Err(PcapError::TornRecord { at: self.at, need: RECORD_HEADER, have: rest.len() });
        };
        let word = |i: usize| self.order.u32(&header[4 * i..4 * i + 4]);
        let (seconds, fraction, len, full_len) = (word(0), word(1), word(2), word(3));
        if len > LONGEST {
            return Err(PcapError::LongRecord { at: self.at, len });
        }
        let Some(bytes) = body.get(..len as usize) else {
            return Err(PcapError::TornRecord { at: self.at, need: len as usize, have: body.len() });
        };
        let fraction = u64::from(fraction) * u64::from(self.nanos_per_fraction);
        let at = Duration::from_secs(seconds.into()) + Duration::from_nanos(fraction);
        Ok((Record { at, bytes, full_len }, self.at + RECORD_HEADER + bytes.len()))
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Record<'a>, PcapError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.file.len() {
            return None;
        }
        match self.record() {
            Ok((record, next)) => {
                self.at = next;
                Some(Ok(record))
            }
            Err(error) => {
                self.at = self.file.len();
                Some(Err(error))
            }
        }
    }
}

/// Writes a capture: little-endian, microseconds, Ethernet.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    record: Vec<u8>,
}

impl Writer<File> {
    /// Start a file, over an older one of that name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> io::Result<Writer<File>> {
        Writer::new(File::create(path)?)
    }
}

impl<W: Write> Writer<W> {
    /// Write the file header to `out`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn new(mut out: W) -> io::Result<Writer<W>> {
        let mut header = [0; FILE_HEADER];
        header[..4].copy_from_slice(&MICROS.to_le_bytes());
        header[4..6].copy_from_slice(&2u16.to_le_bytes());
        header[6..8].copy_from_slice(&4u16.to_le_bytes());
        header[16..20].copy_from_slice(&SNAP_LEN.to_le_bytes());
        header[20..24].copy_from_slice(&ETHERNET.to_le_bytes());
        out.write_all(&header)?;
        Ok(Writer { out, record: Vec::new() })
    }

    /// Append a frame, captured at `at` since the Unix epoch.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_at(&mut self, at: Duration, bytes: &[u8]) -> io::Result<()> {
        self.record.clear();
        // The format's seconds have 32 bits; they last until 2106.
        for word in [at.as_secs() as u32, at.subsec_micros(), bytes.len() as u32, bytes.len() as u32] {
            self.record.extend_from_slice(&word.to_le_bytes());
        }
        self.record.extend_from_slice(bytes);
        self.out.write_all(&self.record)
    }
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u32(self, bytes: &[u8]) -> u32 {
        let bytes = bytes.try_into().expect("callers slice four bytes");
        match self {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        }
    }

    fn u16(self, bytes: &[u8]) -> u16 {
        let bytes = bytes.try_into().expect("callers slice two bytes");
        match self {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        }
    }
}

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;
/// What we announce as the longest record: an Ethernet frame with one tag. Longer ones are written whole all the same.
const SNAP_LEN: u32 = 1518;
/// The longest record that a reader takes (tcpdump's limit).
const LONGEST: u32 = 262_144;

#[cfg(test)]
mod tests;
