//! Commands that ask once and print the answer.

use weft_flow::OfPort;
use weft_openflow::message::StatsRequest;
use weft_openflow::text::Names;
use weft_openflow::text::notes::noted;
use weft_openflow::{GroupId, Message, MeterId, QueueId, Version, codec};

use super::peer::Peer;
use super::{Job, names, notes, show};
use crate::failure::{Exit, Failure, fail};

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// OFPST_DESC
    Desc,
    /// OFPST_TABLE
    Tables,
    /// OFPMP_TABLE_FEATURES
    TableFeatures,
    /// OFPMP_TABLE_DESC
    TableDesc,
    /// OFPST_PORT
    Ports,
    /// OFPMP_PORT_DESC
    PortsDesc,
    /// OFPST_QUEUE
    Queues,
    /// OFPT_QUEUE_GET_CONFIG_REQUEST, OFPMP_QUEUE_DESC
    QueueConfig,
    /// OFPMP_GROUP_DESC
    Groups,
    /// OFPMP_GROUP
    GroupStats,
    /// OFPMP_GROUP_FEATURES
    GroupFeatures,
    /// OFPMP_METER_CONFIG
    Meters,
    /// OFPMP_METER
    MeterStats,
    /// OFPMP_METER_FEATURES
    MeterFeatures,
    /// NXST_IPFIX_BRIDGE
    IpfixBridge,
    /// NXST_IPFIX_FLOW
    IpfixFlow,
}

/// `show`.
pub async fn show(job: &mut Job) -> Result<Exit, Failure> {
    let options = &job.options;
    let target = &job.words[0];
    let names = Names::none();
    let mut peer = Peer::open(options, target, options.versions).await?;
    let reply = peer.ask(&Message::FeaturesRequest).await?;
    say!("{}", show::message(&reply, &names, options.depth()));
    let version = peer.version();
    let full = matches!(
        codec::decode(&reply, &peer.dialect),
        Ok(codec::Incoming { message: Message::FeaturesReply(f), .. }) if version < Version::V13 && !f.ports_truncated
    );
    if !full {
        print_stats(&mut peer, StatsRequest::PortDesc(OfPort::NONE), &names, options.depth()).await?;
    }
    let mut peer = Peer::open(options, target, options.versions).await?;
    let reply = peer.ask(&Message::GetConfigRequest).await?;
    say!("{}", show::message(&reply, &names, options.depth()));
    Ok(Exit::OK)
}

/// Sends a statistics request and prints every part of the answer as it comes.
pub async fn print_stats(peer: &mut Peer, request: StatsRequest, names: &Names, verbosity: u32) -> Result<(), Failure> {
    let xid = peer.send(&Message::StatsRequest(request)).await?;
    loop {
        let bytes = peer.answer_to(xid).await?;
        say!("{}", show::message(&bytes, names, verbosity));
        match codec::decode(&bytes, &peer.dialect) {
            Ok(codec::Incoming { message: Message::StatsReply { more: true, .. }, .. }) => {}
            Ok(_) => return Ok(()),
            // The part's header says whether more follow, even if its body makes no sense.
            Err(_) if bytes.get(11).is_some_and(|flags| flags & 1 == 1) => {}
            Err(_) => return Ok(()),
        }
    }
}

/// Every command of [`What`].
pub async fn run(job: &mut Job, what: What) -> Result<Exit, Failure> {
    let options = &job.options;
    let target = &job.words[0];
    let print_names = match what {
        What::Desc | What::MeterFeatures | What::Meters | What::MeterStats => Names::none(),
        _ => names::to_print(options, target).await?,
    };
    let mut peer = open(job, what).await?;
    let port = match (what, job.word(1)) {
        (What::Queues, Some(word)) if word.is_empty() || word.eq_ignore_ascii_case("all") => OfPort::NONE,
        (What::Ports | What::PortsDesc | What::Queues | What::QueueConfig, Some(word)) => port(job, word).await?,
        _ => OfPort::NONE,
    };
    let queue = match (what, job.word(2)) {
        (What::Queues | What::QueueConfig, Some("" | "all" | "ALL")) | (_, None) => QueueId::ALL,
        (_, Some(word)) => QueueId(leading_number(word)),
    };
    let request = match what {
        What::Desc => StatsRequest::Desc,
        What::Tables => StatsRequest::Table,
        What::TableFeatures => StatsRequest::TableFeatures(Vec::new()),
        What::TableDesc => StatsRequest::TableDesc,
        What::Ports => StatsRequest::Port(port),
        What::PortsDesc => StatsRequest::PortDesc(port),
        What::Queues => StatsRequest::Queue { port, queue },
        What::QueueConfig if peer.version() >= Version::V14 => StatsRequest::QueueDesc { port, queue },
        What::QueueConfig => {
            // 1.0 cannot ask for all ports at once
            let ports = match port == OfPort::NONE && peer.version() == Version::V10 {
                true => {
                    names::ports(&mut peer).await?.into_iter().map(|p| p.port).filter(|p| p.0 < OfPort::MAX.0).collect()
                }
                false => vec![port],
            };
            for port in ports {
                let reply = peer.ask(&Message::QueueGetConfigRequest { port, queue }).await?;
                say!("{}", show::message(&reply, &print_names, options.depth()));
            }
            return Ok(Exit::OK);
        }
        What::Groups => StatsRequest::GroupDesc(group(job.word(1))?),
        What::GroupStats => StatsRequest::Group(group_chosen(job.word(1))?),
        What::GroupFeatures => StatsRequest::GroupFeatures,
        What::Meters => StatsRequest::MeterConfig(meter(job.word(1))?),
        What::MeterStats => StatsRequest::Meter(meter(job.word(1))?),
        What::MeterFeatures => StatsRequest::MeterFeatures,
        What::IpfixBridge => StatsRequest::IpfixBridge,
        What::IpfixFlow => StatsRequest::IpfixFlow,
    };
    if what == What::TableFeatures {
        // One table list, however many parts it came in.
        let body = names::stats(&mut peer, request).await?;
        let reply = Message::StatsReply { body, more: false };
        let text = weft_openflow::text::format_body(&reply, peer.version(), &print_names, options.depth());
        // an empty line ends it, as one stands between the parts
        sayln!("{}", text.strip_prefix('\n').unwrap_or(&text));
        return Ok(Exit::OK);
    }
    print_stats(&mut peer, request, &print_names, options.depth()).await?;
    Ok(Exit::OK)
}

/// A connection in a version that has what is asked for.
async fn open(job: &Job, what: What) -> Result<Peer, Failure> {
    let options = &job.options;
    let target = &job.words[0];
    let newest = Version::ALL.into_iter().rev().find(|v| options.versions & v.bit() != 0).unwrap_or(Version::V10);
    let needs = |name: &str, first: Version| match newest >= first {
        true => Ok(()),
        false => fail(format!("{name} needs OpenFlow {} or later ('-O {}')", first.number(), first.name())),
    };
    match what {
        What::TableFeatures => needs("dump-table-features", Version::V13)?,
        What::TableDesc => needs("dump-table-desc", Version::V14)?,
        What::Meters | What::MeterStats | What::MeterFeatures => {
            let usable = super::format::Formats::all().filter(|f| f.version >= Version::V13);
            return super::flows::open_for(options, target, &usable).await;
        }
        _ => {}
    }
    Peer::open(options, target, options.versions).await
}

/// A port by number, by reserved name, or by its name on the switch.
pub async fn port(job: &Job, word: &str) -> Result<OfPort, Failure> {
    let (port, said) = noted(|| Names::none().parse_port(word));
    notes::log(&said);
    if let Some(port) = port {
        return Ok(port);
    }
    let target = &job.words[0];
    let mut peer = Peer::open(&job.options, target, job.options.versions).await?;
    let bare = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word);
    match names::ports(&mut peer).await?.iter().find(|port| port.name == bare) {
        Some(port) => Ok(port.port),
        None => fail(format!("{target}: unknown port `{word}'")),
    }
}

/// A group as group mods name it.
fn group_chosen(word: Option<&str>) -> Result<GroupId, Failure> {
    use weft_openflow::group::GroupModCommand::Delete;
    let Some(word) = word else { return Ok(GroupId::ALL) };
    Ok(weft_openflow::text::parse_group(word, Delete, &Names::none())?.group)
}

fn group(word: Option<&str>) -> Result<GroupId, Failure> {
    match word {
        None | Some("all") | Some("ALL") => Ok(GroupId::ALL),
        Some(word) => Ok(GroupId(number(word.strip_prefix("group_id=").unwrap_or(word), "group")?)),
    }
}

fn meter(word: Option<&str>) -> Result<MeterId, Failure> {
    let Some(word) = word else { return Ok(MeterId::ALL) };
    let word = word.strip_prefix("meter=").unwrap_or(word);
    Ok(match word {
        "all" => MeterId::ALL,
        "controller" => MeterId::CONTROLLER,
        "slowpath" => MeterId::SLOWPATH,
        word => MeterId(number(word, "meter")?),
    })
}

/// The number that a word begins with, 0 if it begins with none: what C programs make of words.
pub fn leading_number(word: &str) -> u32 {
    let (negative, digits) = match word.trim_start().strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.trim_start()),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let number: i64 = digits[..end].parse().unwrap_or(if end == 0 { 0 } else { i64::MAX });
    (if negative { -number } else { number }) as u32
}

/// A number as the tools take it.
pub fn number(text: &str, what: &str) -> Result<u32, Failure> {
    match weft_flow::text::number::parse_u64(text).and_then(|n| u32::try_from(n).ok()) {
        Some(number) => Ok(number),
        None => fail(format!("invalid {what} \"{text}\"")),
    }
}
