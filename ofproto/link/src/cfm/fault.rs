//! What can be wrong with a link: the words of Interface `cfm_fault_status` (ovs-vswitchd.conf.db(5)).

/// One reason.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// Nobody was heard.
    Recv,
    /// Somebody hears nobody.
    Rdi,
    /// A message of another maintenance association.
    Maid,
    /// A message with our own MPID.
    Loopback,
    /// More others than we keep track of.
    Overflow,
    /// An administrator said so.
    Override,
    /// A message with another interval.
    Interval,
}

impl Fault {
    /// All, in the manual's order.
    pub const ALL: [Fault; 7] = {
        use Fault::{Interval, Loopback, Maid, Overflow, Override, Rdi, Recv};
        [Recv, Rdi, Maid, Loopback, Overflow, Override, Interval]
    };

    /// Its word.
    pub const fn text(self) -> &'static str {
        match self {
            Fault::Recv => "recv",
            Fault::Rdi => "rdi",
            Fault::Maid => "maid",
            Fault::Loopback => "loopback",
            Fault::Overflow => "overflow",
            Fault::Override => "override",
            Fault::Interval => "interval",
        }
    }
}

/// A set of reasons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults(u8);

impl Faults {
    /// All is well.
    pub const NONE: Faults = Faults(0);
    /// Just one.
    pub const fn only(fault: Fault) -> Faults {
        Faults(1 << fault as u8)
    }

    pub(super) const fn add(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u8;
    }

    /// Whether a reason is among them.
    pub const fn has(self, fault: Fault) -> bool {
        self.0 >> fault as u8 & 1 != 0
    }

    /// Their words.
    pub fn texts(self) -> Vec<&'static str> {
        Fault::ALL.into_iter().filter(|fault| self.has(*fault)).map(Fault::text).collect()
    }

    /// Whether we noticed something ourselves: that is what we tell the others (RDI).
    pub(super) const fn are_ours(self) -> bool {
        self.0 & !(Faults::only(Fault::Rdi).0 | Faults::only(Fault::Override).0) != 0
    }
}
