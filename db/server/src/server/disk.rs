//! What waits for the disk: replies to durable transactions, and the steps of compactions.
//!
//! ```text
//!   flush() ── append ──> updates to all, replies that need not wait
//!      └── start_disk_work() ──Output::Disk(work)──> whoever drives the server does the job, anywhere
//!   disk_done(ticket, result) <────────────────────┘
//!      └── replies that waited; the next step of a compaction
//! ```
//!
//! Commits go on while a job runs. All that become durable meanwhile share the next `fsync`: group commit. A server that is not
//! told that its work is done elsewhere does it at once.
//!
//! Invariants: a database has at most one `fsync` and one rewriting under way; a reply that says durable goes out after
//! a job that was asked for when its transaction had been appended; replies to a client's transactions keep their order.

use super::*;
use crate::compaction::Rule;
use crate::storage::DiskJob;
use std::collections::HashSet;
use weft_ovsdb::{Error, Result};

/// Work for the disk.
pub struct DiskWork {
    /// To be given back with the result.
    pub ticket: DiskTicket,
    /// What to do.
    pub job: DiskJob,
}

/// Which work it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskTicket {
    db: String,
    /// Tells a database from one of the same name before it.
    host: u64,
    /// Whether it is an `fsync`, which others wait for.
    pub is_sync: bool,
}

impl std::fmt::Debug for DiskWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DiskWork({:?})", self.ticket)
    }
}

/// The disk as a database sees it.
#[derive(Default)]
pub(super) struct Disk {
    /// Which database this is.
    host: u64,
    /// How many transactions have asked to be on the disk.
    appended: u64,
    /// How many of them are there.
    synced: u64,
    /// How many will be, when the `fsync` that is under way is done.
    syncing: Option<u64>,
    compaction: Stage,
    /// When a log on a disk that failed was last made anew.
    mended: Option<Time>,
}

/// How far a compaction is; see [`crate::storage`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    None,
    /// The new log is being written.
    Rewriting,
    /// It has caught up.
    CaughtUp,
    /// ... and is being put on the disk.
    Settling,
    /// It has the old log's name.
    Renamed,
    /// ... and that is being put on the disk.
    Naming,
}

/// A reply that waits.
pub(super) struct Unsynced {
    db: String,
    /// Which of its database's transactions; none if it only waits for those before it.
    serial: Option<u64>,
    pub session: SessionId,
    id: Value,
    result: String,
}

impl Server {
    /// From now on somebody else does the disk's work, and says so with [`Server::disk_done`].
    pub fn defer_disk_work(&mut self) {
        self.deferred = true;
    }

    /// When logs are compacted.
    pub fn set_compaction_rule(&mut self, rule: Rule) {
        self.rule = rule;
    }

    /// How many transactions wait for an `fsync` that has not begun. A driver that expects more of them soon does well
    /// to wait a moment before [`Server::start_disk_work`].
    pub fn n_unsynced(&self) -> usize {
        self.databases.values().map(|hosted| (hosted.disk.appended - hosted.disk.covered()) as usize).sum()
    }

    /// The clients that wait for the disk.
    pub fn waiting_for_disk(&self) -> HashSet<SessionId> {
        self.unsynced.iter().map(|unsynced| unsynced.session).collect()
    }

    /// Asks for what has to be done, as far as it is not under way.
    pub fn start_disk_work(&mut self) {
        let names: Vec<String> =
            self.databases.iter().filter(|(_, h)| h.disk.wants_sync()).map(|(name, _)| name.clone()).collect();
        for name in names {
            let Some(hosted) = self.databases.get_mut(&name) else { continue };
            let Some(job) = hosted.db.syncing() else { continue };
            hosted.disk.begin_sync();
            let ticket = DiskTicket { host: hosted.disk.host, db: name, is_sync: true };
            self.hand_out(DiskWork { ticket, job });
        }
    }

    /// Work is done; what came of it.
    pub fn disk_done(&mut self, ticket: &DiskTicket, result: Result<()>) {
        let Some(hosted) = self.databases.get_mut(&ticket.db).filter(|hosted| hosted.disk.host == ticket.host) else {
            return;
        };
        let disk = &mut hosted.disk;
        if ticket.is_sync {
            hosted.db.synced(&result);
            disk.synced = disk.syncing.take().unwrap_or(disk.synced);
            let covered = disk.synced;
            match disk.compaction {
                // Also if the old log has failed: it may be that the new one has not.
                Stage::Settling => match hosted.db.replace() {
                    Ok(()) => disk.compaction = Stage::Renamed,
                    Err(error) => self.compacted(&ticket.db, Err(error)),
                },
                Stage::Naming => self.compacted(&ticket.db, result.clone()),
                _ => {}
            }
            self.release(&ticket.db, covered, &result);
            if result.is_err() {
                self.mend(&ticket.db);
            }
        } else if disk.compaction == Stage::Rewriting {
            match result.and_then(|()| hosted.db.catch_up()) {
                Ok(()) => disk.compaction = Stage::CaughtUp,
                Err(error) => self.compacted(&ticket.db, Err(error)),
            }
        }
        if !self.deferred {
            self.start_disk_work();
        }
    }

    /// Begins to compact a database or, without a name, all. [`Output::Compacted`] tells the end. Gives the names.
    pub fn compact(&mut self, name: Option<&str>) -> Result<Vec<String>> {
        self.flush();
        match name.map(|name| self.databases.get(name)) {
            Some(None) => return Err(Error::bare("no database by that name")),
            Some(Some(hosted)) if hosted.internal => return Err(Error::bare("cannot compact built-in databases")),
            _ => {}
        }
        let wanted = self.databases.iter().filter(|(db, h)| !h.internal && name.is_none_or(|name| name == *db));
        let wanted: Vec<String> = wanted.map(|(name, _)| name.clone()).collect();
        for db in &wanted {
            tracing::info!(target: "ovsdb_server", "compacting {db} database by user request");
            self.begin_compaction(db);
        }
        Ok(wanted)
    }

    /// Compacts what has grown.
    pub(super) fn compact_if_grown(&mut self) {
        let (now, rule) = (self.clock.now(), self.rule);
        let idle = |hosted: &Hosted| hosted.disk.compaction == Stage::None;
        let grown = |(_, h): &mut (&String, &mut Hosted)| idle(h) && h.db.wants_compaction(&rule, now);
        let grown: Vec<String> =
            self.databases.iter_mut().filter_map(|mut at| grown(&mut at).then(|| at.0.clone())).collect();
        for name in grown {
            tracing::info!(target: "ovsdb_server", "{name}: compacting the log, which has grown");
            self.begin_compaction(&name);
        }
    }

    /// Puts all of a database on the disk at once, and ends what is under way.
    pub(super) fn settle_disk(&mut self, name: &str) {
        let Some(hosted) = self.databases.get_mut(name) else { return };
        let under_way = hosted.disk.compaction != Stage::None;
        if under_way || hosted.disk.appended > hosted.disk.synced {
            let result = hosted.db.sync();
            self.release(name, u64::MAX, &result);
        }
        if under_way {
            self.compacted(name, Err(Error::bare("the database has been closed or converted")));
        }
        let Some(hosted) = self.databases.get_mut(name) else { return };
        // What is still being done is of no interest any more.
        self.next_host += 1;
        hosted.disk = Disk::new(self.next_host);
    }

    /// Puts everything on the disk, before the end.
    pub fn settle(&mut self) {
        self.flush();
        let names: Vec<String> = self.databases.keys().cloned().collect();
        names.iter().for_each(|name| self.settle_disk(name));
    }

    /// Replies to a transaction, as soon as it may be.
    pub(super) fn reply_when_durable(&mut self, done: Pending) {
        let Pending { db, request: Request { session, id, .. }, result, durable, changes } = done;
        let disk = self.databases.get_mut(&db).map(|hosted| &mut hosted.disk);
        let serial = disk.filter(|_| durable).and_then(|disk| {
            disk.appended += u64::from(changes.is_some());
            (disk.appended > disk.synced).then_some(disk.appended)
        });
        let behind = || self.unsynced.iter().any(|unsynced| unsynced.session == session);
        if serial.is_some() || (!self.unsynced.is_empty() && behind()) {
            self.unsynced.push_back(Unsynced { db, serial, session, id, result });
        } else {
            self.reply_text(session, &id, &result);
        }
    }

    fn begin_compaction(&mut self, name: &str) {
        let date_ms = self.date_ms();
        let Some(hosted) = self.databases.get_mut(name) else { return };
        if hosted.disk.compaction != Stage::None {
            return;
        }
        match hosted.db.rewriting(date_ms) {
            Ok(Some(job)) => {
                hosted.disk.compaction = Stage::Rewriting;
                let ticket = DiskTicket { db: name.to_owned(), host: hosted.disk.host, is_sync: false };
                self.hand_out(DiskWork { ticket, job });
            }
            other => self.compacted(name, other.map(|_| ())),
        }
    }

    /// What the disk has lost once it will not get again; a new log mends that.
    fn mend(&mut self, name: &str) {
        let now = self.clock.now();
        let Some(hosted) = self.databases.get_mut(name) else { return };
        if hosted.disk.mended.is_none_or(|mended| now >= mended + MEND_EVERY) {
            hosted.disk.mended = Some(now);
            self.begin_compaction(name);
        }
    }

    /// A compaction has ended.
    fn compacted(&mut self, name: &str, result: Result<()>) {
        let (now, rule) = (self.clock.now(), self.rule);
        if let Some(hosted) = self.databases.get_mut(name) {
            hosted.disk.compaction = Stage::None;
            if let Err(error) = &result {
                tracing::warn!(target: "ovsdb_server", "{name}: {error}");
                hosted.db.give_up_compaction();
            }
            // The time until the next one counts from here.
            hosted.db.wants_compaction(&rule, now);
        }
        self.out.push_back(Output::Compacted(name.to_owned(), result));
    }

    /// Lets go the replies that waited for the first `covered` durable transactions of a database.
    fn release(&mut self, db: &str, covered: u64, result: &Result<()>) {
        let mut behind = HashSet::new();
        let mut kept = VecDeque::new();
        for mut reply in std::mem::take(&mut self.unsynced) {
            let is_done = reply.db == db && reply.serial.is_some_and(|serial| serial <= covered);
            if is_done {
                reply.serial = None;
                if let Err(error) = result {
                    with_error(&mut reply.result, error);
                }
            }
            if reply.serial.is_some() || behind.contains(&reply.session) {
                behind.insert(reply.session);
                kept.push_back(reply);
            } else {
                self.reply_text(reply.session, &reply.id, &reply.result);
            }
        }
        self.unsynced = kept;
    }

    fn hand_out(&mut self, work: DiskWork) {
        if self.deferred {
            return self.out.push_back(Output::Disk(work));
        }
        let result = (work.job)();
        self.disk_done(&work.ticket, result);
    }
}

impl Disk {
    pub(super) fn new(host: u64) -> Disk {
        Disk { host, ..Disk::default() }
    }

    fn covered(&self) -> u64 {
        self.syncing.unwrap_or(self.synced)
    }

    fn wants_sync(&self) -> bool {
        self.syncing.is_none()
            && (self.appended > self.synced || matches!(self.compaction, Stage::CaughtUp | Stage::Renamed))
    }

    fn begin_sync(&mut self) {
        self.syncing = Some(self.appended);
        self.compaction = match self.compaction {
            Stage::CaughtUp => Stage::Settling,
            Stage::Renamed => Stage::Naming,
            other => other,
        };
    }
}

/// Adds an error to the results of a transaction that had none.
pub(super) fn with_error(result: &mut String, error: &Error) {
    result.pop();
    if result.len() > 1 {
        result.push(',');
    }
    result.push_str(&error.to_json().to_string());
    result.push(']');
}

/// How often a log on a disk that fails is made anew.
const MEND_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
