//! Connectivity Fault Management: whether frames reach any other end of a link (IEEE 802.1ag-2007 §20, as far as
//! `ovs-vswitchd.conf.db(5)` uses it).
//!
//! What: [`Endpoint`] is a maintenance point. It sends continuity check messages at its interval and looks every three and
//! a half intervals who was heard since. Unlike in the standard the others are not configured: the link is at fault when
//! nobody was heard, when somebody says that it hears nobody (RDI), or when a message says what it should not.
//!
//! Invariants: an RDI that we hear is no reason for us to say RDI, or two ends would keep each other at fault; no more than
//! [`MAX_REMOTES`] others are remembered, whatever is sent.

mod config;
mod fault;
mod show;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;

use weft_base::Time;

use crate::jitter::Jitter;
pub use config::{Config, Vlan};
pub use fault::{Fault, Faults};
pub use show::Status;
pub use wire::{Ccm, ETHERTYPE, EXTENDED_GROUP, Extended, GROUP, NotCcm};

/// How many others an endpoint can keep track of.
pub const MAX_REMOTES: usize = 256;
/// How many looks for faults make a look at the health: 6 of 3.5 intervals.
const HEALTH_LOOKS: u32 = 6;
/// How many messages come meanwhile on a healthy link.
const HEALTH_MESSAGES: u64 = 21;

/// A maintenance point.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    jitter: Jitter,
    remotes: BTreeMap<u64, Remote>,
    sequence: u32,
    next_tx: Time,
    next_look: Time,
    /// What is wrong since the last look.
    noticed: Faults,
    /// What was wrong then.
    faults: Faults,
    /// `cfm/set-fault`.
    forced: Option<bool>,
    was_at_fault: bool,
    flap_count: u64,
    /// Who was heard at the last look.
    heard: Vec<u64>,
    remote_opstate_up: bool,
    health: Health,
    /// How many packets the port had received when it was last asked, and at the last look.
    packets: (u64, u64),
    /// Until when data may stand for messages.
    demand_until: Time,
    outbox: Option<Ccm>,
}

/// Another maintenance point.
#[derive(Debug)]
struct Remote {
    /// Heard since the last look.
    recv: bool,
    rdi: bool,
    opstate_up: bool,
    sequence: u32,
}

#[derive(Debug, Default)]
struct Health {
    percent: Option<u64>,
    looks: u32,
    /// Healthy messages since.
    messages: u64,
}

impl Endpoint {
    /// An endpoint that begins now. The seed decides random VLANs.
    pub fn new(config: Config, seed: u64, now: Time) -> Endpoint {
        let config = config.rounded();
        Endpoint {
            jitter: Jitter::new(seed),
            remotes: BTreeMap::new(),
            sequence: 0,
            next_tx: now,
            next_look: now + config.fault_interval(),
            noticed: Faults::NONE,
            faults: Faults::NONE,
            forced: None,
            was_at_fault: false,
            flap_count: 0,
            heard: Vec::new(),
            remote_opstate_up: true,
            health: Health::default(),
            packets: (0, 0),
            demand_until: now + config.interval * 100,
            outbox: None,
            config,
        }
    }

    /// Other settings.
    pub fn set(&mut self, config: Config, now: Time) {
        let config = config.rounded();
        let timers = |c: &Config| (c.mpid, c.interval, c.extended, c.demand);
        if timers(&config) != timers(&self.config) {
            self.next_tx = now;
            self.next_look = now + config.fault_interval();
            self.demand_until = now + config.interval * 100;
        }
        self.config = config;
    }

    /// What it is told to do.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// `cfm/set-fault`: what to say whatever happens; `None`: the truth.
    pub fn force_fault(&mut self, forced: Option<bool>) {
        self.forced = forced;
        self.settle();
    }

    /// Where its messages go, and those for it come to.
    pub fn group(&self) -> weft_packet::Mac {
        if self.config.extended { EXTENDED_GROUP } else { GROUP }
    }

    /// A message to our group.
    pub fn on_pdu(&mut self, ccm: &Ccm, now: Time) {
        if !ccm.maid_is_ours {
            self.noticed.add(Fault::Maid);
            return;
        }
        let extended = self.config.extended;
        let mpid = if extended { ccm.extended.mpid } else { u64::from(ccm.mepid) };
        let other_interval = ccm.interval != self.config.interval_code()
            || extended && u128::from(ccm.extended.interval) != self.config.interval.as_millis();
        if other_interval {
            self.noticed.add(Fault::Interval);
        }
        if mpid == self.config.mpid {
            self.noticed.add(Fault::Loopback);
            return;
        }
        let opstate_up = !(extended && ccm.extended.down);
        let known = self.remotes.get(&mpid).map(|remote| remote.sequence);
        if known.is_none() && self.remotes.len() >= MAX_REMOTES {
            self.noticed.add(Fault::Overflow);
            return;
        }
        let is_next = known.is_none_or(|sequence| ccm.sequence == sequence.wrapping_add(1));
        self.remotes.insert(mpid, Remote { recv: true, rdi: ccm.rdi, opstate_up, sequence: ccm.sequence });
        self.demand_until = now + self.config.interval * 100;
        self.health.messages += u64::from(is_next && !ccm.rdi && !other_interval);
    }

    /// How many packets the port has received so far. Wanted while [`Endpoint::wants_counters`].
    pub fn on_counters(&mut self, rx_packets: u64) {
        self.packets.0 = rx_packets;
    }

    /// Whether received data matters.
    pub fn wants_counters(&self) -> bool {
        self.config.demand
    }

    /// Do what is due.
    pub fn on_deadline(&mut self, now: Time) {
        if now >= self.next_look {
            self.look(now);
            self.next_look = now + self.config.fault_interval();
        }
        if now >= self.next_tx {
            self.sequence = self.sequence.wrapping_add(1);
            self.outbox = Some(self.message());
            self.next_tx = now + self.config.interval;
        }
    }

    /// When something will be due.
    pub fn next_deadline(&self) -> Time {
        self.next_tx.min(self.next_look)
    }

    /// What is to be sent.
    pub fn poll(&mut self) -> Option<Ccm> {
        self.outbox.take()
    }

    /// The tag of the next message, if it has one.
    pub fn tci(&mut self) -> Option<u16> {
        let pcp = u16::from(self.config.ccm_pcp) << 13;
        match self.config.ccm_vlan {
            Vlan::None if pcp == 0 => None,
            Vlan::None => Some(pcp),
            Vlan::Vid(vid) => Some(pcp | vid),
            Vlan::Random => Some(pcp | (1 + self.jitter.draw() % 4094) as u16),
        }
    }

    /// Whether the link is at fault: Interface `cfm_fault`.
    pub fn is_at_fault(&self) -> bool {
        self.was_at_fault
    }

    /// Whether the others are up: `cfm_remote_opstate`.
    pub fn remote_opstate_up(&self) -> bool {
        self.remote_opstate_up
    }

    fn message(&self) -> Ccm {
        let config = &self.config;
        let extended = match config.extended {
            true => {
                Extended { interval: config.interval.as_millis() as u16, mpid: config.mpid, down: !config.opstate_up }
            }
            false => Extended::default(),
        };
        Ccm {
            rdi: self.faults.are_ours(),
            interval: config.interval_code(),
            sequence: self.sequence,
            mepid: config.mpid as u16,
            maid_is_ours: true,
            extended,
        }
    }

    /// Who was heard, and whether all is well.
    fn look(&mut self, now: Time) {
        let data = self.packets.0 != self.packets.1;
        self.packets.1 = self.packets.0;
        if self.config.demand && self.remotes.len() == 1 && data && now < self.demand_until {
            self.remotes.values_mut().for_each(|remote| remote.recv = true);
        }
        self.remotes.retain(|_, remote| remote.recv);
        self.look_at_health();
        let mut faults = std::mem::replace(&mut self.noticed, Faults::NONE);
        if self.remotes.is_empty() {
            faults.add(Fault::Recv);
        }
        if self.remotes.values().any(|remote| remote.rdi) {
            faults.add(Fault::Rdi);
        }
        self.faults = faults;
        self.remote_opstate_up = self.remotes.values().all(|remote| remote.opstate_up);
        self.heard = self.remotes.keys().copied().collect();
        self.remotes.values_mut().for_each(|remote| remote.recv = false);
        self.settle();
    }

    /// Every 21 intervals: how many of the messages that should have come did, averaged with how it was.
    fn look_at_health(&mut self) {
        let health = &mut self.health;
        health.looks += 1;
        if health.looks < HEALTH_LOOKS {
            return;
        }
        let percent = (health.messages * 100 / HEALTH_MESSAGES).min(100);
        health.percent = match (self.remotes.len(), health.percent) {
            (0, _) => Some(0),
            (2.., _) => None,
            (_, None) => Some(percent),
            (_, Some(before)) => Some((before + percent) / 2),
        };
        (health.looks, health.messages) = (0, 0);
    }

    /// Count a change of what [`Endpoint::is_at_fault`] says.
    fn settle(&mut self) {
        let at_fault = self.forced.unwrap_or(self.faults != Faults::NONE);
        self.flap_count += u64::from(at_fault != self.was_at_fault);
        self.was_at_fault = at_fault;
    }
}
