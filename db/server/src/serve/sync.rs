//! Which role the server has, active or backup, and the commands that change it.

use super::replication::{LeftOut, Replication, Verdict, left_out_text, parse_left_out};
use super::upstream::{Upstream, UpstreamId};
use super::{Event, Owner};
use crate::server::Server;
use std::time::Duration;
use tokio::sync::mpsc;
use weft_jsonrpc::session::SessionEvent;

/// How a server begins as one of an active-backup pair; see ovsdb-server(1), Active-Backup Options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncConfig {
    /// The active server.
    pub from: Option<String>,
    /// Tables to leave out, as `DB:TABLE[,DB:TABLE]...`.
    pub exclude: Option<String>,
    /// Begin as the active one in spite of `from`.
    pub active: bool,
}

/// What is configured, and the replication if there is one.
pub(super) struct Sync {
    from: Option<String>,
    left_out: LeftOut,
    probe: Duration,
    running: Option<(UpstreamId, Replication)>,
}

impl Sync {
    /// # Errors
    /// A sentence about the tables to leave out.
    pub(super) fn new(config: &SyncConfig) -> Result<Sync, String> {
        let left_out = parse_left_out(config.exclude.as_deref().unwrap_or_default())?;
        Ok(Sync { from: config.from.clone(), left_out, probe: PROBE, running: None })
    }

    /// What to begin with after a restart.
    pub(super) fn config(&self) -> SyncConfig {
        let exclude = Some(left_out_text(&self.left_out)).filter(|text| !text.is_empty());
        SyncConfig { from: self.from.clone(), exclude, active: self.running.is_none() }
    }

    fn status(&self) -> String {
        match &self.running {
            None => "state: active\n".to_owned(),
            Some((_, replication)) => replication.status(),
        }
    }

    fn start(&mut self, id: UpstreamId, server: &mut Server, events: &mpsc::Sender<Event>) {
        let Some(from) = self.from.clone() else { return };
        let probe = Some(self.probe).filter(|probe| !probe.is_zero());
        let upstream = Upstream::start(id, &from, probe, events.clone());
        self.running = Some((id, Replication::new(from, upstream, self.left_out.clone())));
        server.set_read_only(true);
    }

    fn stop(&mut self, server: &mut Server) {
        self.running = None;
        server.set_read_only(false);
    }
}

impl Owner {
    /// Begins as the configuration says.
    pub(super) fn start_sync(&mut self, active: bool) {
        if !active && self.sync.from.is_some() {
            let id = self.next_upstream();
            self.sync.start(id, &mut self.server, &self.events);
        }
    }

    /// Whether the event is of the replication; if so it has been taken care of.
    pub(super) fn on_sync(&mut self, id: UpstreamId, event: SessionEvent) -> Option<SessionEvent> {
        match &mut self.sync.running {
            Some((own, replication)) if *own == id => {
                if replication.on_event(event, &mut self.server) == Verdict::GiveUp {
                    self.sync.stop(&mut self.server);
                    self.save_state();
                }
                None
            }
            _ => Some(event),
        }
    }

    pub(super) fn sync_call(&mut self, call: SyncCall) -> Result<String, String> {
        match call {
            SyncCall::Status => return Ok(self.sync.status()),
            SyncCall::From => return Ok(self.sync.from.clone().unwrap_or_default()),
            SyncCall::Excluded => return Ok(left_out_text(&self.sync.left_out)),
            SyncCall::SetFrom(address) => self.sync.from = Some(address),
            SyncCall::SetProbe(text) => {
                let Ok(ms) = text.parse::<u64>() else {
                    return Ok("Invalid probe interval, integer value expected\n".to_owned());
                };
                self.sync.probe = Duration::from_millis(ms);
                if let Some((_, replication)) = &self.sync.running {
                    replication.upstream.set_probe(Some(self.sync.probe));
                }
            }
            SyncCall::Exclude(text) => {
                // The real tool prints what is wrong without calling it an error.
                match parse_left_out(&text) {
                    Err(wrong) => return Ok(wrong + "\n"),
                    Ok(left_out) => self.sync.left_out = left_out,
                }
                if self.sync.running.is_some() {
                    self.connect_active();
                }
            }
            SyncCall::Connect => {
                if self.sync.from.is_none() {
                    return Ok("Unable to connect: active server is not specified.\n".to_owned());
                }
                self.connect_active();
            }
            SyncCall::Disconnect => self.sync.stop(&mut self.server),
        }
        Ok(String::new())
    }

    fn connect_active(&mut self) {
        let id = self.next_upstream();
        self.sync.start(id, &mut self.server, &self.events);
    }
}

/// What users ask about replication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the command of its name")]
pub enum SyncCall {
    Status,
    From,
    SetFrom(String),
    Excluded,
    Exclude(String),
    SetProbe(String),
    Connect,
    Disconnect,
}

/// How long the active server may be silent.
const PROBE: Duration = Duration::from_secs(60);
