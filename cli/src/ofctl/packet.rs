//! Packets and echoes: `packet-out`, `probe`, `ping`, `benchmark`.

use weft_base::{Clock, SystemClock};
use weft_flow::text::parse_match_key;
use weft_flow::{FieldId, Match, OfPort};
use weft_openflow::packet::PacketOut;
use weft_openflow::text::Names;
use weft_openflow::text::action_parse::parse_actions;
use weft_openflow::text::verify::verify_actions;
use weft_openflow::text::words::Words;
use weft_openflow::{Action, Message, Version, Xid, codec};

use super::peer::Peer;
use super::{Job, dump, flows, show};
use crate::failure::{Exit, Failure, fail};

/// `in_port=PORT packet=HEX actions=...`, with pipeline fields in OpenFlow 1.5.
pub fn parse(text: &str, names: &Names) -> Result<PacketOut, String> {
    // no actions at all: the packet goes nowhere
    let (head, actions) = text.split_at(text.find("actions=").or_else(|| text.find("action=")).unwrap_or(text.len()));
    let mut metadata = Match::any();
    let mut packet = None;
    for word in Words::of(head) {
        if word.text().is_empty() {
            return Err(format!("field {} missing value", word.key));
        }
        match word.key {
            "packet" | "data" => {
                packet = Some(packet_data(word.text()).map_err(|error| format!("{}: {error}", word.key))?);
            }
            "in_port" => {
                let text = word.text();
                let port = names.ports.parse(text).ok_or_else(|| format!("{text} is not a valid OpenFlow port"))?;
                if port.0 >= OfPort::MAX.0 && ![OfPort::LOCAL, OfPort::CONTROLLER, OfPort::NONE].contains(&port) {
                    return Err(format!("{text} is not a valid OpenFlow port for PACKET_OUT"));
                }
                metadata.set(FieldId::InPortOxm, port.0.into());
            }
            key => {
                // packet_type(1,0x800) is as good as packet_type=(1,0x800)
                let value = word.value.map(|value| match word.all[key.len()..].starts_with('(') {
                    true => &word.all[key.len()..],
                    false => value,
                });
                if !parse_match_key(&mut metadata, key, value, &names.ports)? {
                    return Err(format!("unknown keyword {key}"));
                }
            }
        }
    }
    if metadata.get(FieldId::InPortOxm).1 == 0 {
        metadata.set(FieldId::InPortOxm, OfPort::CONTROLLER.0.into());
    }
    let packet = packet.ok_or("must specify packet")?;
    let actions = actions.split_once('=').map_or("", |(_, actions)| actions);
    Ok(PacketOut { packet, buffer_id: None, metadata, actions: checked_actions(actions, names)? })
}

/// A packet's bytes; at least an Ethernet header.
fn packet_data(hex: &str) -> Result<Vec<u8>, &'static str> {
    match show::unhex(hex) {
        Err(_) => Err("Trailing garbage in packet data"),
        Ok(packet) if packet.len() < 14 => Err("Packet data too short for Ethernet"),
        Ok(packet) => Ok(packet),
    }
}

/// Actions that may stand together.
fn checked_actions(text: &str, names: &Names) -> Result<Vec<Action>, String> {
    let actions = parse_actions(text, names)?;
    verify_actions(&actions)?;
    Ok(actions)
}

/// `packet-out`.
pub async fn packet_out(job: &mut Job) -> Result<Exit, Failure> {
    let target = &job.words[0];
    let packets = if job.words.len() == 2 {
        let lines = vec![(0, job.words[1].clone())];
        flows::parse_all(&job.options, target, &lines, |text, names, _| parse(text, names))
            .await
            .map_err(|(_, error)| error)?
    } else {
        old_form(job).await?
    };
    let mut peer = Peer::open(&job.options, target, job.options.versions).await?;
    for packet in packets {
        peer.do_and_wait(&Message::PacketOut(packet)).await?;
    }
    Ok(Exit::OK)
}

/// `packet-out SWITCH IN_PORT ACTIONS PACKET...`
async fn old_form(job: &Job) -> Result<Vec<PacketOut>, Failure> {
    if job.words.len() < 4 {
        return fail(format!("Too many arguments ({})", job.words.len() + 1));
    }
    let in_port = match job.words[1].as_str() {
        "none" | "NONE" => OfPort::NONE,
        word => dump::port(job, word).await?,
    };
    let Some(actions) = job.word(2) else { return fail("must specify an action") };
    let lines = vec![(0, actions.to_string())];
    let actions =
        flows::parse_all(&job.options, &job.words[0], &lines, |text, names, _| checked_actions(text, names)).await;
    let actions = actions.map_err(|(_, error)| error)?.pop().unwrap_or_default();
    let mut metadata = Match::any();
    metadata.set(FieldId::InPortOxm, in_port.0.into());
    let mut out = Vec::new();
    for hex in &job.words[3..] {
        let packet = packet_data(hex)?;
        out.push(PacketOut { packet, buffer_id: None, metadata: metadata.clone(), actions: actions.clone() });
    }
    Ok(out)
}

/// `probe`: whether an echo comes back.
pub async fn probe(job: &mut Job) -> Result<Exit, Failure> {
    let mut peer = Peer::open(&job.options, &job.words[0], job.options.versions).await?;
    let bytes = peer.encode(&Message::EchoRequest(Vec::new()), Xid(0))?;
    peer.send_bytes(&bytes).await?;
    let reply = peer.answer_to(Xid(0)).await?;
    if reply.len() != 8 {
        return fail("reply does not match request");
    }
    Ok(Exit::OK)
}

/// `ping`: ten echoes, a line each.
pub async fn ping(job: &mut Job) -> Result<Exit, Failure> {
    let size = match job.word(1) {
        Some(word) => dump::leading_number(word) as usize,
        None => 64,
    };
    if size > 65535 - 8 {
        return fail(format!("payload must be between 0 and {} bytes", 65535 - 8));
    }
    let target = job.words[0].clone();
    let mut peer = Peer::open(&job.options, &target, Version::ALL.iter().fold(0, |bits, v| bits | v.bit())).await?;
    let clock = SystemClock::new();
    for round in 0..10u8 {
        let data: Vec<u8> = (0..size).map(|i| (i as u8).wrapping_mul(31).wrapping_add(round)).collect();
        let start = clock.now();
        let xid = peer.send(&Message::EchoRequest(data.clone())).await?;
        let reply = peer.answer_to(xid).await?;
        let millis = clock.now().since(start).as_secs_f64() * 1000.0;
        match codec::decode(&reply, &peer.dialect) {
            Ok(codec::Incoming { message: Message::EchoReply(back), .. }) if back == data => {}
            _ => sayln!("Reply does not match request:\n{}", show::message(&reply, &Names::none(), 2)),
        }
        sayln!("{} bytes from {target}: xid={:08x} time={millis:.1} ms", reply.len() - 8, xid.0);
    }
    Ok(Exit::OK)
}

/// `benchmark`: COUNT echoes of N bytes.
pub async fn benchmark(job: &mut Job) -> Result<Exit, Failure> {
    let size = dump::number(&job.words[1], "size")? as usize;
    if size > 65535 - 8 {
        return fail(format!("payload must be between 0 and {} bytes", 65535 - 8));
    }
    let count = dump::number(&job.words[2], "count")?;
    let message = size + 8;
    let total = message as u64 * u64::from(count);
    sayln!("Sending {count} packets * {message} bytes (with header) = {total} bytes total");
    let mut peer = Peer::open(&job.options, &job.words[0], job.options.versions).await?;
    let clock = SystemClock::new();
    let start = clock.now();
    for _ in 0..count {
        peer.ask(&Message::EchoRequest(vec![0; size])).await?;
    }
    let seconds = clock.now().since(start).as_secs_f64().max(1e-9);
    sayln!(
        "Finished in {:.1} ms ({:.0} packets/s) ({:.0} bytes/s)",
        seconds * 1000.0,
        f64::from(count) / seconds,
        total as f64 / seconds
    );
    Ok(Exit::OK)
}
