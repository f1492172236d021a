//! `replace-flows` and `diff-flows`: the flows of two files or switches beside each other.
//!
//! Why compact: there may be a million on each side. Matches share their masks, flows that do the same share what they do,
//! and what a switch answers is taken in part by part; text is made of what differs only.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use weft_flow::{CompactMatch, Masks, Match};
use weft_openflow::flow::{FlowMod, FlowModCommand, FlowStatsRequest};
use weft_openflow::message::{StatsReply, StatsRequest};
use weft_openflow::text::flow_print::format_pattern;
use weft_openflow::text::{FlowCommand, Names, Note, Protocols, format_instructions, read_flow};
use weft_openflow::{Cookie, FlowModFlags, Instructions, TableId, Timeout, Version};

use super::flows::{open_for, open_for_dump, parse_all, read_lines_or};
use super::format::Formats;
use super::peer::Peer;
use super::{Job, Options, bulk, names, notes};
use crate::failure::{Exit, Failure};

/// What makes flows the same flow.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    table: TableId,
    priority: u16,
    matching: CompactMatch,
}

/// What may differ.
struct Content {
    cookie: Cookie,
    idle_timeout: Timeout,
    hard_timeout: Timeout,
    importance: u16,
    flags: FlowModFlags,
    instructions: Arc<Instructions>,
}

/// One side.
#[derive(Default)]
struct Side {
    flows: HashMap<Key, Content>,
    last: Option<Arc<Instructions>>,
}

/// A flow on both sides.
type Pair<'a> = (&'a Key, Option<&'a Content>, Option<&'a Content>);

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

impl Side {
    fn add(&mut self, masks: &mut Masks, (table, priority, matching): (TableId, u16, &Match), mut content: Content) {
        match &self.last {
            Some(last) if **last == *content.instructions => content.instructions = Arc::clone(last),
            _ => self.last = Some(Arc::clone(&content.instructions)),
        }
        self.flows.insert(Key { table, priority, matching: masks.compact(matching) }, content);
    }

    fn add_mod(&mut self, masks: &mut Masks, m: FlowMod) {
        let table = if m.table == TableId::ALL { TableId(0) } else { m.table };
        let content = Content {
            cookie: m.cookie,
            idle_timeout: m.idle_timeout,
            hard_timeout: m.hard_timeout,
            importance: m.importance,
            flags: m.flags,
            instructions: Arc::new(m.instructions),
        };
        self.add(masks, (table, m.priority, &m.matching), content);
    }
}

async fn from_switch(peer: &mut Peer, masks: &mut Masks) -> Result<Side, Failure> {
    let mut side = Side::default();
    let name = peer.name.clone();
    names::each_part(peer, StatsRequest::Flow(FlowStatsRequest::default()), |part| {
        let StatsReply::Flow(flows) = part else { return Err(format!("{name}: bad reply to the request for flows")) };
        for f in flows {
            let content = Content {
                cookie: f.cookie,
                idle_timeout: f.idle_timeout,
                hard_timeout: f.hard_timeout,
                importance: f.importance,
                flags: f.flags,
                instructions: Arc::new(f.instructions),
            };
            side.add(masks, (f.table, f.priority, &f.matching), content);
        }
        Ok(())
    })
    .await?;
    Ok(side)
}

async fn from_file(
    options: &Options,
    target: Option<&str>,
    path: &str,
    masks: &mut Masks,
) -> Result<(Side, Formats), Failure> {
    let lines = read_lines_or(path, "open")?;
    let mut side = Side::default();
    let mut usable = Protocols::ANY;
    let mut take = |text: &str, names: &Names, notes: &mut Vec<Note>| {
        let parsed = read_flow(text, FlowCommand::Mod(FlowModCommand::Add), names, notes)?;
        usable = usable.and(parsed.usable);
        side.add_mod(masks, parsed.flow);
        Ok(())
    };
    let outcome = match target {
        Some(target) => parse_all(options, target, &lines, take).await.map(|_| ()),
        None => {
            let mut said = Vec::new();
            let read =
                lines.iter().try_for_each(|(line, text)| take(text, &Names::none(), &mut said).map_err(|e| (*line, e)));
            notes::log(&said);
            read
        }
    };
    outcome.map_err(|(line, error): (usize, String)| format!("{path}:{line}: {error}"))?;
    Ok((side, Formats::of(usable)))
}

/// The flows of both sides that are not the same on both, in the order of tables, falling priority and the match's text.
#[allow(clippy::iter_over_hash_type, reason = "what differs is put in order")]
fn differences<'a>(old: &'a Side, new: &'a Side, all: bool) -> Vec<Pair<'a>> {
    let mut differing: Vec<Pair<'a>> = Vec::new();
    for (key, was) in &old.flows {
        let is = new.flows.get(key);
        if all || is.is_none_or(|is| !was.same(is)) {
            differing.push((key, Some(was), is));
        }
    }
    differing.extend(new.flows.iter().filter(|(key, _)| !old.flows.contains_key(key)).map(|(k, c)| (k, None, Some(c))));
    let text = |key: &Key| weft_flow::text::format_match(&key.matching.unpack(), &Names::none().ports);
    differing.sort_by_cached_key(|(key, ..)| (key.table, Reverse(key.priority), text(key)));
    differing
}

/// `replace-flows`.
pub async fn replace(job: &mut Job) -> Result<Exit, Failure> {
    let options = &job.options;
    let target = &job.words[0];
    let mut masks = Masks::default();
    let (wanted, formats) = from_file(options, Some(target), &job.words[1], &mut masks).await?;
    let formats = if options.bundle { formats.filter(|f| f.version >= Version::V13) } else { formats };
    let mut peer = open_for(options, target, &formats).await?;
    let present = from_switch(&mut peer, &mut masks).await?;
    let differences = differences(&present, &wanted, options.readd);
    let todo = differences.into_iter().filter_map(|(key, old, new)| match (old, new) {
        (Some(old), None) => Some(flow_mod(key, old, FlowModCommand::DeleteStrict)),
        (_, Some(new)) => Some(flow_mod(key, new, FlowModCommand::Add)),
        (None, None) => None,
    });
    bulk::send(&mut peer, options.bundle, todo).await?;
    Ok(Exit::OK)
}

fn flow_mod(key: &Key, content: &Content, command: FlowModCommand) -> FlowMod {
    let adds = command == FlowModCommand::Add;
    FlowMod {
        command,
        table: key.table,
        matching: key.matching.unpack(),
        priority: key.priority,
        cookie: if adds { content.cookie } else { Cookie(0) },
        idle_timeout: if adds { content.idle_timeout } else { Timeout::NEVER },
        hard_timeout: if adds { content.hard_timeout } else { Timeout::NEVER },
        importance: if adds { content.importance } else { 0 },
        flags: if adds { content.flags } else { FlowModFlags::empty() },
        instructions: if adds { (*content.instructions).clone() } else { Instructions::default() },
        ..FlowMod::default()
    }
}

/// `diff-flows`: exit status 2 when there are differences.
pub async fn diff(job: &mut Job) -> Result<Exit, Failure> {
    let options = &job.options;
    let mut masks = Masks::default();
    let mut sides = Vec::new();
    for source in &job.words {
        let is_file =
            source.contains('/') && !source.contains(':') || std::fs::metadata(source).is_ok_and(|m| m.is_file());
        sides.push(if is_file || source == "-" {
            from_file(options, None, source, &mut masks).await?.0
        } else {
            let mut peer = open_for_dump(options, source).await?;
            from_switch(&mut peer, &mut masks).await?
        });
    }
    let names = Names::none();
    let differences = differences(&sides[0], &sides[1], false);
    for (key, old, new) in &differences {
        for (mark, content) in [('-', old), ('+', new)] {
            if let Some(content) = content {
                sayln!("{mark}{}", line(key, content, &names));
            }
        }
    }
    Ok(Exit(if differences.is_empty() { 0 } else { 2 }))
}

fn line(key: &Key, content: &Content, names: &Names) -> String {
    let mut text = String::new();
    if key.table != TableId(0) {
        text.push_str(&format!("table={} ", key.table));
    }
    let pattern = format_pattern(&key.matching.unpack(), key.priority, names);
    // the space behind it is there even if it says nothing
    text.push_str(if pattern.is_empty() { " " } else { &pattern });
    if content.cookie.0 != 0 {
        text.push_str(&format!("cookie={} ", content.cookie));
    }
    if content.idle_timeout != Timeout::NEVER {
        text.push_str(&format!("idle_timeout={} ", content.idle_timeout.0));
    }
    if content.hard_timeout != Timeout::NEVER {
        text.push_str(&format!("hard_timeout={} ", content.hard_timeout.0));
    }
    if content.importance != 0 {
        text.push_str(&format!("importance={} ", content.importance));
    }
    text.push_str(&format!("actions={}", format_instructions(&content.instructions, names)));
    text
}
