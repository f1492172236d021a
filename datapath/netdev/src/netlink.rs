//! Links through rtnetlink: list, look up, change.
//!
//! How: each request opens a socket of its own, so there is no state to fall out of step, and a caller in another
//! network namespace gets that namespace's links. A look-up costs some 10 us.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use weft_packet::Mac;

use crate::link::{Link, MtuRange, Stats};

/// All links.
///
/// # Errors
/// When the kernel refuses.
pub fn links() -> io::Result<Vec<Link>> {
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let replies = ask(request, NLM_F_REQUEST | NLM_F_DUMP)?;
    Ok(replies.iter().filter_map(link_of).collect())
}

/// The link of that name.
///
/// # Errors
/// `ENODEV` when there is none.
pub fn link_by_name(name: &str) -> io::Result<Link> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    one(message)
}

/// The link of that number.
///
/// # Errors
/// `ENODEV` when there is none.
pub fn link_by_index(ifindex: u32) -> io::Result<Link> {
    let mut message = LinkMessage::default();
    message.header.index = ifindex;
    one(message)
}

/// Change a link's MTU.
///
/// # Errors
/// `EINVAL` outside the link's range; `ENODEV`; `EPERM`.
pub fn set_mtu(ifindex: u32, mtu: u32) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::Mtu(mtu));
    change(ifindex, message)
}

/// Change a link's address.
///
/// # Errors
/// `EADDRNOTAVAIL` for a multicast address; `ENODEV`; `EPERM`.
pub fn set_mac(ifindex: u32, mac: Mac) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::Address(mac.0.to_vec()));
    change(ifindex, message)
}

/// Bring a link administratively up or down.
///
/// # Errors
/// `ENODEV`; `EPERM`; what the driver says.
pub fn set_up(ifindex: u32, up: bool) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.change_mask = LinkFlags::Up;
    if up {
        message.header.flags = LinkFlags::Up;
    }
    change(ifindex, message)
}

fn one(message: LinkMessage) -> io::Result<Link> {
    let replies = ask(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST)?;
    replies.iter().find_map(link_of).ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
}

fn change(ifindex: u32, mut message: LinkMessage) -> io::Result<()> {
    message.header.index = ifindex;
    ask(RouteNetlinkMessage::SetLink(message), NLM_F_REQUEST | NLM_F_ACK)?;
    Ok(())
}

/// Send one request, gather its replies until the kernel is done.
pub(crate) fn ask(message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut request = NetlinkMessage::from(message);
    request.header.flags = flags;
    request.finalize();
    let mut buffer = vec![0; request.buffer_len()];
    request.serialize(&mut buffer);
    socket.send(&buffer, 0)?;
    let is_dump = flags & NLM_F_DUMP == NLM_F_DUMP;
    let mut replies = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        for message in messages(&datagram) {
            match message?.payload {
                NetlinkPayload::Done(_) => return Ok(replies),
                NetlinkPayload::Error(error) => match error.code {
                    None => return Ok(replies),
                    Some(_) => return Err(error.to_io()),
                },
                NetlinkPayload::InnerMessage(inner) => {
                    replies.push(inner);
                    if !is_dump && flags & NLM_F_ACK == 0 {
                        return Ok(replies);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The messages of one datagram; ends after the first that cannot be read.
pub(crate) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = io::Result<NetlinkMessage<RouteNetlinkMessage>>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let read = decode(datagram);
        let used = match &read {
            Ok(message) => (message.header.length as usize).next_multiple_of(4),
            Err(_) => usize::MAX,
        };
        datagram = datagram.get(used..).unwrap_or_default();
        Some(read)
    })
}

fn decode(bytes: &[u8]) -> io::Result<NetlinkMessage<RouteNetlinkMessage>> {
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
    // A length that the library takes on trust.
    let length = bytes.first_chunk().map_or(0, |len| u32::from_ne_bytes(*len)) as usize;
    if length < HEADER || length > bytes.len() {
        return Err(invalid(format!("netlink message of {length} bytes in {} bytes", bytes.len())));
    }
    NetlinkMessage::deserialize(&bytes[..length]).map_err(|error| invalid(error.to_string()))
}

/// The link that a message tells of.
pub(crate) fn link_of(message: &RouteNetlinkMessage) -> Option<Link> {
    match message {
        RouteNetlinkMessage::NewLink(message) | RouteNetlinkMessage::DelLink(message) => Some(parse(message)),
        _ => None,
    }
}

fn parse(message: &LinkMessage) -> Link {
    let mut link = Link {
        ifindex: message.header.index,
        name: String::new(),
        mac: Mac::ZERO,
        mtu: 0,
        mtu_range: None,
        up: message.header.flags.contains(LinkFlags::Up),
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        carrier_changes: 0,
        kind: String::new(),
        qdisc: String::new(),
        stats: Stats::default(),
    };
    let (mut min, mut max) = (0, 0);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) => link.mac = bytes.as_slice().try_into().map_or(Mac::ZERO, Mac),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::MinMtu(mtu) => min = *mtu,
            LinkAttribute::MaxMtu(mtu) => max = *mtu,
            LinkAttribute::CarrierChanges(n) => link.carrier_changes = *n,
            LinkAttribute::Qdisc(name) => link.qdisc.clone_from(name),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        link.kind = kind.to_string();
                    }
                }
            }
            LinkAttribute::Stats64(stats) => link.stats = stats_of(stats),
            _ => {}
        }
    }
    // A driver that sets no limit says 0 for "no maximum".
    if max != 0 {
        link.mtu_range = Some(MtuRange { min, max });
    }
    link
}

fn stats_of(stats: &netlink_packet_route::link::Stats64) -> Stats {
    Stats {
        rx_packets: Some(stats.rx_packets),
        tx_packets: Some(stats.tx_packets),
        rx_bytes: Some(stats.rx_bytes),
        tx_bytes: Some(stats.tx_bytes),
        rx_errors: Some(stats.rx_errors),
        tx_errors: Some(stats.tx_errors),
        rx_dropped: Some(stats.rx_dropped),
        tx_dropped: Some(stats.tx_dropped),
        multicast: Some(stats.multicast),
        collisions: Some(stats.collisions),
        rx_length_errors: Some(stats.rx_length_errors),
        rx_over_err: Some(stats.rx_over_errors),
        rx_crc_err: Some(stats.rx_crc_errors),
        rx_frame_err: Some(stats.rx_frame_errors),
        rx_fifo_errors: Some(stats.rx_fifo_errors),
        rx_missed_errors: Some(stats.rx_missed_errors),
        tx_aborted_errors: Some(stats.tx_aborted_errors),
        tx_carrier_errors: Some(stats.tx_carrier_errors),
        tx_fifo_errors: Some(stats.tx_fifo_errors),
        tx_heartbeat_errors: Some(stats.tx_heartbeat_errors),
        tx_window_errors: Some(stats.tx_window_errors),
        custom: Vec::new(),
    }
}

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_among_the_links_and_found_both_ways() {
        let all = links().unwrap();
        let lo = all.iter().find(|l| l.name == "lo").unwrap();
        let by_name = link_by_name("lo").unwrap();
        let by_index = link_by_index(lo.ifindex).unwrap();
        assert_eq!((by_name.ifindex, by_index.name.as_str()), (lo.ifindex, "lo"));
        assert!(lo.stats.rx_packets.is_some());
    }

    #[test]
    fn an_absent_link_is_enodev() {
        assert_eq!(link_by_name("weft-none").unwrap_err().raw_os_error(), Some(libc::ENODEV));
        assert_eq!(link_by_index(0x7fff_0000).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn arbitrary_datagrams_never_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let messages = messages(bytes).filter_map(Result::ok);
            for message in messages {
                if let NetlinkPayload::InnerMessage(inner) = message.payload {
                    let _ = link_of(&inner);
                }
            }
        });
    }
}
