//! Commands that change ports, tables, fragments, groups, meters and tunnel option maps.

use weft_flow::text::number::parse_u64;
use weft_openflow::conntrack::CtFlush;
use weft_openflow::group::{Bucket, GroupKind, GroupMod, GroupModCommand, Selection};
use weft_openflow::message::{StatsReply, StatsRequest};
use weft_openflow::meter::{MeterConfig, MeterFlags, MeterMod, MeterModCommand};
use weft_openflow::port::{PortConfig, PortFeatures, PortMod};
use weft_openflow::switch::{FragHandling, SwitchConfig, TlvMap, TlvTableCommand, TlvTableMod};
use weft_openflow::table::{FeaturesCommand, TableMiss, TableMod, Vacancy};
use weft_openflow::text::conntrack::parse_tuple;
use weft_openflow::text::{Names, parse_group, parse_meter};
use weft_openflow::{GroupId, Message, MeterId, TableId, Version};

use super::format::Formats;
use super::peer::Peer;
use super::{Job, bundle, flows, names, show};
use crate::failure::{Exit, Failure, fail};

/// `mod-port`.
pub async fn mod_port(job: &mut Job) -> Result<Exit, Failure> {
    let (target, word, setting) = (&job.words[0], &job.words[1], job.words[2].to_ascii_lowercase());
    let mut peer = Peer::open(&job.options, target, job.options.versions).await?;
    let number = Names::none().ports.parse(word);
    let ports = names::ports(&mut peer).await?;
    let Some(port) = ports.into_iter().find(|p| Some(p.port) == number || p.name == *word) else {
        return fail(format!("{target}: couldn't find port `{word}'"));
    };
    let settings = [
        ("up", PortConfig::PORT_DOWN, false),
        ("down", PortConfig::PORT_DOWN, true),
        ("stp", PortConfig::NO_STP, false),
        ("receive", PortConfig::NO_RECV, false),
        ("receive-stp", PortConfig::NO_RECV_STP, false),
        ("flood", PortConfig::NO_FLOOD, false),
        ("forward", PortConfig::NO_FWD, false),
        ("packet-in", PortConfig::NO_PACKET_IN, false),
    ];
    // each can be said the other way round
    let (word, negated) = match setting.strip_prefix("no-").or_else(|| setting.strip_prefix("no")) {
        Some(word) => (word, true),
        None => (setting.as_str(), false),
    };
    let Some((_, bit, on)) = settings.into_iter().find(|(name, ..)| *name == word) else {
        return fail(format!("unknown mod-port command '{}'", job.words[2]));
    };
    let on = on != negated;
    let message = PortMod {
        port: port.port,
        hw_addr: port.hw_addr,
        config: if on { bit } else { PortConfig::empty() },
        mask: bit,
        advertise: PortFeatures::empty(),
    };
    let mut peer = Peer::open(&job.options, target, job.options.versions).await?;
    peer.do_and_wait(&Message::PortMod(message)).await?;
    Ok(Exit::OK)
}

/// `mod-table`.
pub async fn mod_table(job: &mut Job) -> Result<Exit, Failure> {
    let target = &job.words[0];
    let table = match job.words[1].as_str() {
        "all" | "ALL" => TableId::ALL,
        word => match Names::none().parse_table(word) {
            Some(table) => table,
            None => match names::fetch(&job.options, target).await?.parse_table(word) {
                Some(table) => table,
                None => return fail(format!("unknown table \"{word}\"")),
            },
        },
    };
    let setting = &job.words[2];
    let mut m = TableMod { table, miss: None, eviction: None, eviction_flags: None, vacancy: None };
    let mut name = None;
    match setting.as_str() {
        "controller" => m.miss = Some(TableMiss::Controller),
        "continue" => m.miss = Some(TableMiss::Continue),
        "drop" => m.miss = Some(TableMiss::Drop),
        "evict" | "noevict" => m.eviction = Some(setting == "evict"),
        "novacancy" => m.vacancy = Some(Vacancy::default()),
        // the word may be cut short
        text if "vacancy".starts_with(text.split(':').next().unwrap_or_default()) => {
            m.vacancy = Some(vacancy(text.split_once(':').map_or("", |(_, values)| values))?);
        }
        text if text.starts_with("name:") && table != TableId::ALL => name = Some(&text[5..]),
        text => return fail(format!("invalid table_mod setting {text}")),
    }
    let first = match (m.miss, name) {
        (Some(_), _) => Version::V11,
        (_, Some(_)) => Version::V13,
        _ => Version::V14,
    };
    let last = if m.miss.is_some() { Version::V12 } else { Version::V15 };
    let versions = Version::ALL.iter().filter(|v| (first..=last).contains(*v)).fold(0, |bits, v| bits | v.bit());
    if versions & job.options.versions == 0 {
        let list = super::format::version_list(versions);
        return fail(format!("table_mod '{setting}' requires one of the OpenFlow versions {list}"));
    }
    let mut peer = Peer::open(&job.options, target, versions & job.options.versions).await?;
    if let Some(name) = name {
        rename_table(&mut peer, table, name).await?;
        return Ok(Exit::OK);
    }
    if peer.version() >= Version::V14 {
        keep_other_settings(&mut peer, &mut m).await?;
    }
    peer.do_and_wait(&Message::TableMod(m)).await?;
    Ok(Exit::OK)
}

/// Names are features. 1.5 can change those of one table; earlier versions are told what all tables shall be.
async fn rename_table(peer: &mut Peer, table: TableId, name: &str) -> Result<(), Failure> {
    let asked = names::stats(peer, StatsRequest::TableFeatures(Vec::new())).await?;
    let StatsReply::TableFeatures(mut tables) = asked else { return fail("bad reply to the request for tables") };
    let Some(renamed) = tables.iter_mut().find(|t| t.table == table) else {
        return fail(format!("{}: does not have table {}", peer.name, table.0));
    };
    renamed.name = name.chars().take(31).collect();
    if peer.version() >= Version::V15 {
        tables.retain(|t| t.table == table);
        for table in &mut tables {
            (table.command, table.properties) = (FeaturesCommand::Modify, false);
        }
    }
    names::stats(peer, StatsRequest::TableFeatures(tables)).await?;
    Ok(())
}

/// 1.4 sets eviction and vacancy in one message: what the user did not name stays.
async fn keep_other_settings(peer: &mut Peer, m: &mut TableMod) -> Result<(), Failure> {
    let StatsReply::TableDesc(tables) = names::stats(peer, StatsRequest::TableDesc).await? else { return Ok(()) };
    let Some(now) = tables.iter().find(|t| t.table == m.table || m.table == TableId::ALL) else { return Ok(()) };
    m.eviction.get_or_insert(now.eviction);
    m.vacancy.get_or_insert(now.vacancy);
    Ok(())
}

/// `DOWN,UP`
fn vacancy(text: &str) -> Result<Vacancy, Failure> {
    let percent = |what: &str, t: &str| match parse_u64(t).filter(|n| *n <= 100) {
        Some(n) => Ok(n as u8),
        None => fail(format!("Invalid vacancy {what} value \"{t}\"")),
    };
    let (down, up) = text.split_once(',').unwrap_or((text, ""));
    if down.is_empty() {
        return fail("Vacancy down value missing");
    }
    let down = percent("down", down)?;
    if up.is_empty() {
        return fail("Vacancy up value missing");
    }
    let up = percent("up", up)?;
    if down > up {
        return fail("Invalid vacancy range, vacancy up should be greater than vacancy down (OFPBPC_BAD_VALUE)");
    }
    Ok(Vacancy { enabled: true, down, up, current: 0 })
}

const FRAGS: [(&str, FragHandling); 4] = [
    ("normal", FragHandling::Normal),
    ("drop", FragHandling::Drop),
    ("reassemble", FragHandling::Reassemble),
    ("nx-match", FragHandling::NxMatch),
];

async fn config(peer: &mut Peer) -> Result<SwitchConfig, Failure> {
    match peer.ask_for(&Message::GetConfigRequest).await? {
        Message::GetConfigReply(config) => Ok(config),
        _ => fail(format!("{}: bad reply to config request", peer.name)),
    }
}

/// `get-frags`.
pub async fn get_frags(job: &mut Job) -> Result<Exit, Failure> {
    let mut peer = Peer::open(&job.options, &job.words[0], job.options.versions).await?;
    let config = config(&mut peer).await?;
    let name = FRAGS.iter().find(|(_, frag)| *frag == config.frag).map_or("unknown", |(name, _)| name);
    sayln!("{name}");
    Ok(Exit::OK)
}

/// `set-frags`.
pub async fn set_frags(job: &mut Job) -> Result<Exit, Failure> {
    let target = &job.words[0];
    let Some((name, frag)) = FRAGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&job.words[1])) else {
        return fail(format!("{}: unknown fragment handling mode", job.words[1]));
    };
    let mut peer = Peer::open(&job.options, target, job.options.versions).await?;
    let now = config(&mut peer).await?;
    if now.frag == *frag {
        return Ok(Exit::OK);
    }
    peer.do_and_wait(&Message::SetConfig(SwitchConfig { frag: *frag, ..now })).await?;
    if config(&mut peer).await?.frag != *frag {
        return fail(format!(
            "{target}: setting fragment handling mode failed (this switch probably doesn't support mode \"{name}\")"
        ));
    }
    Ok(Exit::OK)
}

/// `ct-flush-zone`.
pub async fn ct_flush_zone(job: &mut Job) -> Result<Exit, Failure> {
    let zone = match parse_u64(&job.words[1]).and_then(|n| u16::try_from(n).ok()) {
        Some(zone) => zone,
        None => return fail(format!("invalid zone_id \"{}\"", job.words[1])),
    };
    let mut peer = Peer::open(&job.options, &job.words[0], job.options.versions).await?;
    peer.do_and_wait(&Message::CtFlushZone(zone)).await?;
    Ok(Exit::OK)
}

/// `ct-flush SWITCH [zone=N] [ORIGINAL [REPLY]]`.
pub async fn ct_flush(job: &mut Job) -> Result<Exit, Failure> {
    let mut flush = CtFlush::default();
    let mut words = job.words[1..].iter();
    if let Some(zone) = words.as_slice().first().and_then(|word| word.strip_prefix("zone=")) {
        let zone = parse_u64(zone).and_then(|n| u16::try_from(n).ok());
        flush.zone = Some(zone.ok_or("Failed to parse zone")?);
        words.next();
    }
    let tuple = |text: &String| parse_tuple(text).map_err(|error| format!("Failed to parse ct-tuple: {error}"));
    if let Some(text) = words.next() {
        (flush.original, flush.proto) = tuple(text)?;
    }
    if let Some(text) = words.next() {
        let (reply, proto) = tuple(text)?;
        flush.reply = reply;
        if flush.proto == 0 {
            flush.proto = proto;
        } else if proto != 0 && proto != flush.proto {
            return fail("The L4 protocol does not match");
        }
    }
    if words.next().is_some() {
        return fail("Too many arguments");
    }
    let mut peer = Peer::open(&job.options, &job.words[0], job.options.versions).await?;
    peer.do_and_wait(&Message::CtFlush(flush)).await?;
    Ok(Exit::OK)
}

/// What a group command does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum GroupAction {
    /// `add-group`
    Add,
    /// `add-groups`
    AddFile,
    /// `mod-group`
    Modify,
    /// `del-groups`
    Delete,
    /// `insert-buckets`
    Insert,
    /// `remove-buckets`
    Remove,
}

/// The group commands.
pub async fn groups(job: &mut Job, action: GroupAction) -> Result<Exit, Failure> {
    let command = match action {
        GroupAction::Add | GroupAction::AddFile => GroupModCommand::Add,
        GroupAction::Modify if job.options.may_create => GroupModCommand::AddOrModify,
        GroupAction::Modify => GroupModCommand::Modify,
        GroupAction::Delete => GroupModCommand::Delete,
        GroupAction::Insert => GroupModCommand::InsertBucket,
        GroupAction::Remove => GroupModCommand::RemoveBucket,
    };
    let target = &job.words[0];
    let lines = match (action, job.word(1)) {
        (GroupAction::AddFile, Some(path)) | (_, Some(path @ "-")) => flows::read_lines(path)?,
        (GroupAction::Delete, None) => Vec::new(),
        (_, text) => vec![(0, text.unwrap_or_default().to_string())],
    };
    let parsed =
        flows::parse_all(&job.options, target, &lines, |text, names, _| parse_group_line(text, command, names));
    let mut mods = parsed.await.map_err(|(line, error)| match line {
        0 => error,
        line => format!("{}:{line}: {error}", job.word(1).unwrap_or_default()),
    })?;
    if mods.is_empty() && action == GroupAction::Delete {
        mods.push(GroupMod {
            command,
            group: GroupId::ALL,
            kind: GroupKind::All,
            buckets: Vec::new(),
            command_bucket: Bucket::ALL,
            selection: Selection::default(),
        });
    }
    let has = |command| mods.iter().any(|m| m.command == command);
    let (inserts, removes) = (has(GroupModCommand::InsertBucket), has(GroupModCommand::RemoveBucket));
    let usable = Formats::all().filter(|f| !removes || knows_buckets(f.version));
    if inserts && !usable.and(&job.options.formats).iter().any(|f| knows_buckets(f.version)) {
        return fail("insert-bucket needs OpenFlow 1.5 or later ('-O OpenFlow15')");
    }
    let messages: Vec<Message> = mods.into_iter().map(Message::GroupMod).collect();
    if job.options.bundle {
        bundle::send(&job.options, target, &usable, messages).await?;
        return Ok(Exit::OK);
    }
    let mut peer = flows::open_for(&job.options, target, &usable).await?;
    for message in messages {
        peer.do_and_wait(&message).await?;
    }
    Ok(Exit::OK)
}

/// OpenFlow 1.5 can change single buckets, and OVS's extension to 1.0.
fn knows_buckets(version: Version) -> bool {
    version == Version::V10 || version >= Version::V15
}

/// A line of a file may begin with its own command.
fn parse_group_line(text: &str, default: GroupModCommand, names: &Names) -> Result<GroupMod, String> {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let command = match word {
        "add" => GroupModCommand::Add,
        "modify" => GroupModCommand::Modify,
        "add_or_mod" => GroupModCommand::AddOrModify,
        "delete" => GroupModCommand::Delete,
        "insert_bucket" => GroupModCommand::InsertBucket,
        "remove_bucket" => GroupModCommand::RemoveBucket,
        _ => return parse_group(text, default, names),
    };
    parse_group(rest, command, names)
}

/// What a meter command does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum MeterAction {
    /// `add-meter`
    Add,
    /// `mod-meter`
    Modify,
    /// `del-meter`, `del-meters`
    Delete,
}

/// The meter commands.
pub async fn meters(job: &mut Job, action: MeterAction) -> Result<Exit, Failure> {
    let command = match action {
        MeterAction::Add => MeterModCommand::Add,
        MeterAction::Modify => MeterModCommand::Modify,
        MeterAction::Delete => MeterModCommand::Delete,
    };
    let m = match job.word(1) {
        Some(text) => parse_meter(text, command)?,
        None => {
            MeterMod { command, meter: MeterConfig { id: MeterId::ALL, flags: MeterFlags::empty(), bands: Vec::new() } }
        }
    };
    let usable = Formats::all().filter(|f| f.version >= Version::V13);
    let mut peer = flows::open_for(&job.options, &job.words[0], &usable).await?;
    peer.do_and_wait(&Message::MeterMod(m)).await?;
    Ok(Exit::OK)
}

/// What a command about tunnel options does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TlvAction {
    /// `add-tlv-map`
    Add,
    /// `del-tlv-map`
    Delete,
    /// `dump-tlv-map`
    Dump,
}

/// The commands about tunnel options.
pub async fn tlv_map(job: &mut Job, action: TlvAction) -> Result<Exit, Failure> {
    if action == TlvAction::Dump {
        let mut peer = Peer::open(&job.options, &job.words[0], job.options.versions).await?;
        let reply = peer.ask(&Message::TlvTableRequest).await?;
        say!("{}", show::message(&reply, &Names::none(), job.options.depth()));
        return Ok(Exit::OK);
    }
    let maps = match job.word(1) {
        Some(text) => text.split(",{").map(tlv).collect::<Result<Vec<_>, _>>()?,
        None => Vec::new(),
    };
    let command = match (action, maps.is_empty()) {
        (TlvAction::Add, _) => TlvTableCommand::Add,
        (_, true) => TlvTableCommand::Clear,
        (_, false) => TlvTableCommand::Delete,
    };
    let mut peer = Peer::open(&job.options, &job.words[0], job.options.versions).await?;
    peer.do_and_wait(&Message::TlvTableMod(TlvTableMod { command, maps })).await?;
    Ok(Exit::OK)
}

/// `{class=0xffff,type=0,len=4}->tun_metadata0`
fn tlv(text: &str) -> Result<TlvMap, Failure> {
    let bad = || Failure::with_status("invalid tlv mapping", 1);
    let (option, field) = text.split_once("->").ok_or_else(bad)?;
    let index = field.trim().strip_prefix("tun_metadata").and_then(|n| n.parse().ok()).ok_or_else(bad)?;
    let mut map = TlvMap { class: 0, kind: 0, len: 0, index };
    for word in option.trim().trim_matches(['{', '}']).split(',') {
        let (key, value) = word.split_once('=').ok_or_else(bad)?;
        let value = parse_u64(value).ok_or_else(bad)?;
        match key.trim() {
            "class" => map.class = u16::try_from(value).map_err(|_| bad())?,
            "type" => map.kind = u8::try_from(value).map_err(|_| bad())?,
            "len" => map.len = u8::try_from(value).map_err(|_| bad())?,
            _ => return Err(bad()),
        }
    }
    Ok(map)
}
