//! `ofproto/trace`: the path of a frame that nobody sent, through the same translation that forwards.

mod follow;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use weft_base::Time;
use weft_flow::action::SlowPathReason;
use weft_flow::dpctl::DpNames;
use weft_flow::text::match_parse::pieces;
use weft_flow::text::parse_match_key;
use weft_flow::{FieldId, FlowKey, FlowMask, Match, OfPort};
use weft_packet::{DpPort, Frame};

use self::follow::Forks;
pub(super) use self::follow::NEW_AND_TRACKED;
use super::show::port_names;
use crate::bridge::Bridge;
use crate::frozen::Frozen;
use crate::pipeline::Pipeline;
use crate::tables::Tables;
use crate::text;
use crate::tlv;
use crate::translate::{Input, Trace, Translation, translate};
use crate::upcall::set_in_port;

/// A command line, taken apart.
struct Request<'a> {
    /// A bridge or a datapath, if it was named.
    place: Option<&'a str>,
    flow: &'a str,
    /// Learning will be done: a packet was given or is to be made.
    side_effects: bool,
    packet: Option<Vec<u8>>,
    actions: Option<&'a str>,
    /// Datapath ports by name.
    names: bool,
    /// What conntrack says, one answer after the other.
    ct_next: VecDeque<u128>,
}

impl Pipeline {
    pub(super) fn trace(&self, args: &[&str], packet_out: bool, now: Time) -> Result<String, String> {
        let request = parse(args, packet_out)?;
        let tables = self.read();
        let (bridge, mut key, frozen) = place_and_key(&tables, &request)?;
        if let Some(packet) = &request.packet {
            let in_port = OfPort(key.word(0) as u32);
            let mut frame = Frame::copy_of(packet);
            weft_flow::extract::extract(&mut frame, &mut key, Default::default())
                .map_err(|_| "Error: packet is too short".to_string())?;
            set_in_port(&mut key, in_port);
        }
        let actions = match request.actions {
            Some(actions) => Some(text::parse_actions(actions, port_names(bridge))?),
            None => None,
        };
        let names = if request.names { dp_names(&tables) } else { DpNames::new() };
        let mut forks = Forks::new(request.ct_next.clone());
        let bare_nsh = crate::translate::packet_type(&key) == 0x1_894f
            && request.flow.contains('=')
            && !request.flow.contains("(ns=");
        let scene = Scene { side_effects: request.side_effects, with_names: request.names, names: &names, bare_nsh };
        let state = frozen.as_deref().map(|f| &f.state);
        let input = Input { tables: &tables, bridge, key: &key, actions: actions.as_deref(), frozen: state };
        let (mut out, first) = show(&scene, &input, Trace::new(request.side_effects), &mut forks);
        let mut all = vec![(first, FieldId::TcpFlags.get(&key) as u16)];
        while let Some((fork, header)) = forks.next().filter(|_| all.len() < MAX_FOLLOWED) {
            out.push_str(&header);
            let Some(resumed) = tables.bridge(fork.frozen.state.bridge) else { break };
            let mut trace = Trace::new(request.side_effects);
            trace.began_at = Some(bridge.name.clone());
            let frozen = Some(&fork.frozen.state);
            let input = Input { tables: &tables, bridge: resumed, key: &fork.key, actions: None, frozen };
            let (text, done) = show(&scene, &input, trace, &mut forks);
            out.push_str(&text);
            all.push((done, FieldId::TcpFlags.get(&fork.key) as u16));
        }
        if request.side_effects {
            for (done, tcp_flags) in &mut all {
                self.learn(&tables, &done.learn, now);
                self.meet(&tables, done, now);
                crate::learn::saw_tcp_flags(&tables, &done.credits, *tcp_flags);
            }
            drop(tables);
            all.iter().for_each(|(done, _)| self.learn_flows(&done.flows, now));
        }
        Ok(out)
    }
}

/// How often a trace follows conntrack.
const MAX_FOLLOWED: usize = 1024;

/// What stays the same while a trace goes on.
struct Scene<'a> {
    side_effects: bool,
    with_names: bool,
    names: &'a DpNames,
    /// A service header without an Ethernet header, in the tools' syntax: OVS shows no EtherType of it.
    bare_nsh: bool,
}

fn without_eth_type(key: &FlowKey) -> FlowKey {
    let mut key = key.clone();
    FieldId::EthType.set(&mut key, 0);
    key
}

/// Translate with a listener and write down what it heard.
fn show(scene: &Scene<'_>, input: &Input<'_>, mut trace: Trace, forks: &mut Forks) -> (String, Translation) {
    let Scene { names, side_effects, with_names, bare_nsh } = *scene;
    let Input { bridge, key, frozen, .. } = *input;
    trace.with_names = with_names;
    let ports = if with_names { port_names(bridge) } else { Default::default() };
    let done = translate(input, Some(&mut trace));
    forks.add(std::mem::take(&mut trace.forks));
    let mut thawed = key.clone();
    if let Some(frozen) = frozen {
        frozen.thaw(&mut thawed);
    }
    let key = &thawed;
    let said = |key: &FlowKey| match bare_nsh && FieldId::EthType.get(key) == 0x894f {
        true => text::flow(&without_eth_type(key), bridge, &ports),
        false => text::flow(key, bridge, &ports),
    };
    let mut out = format!("Flow: {}\n", said(key));
    out.push_str(&trace.render());
    out.push_str("\nFinal flow: ");
    match trace.final_key() {
        Some(last) if *last != with_empty_set(key) => {
            let _ = writeln!(out, "{}", said(last));
        }
        _ => out.push_str("unchanged\n"),
    }
    let _ = writeln!(out, "Megaflow: {}", text::matching(&megaflow(key, &done.mask, bridge), &ports));
    let mut dp = text::dp_actions(&done.actions, names);
    if !side_effects {
        dp = dp.replace("dont_send=0", "dont_send=1");
    }
    let _ = writeln!(out, "Datapath actions: {dp}");
    if let Some(why) = done.slow {
        let _ = writeln!(out, "This flow is handled by the userspace slow path because it:\n  - {}", slow_path(why));
    }
    if let Some(failure) = done.failure {
        let _ = writeln!(out, "Translation failed ({}), packet is dropped.", failure.text());
    }
    (out, done)
}

/// As `ofproto/trace` says it.
const fn slow_path(why: SlowPathReason) -> &'static str {
    match why {
        SlowPathReason::Cfm => "Consists of CFM packets.",
        SlowPathReason::Bfd => "Consists of BFD packets.",
        SlowPathReason::Lacp => "Consists of LACP packets.",
        SlowPathReason::Stp => "Consists of STP packets.",
        SlowPathReason::Lldp => "Consists of LLDP packets.",
        SlowPathReason::Action => "Uses action(s) not supported by datapath.",
        SlowPathReason::Match => "Matches field(s) not supported by datapath.",
    }
}

/// The frame as every translation finds it: its action set sends nowhere yet.
fn with_empty_set(key: &FlowKey) -> FlowKey {
    let mut key = key.clone();
    if FieldId::ActsetOutput.get(&key) == 0 {
        FieldId::ActsetOutput.set(&mut key, OfPort::UNSET.0.into());
    }
    key
}

/// The megaflow as OVS prints it: "no tag" goes without saying, and so do fragments of what is no IP.
fn megaflow(key: &FlowKey, mask: &FlowMask, bridge: &Bridge) -> Match {
    let mut mask = mask.clone();
    if key.word(2) as u16 == 0 {
        FieldId::VlanTci.set_mask(&mut mask, 0);
    }
    if key.word(4) >> 32 == 0 {
        mask.set_word(4, mask.word(4) & 0xffff_ffff);
    }
    let eth_type = FieldId::EthType.get(key);
    if !matches!(eth_type, 0x0800 | 0x86dd) {
        FieldId::IpFrag.set_mask(&mut mask, 0);
    }
    Match::with_layout(key.clone(), mask, Some(bridge.tlv.layout().clone()))
}

fn parse<'a>(args: &[&'a str], packet_out: bool) -> Result<Request<'a>, String> {
    let mut plain = Vec::new();
    let mut ct_next = VecDeque::new();
    let mut generate = false;
    let mut names = false;
    let mut i = 0;
    while i < args.len() {
        let option = args[i].strip_prefix("--").or_else(|| args[i].strip_prefix('-'));
        match option {
            Some("generate") => generate = true,
            Some("consistent") if packet_out => {}
            Some("names") => names = true,
            Some("no-names") => names = false,
            Some(option @ ("ct-next" | "l7" | "l7-len")) => {
                i += 1;
                if i == args.len() {
                    return Err(format!("Missing argument for option {}", args[i - 1]));
                }
                if option == "ct-next" {
                    ct_next.push_back(follow::parse_state(args[i])?);
                }
            }
            Some(_) => return Err(format!("{}: unknown option", args[i])),
            None => plain.push(args[i]),
        }
        i += 1;
    }
    let actions = if packet_out { plain.pop() } else { None };
    // [place] flow [packet]
    let (place, flow, packet) = match plain[..] {
        [flow] => (None, flow, None),
        [first, second] if !generate && frame_in_hex(second).is_some() && is_flow(first) => (None, first, Some(second)),
        [place, flow] => (Some(place), flow, None),
        [place, flow, packet] => (Some(place), flow, Some(packet)),
        [_, _, _, _, ..] => return Err("too many arguments".into()),
        [] => return Err("Syntax error".into()),
    };
    let packet = match packet {
        Some(_) if generate => return Err("Syntax error".into()),
        Some(text) => match frame_in_hex(text) {
            Some(frame) => Some(frame),
            None if text.bytes().all(|b| b.is_ascii_hexdigit()) => {
                return Err("Packet data too short for Ethernet".into());
            }
            None => return Err("Trailing garbage in packet data".into()),
        },
        None => None,
    };
    Ok(Request { place, flow, side_effects: generate || packet.is_some(), packet, actions, names, ct_next })
}

/// A frame in hexadecimal digits: an Ethernet header at least.
pub(super) fn frame_in_hex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len() >= 28 && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| (0..text.len()).step_by(2).filter_map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect())
}

/// Whether it is a flow rather than the name of a bridge or a datapath.
fn is_flow(text: &str) -> bool {
    text.contains('=') || text.contains('(')
}

/// Where the frame comes in, and its key in OpenFlow's terms.
fn place_and_key<'t>(
    tables: &'t Tables,
    request: &Request<'_>,
) -> Result<(&'t Bridge, FlowKey, Option<Arc<Frozen>>), String> {
    if let Some(bridge) = request.place.and_then(|name| tables.bridge_named(name)) {
        let key = parse_flow(request.flow, bridge)?;
        let recirc_id = (key.word(0) >> 32) as u32;
        let frozen = tables.frozen.find(recirc_id).filter(|frozen| recirc_id != 0 && frozen.state.bridge == bridge.id);
        return Ok((bridge, key, frozen));
    }
    if let Some(place) = request.place
        && !tables.bridges().any(|b| {
            let kind = &b.settings.datapath_type;
            place == format!("ovs-{kind}")
        })
    {
        // what is in the datapath's syntax is for a datapath
        return Err(match request.flow.contains('(') {
            true => "Cannot find the datapath".into(),
            false => format!("{place}: unknown bridge"),
        });
    }
    let omitted = |why: String| match request.place {
        None => why + " (or the bridge name was omitted)",
        Some(_) => why,
    };
    let mut key = text::parse_odp_flow(request.flow, &dp_names(tables)).map_err(omitted)?;
    let dp = DpPort(key.word(0) as u32);
    let recirc_id = (key.word(0) >> 32) as u32;
    if let Some(frozen) = tables.frozen.find(recirc_id)
        && let Some(bridge) = tables.bridge(frozen.state.bridge)
    {
        return Ok((bridge, key, Some(frozen)));
    }
    let nobody = || match weft_flow::tunnel::is_there(&key) {
        true => "no OpenFlow tunnel port for this packet".to_owned(),
        false => format!("no OpenFlow port for datapath port {dp}"),
    };
    let (bridge, port) = tables.port_of_key(&key).ok_or_else(nobody)?;
    weft_flow::tunnel::to_fields(&mut key, &bridge.tlv);
    set_in_port(&mut key, port.number);
    Ok((bridge, key, None))
}

/// A flow in the syntax of ovs-ofctl, as the key of one frame.
pub(super) fn parse_flow(flow: &str, bridge: &Bridge) -> Result<FlowKey, String> {
    let bad = |why: String| format!("Bad openflow flow syntax: {flow}: {why}");
    let names = port_names(bridge);
    let mut matching = Match::any();
    for (name, value) in pieces(flow) {
        let parsed = parse_match_key(&mut matching, name, value, &names);
        if !parsed.map_err(|why| bad(format!("bad value for {name} ({why})")))? {
            return Err(bad(format!("unknown field {name}")));
        }
    }
    let (in_port, mask) = matching.get(FieldId::InPortOxm);
    let mut key = tlv::key_of(&matching, &bridge.tlv);
    set_in_port(&mut key, if mask == 0 { OfPort::NONE } else { OfPort(in_port as u32) });
    let packet_type = crate::translate::packet_type(&key);
    if packet_type >> 16 == 1 {
        FieldId::EthType.set(&mut key, (packet_type & 0xffff).into()); // what extraction says of such a packet
    }
    if key.word(2) as u16 & 0x1000 != 0 && key.word(3) as u16 == 0 {
        key.or_word(3, 0x8100);
    }
    Ok(key)
}

pub(super) fn dp_names(tables: &Tables) -> DpNames {
    let ports = tables.bridges().flat_map(|b| b.ports());
    ports.filter_map(|p| p.dp().map(|dp| (dp, p.dp_name()))).collect()
}
