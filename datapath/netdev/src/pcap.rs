//! Capture files of frames that pass now: the format is [`weft_packet::pcap`]'s, the time is the system's.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

pub use weft_packet::pcap::{PcapError, Reader, Record, Writer};

/// Append frames as they pass.
pub trait WriteNow {
    /// Append a frame, captured now.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

impl<W: Write> WriteNow for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), bytes)
    }
}
