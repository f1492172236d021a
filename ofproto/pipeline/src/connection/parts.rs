//! Statistics requests in several messages (OpenFlow 1.3 §7.3.5): the parts wait until the last of them is there.
//!
//! Only table features are ever longer than a message; other requests may say "more" but have nothing to join.
//!
//! A part of a wrong length is answered at once; what else is wrong with the request is told when all of it is there. Such
//! errors quote the part that is wrong, as Open vSwitch's do; those about the whole the first.
//!
//! Invariant: what waits for one peer is at most [`MAX_BYTES`] as it was on the wire, and no longer than [`PATIENCE`]
//! without another part.

use std::collections::BTreeMap;
use std::time::Duration;

use weft_base::Time;
use weft_openflow::codec::Kind;
use weft_openflow::{ErrorCode, StatsRequest, Version, Xid};

/// One peer's unfinished requests.
#[derive(Default)]
pub(crate) struct Parts {
    waiting: BTreeMap<Xid, Waiting>,
    bytes: usize,
}

struct Waiting {
    kind: Kind,
    so_far: Result<StatsRequest, Wrong>,
    first: Vec<u8>,
    bytes: usize,
    newest: Time,
}

/// A request or a part of one, as it came.
pub(super) struct Part<'a> {
    pub version: Version,
    pub xid: Xid,
    pub kind: Kind,
    /// Another part follows.
    pub more: bool,
    /// What it says, or what is wrong with it besides its length.
    pub says: Result<StatsRequest, ErrorCode>,
    pub bytes: &'a [u8],
}

/// A whole request. Where it came in parts: the first of them, which errors about it quote.
pub(super) type Whole = (StatsRequest, Option<Vec<u8>>);
/// What is wrong with a request, and the bytes to quote.
pub(super) type Wrong = (ErrorCode, Vec<u8>);

/// Bytes that may wait.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// A part without a body.
const HEADERS: usize = 16;
/// What an unfinished request counts besides its bytes.
const EACH: usize = 2 << 10;
/// How long a part waits for the next.
const PATIENCE: Duration = Duration::from_secs(1);

impl Parts {
    /// A request has come; the whole of it once no more follows.
    pub fn add(&mut self, part: Part<'_>, now: Time) -> Result<Option<Whole>, Wrong> {
        let Part { version, xid, kind, more, says, bytes } = part;
        let alone = |says: Result<StatsRequest, ErrorCode>| match says {
            Ok(request) => Ok(Some((request, None))),
            Err(code) => Err((code, bytes.to_vec())),
        };
        if version < Version::V13 {
            return alone(says);
        }
        let before = self.waiting.remove(&xid);
        self.bytes -= before.as_ref().map_or(0, |before| before.bytes);
        let mut all = match before {
            None if !more => return alone(says),
            None => {
                let so_far = says.map_err(|code| (code, bytes.to_vec()));
                Waiting { kind, so_far, first: bytes.to_vec(), bytes: bytes.len() + EACH, newest: now }
            }
            Some(before) if before.kind != kind => return Err((ErrorCode::OFPBRC_BAD_STAT, bytes.to_vec())),
            Some(mut before) => {
                let quote = |code| match code {
                    ErrorCode::OFPBRC_BAD_STAT => (code, before.first.clone()),
                    _ => (code, bytes.to_vec()),
                };
                before.so_far = before.so_far.and_then(|so_far| join(so_far, says.map_err(quote)?).map_err(quote));
                before.bytes += bytes.len();
                if before.first.len() <= HEADERS {
                    before.first = bytes.to_vec(); // a part that says nothing is no first one
                }
                before
            }
        };
        if !more {
            return match all.so_far {
                Ok(request) => Ok(Some((request, Some(all.first)))),
                Err(wrong) => Err(wrong),
            };
        }
        if self.bytes + all.bytes > MAX_BYTES {
            return Err((ErrorCode::OFPBRC_MULTIPART_BUFFER_OVERFLOW, all.first));
        }
        self.bytes += all.bytes;
        all.newest = now;
        self.waiting.insert(xid, all);
        Ok(None)
    }

    /// Requests whose next part did not come in time, with their first parts.
    pub fn expired(&mut self, now: Time) -> Vec<(Xid, Vec<u8>)> {
        let late = |w: &Waiting| w.newest + PATIENCE <= now;
        let gone: Vec<Xid> = self.waiting.iter().filter(|(_, w)| late(w)).map(|(xid, _)| *xid).collect();
        let taken = gone.into_iter().filter_map(|xid| Some((xid, self.waiting.remove(&xid)?)));
        let taken: Vec<(Xid, Waiting)> = taken.collect();
        self.bytes -= taken.iter().map(|(_, w)| w.bytes).sum::<usize>();
        taken.into_iter().map(|(xid, w)| (xid, w.first)).collect()
    }

    /// When the next expires.
    pub fn due(&self) -> Time {
        self.waiting.values().map(|w| w.newest + PATIENCE).min().unwrap_or(Time::MAX)
    }
}

/// Parts of one request as one.
fn join(mut whole: StatsRequest, part: StatsRequest) -> Result<StatsRequest, ErrorCode> {
    match (&mut whole, part) {
        (StatsRequest::TableFeatures(all), StatsRequest::TableFeatures(more)) => {
            if more.iter().any(|new| all.iter().any(|old| old.table == new.table)) {
                return Err(ErrorCode::NXTFFC_DUP_TABLE);
            }
            all.extend(more);
        }
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

    fn part(version: Version, xid: u32, says: StatsRequest, more: bool, bytes: &[u8]) -> Part<'_> {
        let kind = match says {
            StatsRequest::Desc => Kind::DescRequest,
            _ => Kind::FlowRequest,
        };
        Part { version, xid: Xid(xid), kind, more, says: Ok(says), bytes }
    }

    #[test]
    fn parts_wait_for_the_last_of_them() {
        let mut parts = Parts::default();
        let mut add = |xid, what, more, bytes| parts.add(part(Version::V13, xid, what, more, bytes), Time::ZERO);
        assert_eq!(add(1, StatsRequest::Desc, true, &[1]), Ok(None));
        assert_eq!(add(2, StatsRequest::Desc, false, &[1]), Ok(Some((StatsRequest::Desc, None))));
        let whole = add(1, StatsRequest::Desc, false, &[2; 17]);
        assert_eq!(whole, Ok(Some((StatsRequest::Desc, Some(vec![2; 17])))), "a part without a body is no first one");
        let flows = || StatsRequest::Flow(FlowStatsRequest::default());
        assert_eq!(add(3, flows(), true, &[3; 17]), Ok(None));
        assert_eq!(
            add(3, flows(), false, &[4]),
            Err((ErrorCode::OFPBRC_BAD_STAT, vec![3; 17])),
            "the first part is quoted"
        );
        assert_eq!(add(4, flows(), true, &[5]), Ok(None));
        let other = add(4, StatsRequest::Desc, true, &[6]);
        assert_eq!(other, Err((ErrorCode::OFPBRC_BAD_STAT, vec![6])), "what does not belong to it");
        assert_eq!(add(4, flows(), false, &[7]), Ok(Some((flows(), None))), "what came before that is forgotten");
        assert_eq!(parts.bytes, 0);
    }

    #[test]
    fn what_is_wrong_is_told_at_the_end() {
        let mut parts = Parts::default();
        let bad = ErrorCode::OFPTFFC_BAD_TABLE;
        let wrong = |says, more, bytes| {
            let (version, kind) = (Version::V13, Kind::TableFeaturesRequest);
            Part { version, xid: Xid(1), kind, more, says, bytes }
        };
        let empty = || Ok(StatsRequest::TableFeatures(Vec::new()));
        assert_eq!(parts.add(wrong(empty(), true, &[1; 17]), Time::ZERO), Ok(None));
        assert_eq!(parts.add(wrong(Err(bad), true, &[2]), Time::ZERO), Ok(None));
        assert_eq!(
            parts.add(wrong(empty(), false, &[3]), Time::ZERO),
            Err((bad, vec![2])),
            "the part that is wrong is quoted"
        );
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_time() {
        let mut parts = Parts::default();
        let bytes = vec![0; 65535 - EACH];
        let mut results = Vec::new();
        for xid in 0..200 {
            results.push(parts.add(part(Version::V14, xid, StatsRequest::Desc, true, &bytes), Time::ZERO));
        }
        assert!(parts.bytes <= MAX_BYTES);
        assert_eq!(results.last(), Some(&Err((ErrorCode::OFPBRC_MULTIPART_BUFFER_OVERFLOW, bytes.clone()))));
        assert_eq!(parts.due(), Time::ZERO + SECOND);
        let expired = parts.expired(Time::ZERO + SECOND);
        assert_eq!(expired.len(), MAX_BYTES / 65535);
        assert_eq!(expired[0], (Xid(0), bytes));
        assert_eq!(parts.bytes, 0);
    }

    #[test]
    fn before_13_nothing_waits() {
        let all = Parts::default().add(part(Version::V12, 1, StatsRequest::Desc, true, &[0; 16]), Time::ZERO);
        assert_eq!(all, Ok(Some((StatsRequest::Desc, None))));
    }
}
