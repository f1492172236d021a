//! Flows: dumping, adding, changing, deleting, comparing.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};

use weft_flow::Match;
use weft_openflow::flow::{FlowMod, FlowModCommand, FlowStats, FlowStatsRequest};
use weft_openflow::message::{StatsReply, StatsRequest};
use weft_openflow::text::flow_print::format_pattern;
use weft_openflow::text::{
    FlowCommand, Names, Note, ParsedFlow, Protocols, format_flow_stats_with, format_instructions, read_flow,
    read_flow_mod_line,
};
use weft_openflow::{Cookie, FlowModFlags, Instructions, Message, TableId, Timeout, Version};

use super::format::Formats;
use super::peer::Peer;
use super::{Criterion, Job, Options, bulk, bundle, dump, names, notes};
use crate::failure::{Exit, Failure, fail};

/// What a flow command does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `add-flow`
    Add,
    /// `add-flows`
    AddFile,
    /// `mod-flows`
    Modify,
    /// `del-flows`
    Delete,
}

/// `add-flow`, `add-flows`, `mod-flows`, `del-flows`.
pub async fn run(job: &mut Job, action: Action) -> Result<Exit, Failure> {
    let options = &job.options;
    let target = job.words[0].clone();
    let command = match (action, options.strict) {
        (Action::Add | Action::AddFile, _) => FlowModCommand::Add,
        (Action::Modify, false) => FlowModCommand::Modify,
        (Action::Modify, true) => FlowModCommand::ModifyStrict,
        (Action::Delete, false) => FlowModCommand::Delete,
        (Action::Delete, true) => FlowModCommand::DeleteStrict,
    };
    let from_file = action == Action::AddFile || (action != Action::Add && job.word(1) == Some("-"));
    let file = match (from_file, job.word(1)) {
        (true, Some(path)) => Some(read_text(path)?),
        _ => None,
    };
    if options.verbosity < 5
        && let Some(text) = &file
        && bulk::load(options, &target, text, command).await?
    {
        return Ok(Exit::OK);
    }
    let lines: Vec<(usize, String)> = match (file, job.word(1)) {
        (Some(text), _) => lines_of(&text),
        (None, _) if from_file => Vec::new(),
        (None, text) => vec![(0, text.unwrap_or_default().to_string())],
    };
    let mods = parse_all(options, &target, &lines, |text, names, notes| match from_file {
        true => read_flow_mod_line(text, command, names, notes),
        false => read_flow(text, FlowCommand::Mod(command), names, notes),
    })
    .await
    .map_err(|(line, error)| match line {
        0 => error,
        line => format!("{}:{line}: {error}", job.word(1).unwrap_or_default()),
    })?;
    let usable = usable(&mods);
    send_mods(options, &target, mods.into_iter().map(|m| m.flow).collect(), &usable).await?;
    Ok(Exit::OK)
}

/// Parses lines; asks the switch for names only if a line does not do without.
pub async fn parse_all<T>(
    options: &Options,
    target: &str,
    lines: &[(usize, String)],
    parse: impl Fn(&str, &Names, &mut Vec<Note>) -> Result<T, String>,
) -> Result<Vec<T>, (usize, String)> {
    let none = Names::none();
    let mut fetched: Option<Names> = None;
    let mut said = Vec::new();
    let mut out = Vec::with_capacity(lines.len());
    for (number, text) in lines {
        let names = fetched.as_ref().unwrap_or(&none);
        let parsed = match parse(text, names, &mut said) {
            Err(error) if fetched.is_none() && options.accept_names() => {
                match names::fetch(options, target).await {
                    Ok(names) => {
                        said.clear();
                        let again = parse(text, &names, &mut said);
                        fetched = Some(names);
                        again
                    }
                    // The switch cannot be asked: the text's error says more.
                    Err(_) => Err(error),
                }
            }
            parsed => parsed,
        };
        notes::log(&said);
        said.clear();
        out.push(parsed.map_err(|error| (*number, error))?);
    }
    Ok(out)
}

/// Lines of a file (or of standard input) that say something, with their numbers.
pub fn read_lines(path: &str) -> Result<Vec<(usize, String)>, Failure> {
    Ok(lines_of(&read_text(path)?))
}

/// A file (or standard input) as it is.
fn read_text(path: &str) -> Result<String, Failure> {
    let text = match path {
        "-" => std::io::read_to_string(std::io::stdin()),
        path => std::fs::read_to_string(path),
    };
    match text {
        Ok(text) => Ok(text),
        Err(error) => fail(format!("{path}: open ({})", weft_jsonrpc::session::bare(&error))),
    }
}

fn lines_of(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut joined = String::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        match line.trim_end().strip_suffix('\\') {
            // A backslash continues the line.
            Some(head) => joined.push_str(head),
            None => {
                joined.push_str(line);
                if !joined.trim().is_empty() {
                    lines.push((at + 1, joined.trim().to_string()));
                }
                joined.clear();
            }
        }
    }
    lines
}

/// The forms that can say all of these, which somebody wrote.
pub fn usable(mods: &[ParsedFlow]) -> Formats {
    Formats::of(mods.iter().fold(Protocols::ANY, |all, m| all.and(m.usable)))
}

/// Opens a connection and brings it to a form that says all of these.
pub async fn open_for(options: &Options, target: &str, usable: &Formats) -> Result<Peer, Failure> {
    let both = usable.and(&options.formats);
    if both.is_empty() {
        return fail(format!(
            "none of the usable flow formats ({usable}) is among the allowed flow formats ({})",
            options.formats
        ));
    }
    let mut peer = Peer::open(options, target, both.versions()).await?;
    let version = peer.version();
    match both.iter().find(|format| format.version == version) {
        Some(format) => peer.use_format(format).await?,
        None => return fail(format!("{target}: switch does not support any of the usable flow formats ({usable})")),
    }
    Ok(peer)
}

/// Sends flow mods, each with a barrier, or all in a bundle.
async fn send_mods(options: &Options, target: &str, mods: Vec<FlowMod>, usable: &Formats) -> Result<(), Failure> {
    let mods = mods.into_iter().map(without_cookie);
    if options.bundle {
        let messages = mods.map(|m| Message::FlowMod(adding_table(m))).collect();
        return bundle::send(options, target, usable, messages).await;
    }
    let mut peer = open_for(options, target, usable).await?;
    for m in mods {
        let m = if peer.version() > Version::V10 { adding_table(m) } else { m };
        peer.show_and_do(&Message::FlowMod(m), options.verbosity).await?;
    }
    Ok(())
}

/// A deletion gives no flow a cookie.
fn without_cookie(m: FlowMod) -> FlowMod {
    match m.command {
        FlowModCommand::Delete | FlowModCommand::DeleteStrict => FlowMod { cookie: Cookie(0), ..m },
        _ => m,
    }
}

/// Only deletions may mean all tables.
pub fn adding_table(mut m: FlowMod) -> FlowMod {
    let deletes = matches!(m.command, FlowModCommand::Delete | FlowModCommand::DeleteStrict);
    if m.table == TableId::ALL && !deletes {
        m.table = TableId(0);
    }
    m
}

/// The request of `dump-flows` and `dump-aggregate`.
async fn filter(job: &Job) -> Result<FlowStatsRequest, Failure> {
    let text = vec![(0, job.word(1).unwrap_or_default().to_string())];
    let target = &job.words[0];
    let read = |text: &str, names: &Names, notes: &mut Vec<Note>| read_flow(text, FlowCommand::Filter, names, notes);
    let mut parsed = parse_all(&job.options, target, &text, read).await.map_err(|(_, error)| error)?;
    let Some(m) = parsed.pop().map(|parsed| parsed.flow) else { return Ok(FlowStatsRequest::default()) };
    Ok(FlowStatsRequest {
        matching: m.matching,
        table: m.table,
        out_port: m.out_port,
        out_group: m.out_group,
        cookie: m.filter_cookie,
        cookie_mask: m.cookie_mask,
    })
}

/// Opens a connection that says most about flows: NXM in 1.0.
pub async fn open_for_dump(options: &Options, target: &str) -> Result<Peer, Failure> {
    let mut peer = Peer::open(options, target, options.versions).await?;
    let version = peer.version();
    let best = options.formats.iter().filter(|f| f.version == version && !f.table_id).max_by_key(|f| f.nxm);
    if let Some(format) = best {
        if version == Version::V10 && format.nxm {
            let wanted = Message::SetFlowFormat(weft_openflow::message::FlowFormat::Nxm);
            // A switch without Nicira's extensions is asked in plain 1.0.
            if peer.do_or_error(&wanted).await?.is_none() {
                peer.dialect = format.dialect();
            }
        } else {
            peer.use_format(format).await?;
        }
    }
    Ok(peer)
}

/// `dump-flows`.
pub async fn dump(job: &mut Job) -> Result<Exit, Failure> {
    let options = &job.options;
    let target = &job.words[0];
    let request = filter(job).await?;
    let print_names = names::to_print(options, target).await?;
    let mut peer = open_for_dump(options, target).await?;
    if options.sort.is_empty() && !options.show_names() && options.stats {
        dump::print_stats(&mut peer, StatsRequest::Flow(request), &print_names, options.verbosity).await?;
        return Ok(Exit::OK);
    }
    let StatsReply::Flow(mut flows) = names::stats(&mut peer, StatsRequest::Flow(request)).await? else {
        return fail(format!("{target}: bad reply to the request for flows"));
    };
    flows.sort_by(|a, b| compare(a, b, &options.sort));
    let mut out = BufWriter::new(std::io::stdout().lock());
    for flow in &flows {
        // A reader that went away wants no more.
        if writeln!(out, " {}", format_flow_stats_with(flow, &print_names, options.stats)).is_err() {
            break;
        }
    }
    Ok(Exit::OK)
}

/// ovs-ofctl(8) `--sort`: flows that do not say the field come last.
fn compare(a: &FlowStats, b: &FlowStats, criteria: &[Criterion]) -> Ordering {
    for criterion in criteria {
        let order = match criterion.field {
            None => a.priority.cmp(&b.priority),
            Some(field) => {
                let ((a, a_mask), (b, b_mask)) = (a.matching.get(field), b.matching.get(field));
                match (a_mask != 0, b_mask != 0) {
                    (true, false) => return Ordering::Less,
                    (false, true) => return Ordering::Greater,
                    (false, false) => Ordering::Equal,
                    (true, true) => a.cmp(&b),
                }
            }
        };
        let order = if criterion.descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    // What the fields leave open: the flow that wins comes first.
    if criteria.is_empty() { Ordering::Equal } else { b.priority.cmp(&a.priority) }
}

/// `dump-aggregate`.
pub async fn aggregate(job: &mut Job) -> Result<Exit, Failure> {
    let request = filter(job).await?;
    let mut peer = open_for_dump(&job.options, &job.words[0]).await?;
    dump::print_stats(&mut peer, StatsRequest::Aggregate(request), &Names::none(), job.options.verbosity).await?;
    Ok(Exit::OK)
}

/// What makes flows the same flow: table, priority, match. The text of the match orders and finds them.
type Key = (TableId, std::cmp::Reverse<u16>, String);

/// A flow as `replace-flows` and `diff-flows` compare it.
#[derive(Clone)]
struct Content {
    matching: Match,
    cookie: Cookie,
    idle_timeout: Timeout,
    hard_timeout: Timeout,
    importance: u16,
    flags: FlowModFlags,
    instructions: Instructions,
}

impl Content {
    fn same(&self, other: &Content) -> bool {
        let ignored = FlowModFlags::CHECK_OVERLAP | FlowModFlags::RESET_COUNTS;
        self.cookie == other.cookie
            && self.idle_timeout == other.idle_timeout
            && self.hard_timeout == other.hard_timeout
            && self.importance == other.importance
            && self.flags - ignored == other.flags - ignored
            && self.instructions == other.instructions
    }
}

type Table = BTreeMap<Key, Content>;

fn key(table: TableId, priority: u16, matching: &Match) -> Key {
    (table, std::cmp::Reverse(priority), weft_flow::text::format_match(matching, &Names::none().ports))
}

fn from_mods(mods: Vec<FlowMod>) -> Table {
    let mut table = Table::new();
    for m in mods {
        let at = if m.table == TableId::ALL { TableId(0) } else { m.table };
        let version = Content {
            matching: m.matching.clone(),
            cookie: m.cookie,
            idle_timeout: m.idle_timeout,
            hard_timeout: m.hard_timeout,
            importance: m.importance,
            flags: m.flags,
            instructions: m.instructions,
        };
        table.insert(key(at, m.priority, &m.matching), version);
    }
    table
}

async fn from_switch(peer: &mut Peer) -> Result<Table, Failure> {
    let StatsReply::Flow(flows) = names::stats(peer, StatsRequest::Flow(FlowStatsRequest::default())).await? else {
        return fail(format!("{}: bad reply to the request for flows", peer.name));
    };
    let mut table = Table::new();
    for f in flows {
        let version = Content {
            matching: f.matching.clone(),
            cookie: f.cookie,
            idle_timeout: f.idle_timeout,
            hard_timeout: f.hard_timeout,
            importance: f.importance,
            flags: f.flags,
            instructions: f.instructions,
        };
        table.insert(key(f.table, f.priority, &f.matching), version);
    }
    Ok(table)
}

async fn from_file(options: &Options, target: Option<&str>, path: &str) -> Result<(Table, Formats), Failure> {
    let lines = read_lines(path)?;
    let parse = |text: &str, names: &Names, notes: &mut Vec<Note>| {
        read_flow(text, FlowCommand::Mod(FlowModCommand::Add), names, notes)
    };
    let mods = match target {
        Some(target) => parse_all(options, target, &lines, parse).await,
        None => {
            let mut said = Vec::new();
            let mods =
                lines.iter().map(|(line, text)| parse(text, &Names::none(), &mut said).map_err(|error| (*line, error)));
            let mods = mods.collect();
            notes::log(&said);
            mods
        }
    };
    let mods = mods.map_err(|(line, error)| format!("{path}:{line}: {error}"))?;
    let formats = usable(&mods);
    Ok((from_mods(mods.into_iter().map(|m| m.flow).collect()), formats))
}

/// `replace-flows`.
pub async fn replace(job: &mut Job) -> Result<Exit, Failure> {
    let options = &job.options;
    let target = &job.words[0];
    let (wanted, formats) = from_file(options, Some(target), &job.words[1]).await?;
    let formats = if options.bundle { formats.filter(|f| f.version >= Version::V13) } else { formats };
    let mut peer = open_for(options, target, &formats).await?;
    let present = from_switch(&mut peer).await?;
    let keys: BTreeSet<&Key> = present.keys().chain(wanted.keys()).collect();
    let mut messages = Vec::new();
    for key in keys {
        match (present.get(key), wanted.get(key)) {
            (Some(old), None) => messages.push(flow_mod(key, old, FlowModCommand::DeleteStrict)),
            (Some(old), Some(new)) if old.same(new) && !options.readd => {}
            (_, Some(new)) => messages.push(flow_mod(key, new, FlowModCommand::Add)),
            (None, None) => {}
        }
    }
    if options.bundle {
        bundle::send_on(&mut peer, messages.into_iter().map(Message::FlowMod).collect()).await?;
        return Ok(Exit::OK);
    }
    for m in messages {
        peer.do_and_wait(&Message::FlowMod(m)).await?;
    }
    Ok(Exit::OK)
}

fn flow_mod(key: &Key, version: &Content, command: FlowModCommand) -> FlowMod {
    let adds = command == FlowModCommand::Add;
    FlowMod {
        command,
        table: key.0,
        matching: version.matching.clone(),
        priority: key.1.0,
        cookie: if adds { version.cookie } else { Cookie(0) },
        idle_timeout: if adds { version.idle_timeout } else { Timeout::NEVER },
        hard_timeout: if adds { version.hard_timeout } else { Timeout::NEVER },
        importance: if adds { version.importance } else { 0 },
        flags: if adds { version.flags } else { FlowModFlags::empty() },
        instructions: if adds { version.instructions.clone() } else { Instructions::default() },
        ..FlowMod::default()
    }
}

/// `diff-flows`: exit status 2 when there are differences.
pub async fn diff(job: &mut Job) -> Result<Exit, Failure> {
    let options = &job.options;
    let mut sides = Vec::new();
    for source in &job.words {
        let is_file =
            source.contains('/') && !source.contains(':') || std::fs::metadata(source).is_ok_and(|m| m.is_file());
        sides.push(if is_file || source == "-" {
            from_file(options, None, source).await?.0
        } else {
            let mut peer = open_for_dump(options, source).await?;
            from_switch(&mut peer).await?
        });
    }
    let names = Names::none();
    let (a, b) = (&sides[0], &sides[1]);
    let keys: std::collections::BTreeSet<&Key> = a.keys().chain(b.keys()).collect();
    let mut differs = false;
    for key in keys {
        let (old, new) = (a.get(key), b.get(key));
        if let (Some(old), Some(new)) = (old, new)
            && old.same(new)
        {
            continue;
        }
        differs = true;
        for (mark, version) in [('-', old), ('+', new)] {
            if let Some(version) = version {
                sayln!("{mark}{}", line(key, version, &names));
            }
        }
    }
    Ok(Exit(if differs { 2 } else { 0 }))
}

fn line(key: &Key, version: &Content, names: &Names) -> String {
    let mut text = String::new();
    if key.0 != TableId(0) {
        text.push_str(&format!("table={} ", key.0));
    }
    text.push_str(&format_pattern(&version.matching, key.1.0, names));
    if version.cookie.0 != 0 {
        text.push_str(&format!("cookie={} ", version.cookie));
    }
    if version.idle_timeout != Timeout::NEVER {
        text.push_str(&format!("idle_timeout={} ", version.idle_timeout.0));
    }
    if version.hard_timeout != Timeout::NEVER {
        text.push_str(&format!("hard_timeout={} ", version.hard_timeout.0));
    }
    if version.importance != 0 {
        text.push_str(&format!("importance={} ", version.importance));
    }
    for (flag, word) in weft_openflow::text::flow_print::FLAG_WORDS {
        if version.flags.contains(flag) {
            text.push_str(&format!("{word} "));
        }
    }
    text.push_str(&format!("actions={}", format_instructions(&version.instructions, names)));
    text
}
