//! A connection to another server that we copy databases from: a task that connects again and again, to one address
//! after the other if there are several, and hands what happens to the owner.

use super::Event;
use std::time::Duration;
use tokio::sync::mpsc;
use weft_jsonrpc::address::{Address, OVSDB_PORT};
use weft_jsonrpc::message::Message;
use weft_jsonrpc::session::{Session, SessionEvent};

/// Which upstream an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UpstreamId(pub u64);

/// The owner's side; dropping it ends the task.
pub(super) struct Upstream {
    orders: mpsc::UnboundedSender<Order>,
}

enum Order {
    Send(Message),
    /// Hang up and come again a little later.
    Reconnect,
    Probe(Option<Duration>),
}

impl Upstream {
    /// `addresses` as users write them, separated by commas.
    pub(super) fn start(
        id: UpstreamId,
        addresses: &str,
        probe: Option<Duration>,
        events: mpsc::Sender<Event>,
    ) -> Upstream {
        let (orders, taken) = mpsc::unbounded_channel();
        let parse = |text: &str| {
            let parsed = Address::parse(text, OVSDB_PORT);
            parsed
                .map_err(|error| tracing::warn!(target: "reconnect", "{text}: connection attempt failed ({error})"))
                .ok()
        };
        let addresses: Vec<Address> = addresses.split(',').filter_map(|text| parse(text.trim())).collect();
        tokio::spawn(follow(id, addresses, probe, events, taken));
        Upstream { orders }
    }

    /// Sends a message; it is lost if there is no connection.
    pub(super) fn send(&self, message: Message) {
        // The task ends only with the owner.
        let _ = self.orders.send(Order::Send(message));
    }

    /// Begins again.
    pub(super) fn reconnect(&self) {
        let _ = self.orders.send(Order::Reconnect);
    }

    /// How long the other server may be silent.
    pub(super) fn set_probe(&self, probe: Option<Duration>) {
        let _ = self.orders.send(Order::Probe(probe));
    }
}

async fn follow(
    id: UpstreamId,
    addresses: Vec<Address>,
    mut probe: Option<Duration>,
    events: mpsc::Sender<Event>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let session = |at: usize, probe: Option<Duration>| {
        let mut session = Session::to(addresses[at % addresses.len()].clone());
        if probe.is_some() {
            session.set_probe(probe);
        }
        session
    };
    if addresses.is_empty() {
        // Nobody to talk to; wait for the owner to lose interest.
        while orders.recv().await.is_some() {}
        return;
    }
    let mut at = 0;
    let mut current = session(at, probe);
    loop {
        tokio::select! {
            event = current.next() => {
                let lost = matches!(event, SessionEvent::Disconnected { .. });
                if events.send(Event::Upstream(id, event)).await.is_err() {
                    return;
                }
                if lost && addresses.len() > 1 {
                    at += 1;
                    if at % addresses.len() == 0 {
                        tokio::time::sleep(PAUSE).await;
                    }
                    current = session(at, probe);
                }
            }
            order = orders.recv() => match order {
                None => return,
                // Without a connection nobody waits for the answer.
                Some(Order::Send(message)) => drop(current.send(message)),
                Some(Order::Probe(other)) => {
                    probe = other;
                    current.set_probe(probe);
                }
                Some(Order::Reconnect) => {
                    at += 1;
                    current = session(at, probe);
                    let reason = "reconnecting".to_owned();
                    if events.send(Event::Upstream(id, SessionEvent::Disconnected { reason })).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// Before an address is tried again that has just failed us.
const PAUSE: Duration = Duration::from_secs(1);
