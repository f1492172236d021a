//! How a session stands, as `bfd/show` prints it and as Interface `bfd_status` keeps it.

use std::time::Duration;

use weft_base::Time;

use super::Session;

impl Session {
    /// What `bfd/show` says of it, below the port's name.
    pub fn show(&self, now: Time) -> String {
        let remote = &self.remote;
        format!(
            "  Forwarding: {}
  Detect Multiplier: {}
  Concatenated Path Down: {}
  TX Interval: Approx {}ms
  RX Interval: Approx {}ms
  Detect Time: now {:+}ms
  Next TX Time: now {:+}ms
  Last TX Time: now {:+}ms

  Local Flags: {}
  Local Session State: {}
  Local Diagnostic: {}
  Local Discriminator: {:#x}
  Local Minimum TX Interval: {}ms
  Local Minimum RX Interval: {}ms

  Remote Flags: {}
  Remote Session State: {}
  Remote Diagnostic: {}
  Remote Discriminator: {:#x}
  Remote Minimum TX Interval: {}ms
  Remote Minimum RX Interval: {}ms
  Remote Detect Multiplier: {}
",
            self.is_forwarding(),
            self.config.mult,
            self.config.cpath_down,
            millis(self.tx_interval()),
            millis(self.rx_interval()),
            from_now(self.detection, now),
            from_now(self.next_tx, now),
            from_now(self.last_tx.unwrap_or(Time::ZERO), now),
            self.sent_flags.text(),
            self.state.text(),
            self.diagnostic.text(),
            self.discriminator,
            millis(self.announced.tx),
            millis(self.announced.rx),
            remote.flags.text(),
            remote.state.text(),
            remote.diagnostic.text(),
            remote.discriminator,
            millis(remote.min_tx),
            millis(remote.min_rx),
            remote.mult,
        )
    }

    /// Interface `bfd_status`, keys in their order.
    pub fn status(&self) -> [(&'static str, String); 6] {
        [
            ("diagnostic", self.diagnostic.text().into()),
            ("flap_count", self.flap_count.to_string()),
            ("forwarding", self.is_forwarding().to_string()),
            ("remote_diagnostic", self.remote.diagnostic.text().into()),
            ("remote_state", self.remote.state.text().into()),
            ("state", self.state.text().into()),
        ]
    }
}

/// Whole milliseconds; what is less than one is one.
fn millis(interval: Duration) -> u128 {
    interval.as_micros().div_ceil(1000)
}

fn from_now(at: Time, now: Time) -> i64 {
    at.as_millis() as i64 - now.as_millis() as i64
}
