//! The names of a switch's ports and tables.

use weft_flow::OfPort;
use weft_openflow::message::{StatsReply, StatsRequest};
use weft_openflow::port::PortDesc;
use weft_openflow::text::Names;
use weft_openflow::{Message, Version, Xid};

use super::Options;
use super::peer::Peer;
use crate::failure::{Failure, fail};

/// Asks for all of them, over a connection of its own.
pub async fn fetch(options: &Options, target: &str) -> Result<Names, Failure> {
    let mut peer = Peer::open(options, target, options.versions).await?;
    let mut names = Names::none();
    for port in ports(&mut peer).await? {
        names.ports.insert(port.port, &port.name);
    }
    if peer.version() < Version::V13 {
        if let StatsReply::Table(tables) = stats(&mut peer, StatsRequest::Table).await? {
            for table in tables.iter().filter(|table| !table.features.name.is_empty()) {
                names.insert_table(table.table, &table.features.name);
            }
        }
    } else if let StatsReply::TableFeatures(tables) = stats(&mut peer, StatsRequest::TableFeatures(Vec::new())).await? {
        for table in tables.iter().filter(|table| !table.name.is_empty()) {
            names.insert_table(table.table, &table.name);
        }
    }
    Ok(names)
}

/// The names to print with: none, unless the user wants them.
pub async fn to_print(options: &Options, target: &str) -> Result<Names, Failure> {
    if options.show_names() { fetch(options, target).await } else { Ok(Names::none()) }
}

/// Every port.
pub async fn ports(peer: &mut Peer) -> Result<Vec<PortDesc>, Failure> {
    if peer.version() < Version::V13 {
        return match peer.ask_for(&Message::FeaturesRequest).await? {
            Message::FeaturesReply(features) => Ok(features.ports),
            _ => fail(format!("{}: bad reply to the request for features", peer.name)),
        };
    }
    match stats(peer, StatsRequest::PortDesc(OfPort::NONE)).await? {
        StatsReply::PortDesc(ports) => Ok(ports),
        _ => fail(format!("{}: bad reply to the request for ports", peer.name)),
    }
}

/// Asks for statistics and joins the parts.
pub async fn stats(peer: &mut Peer, request: StatsRequest) -> Result<StatsReply, Failure> {
    let xid = peer.send(&Message::StatsRequest(request)).await?;
    let mut parts = weft_openflow::codec::Reassembler::default();
    loop {
        let (body, more) = part(peer, xid).await?;
        if let Some(whole) = parts.push(xid, body, more).map_err(|error| error.to_string())? {
            return Ok(whole);
        }
    }
}

/// Asks for statistics of which there may be many, and hands the parts over one by one.
pub async fn each_part(
    peer: &mut Peer,
    request: StatsRequest,
    mut take: impl FnMut(StatsReply) -> Result<(), String>,
) -> Result<(), Failure> {
    let xid = peer.send(&Message::StatsRequest(request)).await?;
    loop {
        let (body, more) = part(peer, xid).await?;
        take(body)?;
        if !more {
            return Ok(());
        }
    }
}

/// The next part of an answer, and whether more follow.
async fn part(peer: &mut Peer, xid: Xid) -> Result<(StatsReply, bool), Failure> {
    let bytes = peer.answer_to(xid).await?;
    match weft_openflow::codec::decode(&bytes, &peer.dialect) {
        Ok(weft_openflow::Incoming { message: Message::StatsReply { body, more }, .. }) => Ok((body, more)),
        Ok(weft_openflow::Incoming { message: Message::Error(error), .. }) => {
            fail(format!("{}: {}", peer.name, error.code))
        }
        Ok(_) => fail(format!("{}: answer of another kind", peer.name)),
        Err(error) => {
            let dump = super::show::hex(&bytes);
            fail(format!("received bad reply: ***decode error: {}***\n{dump}", error.code))
        }
    }
}
