//! What the control thread does for tunnels: it takes in devices and routes, asks for neighbours and forgets them.

use weft_base::Time;
use weft_flow::extract::extract;
use weft_flow::{FlowKey, OfPort};
use weft_openflow::Action;
use weft_packet::Frame;

use super::Tunnel;
use super::listen::Device;
use super::route::Route;
use crate::config::ConfigError;
use crate::connection::Begin;
use crate::pipeline::{Pipeline, lock};
use crate::tables::Tables;
use crate::translate::Question;

impl Pipeline {
    /// Other settings for a tunnel port.
    ///
    /// # Errors
    /// If there is no such tunnel port, or another asks for the same packets.
    pub fn set_tunnel(&self, bridge: &str, name: &str, tunnel: Tunnel) -> Result<(), ConfigError> {
        self.write().set_tunnel(bridge, name, tunnel)?;
        self.changed();
        Ok(())
    }

    /// What is known of a device whose addresses outer packets may come to or from; `None`: it is gone.
    pub fn set_device(&self, name: &str, device: Option<Device>) {
        if self.write().tunnels.set_device(name, device) {
            self.changed();
        }
    }

    /// The kernel's routes, instead of those that it had.
    pub fn set_kernel_routes(&self, routes: Vec<Route>) {
        if self.write().tunnels.set_kernel_routes(routes) {
            self.changed();
        }
    }

    /// Whether the host's stack sends outer packets that no bridge carries.
    pub fn set_tunnels_over_host(&self, over_host: bool) {
        self.write().tunnels.over_host = over_host;
        self.changed();
    }

    /// Whether a bridge carries packets to a tunnel's other end. For one that flows say: whether any bridge has addresses.
    pub fn is_carried(&self, remote: super::config::End) -> bool {
        let tables = self.read();
        let tunnels = &tables.tunnels;
        match remote.addr() {
            Some(to) => tunnels.routes().lookup(to, 0).is_some_and(|route| tables.carrier(&route.device).is_some()),
            None => tables.bridges().any(|bridge| tunnels.device(&bridge.name).is_some()),
        }
    }

    /// The device by which the kernel would send packets to a tunnel's other end.
    pub fn tunnel_egress(&self, to: std::net::IpAddr) -> Option<String> {
        let tables = self.read();
        let mut kernels = tables.tunnels.routes().iter().filter(|route| !route.by_user);
        kernels.find(|route| route.to.contains(to)).map(|route| route.device.clone())
    }

    /// Remember what is to be asked, and see to it that it is.
    pub(crate) fn ask(&self, tables: &Tables, questions: impl Iterator<Item = Question>, now: Time) {
        let mut asking = lock(&tables.tunnels.asking);
        let news = questions.fold(false, |news, question| asking.want(question, now) | news);
        drop(asking);
        if news {
            self.wake();
        }
    }

    /// Ask what is due, forget who is too old. Returns when something is due.
    pub(crate) fn run_tunnels(&self, now: Time) -> Option<Time> {
        let due = {
            let tables = self.read();
            let tunnels = &tables.tunnels;
            let old = tunnels.forget_old(now);
            let (due, given_up) = {
                let mut asking = lock(&tunnels.asking);
                asking.answered(|question| {
                    let bridge = tables.bridge(question.bridge);
                    bridge.is_none_or(|bridge| tunnels.neighbour(&bridge.name, question.whom).is_some())
                });
                asking.due(now)
            };
            if given_up {
                tunnels.changed(); // the next packet asks anew
            }
            if old || given_up {
                self.changed();
            }
            due
        };
        for Question { bridge, frame, .. } in due {
            let mut frame = Frame::copy_of(&frame);
            let mut key = FlowKey::new();
            if extract(&mut frame, &mut key, Default::default()).is_err() {
                continue;
            }
            crate::upcall::set_in_port(&mut key, OfPort::LOCAL);
            let through_tables = [Action::Output { port: OfPort::TABLE, max_len: 0 }];
            // its bridge may be gone by now
            let _ = self.send_through(bridge, frame, key, Begin::Actions(&through_tables), now);
        }
        let tables = self.read();
        let asking = lock(&tables.tunnels.asking).next_deadline();
        [asking, tables.tunnels.next_deadline()].into_iter().flatten().min()
    }
}
