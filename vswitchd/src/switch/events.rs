//! What: what others do to the machine's devices: gone, back, renamed, changed.

use std::collections::BTreeSet;

use weft_netdev::LinkEvent;

use super::{State, Switch};
use crate::config::Touched;

impl Switch {
    /// Takes in news about the machine's links. Returns the interfaces that look different now, and what should be
    /// planned again because a device came back. A bridge is settled once for all that happened: a thousand taps that come
    /// up together are a thousand pieces of news.
    pub fn on_links(&mut self, events: &[LinkEvent]) -> (BTreeSet<String>, Touched) {
        let (mut changed, mut touched) = (BTreeSet::new(), Touched::default());
        events.iter().for_each(|event| self.on_link(event, &mut changed, &mut touched));
        for name in &changed {
            self.look_again(name);
        }
        let bridges: BTreeSet<String> =
            changed.iter().filter_map(|name| Some(self.interfaces.get(name)?.bridge.clone())).collect();
        for bridge in bridges {
            changed.extend(self.settle_bridge(&bridge));
        }
        (changed, touched)
    }

    fn on_link(&mut self, event: &LinkEvent, changed: &mut BTreeSet<String>, touched: &mut Touched) {
        match event {
            LinkEvent::Added(link) => self.appeared(&link.name, touched),
            LinkEvent::Renamed { from, link } => {
                self.vanished(from, changed);
                self.appeared(&link.name, touched);
            }
            LinkEvent::Changed(link) => {
                let ours = self.interfaces.get(&link.name).and_then(super::Interface::device);
                if ours.is_some_and(|device| device.ifindex() == link.ifindex) {
                    changed.insert(link.name.clone());
                }
            }
            LinkEvent::Removed(link) => {
                let ours = self.interfaces.get(&link.name).and_then(super::Interface::device);
                // A tap may have moved into a guest's namespace and work as before.
                if ours.is_some_and(|device| device.ifindex() == link.ifindex && !device.is_alive()) {
                    self.vanished(&link.name, changed);
                }
            }
        }
    }

    /// The device is not what it was: closed, with the error that opening it now would give.
    fn vanished(&mut self, name: &str, changed: &mut BTreeSet<String>) {
        let ours = self.interfaces.get(name).and_then(super::Interface::device);
        if ours.is_some_and(|device| device.ifindex() != 0) {
            let error = format!("could not open network device {name} (No such device)");
            tracing::warn!(target: "bridge", "{error}");
            self.fail(name, error);
            changed.insert(name.to_owned());
        }
    }

    /// A device of that name exists now: worth another attempt if we wait for one.
    fn appeared(&mut self, name: &str, touched: &mut Touched) {
        let Some(interface) = self.interfaces.get(name) else { return };
        if !matches!(interface.state, State::Failed(_)) || interface.kind.opened != "system" {
            return;
        }
        let (bridge, port) = (interface.bridge.clone(), interface.port.clone());
        if let Some(running) = self.running.port_mut(&bridge, &port)
            && let Some(running) = running.interfaces.get_mut(name)
        {
            running.retry = true;
            touched.ports.insert((bridge, port));
        }
    }
}
