//! What an endpoint is told to do: Interface `cfm_mpid` and the keys `cfm_*` of its `other_config`.

use std::time::Duration;

/// Settings of a maintenance point; each has the name of its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Our MPID.
    pub mpid: u64,
    /// Between two messages. Outside extended mode as [`Config::rounded`] has it.
    pub interval: Duration,
    /// Other group, any interval, long MPIDs.
    pub extended: bool,
    /// Received data stands for messages (extended mode only).
    pub demand: bool,
    /// Say that we are operationally up (extended mode only).
    pub opstate_up: bool,
    /// The VLAN of our messages.
    pub ccm_vlan: Vlan,
    /// Their priority.
    pub ccm_pcp: u8,
    /// Only messages without a tunnel key are for us.
    pub check_tnl_key: bool,
}

/// `cfm_ccm_vlan`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vlan {
    /// Not tagged, unless there is a priority.
    None,
    /// This one.
    Vid(u16),
    /// Another for each message.
    Random,
}

/// The intervals of the standard in milliseconds, by their codes from 1 (§21.6.1.3).
const INTERVALS: [u64; 7] = [3, 10, 100, 1000, 10_000, 60_000, 600_000];

impl Default for Config {
    fn default() -> Config {
        Config {
            mpid: 0,
            interval: Duration::from_millis(1000),
            extended: false,
            demand: false,
            opstate_up: true,
            ccm_vlan: Vlan::None,
            ccm_pcp: 0,
            check_tnl_key: false,
        }
    }
}

impl Config {
    /// With an interval that can be said: of the standard's, the longest that is no longer.
    #[must_use]
    pub fn rounded(mut self) -> Config {
        let most = Duration::from_millis(u64::from(u16::MAX));
        self.interval = match self.extended {
            true => self.interval.clamp(Duration::from_millis(1), most),
            false => Duration::from_millis(INTERVALS[usize::from(self.code_of_interval()) - 1]),
        };
        self.demand &= self.extended;
        self.opstate_up |= !self.extended;
        self
    }

    /// What the flags of a message say of the interval.
    pub(super) fn interval_code(&self) -> u8 {
        if self.extended { 0 } else { self.code_of_interval() }
    }

    fn code_of_interval(&self) -> u8 {
        let fits = INTERVALS.iter().rposition(|ms| Duration::from_millis(*ms) <= self.interval);
        fits.unwrap_or(0) as u8 + 1
    }

    /// Between two looks for faults: three messages may be lost. With demand, as long as statistics take to come.
    pub(super) fn fault_interval(&self) -> Duration {
        let interval = if self.demand { self.interval.max(Duration::from_millis(500)) } else { self.interval };
        interval * 7 / 2
    }
}
