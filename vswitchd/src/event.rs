//! What: everything that can wake the owner of the switch's state, on one page.

use std::collections::BTreeMap;

use tokio::sync::oneshot;
use weft_jsonrpc::session::SessionEvent;
use weft_jsonrpc::unixctl::Call;
use weft_netdev::{LinkEvent, RouteSnapshot};

use crate::serve::Net;

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// The database connection came, went, or said something.
    Database(SessionEvent),
    /// An OpenFlow connection came, went, or said something.
    Net(Net),
    /// Somebody asks through the control socket.
    Command(Call),
    /// The machine's links changed.
    Links(Vec<LinkEvent>),
    /// The machine's routes or addresses changed.
    Routes(Box<RouteSnapshot>),
    /// A gRPC client wants to know what was counted.
    Counters(oneshot::Sender<weft_grpc::v1::StatisticsReport>),
    /// What the machine says of itself.
    Machine(BTreeMap<String, String>),
    /// The process was told to end.
    Terminate,
}

impl From<Net> for Event {
    fn from(net: Net) -> Event {
        Event::Net(net)
    }
}
