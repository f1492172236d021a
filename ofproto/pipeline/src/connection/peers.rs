//! The peers of all bridges: what is known of each, and what waits for it.

use super::*;

/// All connections.
#[derive(Default)]
pub(crate) struct Connections {
    pub(super) all: BTreeMap<ConnectionId, Connection>,
    pub(super) last_id: u64,
    /// The newest generation id of a role request, per bridge.
    pub(super) generations: BTreeMap<BridgeId, u64>,
}

/// One peer.
pub(crate) struct Connection {
    pub bridge: BridgeId,
    pub settings: ConnectionSettings,
    /// What logs call it: `BRIDGE<->PEER`.
    label: String,
    pub(super) versions: Versions,
    pub version: Option<Version>,
    pub role: Role,
    /// What it wants to hear of; `None` where it never said.
    pub wanted: AsyncConfig,
    /// How it says flows and wants packet-ins.
    pub dialect: Dialect,
    pub controller_id: u16,
    pub miss_send_len: u16,
    pub invalid_ttl: bool,
    /// Flow monitors by id.
    pub monitors: monitor::Monitors,
    pub bundles: bundle::Bundles,
    /// Limits of packet-ins: for misses, and for those that actions send.
    pub(super) pace: Option<[Pace<weft_openflow::PacketIn>; 2]>,
    /// Packet-ins in `output`.
    pub(super) waiting: usize,
    /// Requests of which parts have come.
    pub(super) parts: parts::Parts,
    /// The answer that is being given.
    pub(super) answer: Option<answer::Answer>,
    pub(super) input: Framer,
    pub(super) output: VecDeque<Vec<u8>>,
    pub(super) backlog: usize,
    pub(super) closing: bool,
    pub(super) ended: Option<Ended>,
    pub(super) admitted: bool,
    /// When it was last heard, and whether a probe is out.
    pub(super) heard: Time,
    pub(super) probing: bool,
    /// Transaction ids of our own messages.
    pub(super) next_xid: u32,
}

impl Connection {
    pub(super) fn new(
        bridge: (BridgeId, &str),
        settings: ConnectionSettings,
        versions: Versions,
        now: Time,
    ) -> Connection {
        let service = settings.kind != ConnectionKind::Controller;
        let wanted = if settings.async_messages { AsyncConfig::default() } else { nothing() };
        Connection {
            bridge: bridge.0,
            label: format!("{}<->{}", bridge.1, settings.name),
            pace: settings.packet_in_limit.map(|limit| [Pace::new(limit, now), Pace::new(limit, now)]),
            waiting: 0,
            settings,
            versions,
            version: None,
            role: Role::Equal,
            wanted,
            dialect: Dialect::new(Version::V10),
            controller_id: 0,
            miss_send_len: if service { 0 } else { 128 },
            invalid_ttl: false,
            monitors: Default::default(),
            bundles: Default::default(),
            parts: Default::default(),
            answer: None,
            input: Framer::new(),
            output: VecDeque::new(),
            backlog: 0,
            closing: false,
            ended: None,
            admitted: false,
            heard: now,
            probing: false,
            next_xid: 0,
        }
    }

    /// The version to speak; before HELLOs were exchanged the highest that we offer.
    pub fn version(&self) -> Version {
        self.version.unwrap_or_else(|| self.highest())
    }

    pub(super) fn highest(&self) -> Version {
        let ours = |v: &&Version| self.versions.0 & v.bit() != 0;
        Version::ALL.iter().rev().find(ours).copied().unwrap_or(Version::V10)
    }

    /// A transaction id for a message of our own accord.
    pub fn own_xid(&mut self) -> Xid {
        self.next_xid = self.next_xid.wrapping_add(1);
        Xid(self.next_xid)
    }

    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty() || self.answer.is_some()
    }

    pub(super) fn push(&mut self, bytes: Vec<u8>) {
        self.backlog += bytes.len();
        self.output.push_back(bytes);
    }

    /// Whether its next request has to wait until it has read what it asked for.
    pub(super) fn is_full(&self) -> bool {
        self.answer.is_some() || self.backlog >= FULL
    }

    /// Whether messages of our own accord may be queued.
    pub fn has_room(&self) -> bool {
        self.backlog < MAX_BACKLOG && !self.closing
    }
}

impl Connections {
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionId, &mut Connection)> {
        self.all.iter_mut().map(|(id, c)| (*id, c))
    }

    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.all.get_mut(&id)
    }

    pub fn of_bridge(&mut self, bridge: BridgeId) -> impl Iterator<Item = (ConnectionId, &mut Connection)> {
        self.iter_mut().filter(move |(_, c)| c.bridge == bridge)
    }

    /// Queue a message, and copies of it for those who snoop.
    pub fn send(&mut self, to: ConnectionId, xid: Xid, message: &Message) {
        if let Some(connection) = self.all.get(&to) {
            let dialect = Dialect { version: connection.version(), ..connection.dialect };
            self.send_in(to, xid, message, &dialect);
        }
    }

    /// [`Connections::send`], in the words of a request.
    pub(super) fn send_in(&mut self, to: ConnectionId, xid: Xid, message: &Message, dialect: &Dialect) {
        let Some(connection) = self.all.get(&to) else { return };
        let (bridge, is_controller) = (connection.bridge, connection.settings.kind == ConnectionKind::Controller);
        // what no HELLOs were exchanged with is told of elsewhere
        if let (Message::Error(error), Some(_)) = (message, connection.version) {
            tell_of_error(connection, error);
        }
        let bytes = codec::encode(dialect, xid, message);
        if is_controller {
            self.snoop(bridge, &bytes);
        }
        if let Some(connection) = self.all.get_mut(&to) {
            connection.push(bytes);
        }
    }

    /// Queue a message that is bytes already.
    pub(super) fn push(&mut self, to: ConnectionId, bytes: &[u8]) {
        if let Some(connection) = self.all.get_mut(&to) {
            connection.push(bytes.to_vec());
        }
    }

    pub(super) fn snoop(&mut self, bridge: BridgeId, bytes: &[u8]) {
        let is_snoop =
            |c: &Connection| c.settings.kind == ConnectionKind::Snoop && c.bridge == bridge && c.version.is_some();
        for connection in self.all.values_mut().filter(|c| is_snoop(c) && c.has_room()) {
            connection.push(bytes.to_vec());
        }
    }

    /// Whether some peer of the bridge wants a packet-in when table 0 has no flow (OpenFlow 1.0 to 1.2).
    pub(super) fn packet_in_on_miss(&mut self, bridge: BridgeId) -> bool {
        self.of_bridge(bridge).any(|(_, c)| c.wants_implicit_miss())
    }
}

/// An error is the peer's affair, and often the reader's of the log too.
fn tell_of_error(connection: &Connection, error: &ErrorMessage) {
    let what = wire::kind_of_start(&error.data).map_or("invalid", |kind| kind.name());
    let (label, code) = (&connection.label, error.code.name());
    tracing::info!(target: "connmgr", limit = 10u64, "{label}: sending {code} error reply to {what} message");
}
