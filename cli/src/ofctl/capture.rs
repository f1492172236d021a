//! Frames made, read and looked into without a switch: `compose-packet`, `parse-packet`, `parse-pcap`, `ofp-parse-pcap`.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::Ipv4Addr;

use weft_flow::dpctl::compose::compose_with;
use weft_flow::text::number::parse_u64;
use weft_flow::text::parse_match;
use weft_flow::{FieldId, FlowKey, OfPort, extract};
use weft_openflow::codec::Framer;
use weft_openflow::text::Names;
use weft_openflow::text::message::format_packet;
use weft_packet::Frame;
use weft_packet::pcap;

use super::{Job, show};
use crate::failure::{Exit, Failure};

/// `compose-packet FLOW [PAYLOAD]`: the bytes of a frame that the flow describes.
pub fn compose(job: &Job) -> Result<Exit, Failure> {
    let flow = parse_match(&job.words[0], &Names::none().ports).map_err(|error| {
        let missing = error.strip_prefix("field ").and_then(|rest| rest.strip_suffix(" missing value"));
        match error.strip_prefix("unknown keyword ").or(missing.filter(|key| FieldId::by_name(key).is_none())) {
            Some(key) => format!("{key}: unknown field {key}"),
            None => error,
        }
    })?;
    let default: Vec<u8> = (0..64).collect();
    let payload = match job.word(1) {
        Some(hex) => show::unhex(hex).map_err(|_| format!("{hex}: trailing garbage in packet data"))?,
        None => default,
    };
    let frame = compose_with(flow.key(), 0, &payload);
    say!("{}", show::plain_hex(&frame));
    Ok(Exit::OK)
}

/// `parse-packet`: what the frame on standard input is.
pub fn parse_packet() -> Result<Exit, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    say!("{}", format_packet(&bytes, &weft_flow::Match::any(), &Names::none()));
    Ok(Exit::OK)
}

/// `parse-pcap FILE...`: the flow of every frame.
pub fn parse_pcap(job: &Job) -> Result<Exit, Failure> {
    for path in &job.words {
        // Its exit status is that of the system's error, as users know it.
        let file = read(path).map_err(|failure| Failure { status: 2, ..failure })?;
        for record in open(path, &file)? {
            let record = record.map_err(|error| format!("{path}: {error}"))?;
            if let Some(key) = key_of(record.bytes) {
                sayln!("{}", weft_flow::text::format_key(&key, &Names::none().ports));
            }
        }
    }
    Ok(Exit::OK)
}

fn read(path: &str) -> Result<Vec<u8>, Failure> {
    match std::fs::read(path) {
        Ok(file) => Ok(file),
        Err(error) => {
            let why = weft_jsonrpc::session::bare(&error);
            tracing::warn!(target: "pcap", "{path}: failed to open pcap file for reading ({why})");
            Err(Failure::with_status(format!("{path}: open failed ({why})"), 1))
        }
    }
}

fn open<'a>(path: &str, file: &'a [u8]) -> Result<pcap::Reader<'a>, Failure> {
    pcap::Reader::new(file).map_err(|error| format!("{path}: {error}").into())
}

fn key_of(bytes: &[u8]) -> Option<FlowKey> {
    let mut frame = Frame::copy_of(bytes);
    let mut key = FlowKey::new();
    extract::extract(&mut frame, &mut key, extract::Limits { vlans: 2 }).ok()?;
    FieldId::InPortOxm.set(&mut key, u128::from(OfPort::NONE.0));
    Some(key)
}

/// One direction of a TCP connection.
type Direction = ((Ipv4Addr, u16), (Ipv4Addr, u16));

/// A stream put together again: what comes next, what came too early.
#[derive(Default)]
struct Stream {
    next: Option<u32>,
    early: BTreeMap<u32, Vec<u8>>,
    framer: Framer,
}

/// More than this is not kept while an earlier segment is missing.
const MAX_EARLY: usize = 256;

impl Stream {
    fn push(&mut self, seq: u32, syn: bool, data: &[u8]) {
        let seq = if syn { seq.wrapping_add(1) } else { seq };
        let next = *self.next.get_or_insert(seq);
        if syn {
            self.next = Some(seq);
        }
        if data.is_empty() {
            return;
        }
        let ahead = seq.wrapping_sub(next);
        if ahead == 0 {
            self.take(seq, data);
        } else if ahead < 1 << 31 {
            if self.early.len() < MAX_EARLY {
                self.early.insert(seq, data.to_vec());
            }
        } else {
            // Sent again: only what is new counts.
            let known = next.wrapping_sub(seq) as usize;
            if let Some(new) = data.get(known..).filter(|new| !new.is_empty()) {
                self.take(next, new);
            }
        }
        while let Some(data) = self.next.and_then(|next| self.early.remove(&next).map(|data| (next, data))) {
            self.take(data.0, &data.1);
        }
    }

    fn take(&mut self, seq: u32, data: &[u8]) {
        self.framer.push(data);
        self.next = Some(seq.wrapping_add(data.len() as u32));
    }
}

/// `ofp-parse-pcap FILE [PORT...]`: the OpenFlow messages in captured connections.
pub fn ofp_parse_pcap(job: &Job) -> Result<Exit, Failure> {
    let path = &job.words[0];
    let mut ports = vec![6633, 6653];
    if job.words.len() > 1 {
        ports = job.words[1..].iter().filter_map(|word| parse_u64(word).and_then(|n| u16::try_from(n).ok())).collect();
    }
    let file = read(path)?;
    let mut streams: BTreeMap<Direction, Stream> = BTreeMap::new();
    let mut first = true;
    for record in open(path, &file)? {
        let record = record.map_err(|error| format!("{path}: {error}"))?;
        let Some((direction, seq, syn, data)) = segment(record.bytes) else { continue };
        let (from, to) = direction;
        if !ports.contains(&from.1) && !ports.contains(&to.1) {
            continue;
        }
        let stream = streams.entry(direction).or_default();
        stream.push(seq, syn, &data);
        while let Ok(Some(message)) = stream.framer.next_message() {
            if !std::mem::take(&mut first) {
                sayln!("");
            }
            if job.options.timestamp {
                let millis = i64::try_from(record.at.as_millis()).unwrap_or(0);
                let at = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
                say!("{} ", at.strftime("%H:%M:%S%.3f"));
            }
            sayln!("{}.{} > {}.{}:", from.0, from.1, to.0, to.1);
            say!("{}", show::message(message, &Names::none(), job.options.verbosity + 1));
        }
    }
    Ok(Exit::OK)
}

/// A TCP segment over IPv4: whose, where in the stream, whether it opens it, its data.
fn segment(bytes: &[u8]) -> Option<(Direction, u32, bool, Vec<u8>)> {
    let mut frame = Frame::copy_of(bytes);
    let mut key = FlowKey::new();
    extract::extract(&mut frame, &mut key, extract::Limits { vlans: 2 }).ok()?;
    if (FieldId::EthType.get(&key), FieldId::NwProto.get(&key)) != (0x0800, 6) || frame.l4 == 0 {
        return None;
    }
    let bytes = frame.bytes();
    let (ip, tcp) = (bytes.get(usize::from(frame.l3)..)?, bytes.get(usize::from(frame.l4)..)?);
    let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
    let header = usize::from(frame.l4.checked_sub(frame.l3)?);
    let tcp = tcp.get(..total.checked_sub(header)?.min(tcp.len()))?;
    let seq = u32::from_be_bytes(tcp.get(4..8)?.try_into().ok()?);
    let data = tcp.get(usize::from(tcp.get(12)? >> 4) * 4..).unwrap_or_default();
    let address = |field: FieldId| Ipv4Addr::from(field.get(&key) as u32);
    let port = |field: FieldId| field.get(&key) as u16;
    let direction =
        ((address(FieldId::IpSrc), port(FieldId::TcpSrc)), (address(FieldId::IpDst), port(FieldId::TcpDst)));
    Some((direction, seq, tcp.get(13)? & 2 != 0, data.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_put_together_whatever_the_order() {
        let mut stream = Stream::default();
        stream.push(99, true, &[]);
        let hello = [1, 0, 0, 8, 0, 0, 0, 1];
        stream.push(104, false, &hello[4..]);
        stream.push(100, false, &hello[..4]);
        stream.push(100, false, &hello);
        stream.push(106, false, &[0, 1, 1, 2]);
        assert_eq!(stream.framer.next_message().unwrap(), Some(&hello[..]));
        assert_eq!(stream.framer.pending(), 2);
    }

    #[test]
    fn any_bytes_are_a_segment_or_none() {
        bolero::check!().with_type::<Vec<u8>>().for_each(|bytes| drop(segment(bytes)));
    }
}
