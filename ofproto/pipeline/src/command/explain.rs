//! `explain`: what becomes of a frame and who decided it, for people.
//!
//! What: `explain BRIDGE PACKET` follows a frame through the tables with the translation that forwards; `explain last-drop
//! PORT` takes the newest frame that was dropped at a port, says why the datapath dropped it, and does the same.
//! How: [`Report::of`] listens to a translation and makes a value; `words` prints it, `json` hands it to programs.
//!
//! Invariant: nothing is learned, counted or sent.

mod json;
mod near;
mod words;

use std::collections::VecDeque;
use std::time::Duration;

use weft_base::Time;
use weft_engine::LastDrop;
use weft_flow::dpctl::DpNames;
use weft_flow::{DpAction, FieldId, FlowKey, OfPort};
use weft_openflow::TableId;
use weft_packet::{DropReason, Frame};

use super::trace::{NEW_AND_TRACKED, dp_names, frame_in_hex, parse_flow};
use crate::bridge::Bridge;
use crate::pipeline::Pipeline;
use crate::tables::Tables;
use crate::text;
use crate::translate::facts::{Fact, Found};
use crate::translate::trace::{Fork, NodeKind};
use crate::translate::{Input, Trace, translate};
use crate::upcall::set_in_port;
use near::{Near, nearest};

/// How often a frame is followed through conntrack.
const MAX_FOLLOWED: usize = 64;

/// All that is said of one frame.
pub(super) struct Report {
    bridge: String,
    /// The port's name, or what stands for it.
    in_port: String,
    /// The frame in the flow syntax.
    frame: String,
    steps: Vec<Step>,
    verdict: Verdict,
    /// The datapath's actions.
    datapath: String,
    /// What the datapath has dropped, where that was asked.
    dropped: Option<Dropped>,
}

/// One stop on the way.
enum Step {
    Bridge(String),
    Rule {
        table: TableId,
        priority: u32,
        cookie: u64,
        matching: String,
        actions: String,
    },
    Miss {
        table: TableId,
        to_controller: bool,
        rules: usize,
        near: Vec<Near>,
    },
    ActionSet,
    /// Conntrack has seen the frame: it goes on as the first of a new connection.
    Tracked,
    /// Something that happened there and is worth knowing; `bad` if it is probably not what anybody wants.
    Note {
        text: String,
        bad: bool,
    },
}

enum Verdict {
    /// Nobody gets it.
    Dropped { reason: DropReason, by: String },
    /// Somebody gets it: ports as `bridge/port`, then whether controllers do.
    Forwarded { ports: Vec<String>, controller: bool },
    /// It changes headers or asks the slow path, and no port is named.
    Handled,
}

/// A drop that has happened.
struct Dropped {
    port: String,
    reason: DropReason,
    ago: Duration,
    len: usize,
    /// Where it had come in; `None`: only the device still had it.
    in_port: Option<String>,
}

impl Pipeline {
    /// Run the command.
    ///
    /// # Errors
    /// What is wrong with its arguments, or that nothing has been dropped at the port.
    pub(super) fn explain(&self, args: &[&str], now: Time) -> Result<String, String> {
        let wants_json = args.contains(&"--json");
        let plain: Vec<&str> = args.iter().copied().filter(|arg| *arg != "--json").collect();
        let tables = self.read();
        let report = match plain[..] {
            ["last-drop", port] => self.last_drop(&tables, None, port, now)?,
            [bridge, "last-drop", port] => self.last_drop(&tables, Some(bridge), port, now)?,
            [bridge, ref packet @ ..] if !packet.is_empty() && packet.len() < 3 => {
                let bridge = tables.bridge_named(bridge).ok_or_else(|| format!("{bridge}: unknown bridge"))?;
                let key = key_of(bridge, packet)?;
                Some(Report::of(&tables, bridge, &key))
            }
            _ => return Err("explain takes BRIDGE FLOW, BRIDGE [FLOW] HEX or last-drop PORT".into()),
        };
        let Some(report) = report else { return Err("the frame's port belongs to no bridge any more".into()) };
        Ok(if wants_json { report.json() } else { report.words() })
    }

    fn last_drop(
        &self,
        tables: &Tables,
        bridge: Option<&str>,
        port: &str,
        now: Time,
    ) -> Result<Option<Report>, String> {
        let known = tables.bridges().filter(|b| bridge.is_none_or(|name| b.name == name));
        let (at, found) = known
            .filter_map(|b| Some((b, b.port_named(port)?)))
            .next()
            .ok_or_else(|| format!("{port}: no bridge has a port of that name"))?;
        let dp = found.dp().ok_or_else(|| format!("{port}: a patch port has no device that could drop"))?;
        let drop = self.datapath().and_then(|d| d.last_drop(dp));
        let drop = drop.ok_or_else(|| format!("{port}: nothing was dropped here since the port was added"))?;
        let from = tables.port_of_dp(drop.in_port);
        let dropped = Dropped {
            port: port.into(),
            reason: drop.reason,
            ago: now.since(drop.at),
            len: drop.len,
            in_port: from.map(|(_, port)| port.settings.name.clone()),
        };
        if drop.head.is_empty() {
            return Ok(Some(Report::without_frame(at, port, dropped)));
        }
        let Some((bridge, from)) = from else { return Ok(None) };
        let mut key = extract(&whole(&drop))?;
        set_in_port(&mut key, from.number);
        let mut report = Report::of(tables, bridge, &key);
        report.dropped = Some(dropped);
        Ok(Some(report))
    }
}

/// The key that the arguments mean: a flow, a frame in hexadecimal digits, or the frame with a flow that says its port.
fn key_of(bridge: &Bridge, packet: &[&str]) -> Result<FlowKey, String> {
    let (flow, bytes) = match *packet {
        [one] => match frame_in_hex(one) {
            Some(bytes) => ("", Some(bytes)),
            None => (one, None),
        },
        [flow, bytes] => {
            (flow, Some(frame_in_hex(bytes).ok_or_else(|| format!("{bytes}: not a frame in hexadecimal digits"))?))
        }
        _ => return Err("a frame is a flow, hexadecimal digits, or both".into()),
    };
    let said = parse_flow(flow, bridge)?;
    let Some(bytes) = bytes else { return Ok(said) };
    let mut key = extract(&bytes)?;
    set_in_port(&mut key, OfPort(said.word(0) as u32));
    Ok(key)
}

fn extract(bytes: &[u8]) -> Result<FlowKey, String> {
    let mut key = FlowKey::new();
    let mut frame = Frame::copy_of(bytes);
    weft_flow::extract::extract(&mut frame, &mut key, Default::default())
        .map_err(|_| "the frame is too short to be an Ethernet frame".to_string())?;
    Ok(key)
}

/// As much of the frame as was kept, and zeros for the rest: lengths in its headers are then true.
fn whole(drop: &LastDrop) -> Vec<u8> {
    let mut bytes = drop.head.clone();
    bytes.resize(drop.len.clamp(bytes.len(), 1 << 16), 0);
    bytes
}

impl Report {
    /// Follow a frame, through conntrack too as far as it can be foreseen: as the first of a new connection.
    fn of(tables: &Tables, bridge: &Bridge, key: &FlowKey) -> Report {
        let mut way = Way::default();
        let (actions, forks) = way.go(&Input { tables, bridge, key, actions: None, frozen: None });
        let mut waiting = VecDeque::from(forks);
        // this datapath has no conntrack: what comes behind it is what the tables would say
        let is_lost = !waiting.is_empty() && way.ports.is_empty() && !way.controller;
        for _ in 0..MAX_FOLLOWED {
            let Some(mut fork) = waiting.pop_front() else { break };
            let Some(resumed) = tables.bridge(fork.frozen.state.bridge) else { break };
            FieldId::CtState.set(&mut fork.key, NEW_AND_TRACKED);
            way.steps.push(Step::Tracked);
            let frozen = Some(&fork.frozen.state);
            waiting.extend(way.go(&Input { tables, bridge: resumed, key: &fork.key, actions: None, frozen }).1);
        }
        let verdict = match actions.last() {
            // a paused packet is all that its controller got
            Some(DpAction::Drop(reason)) if !way.controller => {
                Verdict::Dropped { reason: *reason, by: decider(&way.steps, *reason) }
            }
            _ if is_lost => Verdict::Dropped { reason: DropReason::NoConntrack, by: "the datapath".into() },
            _ if !way.ports.is_empty() || way.controller => {
                Verdict::Forwarded { ports: way.ports, controller: way.controller }
            }
            _ => Verdict::Handled,
        };
        let number = OfPort(key.word(0) as u32);
        Report {
            bridge: bridge.name.clone(),
            in_port: bridge.port(number).map_or_else(|| number.to_string(), |p| p.settings.name.clone()),
            frame: text::flow(key, bridge, &Default::default()),
            steps: way.steps,
            verdict,
            datapath: text::dp_actions(&actions, &dp_names(tables)),
            dropped: None,
        }
    }

    /// Only the device has seen the frame.
    fn without_frame(bridge: &Bridge, port: &str, dropped: Dropped) -> Report {
        Report {
            bridge: bridge.name.clone(),
            in_port: String::new(),
            frame: String::new(),
            steps: Vec::new(),
            verdict: Verdict::Dropped { reason: dropped.reason, by: format!("the device of port {port}") },
            datapath: text::dp_actions(&[DpAction::Drop(dropped.reason)], &DpNames::new()),
            dropped: Some(dropped),
        }
    }
}

/// What was met on the way so far.
#[derive(Default)]
struct Way {
    steps: Vec<Step>,
    ports: Vec<String>,
    controller: bool,
}

impl Way {
    /// One translation. Returns the datapath's actions, and where conntrack would send the frame on.
    fn go(&mut self, input: &Input<'_>) -> (Vec<DpAction>, Vec<Fork>) {
        let mut trace = Trace::new(false);
        let done = translate(input, Some(&mut trace));
        for fact in trace.facts {
            let step = match fact {
                Fact::Bridge(name) => Step::Bridge(name),
                Fact::Lookup { bridge, table, found, key } => answer(input.tables, &bridge, table, found, &key),
                Fact::ActionSet => Step::ActionSet,
                // the rule's own actions have been said with it
                Fact::Note(NodeKind::Detail, text) => Step::Note { text, bad: false },
                Fact::Note(NodeKind::Warn | NodeKind::Error, text) => Step::Note { text, bad: true },
                Fact::Note(..) => continue,
                Fact::Sent { bridge, port } => {
                    self.ports.push(format!("{bridge}/{port}"));
                    continue;
                }
                Fact::ToController => {
                    self.controller = true;
                    continue;
                }
                Fact::Refused(reason) => Step::Note { text: reason.meaning().into(), bad: true },
            };
            self.steps.push(step);
        }
        if done.failure.is_some() {
            // what it would have sent is not sent
            (self.ports, self.controller) = (Vec::new(), false);
        }
        (done.actions, trace.forks)
    }
}

fn answer(tables: &Tables, bridge: &str, table: TableId, found: Found, key: &FlowKey) -> Step {
    match found {
        Found::Rule(rule) => Step::Rule {
            table,
            priority: rule.priority,
            cookie: rule.cookie.0,
            matching: text::matching(&rule.pattern.unpack(), &Default::default()),
            actions: text::instructions(&rule.instructions),
        },
        Found::Dropped | Found::Controller => {
            let asked = tables.bridge_named(bridge).and_then(|b| b.flows.table(table));
            Step::Miss {
                table,
                to_controller: matches!(found, Found::Controller),
                rules: asked.map_or(0, |t| t.len()),
                near: asked.map_or_else(Vec::new, |t| nearest(t, key)),
            }
        }
    }
}

/// Who decided that nobody gets the frame.
fn decider(steps: &[Step], reason: DropReason) -> String {
    let last = steps.iter().rev().find(|step| matches!(step, Step::Rule { .. } | Step::Miss { .. }));
    match (reason, last) {
        (DropReason::PortConfig, None) => "the ingress port's OpenFlow configuration".into(),
        (_, Some(Step::Rule { table, priority, matching, .. })) => {
            let matching = if matching.is_empty() { "any frame" } else { matching };
            format!("the flow of table {} with priority {priority} for {matching}", table.0)
        }
        (_, Some(Step::Miss { table, .. })) => format!("the miss policy of table {}", table.0),
        _ => "the switch".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_packet::DpPort;

    #[test]
    fn only_whole_frames_are_hexadecimal_digits() {
        assert_eq!(frame_in_hex("0102").as_deref(), None);
        assert_eq!(frame_in_hex("in_port=1,ip").as_deref(), None);
        assert_eq!(frame_in_hex(&"5a".repeat(14)), Some(vec![0x5a; 14]));
        assert_eq!(frame_in_hex(&"5".repeat(29)).as_deref(), None);
    }

    #[test]
    fn lengths_in_headers_stay_true_when_only_the_head_was_kept() {
        let drop =
            LastDrop { reason: DropReason::FlowDrop, at: Time::ZERO, in_port: DpPort(1), len: 300, head: vec![7; 256] };
        assert_eq!((whole(&drop).len(), whole(&drop)[255], whole(&drop)[256]), (300, 7, 0));
    }
}
