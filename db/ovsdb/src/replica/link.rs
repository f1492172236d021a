//! What: the async driver: a [`Client`] over a [`Session`].

use super::client::{Client, Event, Token};
use super::rows::{Replica, Select};
use super::transaction::{Outcome, Request};
use weft_jsonrpc::session::{Session, SessionEvent};

/// A client with its connection.
#[derive(Debug)]
pub struct Link {
    session: Session,
    client: Client,
}

impl Link {
    /// Over a socket ([`Session::to`]) or an in-process pipe ([`Session::over`]).
    pub fn new(session: Session, database: &str, select: Select) -> Link {
        Link { session, client: Client::new(database, select) }
    }

    /// The protocol's half, for locks and calls.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The connection.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The copy, once there is one.
    pub fn replica(&self) -> Option<&Replica> {
        self.client.replica()
    }

    /// Sends a transaction; its outcome comes as an event with this token.
    pub fn transact(&mut self, request: Request) -> Token {
        self.client.transact(request)
    }

    /// What happens next. Cancel safe. For ever pending once a session that cannot reconnect has ended.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.client.poll_event() {
                return event;
            }
            while let Some(message) = self.client.poll_message() {
                self.session.send(message);
            }
            match self.session.next().await {
                SessionEvent::Connected => self.client.on_connected(),
                SessionEvent::Message(message) => self.client.on_message(message),
                SessionEvent::Disconnected { reason } => self.client.on_disconnected(reason),
            }
        }
    }

    /// Sends a transaction and waits for its outcome; other events meanwhile go to `aside`.
    pub async fn commit(&mut self, request: Request, mut aside: impl FnMut(Event)) -> Outcome {
        let token = self.transact(request);
        loop {
            match self.next().await {
                Event::Committed(of, outcome) if of == token => return outcome,
                event => aside(event),
            }
        }
    }
}
