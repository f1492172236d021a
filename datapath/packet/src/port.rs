//! The datapath's port numbers.

use std::fmt;

/// A port of the datapath (OVS: `odp_port_t`). Not an OpenFlow port number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DpPort(pub u32);

impl DpPort {
    /// No port: a frame that came from a controller or a command.
    pub const NONE: DpPort = DpPort(u32::MAX);
}

impl fmt::Display for DpPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for DpPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dp{}", self.0)
    }
}
