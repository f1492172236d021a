//! The MAC learning table of one bridge.
//!
//! What: (VLAN, MAC) -> bundle, with aging, a size limit, static entries and statistics (`fdb/*`).
//! Why a lock of its own: workers learn while they hold the big table's read lock. The common case, an entry that only
//! needs refreshing, takes the read side and stores one atomic.
//! How revalidation knows: every (VLAN, MAC) falls into one of [`BUCKETS`] change counters; a verdict remembers the
//! counter it saw and is looked at again only when that has moved.
//!
//! Invariants: never more than `limit` entries; a static entry neither ages nor moves; the queue of a bundle holds each
//! of its dynamic entries exactly once.

mod fair;

use std::collections::{HashMap, VecDeque};
use std::sync::RwLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use weft_base::Time;

use self::fair::Fair;
use crate::config::Mac;
use crate::tables::BundleId;

/// How many change counters there are.
pub const BUCKETS: usize = 1024;
/// How long a gratuitous ARP keeps reflected frames from moving its sender.
pub const GRATUITOUS_LOCK: Duration = Duration::from_secs(5);

/// The table.
pub struct MacTable {
    inner: RwLock<Inner>,
    changes: Box<[AtomicU32; BUCKETS]>,
}

/// What learning did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learned {
    /// The entry was there and was refreshed.
    Known,
    /// A new entry.
    New,
    /// The address was on another bundle.
    Moved,
    /// Not learned: a static entry says otherwise, or there is no room at all.
    Refused,
}

/// An entry as `fdb/show` lists it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MacEntry {
    /// VLAN, 0 for none.
    pub vlan: u16,
    /// Address.
    pub mac: Mac,
    /// Where it is.
    pub bundle: BundleId,
    /// Since it was last seen; `None` for a static entry.
    pub age: Option<Duration>,
}

/// What `fdb/stats-show` counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the lines of fdb/stats-show")]
pub struct MacStats {
    pub learned: u64,
    pub expired: u64,
    pub evicted: u64,
    pub moved: u64,
}

type Key = (u16, Mac);

struct Entry {
    bundle: BundleId,
    /// Nanoseconds of [`Time`].
    used: AtomicU64,
    /// What `used` was when the entry was put into its bundle's queue.
    queued: u64,
    is_static: bool,
    gratuitous_until: Time,
    /// Order of learning, for listings.
    serial: u64,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Key, Entry, foldhash::fast::RandomState>,
    /// Dynamic entries by bundle, the longest unused (nearly) first.
    queues: HashMap<BundleId, VecDeque<Key>, foldhash::fast::RandomState>,
    /// Which of them is longest.
    fair: Fair,
    limit: usize,
    aging: Duration,
    statics: usize,
    stats: MacStats,
    serial: u64,
    /// Nothing can expire before this.
    next_expiry: Time,
}

impl MacTable {
    /// An empty table.
    pub fn new(limit: usize, aging: Duration) -> MacTable {
        let inner = Inner { limit, aging, next_expiry: Time::MAX, ..Inner::default() };
        MacTable { inner: RwLock::new(inner), changes: Box::new([const { AtomicU32::new(0) }; BUCKETS]) }
    }

    /// Where the address is, with the change counter that this answer rests on.
    #[inline]
    pub fn lookup(&self, vlan: u16, mac: Mac) -> (Option<BundleId>, MacDep) {
        let bucket = bucket(vlan, mac);
        let dep = MacDep { bucket, change: self.changes[usize::from(bucket)].load(Ordering::Acquire) };
        (self.read().entries.get(&(vlan, mac)).map(|e| e.bundle), dep)
    }

    /// Whether the answer that `dep` was given with may have changed.
    #[inline]
    pub fn changed(&self, dep: MacDep) -> bool {
        self.changes[usize::from(dep.bucket)].load(Ordering::Acquire) != dep.change
    }

    /// Whether learning would only refresh what is known, and whether a gratuitous ARP's lock holds.
    pub fn would_be_known(&self, vlan: u16, mac: Mac, bundle: BundleId) -> bool {
        self.read().entries.get(&(vlan, mac)).is_some_and(|e| e.bundle == bundle || e.is_static)
    }

    /// Whether a gratuitous ARP has locked the address to its place.
    pub fn is_gratuitous_locked(&self, vlan: u16, mac: Mac, now: Time) -> bool {
        self.read().entries.get(&(vlan, mac)).is_some_and(|e| e.gratuitous_until > now)
    }

    /// The address was seen on the bundle.
    pub fn learn(&self, vlan: u16, mac: Mac, bundle: BundleId, gratuitous: bool, now: Time) -> Learned {
        if !gratuitous && let Some(e) = self.read().entries.get(&(vlan, mac)) {
            if e.is_static {
                return if e.bundle == bundle { Learned::Known } else { Learned::Refused };
            }
            if e.bundle == bundle {
                e.used.fetch_max(now.as_nanos(), Ordering::Relaxed);
                return Learned::Known;
            }
        }
        let learned = self.write().learn(vlan, mac, bundle, gratuitous, now, |key| self.touch(key));
        if matches!(learned, Learned::New | Learned::Moved) {
            self.touch((vlan, mac));
        }
        learned
    }

    /// Cached verdicts learned the address on the bundle and were in use until `used`. What was seen elsewhere since then
    /// is newer and stays.
    pub fn refresh(&self, vlan: u16, mac: Mac, bundle: BundleId, used: Time) -> Learned {
        let newer_elsewhere = self
            .read()
            .entries
            .get(&(vlan, mac))
            .is_some_and(|e| e.bundle != bundle && e.used.load(Ordering::Relaxed) >= used.as_nanos());
        if newer_elsewhere { Learned::Refused } else { self.learn(vlan, mac, bundle, false, used) }
    }

    /// `fdb/add`. Returns false if the very same static entry is there already.
    pub fn add_static(&self, vlan: u16, mac: Mac, bundle: BundleId, now: Time) -> bool {
        let mut inner = self.write();
        let key = (vlan, mac);
        if inner.entries.get(&key).is_some_and(|e| e.is_static && e.bundle == bundle) {
            return false;
        }
        inner.forget(key);
        inner.serial += 1;
        inner.statics += 1;
        let serial = inner.serial;
        let used = AtomicU64::new(now.as_nanos());
        let entry = Entry { bundle, used, queued: 0, is_static: true, gratuitous_until: Time::ZERO, serial };
        inner.entries.insert(key, entry);
        self.touch(key);
        true
    }

    /// `fdb/del`: whether there was such a static entry.
    pub fn remove_static(&self, vlan: u16, mac: Mac) -> bool {
        let mut inner = self.write();
        let is_there = inner.entries.get(&(vlan, mac)).is_some_and(|e| e.is_static);
        if is_there {
            inner.forget((vlan, mac));
            self.touch((vlan, mac));
        }
        is_there
    }

    /// `fdb/flush`: forget what was learned, keep what is static.
    pub fn flush(&self) {
        let mut inner = self.write();
        inner.entries.retain(|_, e| e.is_static);
        inner.queues.clear();
        inner.fair = Fair::default();
        self.touch_all();
    }

    /// A bundle is gone: forget everything on it, static or not.
    pub fn flush_bundle(&self, bundle: BundleId) {
        let mut inner = self.write();
        let gone: Vec<Key> = inner.entries.iter().filter(|(_, e)| e.bundle == bundle).map(|(k, _)| *k).collect();
        for key in gone {
            inner.forget(key);
            self.touch(key);
        }
        inner.queues.remove(&bundle);
        inner.fair.set(bundle, 0);
    }

    /// New limits; what does not fit any more is evicted.
    pub fn configure(&self, limit: usize, aging: Duration) {
        let mut inner = self.write();
        inner.limit = limit;
        if inner.aging != aging {
            inner.aging = aging;
            inner.next_expiry = Time::ZERO;
        }
        while inner.entries.len() > limit {
            match inner.evict() {
                Some(key) => self.touch(key),
                None => break,
            }
        }
    }

    /// Drop what has aged; returns when that can next be the case.
    pub fn expire(&self, now: Time) -> Time {
        if self.read().next_expiry > now {
            return self.read().next_expiry;
        }
        let mut inner = self.write();
        let aging = inner.aging;
        let mut next = Time::MAX;
        let mut gone: Vec<Key> = Vec::new();
        for (key, e) in inner.entries.iter().filter(|(_, e)| !e.is_static) {
            let due = Time::from_nanos(e.used.load(Ordering::Relaxed)) + aging;
            if due <= now { gone.push(*key) } else { next = next.min(due) }
        }
        for key in gone {
            inner.forget(key);
            inner.stats.expired += 1;
            self.touch(key);
        }
        inner.next_expiry = next;
        next
    }

    /// All entries, the longest known first.
    pub fn entries(&self, now: Time) -> Vec<MacEntry> {
        let inner = self.read();
        let mut all: Vec<(u64, MacEntry)> = inner
            .entries
            .iter()
            .map(|(&(vlan, mac), e)| {
                let age = now.since(Time::from_nanos(e.used.load(Ordering::Relaxed)));
                let age = (!e.is_static).then_some(age);
                (e.serial, MacEntry { vlan, mac, bundle: e.bundle, age })
            })
            .collect();
        all.sort_by_key(|(serial, e)| (std::cmp::Reverse(e.age), *serial));
        all.into_iter().map(|(_, e)| e).collect()
    }

    /// (entries, limit, static entries, counters)
    pub fn stats(&self) -> (usize, usize, usize, MacStats) {
        let inner = self.read();
        (inner.entries.len(), inner.limit, inner.statics, inner.stats)
    }

    /// `fdb/stats-clear`.
    pub fn clear_stats(&self) {
        self.write().stats = MacStats::default();
    }

    fn touch(&self, (vlan, mac): Key) {
        self.changes[usize::from(bucket(vlan, mac))].fetch_add(1, Ordering::AcqRel);
    }

    fn touch_all(&self) {
        for change in self.changes.iter() {
            change.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(|e| e.into_inner())
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(|e| e.into_inner())
    }
}

/// Which change counter a lookup rested on, and what it said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MacDep {
    bucket: u16,
    change: u32,
}

impl Inner {
    fn learn(&mut self, vlan: u16, mac: Mac, bundle: BundleId, grat: bool, now: Time, touch: impl Fn(Key)) -> Learned {
        let key = (vlan, mac);
        let gratuitous_until = if grat { now + GRATUITOUS_LOCK } else { Time::ZERO };
        let queued = now.as_nanos();
        if let Some(e) = self.entries.get_mut(&key) {
            if e.is_static {
                return if e.bundle == bundle { Learned::Known } else { Learned::Refused };
            }
            e.used.fetch_max(queued, Ordering::Relaxed);
            if grat {
                e.gratuitous_until = gratuitous_until;
            }
            if e.bundle == bundle {
                return Learned::Known;
            }
            let old = std::mem::replace(&mut e.bundle, bundle);
            e.queued = queued;
            self.unqueue(old, key);
            self.enqueue(bundle, key);
            self.stats.moved += 1;
            return Learned::Moved;
        }
        if self.entries.len() >= self.limit {
            match self.evict() {
                Some(gone) => touch(gone),
                None => return Learned::Refused,
            }
        }
        self.serial += 1;
        let (used, serial) = (AtomicU64::new(queued), self.serial);
        self.entries.insert(key, Entry { bundle, used, queued, is_static: false, gratuitous_until, serial });
        self.enqueue(bundle, key);
        self.stats.learned += 1;
        self.next_expiry = self.next_expiry.min(now + self.aging);
        Learned::New
    }

    /// Make room: the longest unused entry of the bundle that has most, so that one port's flood of addresses evicts its
    /// own first.
    fn evict(&mut self) -> Option<Key> {
        let bundle = self.fair.most()?;
        let queue = self.queues.get_mut(&bundle)?;
        for _ in 0..queue.len() {
            let key = queue.pop_front()?;
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let used = entry.used.load(Ordering::Relaxed);
            if used == entry.queued {
                queue.push_front(key);
                break;
            }
            entry.queued = used; // seen since it was queued: a second chance
            queue.push_back(key);
        }
        let key = queue.pop_front()?;
        self.fair.set(bundle, queue.len());
        self.entries.remove(&key);
        self.stats.evicted += 1;
        Some(key)
    }

    fn forget(&mut self, key: Key) {
        let Some(entry) = self.entries.remove(&key) else { return };
        if entry.is_static {
            self.statics -= 1;
        } else {
            self.unqueue(entry.bundle, key);
        }
    }

    fn unqueue(&mut self, bundle: BundleId, key: Key) {
        if let Some(queue) = self.queues.get_mut(&bundle)
            && let Some(at) = queue.iter().position(|k| *k == key)
        {
            queue.remove(at);
            self.fair.set(bundle, queue.len());
        }
    }

    fn enqueue(&mut self, bundle: BundleId, key: Key) {
        let queue = self.queues.entry(bundle).or_default();
        queue.push_back(key);
        self.fair.set(bundle, queue.len());
    }
}

fn bucket(vlan: u16, mac: Mac) -> u16 {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&mac);
    bytes[6..].copy_from_slice(&vlan.to_ne_bytes());
    (u64::from_ne_bytes(bytes).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = [2, 0, 0, 0, 0, 1];
    const B: Mac = [2, 0, 0, 0, 0, 2];
    const C: Mac = [2, 0, 0, 0, 0, 3];
    const P1: BundleId = BundleId(1);
    const P2: BundleId = BundleId(2);

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn table(limit: usize) -> MacTable {
        MacTable::new(limit, Duration::from_secs(300))
    }

    #[test]
    fn an_address_is_learned_refreshed_moved_and_forgotten() {
        let macs = table(8);
        assert_eq!(macs.learn(0, A, P1, false, at(0)), Learned::New);
        let (place, dep) = macs.lookup(0, A);
        assert_eq!(place, Some(P1));
        assert_eq!(macs.learn(0, A, P1, false, at(100)), Learned::Known);
        assert!(!macs.changed(dep));
        assert_eq!(macs.learn(0, A, P2, false, at(200)), Learned::Moved);
        assert!(macs.changed(dep));
        assert_eq!(macs.expire(at(499)), at(500));
        assert_eq!(macs.lookup(0, A).0, Some(P2));
        macs.expire(at(500));
        assert_eq!(macs.lookup(0, A).0, None);
        let stats = MacStats { learned: 1, expired: 1, evicted: 0, moved: 1 };
        assert_eq!(macs.stats(), (0, 8, 0, stats));
    }

    #[test]
    fn one_ports_flood_of_addresses_evicts_its_own() {
        let macs = table(8);
        macs.learn(0, A, P1, false, at(0));
        for i in 0..100 {
            macs.learn(0, [2, 0, 0, 1, 0, i], P2, false, at(1));
        }
        assert_eq!(macs.lookup(0, A).0, Some(P1));
        assert_eq!(macs.stats().0, 8);
    }

    #[test]
    fn what_was_used_lately_survives_eviction() {
        let macs = table(2);
        macs.learn(0, A, P1, false, at(0));
        macs.learn(0, B, P1, false, at(1));
        macs.learn(0, A, P1, false, at(2));
        macs.learn(0, C, P1, false, at(3));
        assert_eq!((macs.lookup(0, A).0, macs.lookup(0, B).0), (Some(P1), None));
    }

    #[test]
    fn a_static_entry_neither_ages_nor_moves_nor_flushes() {
        let macs = table(8);
        macs.learn(5, A, P2, false, at(0));
        assert!(macs.add_static(5, A, P1, at(0)));
        assert!(!macs.add_static(5, A, P1, at(0)));
        assert_eq!(macs.learn(5, A, P2, false, at(1)), Learned::Refused);
        macs.expire(at(10_000));
        macs.flush();
        assert_eq!(macs.lookup(5, A).0, Some(P1));
        assert!(macs.remove_static(5, A) && !macs.remove_static(5, A));
        assert_eq!(macs.stats().2, 0);
    }
}
