//! Commands that need no switch: what bytes and texts mean. Tests and scripts use them.

use std::io::{BufRead, Read};

use weft_flow::text::number::parse_u64;
use weft_flow::{FieldId, Match};
use weft_openflow::flow::FlowModCommand;
use weft_openflow::group::GroupModCommand;
use weft_openflow::text::words::{Word, Words};
use weft_openflow::text::{self, FlowCommand, Names, format_instructions, nxm, read_flow};
use weft_openflow::{ErrorCode, Instructions, Message, TableId, Version, Xid, codec, consistency};

use super::format::Formats;
use super::{Job, capture, flows, notes, show};
use crate::failure::{Exit, Failure, fail};

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// `ofp-parse`
    OfpParse,
    /// `parse-flow`
    ParseFlow,
    /// `parse-flows`
    ParseFlows,
    /// `parse-actions`
    ParseActions,
    /// `parse-instructions`
    ParseInstructions,
    /// `parse-nx-match`
    ParseNxMatch,
    /// `parse-oxm`
    ParseOxm,
    /// `parse-ofp10-match`
    ParseMatch10,
    /// `parse-ofp11-match`
    ParseMatch11,
    /// `ofp-print`
    OfpPrint,
    /// `encode-hello`
    EncodeHello,
    /// `parse-group`
    ParseGroup,
    /// `parse-key-value`
    ParseKeyValue,
    /// `check-vlan`
    CheckVlan,
    /// `compose-packet`
    ComposePacket,
    /// `parse-packet`
    ParsePacket,
    /// `parse-pcap`
    ParsePcap,
    /// `ofp-parse-pcap`
    OfpParsePcap,
    /// `print-error`
    PrintError,
    /// `encode-error-reply`
    EncodeErrorReply,
}

/// Runs one of them.
pub fn run(job: &mut Job, what: What) -> Result<Exit, Failure> {
    match what {
        What::OfpParse => ofp_parse(job),
        What::ParseFlow => {
            let text = job.words[0].clone();
            parse_flows(job, &[(0, text)])
        }
        What::ParseFlows => {
            let lines = flows::read_lines(&job.words[0])?;
            parse_flows(job, &lines)
        }
        What::ParseActions => {
            each_hex_line(job, "actions", codec::actions_from_wire, |bytes, _, v| codec::actions_rewritten(bytes, v))
        }
        What::ParseInstructions => each_hex_line(
            job,
            "instructions",
            |bytes, v| codec::instructions_from_wire(bytes, v).and_then(|read| fits_anything(&read, v)),
            |_, read, v| codec::instructions_to_wire(read, v),
        ),
        What::ParseNxMatch => parse_nxm(job, None),
        What::ParseOxm => {
            let name = &job.words[0];
            let version = Version::by_name(name).ok_or_else(|| format!("{name}: not a valid version for OXM"))?;
            parse_nxm(job, Some(version))
        }
        What::ParseMatch10 => parse_fixed_match(Version::V10),
        What::ParseMatch11 => parse_fixed_match(Version::V11),
        What::OfpPrint => {
            let text = match job.words[0].as_str() {
                "-" => std::io::read_to_string(std::io::stdin()).map_err(|error| error.to_string())?,
                text => text.to_string(),
            };
            let bytes = show::unhex(&text)?;
            let verbosity = job.word(1).and_then(|v| v.parse().ok()).unwrap_or(2u32);
            say!("{}", show::message(&bytes, &Names::none(), verbosity.saturating_sub(2)));
            Ok(Exit::OK)
        }
        What::ParseGroup => parse_group(job),
        What::ParseKeyValue => {
            for text in &job.words {
                let words: Vec<String> = Words::of(text).map(|word| key_value(&word)).collect();
                sayln!("{}", words.join(", "));
            }
            Ok(Exit::OK)
        }
        What::CheckVlan => check_vlan(job),
        What::ComposePacket => capture::compose(job),
        What::ParsePacket => capture::parse_packet(),
        What::ParsePcap => capture::parse_pcap(job),
        What::OfpParsePcap => capture::ofp_parse_pcap(job),
        What::EncodeHello => encode_hello(job),
        What::PrintError => print_error(job),
        What::EncodeErrorReply => encode_error_reply(job),
    }
}

fn version(name: &str) -> Result<Version, Failure> {
    match Version::by_name(name) {
        Some(version) => Ok(version),
        None => fail(format!("{name}: not a valid OpenFlow version")),
    }
}

fn ofp_parse(job: &Job) -> Result<Exit, Failure> {
    let path = &job.words[0];
    let mut bytes = Vec::new();
    let read = match path.as_str() {
        "-" => std::io::stdin().read_to_end(&mut bytes),
        path => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    // a folder opens, but there is nothing to read in it
    if let Err(error) = read
        && error.raw_os_error() != Some(rustix::io::Errno::ISDIR.raw_os_error())
    {
        return fail(format!("{path}: open ({})", weft_jsonrpc::session::bare(&error)));
    }
    let mut framer = codec::Framer::new();
    framer.push(&bytes);
    loop {
        match framer.next_message() {
            Ok(Some(message)) => say!("{}", show::message(message, &Names::none(), job.options.verbosity)),
            Ok(None) => break,
            Err(error) => return fail(format!("{path}: {}", error.reason)),
        }
    }
    if framer.pending() > 0 {
        return fail(format!("{path}: unexpected end of file mid-message"));
    }
    Ok(Exit::OK)
}

fn parse_flows(job: &Job, lines: &[(usize, String)]) -> Result<Exit, Failure> {
    let mut mods = Vec::new();
    let mut unlike = Vec::new();
    for (line, text) in lines {
        let mut said = Vec::new();
        let parsed = read_flow(text, FlowCommand::Mod(FlowModCommand::Add), &Names::none(), &mut said);
        notes::log(&said);
        unlike.extend(said.iter().filter(|note| note.module == "ofp_match").cloned());
        mods.push(parsed.map_err(|error| match line {
            0 => error,
            line => format!("{}:{line}: {error}", job.words[0]),
        })?);
    }
    let usable = flows::usable(&mods);
    sayln!("usable protocols: {usable}");
    let allowed = usable.and(&job.options.formats);
    let Some(format) = allowed.iter().next() else { return fail("no usable protocol") };
    sayln!("chosen protocol: {}", format.name());
    if format.version == Version::V10 && !format.nxm {
        // OpenFlow 1.0's match carries what makes no sense; whoever reads it says so again.
        notes::log(&unlike);
    }
    let mut dialect = format.dialect();
    dialect.nxm = format.nxm;
    for (at, m) in mods.into_iter().map(|m| m.flow).enumerate() {
        let m = if format.version > Version::V10 { flows::adding_table(m) } else { m };
        let bytes = codec::encode(&Message::FlowMod(m), Xid(at as u32 + 1), &dialect).map_err(|e| e.to_string())?;
        say!("{}", show::message_in(&bytes, &Names::none(), job.options.verbosity.saturating_sub(2), format.table_id));
    }
    Ok(Exit::OK)
}

/// Instructions that need nothing of the packets.
fn fits_anything(read: &Instructions, version: Version) -> Result<Instructions, ErrorCode> {
    let mut notes = Vec::new();
    let mut usable = text::Protocols::of_version(version);
    let checked = consistency::check(read, &Match::any(), TableId(0), &mut usable, &mut notes);
    notes::log(&notes);
    checked.map(|()| read.clone())
}

/// Lines of hexadecimal digits from standard input, each a list of actions or instructions; what becomes of the bytes when
/// they are written again is said below.
fn each_hex_line(
    job: &Job,
    what: &str,
    read: impl Fn(&[u8], Version) -> Result<Instructions, ErrorCode>,
    write: impl Fn(&[u8], &Instructions, Version) -> Option<Vec<u8>>,
) -> Result<Exit, Failure> {
    let version = version(&job.words[0])?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let text = line.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let bytes = show::unhex(text).map_err(|_| "Trailing garbage in hex data".to_owned())?;
        match read(&bytes, version) {
            Ok(found) => {
                sayln!("actions={}", format_instructions(&found, &Names::none()));
                if let Some(again) = write(&bytes, &found, version) {
                    all_differences(&bytes, &again);
                }
                sayln!("");
            }
            Err(code) => sayln!("bad {version} {what}: {code}\n"),
        }
    }
    Ok(Exit::OK)
}

/// As [`differences`], of lists that may have become shorter or longer.
fn all_differences(before: &[u8], after: &[u8]) {
    let show = |byte: Option<&u8>| byte.map_or("(none)".to_owned(), |byte| format!("{byte:02x}"));
    for at in 0..before.len().max(after.len()) {
        let (old, new) = (before.get(at), after.get(at));
        if old != new {
            sayln!("{at:2}: {} -> {}", show(old), show(new));
        }
    }
}

/// Lines of NXM or OXM text, to bytes, to a match, and back.
fn parse_nxm(job: &Job, version: Option<Version>) -> Result<Exit, Failure> {
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let text = line.split('#').next().unwrap_or_default();
        if text.trim().is_empty() {
            // Comments stand in the output where they stood in the input.
            sayln!("{line}");
            continue;
        }
        let bytes = nxm::parse(text)?;
        let result = codec::match_from_oxm(&bytes, job.options.strict)
            // Nicira's cookie is no field of OXM
            .and_then(|(m, cookie)| match cookie {
                Some(_) if version.is_some() && job.options.strict => Err(ErrorCode::OFPBMC_BAD_FIELD),
                cookie => Ok((m, cookie.filter(|_| version.is_none()))),
            })
            .map(|(m, cookie)| nxm::format(&codec::match_to_oxm(&m, cookie, version)));
        match result {
            Ok(text) => sayln!("{text}"),
            Err(code) => sayln!("nx_pull_match() returned error {code}"),
        }
    }
    Ok(Exit::OK)
}

fn parse_fixed_match(version: Version) -> Result<Exit, Failure> {
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let text = line.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        // a digit that does not matter is written as x
        let bytes =
            show::unhex(&text.replace(['x', 'X'], "0")).map_err(|_| "Trailing garbage in hex data".to_owned())?;
        let expected = codec::fixed_match_len(version);
        if bytes.len() != expected {
            return fail(format!("Input is {} bytes, expected {expected}", bytes.len()));
        }
        let mut m = match codec::fixed_match_from_wire(&bytes, version) {
            Ok(m) => m,
            Err(code) => {
                sayln!("bad ofp11_match: {code}\n");
                continue;
            }
        };
        sayln!("{}", weft_flow::text::format_match(&m, &Names::none().ports));
        let again = codec::fixed_match_to_wire(&m, version);
        differences(&bytes, &again, "");
        if version == Version::V10 && weft_openflow::text::normalize_logged(&mut m) {
            differences(&again, &codec::fixed_match_to_wire(&m, version), "normal: ");
        }
        sayln!("");
    }
    Ok(Exit::OK)
}

/// Which bytes of a match became others.
fn differences(before: &[u8], after: &[u8], what: &str) {
    for (at, (old, new)) in before.iter().zip(after).enumerate().filter(|(_, (old, new))| old != new) {
        sayln!("{what}{at:2}: {old:02x} -> {new:02x}");
    }
}

/// `key=value`, with what follows a closing parenthesis.
fn key_value(word: &Word<'_>) -> String {
    match (word.value, word.rest) {
        (None, _) => word.key.to_string(),
        (Some(value), "") => format!("{}={value}", word.key),
        (Some(value), rest) => format!("{}={value}){rest}", word.key),
    }
}

/// `parse-group`: a group as messages say it.
fn parse_group(job: &Job) -> Result<Exit, Failure> {
    let group = text::parse_group(&job.words[0], GroupModCommand::Add, &Names::none())?;
    let newest = !group.selection.method.is_empty();
    let usable = Formats::all().filter(|f| !newest || f.version >= Version::V15);
    sayln!("usable protocols: {usable}");
    let allowed = usable.within(job.options.versions);
    let Some(format) = allowed.iter().next() else { return fail("no usable protocol") };
    sayln!("chosen version: {}", format.version);
    let bytes = codec::encode(&Message::GroupMod(group), Xid(1), &format.dialect()).map_err(|e| e.to_string())?;
    say!("{}", show::message(&bytes, &Names::none(), 0));
    Ok(Exit::OK)
}

/// `check-vlan TCI MASK`: how each form of OpenFlow says a match of the VLAN tag, and what comes back.
fn check_vlan(job: &Job) -> Result<Exit, Failure> {
    let hex =
        |word: &str| u16::from_str_radix(word.trim_start_matches("0x"), 16).map_err(|_| format!("{word}: no number"));
    let (tci, mask) = (hex(&job.words[0])?, hex(&job.words[1])?);
    let mut pattern = Match::any();
    pattern.set_masked(FieldId::VlanTci, tci.into(), mask.into());
    let shown = weft_flow::text::format_match(&pattern, &Names::none().ports);
    let back = |m: &Match| {
        let (tci, mask) = m.get(FieldId::VlanTci);
        format!("{tci:04x}/{mask:04x}")
    };
    // What the text means when it is read again.
    let reread = weft_flow::text::parse_match(&shown, &Names::none().ports)?;
    sayln!("{shown} -> {}", back(&reread));
    for (name, version) in [("NXM", None), ("OXM", Some(Version::V12))] {
        let bytes = codec::match_to_oxm(&pattern, None, version);
        let fields = nxm::format(&bytes);
        let (m, _) = codec::match_from_oxm(&bytes, true).map_err(|error| error.to_string())?;
        match name {
            "NXM" => sayln!("{name}: {fields} -> {}", back(&m)),
            _ => {
                // OXM has the priority in a field of its own.
                let (vid, pcp) = fields.split_once(", ").unwrap_or((&fields, "--"));
                let pcp_text = if pcp == "--" { String::new() } else { format!(", {pcp}") };
                sayln!("{name}: {vid}{pcp_text} -> {},{pcp}", back(&m));
            }
        }
    }
    for version in [Version::V10, Version::V11] {
        sayln!("OF{}: {}", version.number(), fixed_vlan(tci & mask, mask, version));
    }
    Ok(Exit::OK)
}

/// How the fixed matches of 1.0 and 1.1 say a tag: VLAN and whether it is wild, priority and whether it is wild.
fn fixed_vlan(tci: u16, mask: u16, version: Version) -> String {
    let old = version == Version::V10;
    let (vid, pcp) = (tci & 0xfff, tci >> 13);
    if mask & 0x1000 != 0 && tci & 0x1000 == 0 {
        return format!("ffff/0,00/{} -> 0000/ffff", u8::from(!old));
    }
    let (by_vid, by_pcp, tagged) = (mask & 0xfff != 0, mask & 0xe000 != 0, mask & 0x1000 != 0);
    let bits = [(by_vid, 0xfff), (by_pcp, 0xe000), (by_vid || by_pcp, 0x1000)]
        .iter()
        .fold(0u16, |bits, (there, more)| if *there { bits | more } else { bits });
    match (by_vid, by_pcp) {
        (true, _) => {
            let back = vid | 0x1000 | if by_pcp { pcp << 13 } else { 0 };
            format!("{vid:04x}/0,{:02x}/{} -> {back:04x}/{bits:04x}", if by_pcp { pcp } else { 0 }, u8::from(!by_pcp))
        }
        (false, true) if old => format!("0000/1,{pcp:02x}/0 -> {:04x}/f000", pcp << 13 | 0x1000),
        (false, true) => format!("fffe/0,{pcp:02x}/0 -> {:04x}/f000", pcp << 13 | 0x1000),
        (false, false) if tagged && !old => "fffe/0,00/1 -> 1000/1000".to_string(),
        (false, false) => "0000/1,00/1 -> 0000/0000".to_string(),
    }
}

fn encode_hello(job: &Job) -> Result<Exit, Failure> {
    let Some(versions) = parse_u64(&job.words[0]).and_then(|bits| u32::try_from(bits).ok()) else {
        return fail(format!("{}: bad bitmap", job.words[0]));
    };
    let newest = Version::ALL.into_iter().rev().find(|v| versions & v.bit() != 0).unwrap_or(Version::V10);
    let hello = Message::Hello { versions };
    let bytes = codec::encode(&hello, Xid(1), &codec::Dialect::new(newest)).map_err(|e| e.to_string())?;
    say!("{}", show::plain_hex(&bytes).replace("-\n", "\n"));
    say!("{}", show::message(&bytes, &Names::none(), 0));
    Ok(Exit::OK)
}

fn print_error(job: &Job) -> Result<Exit, Failure> {
    let Some(code) = ErrorCode::by_name(&job.words[0]) else {
        return fail(format!("unknown error \"{}\"", job.words[0]));
    };
    for version in Version::ALL {
        let (vendor, kind, number) = code.numbers(version);
        let vendor = weft_flow::text::number::hex(vendor.into());
        sayln!("OpenFlow {}: vendor {vendor}, type {kind}, code {number}", version.number());
    }
    Ok(Exit::OK)
}

fn encode_error_reply(job: &Job) -> Result<Exit, Failure> {
    let Some(code) = ErrorCode::by_name(&job.words[0]) else {
        return fail(format!("unknown error \"{}\"", job.words[0]));
    };
    let request = show::unhex(&job.words[1])?;
    if request.len() < 8 {
        return fail("a message has 8 bytes at least");
    }
    let Some(version) = Version::from_wire(request[0]) else { return fail("unknown version") };
    let xid = Xid(u32::from_be_bytes([request[4], request[5], request[6], request[7]]));
    if !code.is_of(version) {
        let version = version.number();
        tracing::error!(target: "ofp_errors", "cannot encode {} for OpenFlow {version}", code.name());
    }
    let reply = codec::error_reply(code, &request);
    let bytes = codec::encode(&reply, xid, &codec::Dialect::new(version)).map_err(|e| e.to_string())?;
    say!("{}", show::plain_hex(&bytes).replace("-\n", "\n"));
    Ok(Exit::OK)
}
