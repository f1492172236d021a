//! How an endpoint stands, as `cfm/show` prints it and as the columns `cfm_*` of Interface keep it.

use std::fmt::Write as _;

use weft_base::Time;

use super::{Endpoint, Fault, Faults};

/// The columns.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the columns' names")]
pub struct Status {
    pub fault: bool,
    pub fault_status: Vec<&'static str>,
    pub flap_count: u64,
    pub health: Option<u64>,
    pub remote_mpids: Vec<u64>,
    /// In extended mode.
    pub remote_opstate: Option<&'static str>,
}

impl Endpoint {
    /// What `cfm/show` says of it, below the port's name.
    pub fn show(&self, now: Time) -> String {
        let mut text = format!("MPID {}:", self.config.mpid);
        for (word, is_so) in [(" extended", self.config.extended), (" fault_override", self.forced.is_some())] {
            text += if is_so { word } else { "" };
        }
        text.push('\n');
        if self.is_at_fault() {
            let _ = writeln!(text, "  fault: {}", self.reasons().texts().join(" "));
        }
        let health = self.health.percent.map_or("undefined".into(), |percent| percent.to_string());
        let millis = |at: Time| at.since(now).as_millis();
        let _ = write!(
            text,
            "  average health: {health}
  opstate: {}
  remote_opstate: {}
  interval: {}ms
  next CCM tx: {}ms
  next fault check: {}ms
",
            opstate(self.config.opstate_up),
            opstate(self.remote_opstate_up),
            self.config.interval.as_millis(),
            millis(self.next_tx),
            millis(self.next_look),
        );
        for (mpid, remote) in &self.remotes {
            let _ = write!(
                text,
                "Remote MPID {mpid}\n  recv since check: {}\n  opstate: {}\n",
                remote.recv,
                opstate(remote.opstate_up),
            );
        }
        text
    }

    /// The columns.
    pub fn status(&self) -> Status {
        let mut fault_status = self.reasons().texts();
        fault_status.sort_unstable();
        Status {
            fault: self.is_at_fault(),
            fault_status,
            flap_count: self.flap_count,
            health: self.health.percent,
            remote_mpids: self.heard.clone(),
            remote_opstate: self.config.extended.then(|| opstate(self.remote_opstate_up)),
        }
    }

    fn reasons(&self) -> Faults {
        match self.forced {
            None => self.faults,
            Some(true) => Faults::only(Fault::Override),
            Some(false) => Faults::NONE,
        }
    }
}

const fn opstate(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}
