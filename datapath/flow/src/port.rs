//! OpenFlow port numbers, including the reserved ones (OpenFlow 1.5 §7.2.1 `ofp_port_no`).

use std::fmt;

/// A 32-bit OpenFlow port number, as OpenFlow 1.1 and later and the registry's `in_port` use it. OpenFlow 1.0's 16-bit
/// reserved numbers map one to one (0xfff8.. <-> 0xfffffff8..).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OfPort(pub u32);

impl OfPort {
    /// The first number that is no ordinary port in OpenFlow 1.0 (OFPP_MAX of 1.0).
    pub const MAX: OfPort = OfPort(0xff00);
    /// No port is unset (1.5 OFPP_UNSET).
    pub const UNSET: OfPort = OfPort(0xffff_fff7);
    /// Send back by the ingress port.
    pub const IN_PORT: OfPort = OfPort(0xffff_fff8);
    /// Start again at the first table (packet-out only).
    pub const TABLE: OfPort = OfPort(0xffff_fff9);
    /// Forward like a learning switch.
    pub const NORMAL: OfPort = OfPort(0xffff_fffa);
    /// All ports of the VLAN that may flood, but the ingress.
    pub const FLOOD: OfPort = OfPort(0xffff_fffb);
    /// All ports but the ingress.
    pub const ALL: OfPort = OfPort(0xffff_fffc);
    /// The controllers.
    pub const CONTROLLER: OfPort = OfPort(0xffff_fffd);
    /// The bridge's own port.
    pub const LOCAL: OfPort = OfPort(0xffff_fffe);
    /// No port, or any port.
    pub const NONE: OfPort = OfPort(0xffff_ffff);

    /// The names of the reserved ports, as the tools print and take them.
    pub const RESERVED: [(OfPort, &'static str); 10] = [
        (OfPort::UNSET, "UNSET"),
        (OfPort::IN_PORT, "IN_PORT"),
        (OfPort::TABLE, "TABLE"),
        (OfPort::NORMAL, "NORMAL"),
        (OfPort::FLOOD, "FLOOD"),
        (OfPort::ALL, "ALL"),
        (OfPort::CONTROLLER, "CONTROLLER"),
        (OfPort::LOCAL, "LOCAL"),
        (OfPort::NONE, "ANY"),
        (OfPort::NONE, "NONE"),
    ];

    /// From the 16-bit form of OpenFlow 1.0.
    pub const fn from_u16(port: u16) -> OfPort {
        if port >= 0xff00 { OfPort(0xffff_0000 | port as u32) } else { OfPort(port as u32) }
    }

    /// The 16-bit form of OpenFlow 1.0; `None` for a number that it cannot say.
    pub const fn to_u16(self) -> Option<u16> {
        match self.0 {
            0..0xff00 => Some(self.0 as u16),
            0xffff_ff00.. => Some(self.0 as u16),
            _ => None,
        }
    }

    /// Whether this is a number that a port of a bridge can have.
    pub const fn is_ordinary(self) -> bool {
        self.0 != 0 && self.0 < OfPort::MAX.0
    }

    /// The reserved port's name, if it is one.
    pub fn reserved_name(self) -> Option<&'static str> {
        OfPort::RESERVED.iter().find(|(port, _)| *port == self).map(|(_, name)| *name)
    }
}

impl fmt::Display for OfPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reserved_name() {
            Some(name) => f.write_str(name),
            // The tools know a port by the 16 bits of OpenFlow 1.0.
            None => write!(f, "{}", self.to_u16().map_or(self.0, u32::from)),
        }
    }
}

impl fmt::Debug for OfPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of{self}")
    }
}
