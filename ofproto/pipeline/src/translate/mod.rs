//! Translation: what the tables say happens to a frame, as datapath actions.
//!
//! What: [`translate`] walks the OpenFlow tables of a bridge (and of bridges behind patch ports) for one key and returns a
//! [`Translation`]: actions, the bits of the key they rest on, what is to be learned, whom statistics belong to, and what
//! state the verdict depends on. It changes nothing. Upcalls, revalidation, packet-outs and `ofproto/trace` all call it.
//!
//! How: [`Context`] is the working state of one translation. `key` is the frame as the actions have left it so far, `base`
//! is the frame as the datapath will see it at this point of the emitted actions; `commit` emits the difference right
//! before an output. Whoever reads a bit of `key` says so in `mask`.
//!
//! ```text
//!   table.rs    lookups, rules, resubmit, goto_table, the action set
//!   actions.rs  one action after the other
//!   fields.rs   reading and writing fields, prerequisites
//!   learn.rs, fin_timeout.rs   flows made from frames, flows that end with a connection
//!   meter.rs, pkt_len.rs   rates and samples, branches by length
//!   normal.rs   the learning switch: VLANs, MACs, flooding
//!   output.rs   ports, patch cables, controllers
//!   commit.rs   header changes as datapath actions
//!   mpls.rs     label stacks
//!   group.rs    groups and their buckets; hash.rs, select.rs: choosing by hash
//!   ct.rs       conntrack; encap.rs: headers around the whole packet
//!   recirc.rs   stopping halfway, and going on when the datapath hands the frame back
//!   trace.rs    what `ofproto/trace` hears of all this
//!   facts.rs    what `explain` hears of it
//! ```
//!
//! Invariants: two keys that agree under the returned mask get the same actions. Nothing is cloned but reference counts.

mod actions;
mod commit;
mod ct;
mod encap;
pub(crate) mod facts;
mod fields;
mod fin_timeout;
mod group;
mod hash;
mod learn;
mod machine;
mod meter;
mod mpls;
mod native;
mod normal;
mod options;
mod output;
mod pkt_len;
mod recirc;
mod select;
mod table;
#[cfg(test)]
mod tests;
pub mod trace;
mod tunnel;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;
use weft_flow::action::{SlowPathReason, Userspace};
use weft_flow::key::OPENFLOW_WORDS;
use weft_flow::{CompactMatch, DpAction, FieldId, FlowKey, FlowMask, OfPort};
use weft_openflow::action::Action;
use weft_openflow::ids::MeterId;
use weft_openflow::port::PortConfig;
use weft_openflow::{Cookie, GroupId, Instructions, TableId, Timeout};
use weft_packet::DropReason;

use crate::bridge::{Bridge, PatchCounters};
use crate::config::Mac;
use crate::flow_table::{FlowTable, TableCounters};
use crate::frozen::{Frozen, FrozenState};
use crate::group::{Bucket, Group};
use crate::learn::LearnFlow;
use crate::mac_table::MacDep;
use crate::rule::Rule;
use crate::tables::{BridgeId, BundleId, Tables};

pub(crate) use encap::packet_type;
pub(crate) use learn::require;
pub use native::Question;
pub use trace::Trace;

/// What is translated.
pub struct Input<'a> {
    /// The state that decides.
    pub tables: &'a Tables,
    /// Where the frame comes in.
    pub bridge: &'a Bridge,
    /// The frame, in OpenFlow's terms: `in_port` is an [`OfPort`].
    pub key: &'a FlowKey,
    /// A packet-out's actions; `None`: start at table 0.
    pub actions: Option<&'a [Action]>,
    /// Go on where this translation stopped; `bridge` is its bridge, and what it carries is put into the key.
    pub frozen: Option<&'a FrozenState>,
}

/// The verdict.
pub struct Translation {
    /// What the datapath does; a drop is `[Drop(reason)]`.
    pub actions: Vec<DpAction>,
    /// The bits of the key that led here. Metadata and registers are not among them: they start at zero.
    pub mask: FlowMask,
    /// MAC addresses to learn.
    pub learn: SmallVec<[LearnMac; 2]>,
    /// Flows to learn.
    pub flows: SmallVec<[Arc<LearnFlow>; 1]>,
    /// Who our neighbours are.
    pub neighbours: SmallVec<[LearnNeighbour; 1]>,
    /// Whom to ask who they are.
    pub questions: SmallVec<[Question; 1]>,
    /// Whom the frames' statistics belong to.
    pub credits: SmallVec<[Credit; 6]>,
    /// What the verdict rests on.
    pub deps: Deps,
    /// What packet-ins and recirculated frames will ask for, kept alive as long as the verdict.
    pub frozen: SmallVec<[Arc<Frozen>; 1]>,
    /// Whose machines the frame is for.
    pub pdus: SmallVec<[MachineOf; 1]>,
    /// Whether translation gave up.
    pub failure: Option<Failure>,
    /// Why every frame must be translated by itself, if so.
    pub slow: Option<SlowPathReason>,
    /// The datapath's meter for frames on that way.
    slow_meter: Option<u32>,
    /// Not to be cached: the next such frame may have another verdict though no table changes.
    pub once: bool,
}

impl Translation {
    /// The actions of a megaflow; `actions` is left empty. A slow one sends every frame to the slow path.
    pub(crate) fn take_megaflow_actions(&mut self) -> Vec<DpAction> {
        let actions = std::mem::take(&mut self.actions);
        match self.slow {
            Some(why) => vec![meter::through(self.slow_meter, Userspace::SlowPath(why))],
            None => actions,
        }
    }
}

/// "This address is here."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain words")]
pub struct LearnMac {
    pub bridge: BridgeId,
    pub vlan: u16,
    pub mac: Mac,
    pub bundle: BundleId,
    /// Said by a gratuitous ARP.
    pub gratuitous: bool,
}

/// "This neighbour has this address."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain words")]
pub struct LearnNeighbour {
    pub bridge: BridgeId,
    pub ip: std::net::IpAddr,
    pub mac: weft_packet::Mac,
}

/// A machine of a port, by which the frame came to a bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain words")]
pub struct MachineOf {
    pub bridge: BridgeId,
    pub port: OfPort,
    pub reason: SlowPathReason,
}

/// Whom statistics belong to.
pub enum Credit {
    /// A flow.
    Rule(Arc<Rule>),
    /// A table was asked and had an answer, or none.
    Table(Arc<TableCounters>, bool),
    /// A patch port sent.
    PatchTx(Arc<PatchCounters>),
    /// A patch port received.
    PatchRx(Arc<PatchCounters>),
    /// A learned address is still in use.
    Mac(LearnMac),
    /// They would teach this flow again.
    Learn(Arc<LearnFlow>),
    /// A TCP connection's end among them shortens a flow's life.
    FinTimeout {
        /// Where.
        bridge: BridgeId,
        /// Which.
        rule: Arc<Rule>,
        /// To this, if it is longer.
        idle: Timeout,
        /// To this, if it is longer.
        hard: Timeout,
    },
    /// What follows counts frames that are so many bytes longer (or shorter again): outer headers.
    Longer(i32),
    /// A neighbour of this bridge is still in use.
    Neighbour(BridgeId, std::net::IpAddr),
    /// A group.
    Group(Arc<Group>),
    /// A bucket of it.
    Bucket(Arc<Bucket>),
}

/// What a verdict rests on, as translation finds it.
#[derive(Default)]
pub struct Deps {
    /// For frames of no bridge's port: which ports there were.
    ports: Option<u64>,
    /// How tunnels were.
    tunnels: Option<u64>,
    bridges: SmallVec<[(BridgeId, u64); 2]>,
    tables: SmallVec<[TableDep; 4]>,
    macs: SmallVec<[(BridgeId, MacDep); 2]>,
    /// Groups by serial; 0 for one that was not there.
    groups: SmallVec<[(BridgeId, GroupId, u64); 1]>,
}

/// What a verdict rests on, to find out cheaply whether it still stands; in few bytes, as each megaflow has it.
pub struct KeptDeps {
    ports: Option<u64>,
    tunnels: Option<u64>,
    bridges: SmallVec<[(BridgeId, u64); 1]>,
    tables: SmallVec<[TableDep; 1]>,
    macs: Box<[(BridgeId, MacDep)]>,
    groups: Box<[(BridgeId, GroupId, u64)]>,
}

pub(crate) struct TableDep {
    bridge: BridgeId,
    table: TableId,
    /// What it had seen when it was last compared: changes are looked at once.
    version: AtomicU64,
    /// The port under which it was asked.
    in_port: OfPort,
    /// Whether the frame still was as it came in, so that changes can be compared with the megaflow's match.
    pristine: bool,
}

impl Deps {
    /// A verdict about a port that is no bridge's: it stands until the ports change.
    pub(crate) fn no_bridge(tables: &Tables) -> Deps {
        let tunnels = Some(tables.tunnels.generation());
        Deps { ports: Some(tables.ports_generation), tunnels, ..Deps::default() }
    }
}

impl Deps {
    /// What a megaflow keeps of them; nothing is left here.
    pub(crate) fn keep(&mut self) -> KeptDeps {
        KeptDeps {
            ports: self.ports.take(),
            tunnels: self.tunnels.take(),
            bridges: self.bridges.drain(..).collect(),
            tables: self.tables.drain(..).collect(),
            macs: boxed(&mut self.macs),
            groups: boxed(&mut self.groups),
        }
    }
}

/// Take all, in exactly as much memory as it needs.
pub(crate) fn boxed<A: smallvec::Array>(from: &mut SmallVec<A>) -> Box<[A::Item]> {
    if from.is_empty() {
        return Box::default();
    }
    let mut all = Vec::with_capacity(from.len());
    all.extend(from.drain(..));
    all.into_boxed_slice()
}

impl KeptDeps {
    /// Whether the verdict for the frames of a megaflow may have changed.
    pub fn stale(&self, tables: &Tables, pattern: &CompactMatch) -> bool {
        let bridge = |id| tables.bridge(id);
        self.bridges.iter().any(|(id, generation)| bridge(*id).is_none_or(|b| b.generation != *generation))
            || self.ports.is_some_and(|generation| tables.ports_generation != generation)
            || self.tunnels.is_some_and(|generation| tables.tunnels.generation() != generation)
            || self.macs.iter().any(|(id, dep)| bridge(*id).is_none_or(|b| b.macs.changed(*dep)))
            || self
                .groups
                .iter()
                .any(|(id, group, serial)| bridge(*id).is_none_or(|b| b.flows.groups().serial(*group) != *serial))
            || self.tables.iter().any(|dep| match bridge(dep.bridge).and_then(|b| b.flows.table(dep.table)) {
                None => true,
                Some(table) => dep.is_affected(table, pattern),
            })
    }
}

impl TableDep {
    fn is_affected(&self, table: &FlowTable, pattern: &CompactMatch) -> bool {
        let (then, now) = (self.version.load(Ordering::Relaxed), table.version());
        if then == now {
            return false;
        }
        let affected = !self.pristine || table.affected(then, pattern, self.in_port);
        if !affected {
            self.version.store(now, Ordering::Relaxed);
        }
        affected
    }
}

/// Why translation gave up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Resubmits and patch ports nested too deeply.
    TooDeep,
    /// Too many resubmits in all.
    TooManyResubmits,
    /// The stack grew too large.
    StackTooLarge,
    /// Too many datapath actions.
    TooManyActions,
    /// More MPLS labels than a key holds.
    TooManyLabels,
    /// A header that cannot go around such a packet, or come off it.
    UnsupportedPacketType,
}

impl Failure {
    /// As `ofproto/trace` says it.
    pub const fn text(self) -> &'static str {
        match self {
            Failure::TooDeep => "Recursion too deep",
            Failure::TooManyResubmits => "Too many resubmits",
            Failure::StackTooLarge => "Stack too deep",
            Failure::TooManyActions => "Too many actions",
            Failure::TooManyLabels => "Too many MPLS labels",
            Failure::UnsupportedPacketType => "Unsupported packet type",
        }
    }

    const fn reason(self) -> DropReason {
        match self {
            Failure::TooDeep => DropReason::RecursionTooDeep,
            Failure::TooManyResubmits => DropReason::TooManyResubmits,
            Failure::StackTooLarge => DropReason::StackTooDeep,
            Failure::TooManyActions => DropReason::TranslationError,
            Failure::TooManyLabels => DropReason::TooManyLabels,
            Failure::UnsupportedPacketType => DropReason::UnsupportedPacketType,
        }
    }
}

/// How deep resubmits and patch ports may nest.
pub const MAX_DEPTH: u32 = 64;
/// How many resubmits one translation may take.
pub const MAX_RESUBMITS: u32 = 4096;
/// How many values the stack may hold.
const MAX_STACK: usize = 4096;
/// How many datapath actions one translation may emit.
const MAX_ACTIONS: usize = 4096;

/// Translate.
pub fn translate(input: &Input<'_>, trace: Option<&mut Trace>) -> Translation {
    translate_from(input, None, trace)
}

/// [`translate`], the frame coming in by this port, whatever its key says.
pub(crate) fn translate_from(input: &Input<'_>, in_port: Option<OfPort>, trace: Option<&mut Trace>) -> Translation {
    let mut ctx = Context::new(input, trace);
    if let Some(in_port) = in_port {
        ctx.set_in_port(in_port);
        ctx.base.set_word(0, ctx.key.word(0));
    }
    ctx.unwildcard_tunnel();
    ctx.enter_bridge();
    match input.frozen {
        Some(frozen) => ctx.resume(frozen),
        None if ctx.tunnelled && !ctx.came_through_tunnel() => {}
        None => ctx.run(input.actions),
    }
    ctx.leave_bridge();
    ctx.finish()
}

/// The working state of one translation. `'t` is the tables' lifetime, `'l` the listener's.
pub(crate) struct Context<'t, 'l> {
    tables: &'t Tables,
    bridge: &'t Bridge,
    /// The frame as the actions have left it.
    key: FlowKey,
    /// The frame as the datapath sees it after the actions emitted so far.
    base: FlowKey,
    mask: FlowMask,
    out: Vec<DpAction>,
    learn: SmallVec<[LearnMac; 2]>,
    flows: SmallVec<[Arc<LearnFlow>; 1]>,
    neighbours: SmallVec<[LearnNeighbour; 1]>,
    questions: SmallVec<[Question; 1]>,
    credits: SmallVec<[Credit; 6]>,
    deps: Deps,
    frozen: SmallVec<[Arc<Frozen>; 1]>,
    pdus: SmallVec<[MachineOf; 1]>,
    trace: Option<&'l mut Trace>,
    /// Where and under which rule we are.
    table: TableId,
    rule: Option<&'t Arc<Rule>>,
    /// The bridge's first rule: its cookie stands for the action set.
    first_rule: Option<&'t Arc<Rule>>,
    /// After a stop: the cookie of the rule that said what is being done.
    resumed: Option<Cookie>,
    depth: u32,
    resubmits: u32,
    /// Whether the datapath's part of `key` is as it came in.
    pristine: bool,
    exit: bool,
    /// Translation is stopping, to go on after a recirculation.
    freezing: Option<Box<recirc::Freezing>>,
    /// Whether nothing comes after the action at hand.
    last: bool,
    /// The instructions of the rule whose actions are the list at hand.
    tail: Option<&'t Instructions>,
    /// Whether conntrack has seen the frame.
    conntracked: bool,
    /// The EtherType as it came in.
    first_eth_type: u16,
    /// It came in with a VLAN tag.
    came_tagged: bool,
    /// It came in without an Ethernet header.
    came_without_link: bool,
    /// A label stack was popped, and nobody knows yet what lies beneath.
    was_mpls: bool,
    /// The key knows nothing of the network header: it came up from beneath labels.
    network_unknown: bool,
    /// An outer header came or went since the last commit.
    pending: Option<encap::Pending>,
    /// Inside a bucket.
    in_group: bool,
    /// Inside the action set.
    in_action_set: bool,
    /// The next lookup is under the connection's addresses.
    swap_tuple: bool,
    /// The next rule runs in a clone of the datapath's, if it does what cannot be undone.
    clone_rule: bool,
    slow: Option<SlowPathReason>,
    /// See [`Translation::once`].
    once: bool,
    failure: Option<Failure>,
    stack: Vec<u128>,
    action_set: Vec<&'t Action>,
    /// The queue to go back to after `enqueue` and with `pop_queue`.
    original_priority: u128,
    /// Cut the next output's frame to so many bytes.
    trunc: Option<u32>,
    /// Whether the frame came in through a tunnel.
    tunnelled: bool,
    /// The outer address that it came to.
    came_to: std::net::IpAddr,
    /// Why it is a drop, if it is one.
    drop: DropReason,
}

impl<'t, 'l> Context<'t, 'l> {
    /// Keys are large: they are made where they stay.
    #[inline(always)]
    fn new(input: &Input<'t>, trace: Option<&'l mut Trace>) -> Context<'t, 'l> {
        let mut ctx = Context {
            tables: input.tables,
            bridge: input.bridge,
            base: input.key.clone(),
            original_priority: FieldId::SkbPriority.get(input.key),
            key: input.key.clone(),
            mask: FlowMask::new(),
            out: Vec::with_capacity(4),
            learn: SmallVec::new(),
            flows: SmallVec::new(),
            neighbours: SmallVec::new(),
            questions: SmallVec::new(),
            credits: SmallVec::new(),
            deps: Deps::default(),
            frozen: SmallVec::new(),
            pdus: SmallVec::new(),
            trace,
            table: TableId(0),
            rule: None,
            first_rule: None,
            resumed: None,
            depth: 0,
            resubmits: 0,
            pristine: true,
            exit: false,
            freezing: None,
            last: true,
            tail: None,
            conntracked: false,
            first_eth_type: fields::eth_type(input.key),
            came_tagged: fields::outer_tag(input.key).tci != 0,
            came_without_link: encap::packet_type(input.key) != 0,
            was_mpls: false,
            network_unknown: false,
            pending: None,
            in_group: false,
            in_action_set: false,
            swap_tuple: false,
            clone_rule: false,
            slow: None,
            once: false,
            failure: None,
            stack: Vec::new(),
            action_set: Vec::new(),
            trunc: None,
            tunnelled: options::is_tunnelled(input.key),
            came_to: Context::came_to(input.key),
            drop: DropReason::FlowDrop,
        };
        // what every megaflow says: recirculation id, port, packet type, EtherType, fragment
        ctx.mask.set_word(0, u64::MAX);
        ctx.mask.set_word(1, 0xffff_ffff_ffff_ff00);
        if let Some(frozen) = input.frozen {
            ctx.pristine = frozen.thaw(&mut ctx.key);
            ctx.base = ctx.key.clone();
            ctx.original_priority = FieldId::SkbPriority.get(&ctx.key);
        }
        ctx
    }

    /// One bridge's whole pipeline: the tables (or a packet-out's actions), then the action set.
    fn run(&mut self, actions: Option<&'t [Action]>) {
        let bridge = self.bridge;
        self.deps.bridges.push((bridge.id, bridge.generation));
        let in_port = self.in_port();
        if bridge.port(in_port).is_some_and(|p| p.config.contains(PortConfig::NO_RECV)) {
            self.drop = DropReason::PortConfig;
            return;
        }
        self.say_set_output();
        let outer = self.first_rule.take();
        match actions {
            Some(actions) => drop(self.run_actions(actions)),
            None if self.is_for_a_machine() => {}
            None => {
                self.start_at_table(TableId(0));
                self.rule = self.first_rule;
            }
        }
        self.end_of_bridge();
        (self.rule, self.first_rule) = (None, outer);
    }

    #[inline]
    fn in_port(&self) -> OfPort {
        OfPort(self.key.word(0) as u32)
    }

    #[inline]
    fn set_in_port(&mut self, port: OfPort) {
        let word = self.key.word(0) & !0xffff_ffff | u64::from(port.0);
        self.key.set_word(0, word);
    }

    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
        self.exit = true;
    }

    /// What it came to; the context is of no use any more.
    fn finish(&mut self) -> Translation {
        if self.out.len() > MAX_ACTIONS {
            self.fail(Failure::TooManyActions);
        }
        if let Some(failure) = self.failure {
            self.out.clear();
            self.drop = failure.reason();
        }
        // nobody sees the frame after a clone that comes last
        if let Some(DpAction::Clone(inner)) = self.out.pop_if(|last| matches!(last, DpAction::Clone(_))) {
            self.out.extend(inner);
        }
        if self.out.is_empty() && self.pdus.is_empty() {
            self.out.push(DpAction::Drop(self.drop));
        }
        self.forget_options_of_untunnelled();
        self.forget_pushed_headers();
        // whoever looked at a tag knows that it is there
        if self.mask.word(2) & 0xffff != 0 {
            self.mask.or_word(2, u64::from(fields::TAG_PRESENT));
        }
        for i in OPENFLOW_WORDS..weft_flow::key::WORDS {
            if self.mask.used() >> i & 1 == 1 {
                self.mask.set_word(i, 0);
            }
        }
        if self.came_without_link {
            for (word, keep) in [(2, 0), (3, 0), (4, 0x0000_0000_ffff_ffff)] {
                self.mask.set_word(word, self.mask.word(word) & keep);
            }
        }
        // a later fragment has no transport header: what was said of it rests on that
        if FieldId::IpFrag.get(&self.key) & 2 != 0 {
            for field in [FieldId::TcpSrc, FieldId::TcpDst] {
                field.set_mask(&mut self.mask, 0);
            }
        }
        // ICMP's type and code have the low half of the ports' place each
        if fields::is_icmp(&self.key) {
            for field in [FieldId::TcpSrc, FieldId::TcpDst] {
                let bits = field.get_mask(&self.mask);
                field.set_mask(&mut self.mask, bits & 0xff);
            }
        }
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.final_key = Some(self.key.clone());
        }
        Translation {
            actions: std::mem::take(&mut self.out),
            mask: self.mask.clone(),
            learn: std::mem::take(&mut self.learn),
            flows: std::mem::take(&mut self.flows),
            neighbours: std::mem::take(&mut self.neighbours),
            questions: std::mem::take(&mut self.questions),
            credits: std::mem::take(&mut self.credits),
            deps: std::mem::take(&mut self.deps),
            frozen: std::mem::take(&mut self.frozen),
            pdus: std::mem::take(&mut self.pdus),
            failure: self.failure,
            slow: self.slow.filter(|_| self.failure.is_none()),
            once: self.once,
            slow_meter: self.bridge.meters.get(MeterId::SLOWPATH).map(|meter| meter.number),
        }
    }
}
