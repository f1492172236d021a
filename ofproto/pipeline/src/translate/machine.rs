//! Frames for the machines of a port (BFD, CFM): the tables do not see them.

use super::{Context, MachineOf};

impl Context<'_, '_> {
    /// Whether the frame is for a machine of the port by which it came to the bridge. Then the slow path brings it there, and
    /// so it does with every later one.
    pub(super) fn is_for_a_machine(&mut self) -> bool {
        let (bridge, in_port) = (self.bridge, self.in_port());
        let Some(port) = bridge.port(in_port) else { return false };
        let Some(reason) = port.monitoring.takes(&self.key, &mut self.mask) else { return false };
        self.slow = Some(reason);
        self.pdus.push(MachineOf { bridge: bridge.id, port: in_port, reason });
        true
    }
}
