//! The commands: their names, how many words they take, what they need, and where they live.

use super::{Job, bundle, compare, dump, flows, help, lint, monitor, offline, packet, settings};
use crate::failure::{Exit, Failure};

/// One command.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// How many words of its own it takes, least and greatest.
    pub words: (usize, usize),
    /// Whether `--read-only` forbids it.
    pub writes: bool,
    /// How to call it; empty for commands that are there for tests and scripts.
    pub usage: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
    run: Run,
}

impl Command {
    /// By name.
    pub fn find(name: &str) -> Option<&'static Command> {
        COMMANDS.iter().find(|command| command.name == name)
    }
}

const MANY: usize = usize::MAX;

const fn reads(
    name: &'static str,
    words: (usize, usize),
    usage: &'static str,
    help: &'static str,
    run: Run,
) -> Command {
    Command { name, words, writes: false, usage, help, run }
}

const fn writes(
    name: &'static str,
    words: (usize, usize),
    usage: &'static str,
    help: &'static str,
    run: Run,
) -> Command {
    Command { name, words, writes: true, usage, help, run }
}

/// Which function runs a command.
#[derive(Clone, Copy)]
enum Run {
    Show,
    Dump(dump::What),
    Flows,
    Aggregate,
    Mod(flows::Action),
    Replace,
    Diff,
    Lint,
    PacketOut,
    Monitor,
    Snoop,
    Probe,
    Ping,
    Benchmark,
    ModPort,
    ModTable,
    GetFrags,
    SetFrags,
    CtFlushZone,
    CtFlush,
    Bundle,
    Groups(settings::GroupAction),
    Meters(settings::MeterAction),
    TlvMap(settings::TlvAction),
    Offline(offline::What),
    Help,
    List,
}

/// Every command, in the order in which help shows them.
pub const COMMANDS: &[Command] = &[
    reads("show", (1, 1), "SWITCH", "its features and ports", Run::Show),
    reads("dump-desc", (1, 1), "SWITCH", "who made it", Run::Dump(dump::What::Desc)),
    reads("dump-tables", (1, 1), "SWITCH", "counters of its tables", Run::Dump(dump::What::Tables)),
    reads("dump-table-features", (1, 1), "SWITCH", "what its tables can do", Run::Dump(dump::What::TableFeatures)),
    reads("dump-table-desc", (1, 1), "SWITCH", "how its tables are set", Run::Dump(dump::What::TableDesc)),
    writes("mod-table", (3, 3), "SWITCH TABLE SETTING", "what a table does when it misses or is full", Run::ModTable),
    reads("dump-ports", (1, 2), "SWITCH [PORT]", "counters of ports", Run::Dump(dump::What::Ports)),
    reads("dump-ports-desc", (1, 2), "SWITCH [PORT]", "its ports", Run::Dump(dump::What::PortsDesc)),
    writes("mod-port", (3, 3), "SWITCH PORT SETTING", "up, down, [no-]flood, [no-]receive, ...", Run::ModPort),
    reads("get-frags", (1, 1), "SWITCH", "what becomes of IP fragments", Run::GetFrags),
    writes("set-frags", (2, 2), "SWITCH MODE", "normal, drop, reassemble or nx-match", Run::SetFrags),
    reads("dump-flows", (1, 2), "SWITCH [FLOW]", "flows with their counters", Run::Flows),
    reads("dump-aggregate", (1, 2), "SWITCH [FLOW]", "sums over flows", Run::Aggregate),
    reads("queue-stats", (1, 3), "SWITCH [PORT [QUEUE]]", "counters of queues", Run::Dump(dump::What::Queues)),
    reads("queue-get-config", (1, 3), "SWITCH [PORT [QUEUE]]", "rates of queues", Run::Dump(dump::What::QueueConfig)),
    writes("add-flow", (2, 2), "SWITCH FLOW", "add a flow", Run::Mod(flows::Action::Add)),
    writes(
        "add-flows",
        (2, 2),
        "SWITCH FILE",
        "add the flows of a file (-: standard input)",
        Run::Mod(flows::Action::AddFile),
    ),
    writes("mod-flows", (2, 2), "SWITCH FLOW", "change the actions of flows", Run::Mod(flows::Action::Modify)),
    writes("del-flows", (1, 2), "SWITCH [FLOW]", "delete flows", Run::Mod(flows::Action::Delete)),
    writes("replace-flows", (2, 2), "SWITCH FILE", "make the flows those of a file", Run::Replace),
    reads("diff-flows", (2, 2), "SOURCE SOURCE", "compare the flows of switches or files", Run::Diff),
    reads("lint", (1, 1), "SWITCH|FILE", "flows that are hidden, unreachable, endless, ...", Run::Lint),
    writes("bundle", (2, 2), "SWITCH FILE", "all changes of a file, or none", Run::Bundle),
    writes("packet-out", (2, MANY), "SWITCH \"in_port=PORT packet=HEX actions=...\"", "send a packet", Run::PacketOut),
    reads("monitor", (1, 4), "SWITCH [MISSLEN] [invalid_ttl] [watch:[...]]", "print what it reports", Run::Monitor),
    reads("snoop", (1, 1), "SWITCH", "print what it and its controllers say", Run::Snoop),
    reads("probe", (1, 1), "TARGET", "whether it answers", Run::Probe),
    reads("ping", (1, 2), "TARGET [N]", "how fast it answers", Run::Ping),
    reads("benchmark", (3, 3), "TARGET N COUNT", "how much it answers: COUNT echoes of N bytes", Run::Benchmark),
    writes("add-group", (2, 2), "SWITCH GROUP", "add a group", Run::Groups(settings::GroupAction::Add)),
    writes(
        "add-groups",
        (2, 2),
        "SWITCH FILE",
        "add the groups of a file",
        Run::Groups(settings::GroupAction::AddFile),
    ),
    writes("mod-group", (2, 2), "SWITCH GROUP", "change a group", Run::Groups(settings::GroupAction::Modify)),
    writes("del-groups", (1, 2), "SWITCH [GROUP]", "delete groups", Run::Groups(settings::GroupAction::Delete)),
    writes("insert-buckets", (1, 2), "SWITCH GROUP", "add buckets", Run::Groups(settings::GroupAction::Insert)),
    writes("remove-buckets", (1, 2), "SWITCH GROUP", "take buckets out", Run::Groups(settings::GroupAction::Remove)),
    reads("dump-groups", (1, 2), "SWITCH [GROUP]", "groups", Run::Dump(dump::What::Groups)),
    reads("dump-group-stats", (1, 2), "SWITCH [GROUP]", "counters of groups", Run::Dump(dump::What::GroupStats)),
    reads("dump-group-features", (1, 1), "SWITCH", "what groups can do", Run::Dump(dump::What::GroupFeatures)),
    writes("add-meter", (2, 2), "SWITCH METER", "add a meter", Run::Meters(settings::MeterAction::Add)),
    writes("mod-meter", (2, 2), "SWITCH METER", "change a meter", Run::Meters(settings::MeterAction::Modify)),
    writes("del-meter", (1, 2), "SWITCH METER", "delete a meter", Run::Meters(settings::MeterAction::Delete)),
    writes("del-meters", (1, 2), "SWITCH", "delete all meters", Run::Meters(settings::MeterAction::Delete)),
    reads("dump-meter", (1, 2), "SWITCH METER", "a meter", Run::Dump(dump::What::Meters)),
    reads("dump-meters", (1, 2), "SWITCH", "meters", Run::Dump(dump::What::Meters)),
    reads("meter-stats", (1, 2), "SWITCH [METER]", "counters of meters", Run::Dump(dump::What::MeterStats)),
    reads("meter-features", (1, 1), "SWITCH", "what meters can do", Run::Dump(dump::What::MeterFeatures)),
    reads("dump-ipfix-bridge", (1, 1), "SWITCH", "counters of the bridge's IPFIX", Run::Dump(dump::What::IpfixBridge)),
    reads("dump-ipfix-flow", (1, 1), "SWITCH", "counters of flows' IPFIX", Run::Dump(dump::What::IpfixFlow)),
    writes("ct-flush-zone", (2, 2), "SWITCH ZONE", "forget a zone's connections", Run::CtFlushZone),
    writes(
        "ct-flush",
        (1, 4),
        "SWITCH [zone=N] [ORIGINAL [REPLY]]",
        "forget connections by their tuples",
        Run::CtFlush,
    ),
    writes("add-tlv-map", (2, 2), "SWITCH MAP", "map tunnel options to fields", Run::TlvMap(settings::TlvAction::Add)),
    writes("del-tlv-map", (1, 2), "SWITCH [MAP]", "undo such a map", Run::TlvMap(settings::TlvAction::Delete)),
    reads("dump-tlv-map", (1, 1), "SWITCH", "how tunnel options are mapped", Run::TlvMap(settings::TlvAction::Dump)),
    reads("ofp-parse", (1, 1), "FILE", "print the messages in a file", Run::Offline(offline::What::OfpParse)),
    reads(
        "ofp-parse-pcap",
        (1, MANY),
        "FILE [PORT...]",
        "print the messages in captured connections",
        Run::Offline(offline::What::OfpParsePcap),
    ),
    reads("parse-flow", (1, 1), "", "FLOW: what a flow says", Run::Offline(offline::What::ParseFlow)),
    reads("parse-flows", (1, 1), "", "FILE: what the flows of a file say", Run::Offline(offline::What::ParseFlows)),
    reads("parse-actions", (1, 1), "", "VERSION < hex: what actions say", Run::Offline(offline::What::ParseActions)),
    reads(
        "parse-instructions",
        (1, 1),
        "",
        "VERSION < hex: what instructions say",
        Run::Offline(offline::What::ParseInstructions),
    ),
    reads("parse-nx-match", (0, 0), "", "a match as NXM, to bytes and back", Run::Offline(offline::What::ParseNxMatch)),
    reads("parse-nxm", (0, 0), "", "the same", Run::Offline(offline::What::ParseNxMatch)),
    reads("parse-oxm", (1, 1), "", "VERSION: a match as OXM", Run::Offline(offline::What::ParseOxm)),
    reads("parse-ofp10-match", (0, 0), "", "OpenFlow 1.0's match", Run::Offline(offline::What::ParseMatch10)),
    reads("parse-ofp11-match", (0, 0), "", "OpenFlow 1.1's match", Run::Offline(offline::What::ParseMatch11)),
    reads("parse-pcap", (1, MANY), "", "FILE...: the flow of every frame", Run::Offline(offline::What::ParsePcap)),
    reads("check-vlan", (2, 2), "", "TCI MASK: a match of a VLAN tag", Run::Offline(offline::What::CheckVlan)),
    reads("parse-group", (1, 1), "", "GROUP: what a group says", Run::Offline(offline::What::ParseGroup)),
    reads(
        "parse-key-value",
        (1, MANY),
        "",
        "TEXT...: how flow syntax falls into words",
        Run::Offline(offline::What::ParseKeyValue),
    ),
    reads(
        "compose-packet",
        (1, 2),
        "",
        "FLOW [HEX]: a frame that has this flow",
        Run::Offline(offline::What::ComposePacket),
    ),
    reads("parse-packet", (0, 0), "", "< frame: its flow", Run::Offline(offline::What::ParsePacket)),
    reads("ofp-print", (1, 2), "", "HEX [VERBOSITY]: what a message says", Run::Offline(offline::What::OfpPrint)),
    reads("encode-hello", (1, 1), "", "BITMAP: a HELLO", Run::Offline(offline::What::EncodeHello)),
    reads("print-error", (1, 1), "", "NAME: an error's numbers", Run::Offline(offline::What::PrintError)),
    reads(
        "encode-error-reply",
        (2, 2),
        "",
        "NAME HEX: the error that answers a message",
        Run::Offline(offline::What::EncodeErrorReply),
    ),
    reads("help", (0, MANY), "", "this", Run::Help),
    reads("list-commands", (0, MANY), "", "the commands, a line each", Run::List),
];

/// Runs a command.
pub async fn dispatch(command: &Command, job: &mut Job) -> Result<Exit, Failure> {
    match command.run {
        Run::Show => dump::show(job).await,
        Run::Dump(what) => dump::run(job, what).await,
        Run::Flows => flows::dump(job).await,
        Run::Aggregate => flows::aggregate(job).await,
        Run::Mod(action) => flows::run(job, action).await,
        Run::Replace => compare::replace(job).await,
        Run::Diff => compare::diff(job).await,
        Run::Lint => lint::run(job).await,
        Run::PacketOut => packet::packet_out(job).await,
        Run::Monitor => monitor::monitor(job).await,
        Run::Snoop => monitor::snoop(job).await,
        Run::Probe => packet::probe(job).await,
        Run::Ping => packet::ping(job).await,
        Run::Benchmark => packet::benchmark(job).await,
        Run::ModPort => settings::mod_port(job).await,
        Run::ModTable => settings::mod_table(job).await,
        Run::GetFrags => settings::get_frags(job).await,
        Run::SetFrags => settings::set_frags(job).await,
        Run::CtFlushZone => settings::ct_flush_zone(job).await,
        Run::CtFlush => settings::ct_flush(job).await,
        Run::Bundle => bundle::run(job).await,
        Run::Groups(action) => settings::groups(job, action).await,
        Run::Meters(action) => settings::meters(job, action).await,
        Run::TlvMap(action) => settings::tlv_map(job, action).await,
        Run::Offline(what) => offline::run(job, what),
        Run::Help => {
            say!("{}", help::help(&job.options.program));
            Ok(Exit::OK)
        }
        Run::List => {
            say!("{}", help::list());
            Ok(Exit::OK)
        }
    }
}
