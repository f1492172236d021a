//! The protocol's numbers, each a type of its own.

use std::fmt;
use std::time::Duration;

/// A version of the protocol; the number is the one on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Version {
    /// OpenFlow 1.0.
    V10 = 1,
    /// OpenFlow 1.1.
    V11 = 2,
    /// OpenFlow 1.2.
    V12 = 3,
    /// OpenFlow 1.3.
    V13 = 4,
    /// OpenFlow 1.4.
    V14 = 5,
    /// OpenFlow 1.5.
    V15 = 6,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Version; 6] = [Version::V10, Version::V11, Version::V12, Version::V13, Version::V14, Version::V15];

    /// From the number on the wire.
    pub fn from_wire(number: u8) -> Option<Version> {
        Version::ALL.into_iter().find(|v| *v as u8 == number)
    }

    /// `OpenFlow10` to `OpenFlow15`, as the `protocols` column and `--protocols` have it.
    pub const fn name(self) -> &'static str {
        ["OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"][self as usize - 1]
    }

    /// The inverse of [`Version::name`]; also takes `OpenFlow1.3`, in any case.
    pub fn by_name(name: &str) -> Option<Version> {
        let plain = name.replace('.', "");
        Version::ALL.into_iter().find(|v| v.name().eq_ignore_ascii_case(&plain))
    }

    /// The bit of a HELLO's version bitmap (OpenFlow 1.3.1 §A.5.1).
    pub const fn bit(self) -> u32 {
        1 << self as u8
    }

    /// `1.0` to `1.5`.
    pub const fn number(self) -> &'static str {
        ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"][self as usize - 1]
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A transaction id: the reply carries the request's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Xid(pub u32);

/// A flow's cookie: opaque to the switch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Cookie(pub u64);

impl Cookie {
    /// In a flow mod: "leave the cookie alone".
    pub const UNCHANGED: Cookie = Cookie(u64::MAX);
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A flow table's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TableId(pub u8);

impl TableId {
    /// OFPTT_ALL: every table, or the switch's choice.
    pub const ALL: TableId = TableId(0xff);
    /// The highest table that a flow may live in (OFPTT_MAX).
    pub const MAX: TableId = TableId(0xfe);
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A group's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The highest ordinary group (OFPG_MAX).
    pub const MAX: GroupId = GroupId(0xffff_ff00);
    /// Every group (OFPG_ALL).
    pub const ALL: GroupId = GroupId(0xffff_fffc);
    /// No group, or any group (OFPG_ANY).
    pub const ANY: GroupId = GroupId(0xffff_ffff);
}

/// A meter's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MeterId(pub u32);

impl MeterId {
    /// The highest ordinary meter (OFPM_MAX).
    pub const MAX: MeterId = MeterId(0xffff_0000);
    /// The meter of packets to the slow path (OFPM_SLOWPATH).
    pub const SLOWPATH: MeterId = MeterId(0xffff_fffd);
    /// The meter of packets to the controllers (OFPM_CONTROLLER).
    pub const CONTROLLER: MeterId = MeterId(0xffff_fffe);
    /// Every meter (OFPM_ALL).
    pub const ALL: MeterId = MeterId(0xffff_ffff);
}

/// A queue of a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct QueueId(pub u32);

impl QueueId {
    /// Every queue (OFPQ_ALL).
    pub const ALL: QueueId = QueueId(0xffff_ffff);
}

/// A flow's idle or hard timeout in whole seconds; 0 is "never".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timeout(pub u16);

impl Timeout {
    /// No timeout.
    pub const NEVER: Timeout = Timeout(0);

    /// How long, `None` for never.
    pub fn duration(self) -> Option<Duration> {
        (self.0 != 0).then(|| Duration::from_secs(self.0.into()))
    }
}

/// A six-byte Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
