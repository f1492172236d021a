//! Where the disk's work is done: by the owner if nobody has to wait for that, else in a thread of its own.
//!
//! An `fsync` of a quick disk takes no longer than a message from one thread to another and back. It is done in place if
//! all clients that have been heard lately wait for it anyway, and elsewhere as soon as somebody else is busy or the
//! disk is slow. A new log is always written elsewhere.

use super::*;
use crate::server::DiskWork;

/// What the owner knows of its disks.
pub(super) struct Disk {
    /// How long an `fsync` takes, about; unknown before the first.
    cost: Option<Duration>,
    /// How many transactions the last `fsync` had.
    last_group: usize,
    /// Since when the next group gathers.
    gathering: Option<Time>,
    compacting: Vec<Compacting>,
    trim: Option<fn()>,
    trims: bool,
}

/// Somebody who has asked for compactions and waits for them.
struct Compacting {
    names: Vec<String>,
    error: Option<String>,
    reply: oneshot::Sender<Result<String, String>>,
}

impl Disk {
    pub(super) fn new(trim: Option<fn()>) -> Disk {
        Disk { cost: None, last_group: 0, gathering: None, compacting: Vec::new(), trim, trims: false }
    }

    /// Whether memory is given back after compactions.
    pub(super) fn trim_on_compaction(&mut self, on: bool) {
        self.trims = on;
    }

    pub(super) fn done(&mut self, server: &mut Server, ticket: &DiskTicket, result: Result<()>, took: Duration) {
        if ticket.is_sync {
            // One that takes long now and then is quick all the same.
            self.cost = Some(match self.cost {
                None => took,
                Some(cost) if took > cost => cost + cost / 16,
                Some(cost) => cost - (cost - took) / 8,
            });
        }
        server.disk_done(ticket, result);
    }

    pub(super) fn compacted(&mut self, db: &str, result: &Result<()>) {
        if let (Some(trim), true) = (self.trim, self.trims && result.is_ok()) {
            trim();
        }
        for one in &mut self.compacting {
            one.names.retain(|name| name != db);
            if let Err(error) = result {
                one.error.get_or_insert(error.to_string());
            }
        }
        for one in self.compacting.extract_if(.., |one| one.names.is_empty()) {
            // Who asked may be gone.
            let _ = one.reply.send(one.error.map_or(Ok(String::new()), Err));
        }
    }
}

impl Owner {
    pub(super) fn compact(&mut self, name: Option<&str>, reply: oneshot::Sender<Result<String, String>>) {
        match self.server.compact(name) {
            Ok(names) if !names.is_empty() => self.disk.compacting.push(Compacting { names, error: None, reply }),
            // Who asked may be gone.
            other => drop(reply.send(other.map(|_| String::new()).map_err(|error| error.to_string()))),
        }
    }

    /// Group commit. Clients that were answered together ask again together, but not all within one turn of the loop:
    /// an `fsync` waits for as many of them as the last one had, or a fraction of the time that the disk takes. A client
    /// on its own waits for nobody, and nobody who is not durable waits at all.
    pub(super) async fn serve_disk(&mut self, inbox: &mut mpsc::Receiver<Event>) {
        loop {
            let group = self.server.n_unsynced();
            if group == 0 || group >= self.disk.last_group || self.stopping.is_some() {
                break;
            }
            self.now = self.clock.now();
            if self.now >= *self.disk.gathering.get_or_insert(self.now) + GATHER {
                break;
            }
            // Lets the connections' tasks look at their sockets.
            tokio::task::yield_now().await;
            let mut any = false;
            while let Ok(event) = inbox.try_recv() {
                self.on_event(event);
                any = true;
            }
            if any {
                self.server.flush();
                self.send_all();
            }
        }
        let group = self.server.n_unsynced();
        if group > 0 {
            self.disk.last_group = group;
        }
        self.disk.gathering = None;
        self.server.start_disk_work();
        self.send_all();
    }

    pub(super) fn do_disk_work(&mut self, work: DiskWork) {
        let DiskWork { ticket, job } = work;
        let clock = self.clock.clone();
        let timed = move || {
            let before = clock.now();
            let result = job();
            (result, clock.now() - before)
        };
        if ticket.is_sync && self.everybody_waits() {
            let (result, took) = timed();
            self.disk.done(&mut self.server, &ticket, result, took);
            // A compaction may have a next step.
            self.server.start_disk_work();
            return;
        }
        let events = self.events.clone();
        tokio::task::spawn_blocking(move || {
            let (result, took) = timed();
            // The owner may have ended.
            let _ = events.blocking_send(Event::Disk(ticket, result, took));
        });
    }

    /// Whether the disk is quick, and all who have been heard lately wait for it.
    fn everybody_waits(&self) -> bool {
        if self.disk.cost.is_none_or(|cost| cost > QUICK) {
            return false;
        }
        let waiting = self.server.waiting_for_disk();
        let lately = |client: &Client| self.now - client.heard < LATELY;
        self.clients.iter().all(|(session, client)| !lately(client) || waiting.contains(session))
    }
}

/// How long an `fsync` waits for those that took part in the last one.
const GATHER: Duration = Duration::from_micros(150);
/// A disk that is as quick as this is waited for.
const QUICK: Duration = Duration::from_millis(1);
/// Who has not been heard for so long is asleep.
const LATELY: Duration = Duration::from_millis(100);
