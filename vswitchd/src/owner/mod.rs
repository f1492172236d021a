//! What: the one loop that owns the switch's state.
//!
//! Why: configuration, OpenFlow, commands and devices all change the same things; one thread that takes one
//! [`Event`] after another needs no locks and no order of locks.
//!
//! ```text
//!          Events (bounded)                 ┌─ database: rows in, plan, apply, status out
//!   ────────────────────────────> handle ───┼─ controllers: OpenFlow in and out
//!          deadlines of the machines        ├─ commands: appctl
//!   ────────────────────────────> turn ─────┴─ pipeline.run: revalidation, timeouts, effects of packets
//! ```
//!
//! How: [`Owner::turn`] runs after every batch of events and whenever the earliest deadline has passed. The clock
//! may stand still or be warped; then deadlines pass only through `time/warp`.
//!
//! Invariants: nothing in here waits for a peer. The only waits are for packet workers, which answer within a
//! turn of theirs.

mod controllers;
mod database;
mod fail_open;
pub mod grpc;
mod in_band;
mod liveness;
mod local_address;
mod statistics;
mod wire_log;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use weft_base::Time;
use weft_engine::{Datapath, DpStats};
use weft_jsonrpc::daemon::Daemon;
use weft_jsonrpc::message::Message;
use weft_jsonrpc::unixctl::Reply;
use weft_ovsdb::replica::Client;

use crate::commands::Spare;
use crate::config::{Reader, Touched};
use crate::event::Event;
use crate::serve::Sockets;
use crate::status::Writer;
use crate::switch::Switch;
use controllers::Controllers;

/// See the module's header.
pub struct Owner {
    /// The switch.
    pub switch: Switch,
    /// Rows as configuration.
    pub reader: Reader,
    /// OpenFlow connections.
    pub controllers: Controllers,
    client: Client,
    to_database: mpsc::UnboundedSender<Message>,
    pending: Touched,
    /// To be looked at with the next change, not before.
    later: Touched,
    writer: Writer,
    statistics: statistics::Schedule,
    liveness: liveness::Schedule,
    sockets: Sockets,
    inbox: mpsc::Receiver<Event>,
    events: mpsc::Sender<Event>,
    wake: Arc<Notify>,
    toggled: Toggled,
    daemon: Daemon,
    /// Who waits for the process to end.
    exiting: Option<Option<Reply>>,
    /// Whether taps shall be removed rather than left to the kernel.
    pub cleanup: bool,
    /// Plans carried out.
    pub reconfigurations: u64,
    /// Commands that came through the control socket.
    pub commands_received: u64,
    /// What the workers had counted when somebody cleared it.
    cleared: DpStats,
    /// Datapaths that were made by hand.
    pub spare: Spare,
    configured: bool,
    /// Whoever started us knows that we are ready.
    announced: bool,
}

/// Names of interfaces whose devices a controller took up or down, until the owner has looked at them.
pub type Toggled = Arc<Mutex<Vec<String>>>;

/// What an owner is made of.
pub struct Parts {
    /// The switch, without bridges.
    pub switch: Switch,
    /// Sends to the database's session.
    pub to_database: mpsc::UnboundedSender<Message>,
    /// The thread of sockets.
    pub sockets: Sockets,
    /// Where events come from, and a way to send more.
    pub inbox: mpsc::Receiver<Event>,
    /// The sending end.
    pub events: mpsc::Sender<Event>,
    /// Rung by packet workers.
    pub wake: Arc<Notify>,
    /// Devices that a controller took up or down.
    pub toggled: Toggled,
    /// The process.
    pub daemon: Daemon,
}

impl Owner {
    /// An owner that knows nothing yet.
    pub fn new(parts: Parts) -> Owner {
        let mut client = Client::new(weft_ovsdb::open_vswitch::OPEN_VSWITCH, crate::database::select());
        client.set_lock(Some(LOCK));
        Owner {
            switch: parts.switch,
            reader: Reader::default(),
            controllers: Controllers::default(),
            client,
            to_database: parts.to_database,
            pending: Touched::default(),
            later: Touched::default(),
            writer: Writer::default(),
            statistics: statistics::Schedule::default(),
            liveness: liveness::Schedule::default(),
            sockets: parts.sockets,
            inbox: parts.inbox,
            events: parts.events,
            wake: parts.wake,
            toggled: parts.toggled,
            daemon: parts.daemon,
            exiting: None,
            cleanup: false,
            reconfigurations: 0,
            commands_received: 0,
            cleared: DpStats::default(),
            spare: Spare::default(),
            configured: false,
            announced: false,
        }
    }

    /// Runs until the process shall end.
    pub fn run(mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a timer needs nothing that could be missing");
        self.turn();
        while self.exiting.is_none() {
            let wait = self.wait();
            let first = runtime.block_on(wait_for(&mut self.inbox, &self.wake, wait));
            if let Some(event) = first {
                let mut left = BATCH.saturating_sub(weight(&event));
                self.handle(event);
                while left > 0 {
                    let Ok(event) = self.inbox.try_recv() else { break };
                    left = left.saturating_sub(weight(&event));
                    self.handle(event);
                }
            }
            self.turn();
        }
        self.finish();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Database(event) => self.on_database(event),
            Event::Net(net) => self.on_net(net),
            Event::Command(call) => crate::commands::run(self, call),
            Event::Links(events) => self.on_links(&events),
            Event::Routes(snapshot) => self.on_routes(&snapshot),
            // A client that is gone wants nothing more.
            Event::Counters(reply) => drop(reply.send(self.counters())),
            Event::Machine(found) => self.report_machine(Some(found)),
            Event::Terminate => self.exit(None),
        }
    }

    /// What follows from what happened, and what is due.
    pub fn turn(&mut self) {
        self.database_turn();
        self.controllers_turn();
        let toggled = std::mem::take(&mut *self.toggled.lock().unwrap_or_else(|e| e.into_inner()));
        for name in toggled {
            self.look_again(&name);
        }
        self.statistics_turn();
        self.liveness_turn();
        self.database_flush();
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.switch.now()
    }

    /// How long until something is due; `None`: until something happens.
    fn wait(&self) -> Option<Duration> {
        if self.switch.clock.is_stopped() {
            return None;
        }
        let due = [
            self.controllers_deadline(),
            self.statistics_deadline(),
            self.liveness_deadline(),
            self.pipeline_deadline(),
        ];
        let now = self.now();
        due.into_iter().flatten().min().map(|due| due.since(now))
    }

    /// Ends the loop after this turn; `reply` is answered once all is closed.
    pub fn exit(&mut self, reply: Option<Reply>) {
        self.exiting = Some(reply);
    }

    /// Everything that has happened takes effect: waiting frames, what they make the pipeline do, what it sends.
    pub fn settle(&mut self) {
        self.switch.engine.settle();
        self.turn();
    }

    /// A device was changed by a command or a controller: follow up as for a change that the kernel tells.
    pub fn look_again(&mut self, name: &str) {
        if self.switch.look_again(name) {
            let mut changed = BTreeSet::from([name.to_owned()]);
            if let Some(bridge) = self.switch.interfaces.get(name).map(|interface| interface.bridge.clone()) {
                changed.extend(self.switch.settle_bridge(&bridge));
            }
            self.report_interfaces(&changed);
        }
    }

    /// What the workers counted since it was last cleared.
    pub fn worker_stats(&self) -> DpStats {
        let (now, then) = (self.switch.engine.stats(), self.cleared);
        DpStats {
            hit: now.hit.saturating_sub(then.hit),
            missed: now.missed.saturating_sub(then.missed),
            lost: now.lost.saturating_sub(then.lost),
            mask_hit: now.mask_hit.saturating_sub(then.mask_hit),
            cache_hit: now.cache_hit.saturating_sub(then.cache_hit),
            ..now
        }
    }

    /// Count from zero.
    pub fn clear_worker_stats(&mut self) {
        self.cleared = self.switch.engine.stats();
    }

    fn on_links(&mut self, events: &[weft_netdev::LinkEvent]) {
        let (changed, touched) = self.switch.on_links(events);
        self.pending.merge(touched);
        self.report_interfaces(&changed);
    }

    fn on_routes(&mut self, snapshot: &weft_netdev::RouteSnapshot) {
        self.switch.on_routes(snapshot);
        let tunnels = self.switch.tunnels();
        self.report_interfaces(&tunnels);
    }

    fn finish(mut self) {
        let reply = self.exiting.take().flatten();
        self.close_controllers();
        if let Some(reply) = reply {
            reply.ok("");
        }
        // The engine joins its workers, devices close, sockets say their last words, the pidfile goes.
        drop(self.switch);
        drop(self.sockets);
        drop(self.daemon);
    }
}

async fn wait_for(inbox: &mut mpsc::Receiver<Event>, wake: &Notify, wait: Option<Duration>) -> Option<Event> {
    let sleep = async {
        match wait {
            Some(wait) => tokio::time::sleep(wait).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        event = inbox.recv() => event,
        () = wake.notified() => None,
        () = sleep => None,
    }
}

/// How much work an event is: messages that come many at once count as many.
fn weight(event: &Event) -> usize {
    match event {
        Event::Net(crate::serve::Net::Frame(_, bytes)) => 1 + bytes.len() / MESSAGE,
        _ => 1,
    }
}

/// The lock that keeps two switches from using one database.
const LOCK: &str = "ovs_vswitchd";
/// Events between two turns: enough to be cheap, few enough to stay prompt.
const BATCH: usize = 256;
/// Bytes that count as one event.
const MESSAGE: usize = 1024;
