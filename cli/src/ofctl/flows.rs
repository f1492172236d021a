//! Flows: dumping, adding, changing, deleting, comparing.

use std::cmp::Ordering;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use weft_openflow::flow::{FlowMod, FlowModCommand, FlowStats, FlowStatsRequest};
use weft_openflow::message::{StatsReply, StatsRequest};
use weft_openflow::text::{
    FlowCommand, Names, Note, ParsedFlow, Protocols, format_flow_stats_with, read_flow, read_flow_mod_line,
    read_flow_mod_line_into,
};
use weft_openflow::{Cookie, Message, TableId, Version};

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
    let from_file = action == Action::AddFile || job.word(1) == Some("-");
    let file = match (from_file, job.word(1)) {
        (true, Some(path)) => Some(Arc::new(read_text(path, "open failed")?)),
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
    let at = |(line, error): (usize, String)| match line {
        0 => error,
        line => format!("{}:{line}: {error}", job.word(1).unwrap_or_default()),
    };
    if from_file && options.verbosity < 5 && !lines.is_empty() {
        // one after another for what there is to say, then once more for what is to be sent
        let mut flow = FlowMod::default();
        let read = |text: &str, names: &Names, notes: &mut Vec<Note>| {
            read_flow_mod_line_into(text, command, names, notes, &mut flow)
        };
        let (usable, names) = parse_with_names(options, &target, &lines, read).await.map_err(at)?;
        let usable = Formats::of(usable.into_iter().fold(Protocols::ANY, Protocols::and));
        let text: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
        bulk::load_known(options, &target, text.join("\n"), command, (names, usable)).await?;
        return Ok(Exit::OK);
    }
    let mods = parse_all(options, &target, &lines, |text, names, notes| match from_file {
        true => read_flow_mod_line(text, command, names, notes),
        false => read_flow(text, FlowCommand::Mod(command), names, notes),
    })
    .await
    .map_err(at)?;
    let usable = usable(&mods);
    send_mods(options, &target, mods.into_iter().map(|m| m.flow).collect(), &usable).await?;
    Ok(Exit::OK)
}

/// Parses lines; asks the switch for names only if a line does not do without.
pub async fn parse_all<T>(
    options: &Options,
    target: &str,
    lines: &[(usize, String)],
    parse: impl FnMut(&str, &Names, &mut Vec<Note>) -> Result<T, String>,
) -> Result<Vec<T>, (usize, String)> {
    parse_with_names(options, target, lines, parse).await.map(|(parsed, _)| parsed)
}

/// [`parse_all`], with the names that the last line was read with.
pub async fn parse_with_names<T>(
    options: &Options,
    target: &str,
    lines: &[(usize, String)],
    mut parse: impl FnMut(&str, &Names, &mut Vec<Note>) -> Result<T, String>,
) -> Result<(Vec<T>, Names), (usize, String)> {
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
    Ok((out, fetched.unwrap_or_default()))
}

/// Lines of a file (or of standard input) that say something, with their numbers.
pub fn read_lines(path: &str) -> Result<Vec<(usize, String)>, Failure> {
    Ok(lines_of(&read_text(path, "open failed")?))
}

/// As [`read_lines`]; `failed` is what is said of a file that cannot be opened.
pub fn read_lines_or(path: &str, failed: &str) -> Result<Vec<(usize, String)>, Failure> {
    Ok(lines_of(&read_text(path, failed)?))
}

/// A file (or standard input) as it is.
fn read_text(path: &str, failed: &str) -> Result<String, Failure> {
    let text = match path {
        "-" => std::io::read_to_string(std::io::stdin()),
        path => std::fs::read_to_string(path),
    };
    match text {
        Ok(text) => Ok(text),
        // a folder opens, but there is nothing to read in it
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::ISDIR.raw_os_error()) => Ok(String::new()),
        Err(error) => fail(format!("{path}: {failed} ({})", weft_jsonrpc::session::bare(&error))),
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

/// Those of these forms that the user allows; there must be one.
fn sayable(usable: &Formats, options: &Options) -> Result<Formats, Failure> {
    let both = usable.and(&options.formats);
    match both.is_empty() {
        true => fail(format!(
            "none of the usable flow formats ({usable}) is among the allowed flow formats ({})",
            options.formats
        )),
        false => Ok(both),
    }
}

/// Opens a connection and brings it to a form that says all of these.
pub async fn open_for(options: &Options, target: &str, usable: &Formats) -> Result<Peer, Failure> {
    let both = sayable(usable, options)?;
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
    let said_in = |mut m: FlowMod, version| {
        make_sayable(&mut m, version);
        Message::FlowMod(m)
    };
    if options.bundle {
        let messages = mods.into_iter().map(|m| said_in(m, Version::V13)).collect();
        return bundle::send(options, target, usable, messages).await;
    }
    let mut peer = open_for(options, target, usable).await?;
    for m in mods {
        peer.show_and_do(&said_in(m, peer.version()), options.verbosity).await?;
    }
    Ok(())
}

/// Only deletions may mean all tables.
pub fn adding_table(mut m: FlowMod) -> FlowMod {
    if m.table == TableId::ALL && !deletes(&m) {
        m.table = TableId(0);
    }
    m
}

/// The same where the version is later than 1.0; and a deletion gives no flow a cookie.
pub fn make_sayable(m: &mut FlowMod, version: Version) {
    if deletes(m) {
        m.cookie = Cookie(0);
    } else if m.table == TableId::ALL && version > Version::V10 {
        m.table = TableId(0);
    }
}

fn deletes(m: &FlowMod) -> bool {
    matches!(m.command, FlowModCommand::Delete | FlowModCommand::DeleteStrict)
}

/// The request of `dump-flows` and `dump-aggregate`.
async fn filter(job: &Job) -> Result<FlowStatsRequest, Failure> {
    let text = vec![(0, job.word(1).unwrap_or_default().to_string())];
    let target = &job.words[0];
    let read = |text: &str, names: &Names, notes: &mut Vec<Note>| read_flow(text, FlowCommand::Filter, names, notes);
    let mut parsed = parse_all(&job.options, target, &text, read).await.map_err(|(_, error)| error)?;
    let Some(ParsedFlow { flow: m, usable }) = parsed.pop() else { return Ok(FlowStatsRequest::default()) };
    sayable(&Formats::of(usable), &job.options)?;
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
        dump::print_stats(&mut peer, StatsRequest::Flow(request), &print_names, options.depth()).await?;
        return Ok(Exit::OK);
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut sorted: Vec<Sorted> = Vec::new();
    let mut gone = false;
    names::each_part(&mut peer, StatsRequest::Flow(request), |part| {
        let StatsReply::Flow(flows) = part else { return Err(format!("{target}: bad reply to the request for flows")) };
        for flow in flows {
            let text = format!(" {}", format_flow_stats_with(&flow, &print_names, options.stats));
            match options.sort.is_empty() {
                // A reader that went away wants no more.
                true => gone |= writeln!(out, "{text}").is_err(),
                false => sorted.push(Sorted::of(&flow, &options.sort, text)),
            }
        }
        Ok(())
    })
    .await?;
    sorted.sort_by(|a, b| compare(a, b, &options.sort));
    for flow in sorted {
        if gone || writeln!(out, "{}", flow.text).is_err() {
            break;
        }
    }
    Ok(Exit::OK)
}

/// A flow that waits for its place.
struct Sorted {
    /// What it says of each criterion, if it does.
    says: Vec<Option<u128>>,
    priority: u16,
    text: String,
}

impl Sorted {
    fn of(flow: &FlowStats, criteria: &[Criterion], text: String) -> Sorted {
        let says = |criterion: &Criterion| match criterion.field {
            None => Some(flow.priority.into()),
            Some(field) => Some(flow.matching.get(field)).filter(|(_, mask)| *mask != 0).map(|(value, _)| value),
        };
        Sorted { says: criteria.iter().map(says).collect(), priority: flow.priority, text }
    }
}

/// ovs-ofctl(8) `--sort`: flows that do not say the field come last.
fn compare(a: &Sorted, b: &Sorted, criteria: &[Criterion]) -> Ordering {
    for (criterion, says) in criteria.iter().zip(a.says.iter().zip(&b.says)) {
        let order = match says {
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (a, b) => a.cmp(b),
        };
        let order = if criterion.descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    // What the fields leave open: the flow that wins comes first.
    b.priority.cmp(&a.priority)
}

/// `dump-aggregate`.
pub async fn aggregate(job: &mut Job) -> Result<Exit, Failure> {
    let request = filter(job).await?;
    let mut peer = open_for_dump(&job.options, &job.words[0]).await?;
    dump::print_stats(&mut peer, StatsRequest::Aggregate(request), &Names::none(), job.options.depth()).await?;
    Ok(Exit::OK)
}
