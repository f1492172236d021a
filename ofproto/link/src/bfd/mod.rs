//! Bidirectional Forwarding Detection: whether frames pass between two neighbours, both ways (RFC 5880, RFC 5881).
//!
//! What: [`Session`] is one end of a session in asynchronous mode, without authentication and without the echo function.
//! How: control packets go out at the pace that both ends agree on; silence for the detection time takes the session down.
//! New intervals are agreed on by a poll sequence (§6.5, §6.8.3). What `ovs-vswitchd.conf.db(5)` adds: receiving data can
//! stand for receiving control packets (`forwarding_if_rx`), and a link without data is listened to less often
//! (`decay_min_rx`); for both the owner says now and then how many packets the port has received.
//!
//! Invariants: while the session is not up, it asks for no more than one packet a second (§6.8.3); a reply to a poll never
//! waits for the next packet's time; what a neighbour can make us keep is one session's numbers.

mod config;
mod show;
mod state;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::VecDeque;
use std::time::Duration;

use weft_base::Time;

use crate::jitter::Jitter;
pub use config::Config;
use state::Event;
pub use state::{Diagnostic, State};
pub use wire::{Control, Flags, PORT, Unheard};

/// One end of a session.
#[derive(Debug)]
pub struct Session {
    config: Config,
    jitter: Jitter,
    /// bfd.LocalDiscr.
    discriminator: u32,
    /// bfd.SessionState.
    state: State,
    /// bfd.LocalDiag.
    diagnostic: Diagnostic,
    remote: Remote,
    /// What our packets say, and what holds until the neighbour has agreed.
    announced: Intervals,
    agreed: Intervals,
    /// A poll sequence runs.
    polling: bool,
    /// The flags of the packet that was sent last.
    sent_flags: Flags,
    last_tx: Option<Time>,
    next_tx: Time,
    /// When silence has lasted too long; of the past while the session is down.
    detection: Time,
    data: Data,
    /// `bfd/set-forwarding`.
    forced: Option<bool>,
    was_forwarding: bool,
    flap_count: u64,
    outbox: VecDeque<Control>,
}

/// bfd.DesiredMinTxInterval and bfd.RequiredMinRxInterval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Intervals {
    tx: Duration,
    rx: Duration,
}

/// What the neighbour said last.
#[derive(Clone, Copy, Debug)]
struct Remote {
    flags: Flags,
    state: State,
    diagnostic: Diagnostic,
    discriminator: u32,
    min_tx: Duration,
    min_rx: Duration,
    mult: u8,
}

/// What is known of received data.
#[derive(Debug, Default)]
struct Data {
    /// How many packets the port had received when it was last asked, and how many of ours were among them.
    packets: u64,
    /// Until when data counts as a sign of life.
    alive_until: Time,
    /// Until when a control packet lets it.
    control_until: Time,
    /// The window in which data is looked for: its end, and both numbers at its start.
    window_end: Time,
    window_packets: u64,
    window_controls: u64,
    controls: u64,
    /// There was none: `decay_min_rx` holds.
    decayed: bool,
}

/// §6.8.3: the least interval of a session that is not up.
const SLOW: Duration = Duration::from_secs(1);
/// §6.8.1: bfd.RemoteMinRxInterval of one who has not spoken.
const UNKNOWN_MIN_RX: Duration = Duration::from_micros(1);
/// How long no data must come before the session decays, unless `decay_min_rx` is longer.
const DECAY_WINDOW: Duration = Duration::from_secs(2);
/// How often at least data is looked for, where it matters.
const LOOK: Duration = Duration::from_millis(100);

impl Remote {
    const UNKNOWN: Remote = Remote {
        flags: Flags(0),
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        discriminator: 0,
        min_tx: Duration::ZERO,
        min_rx: UNKNOWN_MIN_RX,
        mult: 0,
    };

    /// §6.8.17: it cannot forward what we send, though it hears us.
    fn path_is_down(&self) -> bool {
        matches!(self.diagnostic, Diagnostic::CONCATENATED_PATH_DOWN | Diagnostic::REVERSE_CONCATENATED_PATH_DOWN)
    }
}

impl Session {
    /// A session that begins now. `discriminator` is not 0 and of no other session of this switch.
    pub fn new(config: Config, discriminator: u32, now: Time) -> Session {
        let slow = Intervals { tx: config.min_tx.max(SLOW), rx: config.min_rx };
        let mut session = Session {
            jitter: Jitter::new(u64::from(discriminator)),
            discriminator,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            remote: Remote::UNKNOWN,
            announced: slow,
            agreed: slow,
            polling: false,
            sent_flags: Flags::default(),
            last_tx: None,
            next_tx: now,
            detection: Time::ZERO,
            data: Data { window_end: now + decay_window(&config), ..Data::default() },
            forced: None,
            was_forwarding: false,
            flap_count: 0,
            outbox: VecDeque::new(),
            config,
        };
        session.note_path();
        session
    }

    /// Other settings.
    pub fn set(&mut self, config: Config, now: Time) {
        if (self.config.min_rx, self.config.decay_min_rx) != (config.min_rx, config.decay_min_rx) {
            self.begin_window(false, decay_window(&config), now);
        }
        self.config = config;
        self.note_path();
        self.negotiate();
        self.settle(now);
    }

    /// What it is told to do.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// `bfd/set-forwarding`: what to say whatever happens; `None`: the truth.
    pub fn force_forwarding(&mut self, forced: Option<bool>, now: Time) {
        self.forced = forced;
        self.settle(now);
    }

    /// A control packet that [`Control::parse`] could read.
    ///
    /// # Errors
    /// If it is not for this session (§6.8.6); then nothing has changed.
    pub fn on_pdu(&mut self, pdu: &Control, now: Time) -> Result<(), Unheard> {
        if pdu.your_discriminator != 0 && pdu.your_discriminator != self.discriminator {
            return Err(Unheard::OtherReceiver);
        } else if pdu.your_discriminator == 0 && pdu.state > State::Down {
            return Err(Unheard::NoReceiver);
        }
        self.data.controls += 1;
        self.data.control_until = now + self.config.min_rx * 100;
        let pace = self.remote.min_rx;
        self.remote = Remote {
            flags: pdu.flags,
            state: pdu.state,
            diagnostic: pdu.diagnostic,
            discriminator: pdu.my_discriminator,
            min_tx: pdu.desired_min_tx,
            min_rx: pdu.required_min_rx,
            mult: pdu.detect_mult,
        };
        if pdu.flags.has(Flags::FINAL) && self.polling {
            self.polling = false;
            self.agreed = self.announced;
            self.schedule_tx();
        }
        if self.remote.min_rx != pace {
            self.schedule_tx();
        }
        self.detection = now + self.detection_time();
        self.go(Event::Heard(pdu.state), now);
        if pdu.flags.has(Flags::POLL) {
            self.send(Flags::FINAL);
        }
        self.settle(now);
        Ok(())
    }

    /// How many packets the port has received so far, control packets included. Wanted while [`Session::wants_counters`].
    pub fn on_counters(&mut self, rx_packets: u64, now: Time) {
        if rx_packets > self.data.packets {
            self.data.alive_until = now + self.detection_time();
        }
        self.data.packets = rx_packets;
        if self.config.decay_min_rx.is_zero() || now < self.data.window_end {
            self.settle(now);
            return;
        }
        let data = rx_packets.saturating_sub(self.data.window_packets);
        let controls = self.data.controls - self.data.window_controls;
        // the neighbour's control packets are no data, and neither is a stray packet of other protocols
        let decayed = self.state == State::Up && data <= controls * 2;
        self.begin_window(decayed, decay_window(&self.config), now);
        self.negotiate();
        self.settle(now);
    }

    /// Whether received data matters.
    pub fn wants_counters(&self) -> bool {
        self.config.forwarding_if_rx || !self.config.decay_min_rx.is_zero()
    }

    /// Do what is due.
    pub fn on_deadline(&mut self, now: Time) {
        if matches!(self.state, State::Init | State::Up) && now >= self.detection {
            self.go(Event::Expired, now);
            // §6.8.1: nobody is there any more
            self.remote = Remote { mult: self.remote.mult, ..Remote::UNKNOWN };
        }
        if now >= self.next_tx && self.may_send() {
            let flags = if self.polling { Flags::POLL } else { Flags::default() };
            self.send(flags);
            self.last_tx = Some(now);
            self.schedule_tx();
        }
        self.settle(now);
    }

    /// When something will be due.
    pub fn next_deadline(&self, now: Time) -> Time {
        let expiry = match self.state {
            State::Init | State::Up => self.detection,
            State::AdminDown | State::Down => Time::MAX,
        };
        let tx = if self.may_send() { self.next_tx } else { Time::MAX };
        let look = if self.wants_counters() { now + LOOK } else { Time::MAX };
        expiry.min(tx).min(look)
    }

    /// What is to be sent.
    pub fn poll(&mut self) -> Option<Control> {
        self.outbox.pop_front()
    }

    /// Whether the link may be used: bfd_status:forwarding.
    pub fn is_forwarding(&self) -> bool {
        self.was_forwarding
    }

    fn forwarding(&self, now: Time) -> bool {
        if let Some(forced) = self.forced {
            return forced;
        }
        let data = &self.data;
        let by_data = self.config.forwarding_if_rx && data.alive_until > now && data.control_until > now;
        (self.state == State::Up || by_data) && !self.remote.path_is_down()
    }

    /// Count a change of what [`Session::is_forwarding`] says.
    fn settle(&mut self, now: Time) {
        let forwarding = self.forwarding(now);
        self.flap_count += u64::from(forwarding != self.was_forwarding);
        self.was_forwarding = forwarding;
    }

    fn go(&mut self, event: Event, now: Time) {
        let (to, why) = state::next(self.state, event);
        if to == self.state {
            return;
        }
        let was_up = self.state == State::Up;
        self.state = to;
        if let Some(why) = why {
            self.diagnostic = why;
        }
        self.note_path();
        if to != State::Up {
            self.begin_window(false, decay_window(&self.config), now);
        }
        self.negotiate();
        if was_up {
            self.next_tx = now; // §6.8.7: bad news does not wait
        }
    }

    /// §6.8.17: a path beyond us that is down is our diagnostic, for as long as it is.
    fn note_path(&mut self) {
        if self.config.cpath_down {
            self.diagnostic = Diagnostic::CONCATENATED_PATH_DOWN;
        } else if self.diagnostic == Diagnostic::CONCATENATED_PATH_DOWN {
            self.diagnostic = Diagnostic::NONE;
        }
    }

    /// §6.8.3: say what we want now. While the session is up, what would hurt the neighbour waits until it has agreed.
    fn negotiate(&mut self) {
        let up = self.state == State::Up;
        let tx = if up { self.config.min_tx } else { self.config.min_tx.max(SLOW) };
        let rx = if self.data.decayed { self.config.decay_min_rx } else { self.config.min_rx };
        let wanted = Intervals { tx, rx };
        if wanted != self.announced {
            self.announced = wanted;
            self.polling = up;
        }
        if up {
            self.agreed = Intervals { tx: self.agreed.tx.min(tx), rx: self.agreed.rx.max(rx) };
        } else {
            self.polling = false;
            self.agreed = wanted;
        }
        self.schedule_tx();
    }

    fn begin_window(&mut self, decayed: bool, length: Duration, now: Time) {
        let data = &mut self.data;
        data.decayed = decayed;
        data.window_end = now + length;
        data.window_packets = data.packets;
        data.window_controls = data.controls;
    }

    /// §6.8.4: the neighbour's multiplier, times the slower of what we take and what it sends.
    fn detection_time(&self) -> Duration {
        self.rx_interval() * u32::from(self.remote.mult)
    }

    fn rx_interval(&self) -> Duration {
        self.agreed.rx.max(self.remote.min_tx)
    }

    /// §6.8.2.
    fn tx_interval(&self) -> Duration {
        self.agreed.tx.max(self.remote.min_rx)
    }

    /// §6.8.7: not to one who takes nothing, and not to one in demand mode who is up, unless we ask.
    fn may_send(&self) -> bool {
        let both_up = self.state == State::Up && self.remote.state == State::Up;
        let on_demand = self.remote.flags.has(Flags::DEMAND) && both_up;
        !self.remote.min_rx.is_zero() && (!on_demand || self.polling)
    }

    /// §6.8.7: up to a quarter early, never late; at least a tenth early if one lost packet is one too many.
    fn schedule_tx(&mut self) {
        let least = if self.config.mult == 1 { 10 } else { 0 };
        let interval = self.tx_interval();
        if let Some(last) = self.last_tx {
            self.next_tx = last + self.jitter.shorten(interval, least, 25);
        }
    }

    fn send(&mut self, flags: Flags) {
        self.sent_flags = flags;
        self.outbox.push_back(Control {
            diagnostic: self.diagnostic,
            state: self.state,
            flags,
            detect_mult: self.config.mult,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx: self.announced.tx,
            required_min_rx: self.announced.rx,
        });
    }
}

fn decay_window(config: &Config) -> Duration {
    DECAY_WINDOW.max(config.decay_min_rx)
}
