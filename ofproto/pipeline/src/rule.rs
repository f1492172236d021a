//! One flow of an OpenFlow table, and its counters.
//!
//! Why rules do not change: workers and megaflows hold `Arc<Rule>`s. A modification makes a new rule that takes the
//! counters over; the old one points to it, so that statistics still on their way arrive at the flow they belong to.
//!
//! Invariant: `successor` is set at most once, under the tables' write lock.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use weft_base::Time;
use weft_flow::key::{FRAME_WORDS, UsedWords};
use weft_flow::{CompactMatch, FieldId, Match, OfPort};
use weft_openflow::action::Action;
use weft_openflow::{Cookie, FlowModFlags, GroupId, Instructions, TableId, Timeout};

/// A priority that controllers can give ends here; rules above are the switch's own and hidden from them.
pub const MAX_PRIORITY: u32 = 65535;

/// A flow.
pub struct Rule {
    /// Where it is.
    pub table: TableId,
    /// Higher wins; above [`MAX_PRIORITY`] for the switch's own.
    pub priority: u32,
    /// What it matches; rules of one mask share the mask.
    pub pattern: CompactMatch,
    /// The controller's mark.
    pub cookie: Cookie,
    /// Order of eviction.
    pub importance: u16,
    /// Flags.
    pub flags: FlowModFlags,
    /// What it does; rules that do the same share it.
    pub instructions: Arc<Instructions>,
    /// When it was added.
    pub created: Time,
    /// How it ages; a connection's end and learning change that.
    aging: Aging,
    counters: RuleCounters,
    successor: OnceLock<Arc<Rule>>,
}

struct Aging {
    /// Gone after so long without a frame.
    idle: AtomicU16,
    /// Gone after so long.
    hard: AtomicU16,
    /// When its instructions were last changed, or learned once more.
    modified: AtomicU64,
}

#[derive(Default)]
struct RuleCounters {
    packets: AtomicU64,
    bytes: AtomicU64,
    used: AtomicU64,
}

/// What a match says of a frame it says of an Ethernet frame, unless it names another packet type (ovs-fields(7)).
pub(crate) fn say_ethernet(matching: &mut Match) {
    let mask = matching.mask();
    let said = UsedWords(mask.used() & FRAME_WORDS).any(|word| mask.word(word) != 0);
    if said && matching.get(FieldId::PacketType).1 == 0 {
        matching.set(FieldId::PacketType, 0);
    }
}

impl Rule {
    /// A flow without statistics yet. `created` counts as its first use.
    pub fn new(table: TableId, priority: u32, matching: &Match, instructions: Instructions, created: Time) -> Rule {
        Rule::of_parts(table, priority, CompactMatch::new(matching), Arc::new(instructions), created)
    }

    /// [`Rule::new`] of parts that it may share with others.
    pub fn of_parts(
        table: TableId,
        priority: u32,
        pattern: CompactMatch,
        instructions: Arc<Instructions>,
        created: Time,
    ) -> Rule {
        let counters = RuleCounters { used: AtomicU64::new(created.as_nanos()), ..RuleCounters::default() };
        Rule {
            table,
            priority,
            pattern,
            cookie: Cookie(0),
            importance: 0,
            flags: FlowModFlags::empty(),
            instructions,
            created,
            aging: Aging {
                idle: AtomicU16::new(0),
                hard: AtomicU16::new(0),
                modified: AtomicU64::new(created.as_nanos()),
            },
            counters,
            successor: OnceLock::new(),
        }
    }

    /// Gone after so long without a frame.
    pub fn idle_timeout(&self) -> Timeout {
        Timeout(self.aging.idle.load(Ordering::Relaxed))
    }

    /// Gone after so long.
    pub fn hard_timeout(&self) -> Timeout {
        Timeout(self.aging.hard.load(Ordering::Relaxed))
    }

    /// When its instructions were last changed, or learned once more: the hard timeout runs from here.
    pub fn modified(&self) -> Time {
        Time::from_nanos(self.aging.modified.load(Ordering::Relaxed))
    }

    /// Say how long it lives.
    pub fn set_timeouts(&mut self, idle: Timeout, hard: Timeout) {
        *self.aging.idle.get_mut() = idle.0;
        *self.aging.hard.get_mut() = hard.0;
    }

    /// It was learned once more.
    pub(crate) fn refresh(&self, now: Time) {
        self.newest().aging.modified.fetch_max(now.as_nanos(), Ordering::Relaxed);
    }

    /// Let it live no longer than this (`fin_timeout`); whether it would have.
    pub(crate) fn shorten(&self, idle: Timeout, hard: Timeout) -> bool {
        let shorter = |at: &AtomicU16, to: Timeout| {
            let less = |old: u16| (to.0 != 0 && (old == 0 || to.0 < old)).then_some(to.0);
            at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
        };
        let aging = &self.newest().aging;
        let idle = shorter(&aging.idle, idle);
        shorter(&aging.hard, hard) || idle
    }

    /// The rule that has taken its place, or itself.
    fn newest(&self) -> &Rule {
        std::iter::successors(Some(self), |rule| rule.successor.get().map(|next| &**next)).last().unwrap_or(self)
    }

    /// Whether controllers may not see it.
    pub fn is_hidden(&self) -> bool {
        self.priority > MAX_PRIORITY
    }

    /// Frames went by, the newest at `used`.
    pub fn count(&self, packets: u64, bytes: u64, used: Time) {
        let rule = self.newest();
        rule.counters.packets.fetch_add(packets, Ordering::Relaxed);
        rule.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        rule.counters.used.fetch_max(used.as_nanos(), Ordering::Relaxed);
    }

    /// Read what translation will read, see [`weft_flow::RuleTable::warm`].
    #[inline]
    pub(crate) fn touch(&self) -> u64 {
        let does = Arc::as_ptr(&self.instructions) as usize as u64;
        self.counters.packets.load(Ordering::Relaxed) ^ does ^ u64::from(self.successor.get().is_some())
    }

    /// Frames, bytes and when the newest was.
    pub fn counters(&self) -> (u64, u64, Time) {
        let c = &self.counters;
        let used = Time::from_nanos(c.used.load(Ordering::Relaxed));
        (c.packets.load(Ordering::Relaxed), c.bytes.load(Ordering::Relaxed), used)
    }

    /// When it is due to go, as far as is known now.
    pub fn deadline(&self) -> Option<Time> {
        let hard = self.hard_timeout().duration().map(|d| self.modified() + d);
        let idle = self.idle_timeout().duration().map(|d| self.counters().2 + d);
        match (hard, idle) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// How long it has been there.
    pub fn age(&self, now: Time) -> Duration {
        now.since(self.created)
    }

    /// Hand the counters over to the rule that takes this one's place and send latecomers there.
    pub(crate) fn hand_over(&self, to: &Arc<Rule>, reset: bool) {
        let (packets, bytes, used) = self.counters();
        to.counters.used.store(used.as_nanos(), Ordering::Relaxed);
        if !reset {
            to.counters.packets.store(packets, Ordering::Relaxed);
            to.counters.bytes.store(bytes, Ordering::Relaxed);
        }
        let _ = self.successor.set(to.clone());
    }

    /// Whether its actions send to this port ([`OfPort::NONE`]: any does).
    pub fn outputs_to(&self, port: OfPort) -> bool {
        port == OfPort::NONE
            || self.any_action(|action| match action {
                Action::Output { port: p, .. }
                | Action::OutputTrunc { port: p, .. }
                | Action::Enqueue { port: p, .. } => *p == port,
                Action::Controller(_) => port == OfPort::CONTROLLER,
                Action::Bundle(b) => b.dst.is_none() && b.members.contains(&port),
                _ => false,
            })
    }

    /// Whether its actions use this group ([`GroupId::ANY`]: any does).
    pub fn uses_group(&self, group: GroupId) -> bool {
        group == GroupId::ANY || self.any_action(|action| matches!(action, Action::Group(g) if *g == group))
    }

    fn any_action(&self, is_it: impl Fn(&Action) -> bool) -> bool {
        let mut found = false;
        self.instructions.for_each_action(&mut |action| found |= is_it(action));
        found
    }
}

/// Whether some frame could match both a rule's pattern and a megaflow's, looking at the datapath's words only.
/// `in_port` replaces the megaflow's ingress port, which is a datapath port there.
pub(crate) fn may_overlap(pattern: &CompactMatch, megaflow: &CompactMatch, in_port: OfPort) -> bool {
    pattern.iter().all(|(i, value, bits)| {
        if i >= weft_flow::key::OPENFLOW_WORDS {
            return true;
        }
        if i == 0 {
            return (value ^ u64::from(in_port.0)) & bits & 0xffff_ffff == 0;
        }
        let bits = bits & megaflow.mask().bits(i);
        bits == 0 || (value ^ megaflow.word(i)) & bits == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_flow::FieldId;

    fn matching() -> Match {
        let mut m = Match::any();
        m.set(FieldId::EthType, 0x0800);
        m.set_masked(FieldId::IpDst, 0x0a00_0000, 0xff00_0000);
        m.set(FieldId::Reg15, 7);
        m
    }

    #[test]
    fn statistics_on_their_way_to_a_replaced_rule_reach_its_successor() {
        let rule = |at| Arc::new(Rule::new(TableId(0), 1, &matching(), Instructions::default(), at));
        let (old, new) = (rule(Time::ZERO), rule(Time::ZERO));
        old.count(1, 60, Time::from_millis(5));
        old.hand_over(&new, false);
        old.count(2, 120, Time::from_millis(9));
        assert_eq!(new.counters(), (3, 180, Time::from_millis(9)));
    }
}
