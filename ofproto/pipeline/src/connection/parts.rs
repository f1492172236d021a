//! Statistics requests in several messages (OpenFlow 1.3 §7.3.5): the parts wait until the last of them is there.
//!
//! Only table features are ever longer than a message; other requests may say "more" but have nothing to join.
//!
//! Invariant: what waits for one peer is at most [`MAX_BYTES`] as it was on the wire, and no longer than [`PATIENCE`]
//! without another part.

use std::collections::BTreeMap;
use std::time::Duration;

use weft_base::Time;
use weft_openflow::{ErrorCode, StatsRequest, Version, Xid};

/// One peer's unfinished requests.
#[derive(Default)]
pub(crate) struct Parts {
    waiting: BTreeMap<Xid, Waiting>,
    bytes: usize,
}

struct Waiting {
    so_far: StatsRequest,
    bytes: usize,
    newest: Time,
}

/// Bytes that may wait.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// How long a part waits for the next.
const PATIENCE: Duration = Duration::from_secs(1);

impl Parts {
    /// A request has come; the whole of it once no more follows.
    pub fn add(
        &mut self,
        version: Version,
        xid: Xid,
        part: StatsRequest,
        more: bool,
        bytes: usize,
        now: Time,
    ) -> Result<Option<StatsRequest>, ErrorCode> {
        if version < Version::V13 {
            return Ok(Some(part));
        }
        let before = self.waiting.remove(&xid);
        let (joined, bytes) = match before {
            None => (part, bytes),
            Some(before) => {
                self.bytes -= before.bytes;
                (join(before.so_far, part)?, before.bytes + bytes)
            }
        };
        if !more {
            return Ok(Some(joined));
        }
        if self.bytes + bytes > MAX_BYTES {
            return Err(ErrorCode::OFPBRC_MULTIPART_BUFFER_OVERFLOW);
        }
        self.bytes += bytes;
        self.waiting.insert(xid, Waiting { so_far: joined, bytes, newest: now });
        Ok(None)
    }

    /// Requests whose next part did not come in time.
    pub fn expired(&mut self, now: Time) -> Vec<Xid> {
        let late = |w: &Waiting| w.newest + PATIENCE <= now;
        let gone: Vec<Xid> = self.waiting.iter().filter(|(_, w)| late(w)).map(|(xid, _)| *xid).collect();
        for xid in &gone {
            self.bytes -= self.waiting.remove(xid).map_or(0, |w| w.bytes);
        }
        gone
    }

    /// When the next expires.
    pub fn due(&self) -> Time {
        self.waiting.values().map(|w| w.newest + PATIENCE).min().unwrap_or(Time::MAX)
    }
}

/// Parts of one request as one.
fn join(mut whole: StatsRequest, part: StatsRequest) -> Result<StatsRequest, ErrorCode> {
    match (&mut whole, part) {
        (StatsRequest::TableFeatures(all), StatsRequest::TableFeatures(more)) => all.extend(more),
        (StatsRequest::FlowMonitor(all), StatsRequest::FlowMonitor(more)) => all.extend(more),
        (StatsRequest::Desc, StatsRequest::Desc)
        | (StatsRequest::Table, StatsRequest::Table)
        | (StatsRequest::GroupFeatures, StatsRequest::GroupFeatures)
        | (StatsRequest::MeterFeatures, StatsRequest::MeterFeatures)
        | (StatsRequest::TableDesc, StatsRequest::TableDesc) => {}
        _ => return Err(ErrorCode::OFPBRC_BAD_STAT),
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_openflow::flow::FlowStatsRequest;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn parts_wait_for_the_last_of_them() {
        let mut parts = Parts::default();
        let mut add = |xid, what, more| parts.add(Version::V13, Xid(xid), what, more, 16, Time::ZERO);
        assert_eq!(add(1, StatsRequest::Desc, true), Ok(None));
        assert_eq!(add(2, StatsRequest::Desc, false), Ok(Some(StatsRequest::Desc)));
        assert_eq!(add(1, StatsRequest::Desc, false), Ok(Some(StatsRequest::Desc)));
        let flows = || StatsRequest::Flow(FlowStatsRequest::default());
        assert_eq!(add(3, flows(), true), Ok(None));
        assert_eq!(add(3, flows(), false), Err(ErrorCode::OFPBRC_BAD_STAT));
        assert_eq!(parts.bytes, 0);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_time() {
        let mut parts = Parts::default();
        let mut results = Vec::new();
        for xid in 0..200 {
            results.push(parts.add(Version::V14, Xid(xid), StatsRequest::Desc, true, 65535, Time::ZERO));
        }
        assert!(parts.bytes <= MAX_BYTES);
        assert_eq!(results.last(), Some(&Err(ErrorCode::OFPBRC_MULTIPART_BUFFER_OVERFLOW)));
        assert_eq!(parts.due(), Time::ZERO + SECOND);
        assert_eq!(parts.expired(Time::ZERO + SECOND).len(), MAX_BYTES / 65535);
        assert_eq!(parts.bytes, 0);
    }

    #[test]
    fn before_13_nothing_waits() {
        let now = Time::ZERO;
        let all = Parts::default().add(Version::V12, Xid(1), StatsRequest::Desc, true, 16, now);
        assert_eq!(all, Ok(Some(StatsRequest::Desc)));
    }
}
