//! What happens to the machine's links: the switch follows what others do under its feet.
//!
//! What: [`Monitor`] turns netlink's notices into [`LinkEvent`]s. It knows all links, so a notice says what changed.
//! How: poll its descriptor, then [`Monitor::read`]; or call [`Monitor::wait`] on a thread of its own. When the kernel
//! had to drop notices (ENOBUFS), all links are listed anew and compared, so no change stays unseen.
//! A tap that moves to another namespace looks removed from here but still works: ask [`crate::Device::is_alive`].

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::event::{PollFd, PollFlags, poll};

use crate::link::{Link, Stats};
use crate::netlink;

/// What happened to a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkEvent {
    /// It is new.
    Added(Link),
    /// It has another name now.
    Renamed {
        /// The name before.
        from: String,
        /// The link with its new name.
        link: Link,
    },
    /// Address, MTU, admin state or carrier changed.
    Changed(Link),
    /// It is gone from this network namespace.
    Removed(Link),
}

/// Follows the links of the network namespace of the thread that opened it.
pub struct Monitor {
    socket: Socket,
    links: Links,
}

impl Monitor {
    /// Start to follow. Links that exist now are in [`Monitor::links`], not in the first events.
    ///
    /// # Errors
    /// When the kernel refuses a netlink socket.
    pub fn open() -> io::Result<Monitor> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.add_membership(libc::RTNLGRP_LINK)?;
        socket.set_non_blocking(true)?;
        let mut links = Links::default();
        // Subscribed first, so that nothing falls between the list and the first notice.
        links.resync(netlink::links()?);
        Ok(Monitor { socket, links })
    }

    /// The links as last told.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.0.values()
    }

    /// What happened since the last call; empty if nothing did. Never blocks.
    ///
    /// # Errors
    /// When the kernel refuses; the monitor stays usable.
    pub fn read(&mut self) -> io::Result<Vec<LinkEvent>> {
        let mut events = Vec::new();
        loop {
            match self.socket.recv_from_full() {
                Ok((datagram, _)) => {
                    for message in netlink::messages(&datagram).filter_map(Result::ok) {
                        if let NetlinkPayload::InnerMessage(inner) = message.payload {
                            events.extend(self.links.notice(&inner));
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(events),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    events.extend(self.links.resync(netlink::links()?));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Wait until something has happened.
    ///
    /// # Errors
    /// As [`Monitor::read`].
    pub fn wait(&mut self) -> io::Result<Vec<LinkEvent>> {
        loop {
            let events = self.read()?;
            if !events.is_empty() {
                return Ok(events);
            }
            match poll(&mut [PollFd::new(self, PollFlags::IN)], None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The links as last told, by number.
#[derive(Default)]
struct Links(BTreeMap<u32, Link>);

impl Links {
    fn notice(&mut self, message: &RouteNetlinkMessage) -> Vec<LinkEvent> {
        match message {
            RouteNetlinkMessage::NewLink(_) => netlink::link_of(message).map(|l| self.seen(l)).unwrap_or_default(),
            RouteNetlinkMessage::DelLink(_) => {
                let gone = netlink::link_of(message).and_then(|link| self.0.remove(&link.ifindex));
                gone.map(LinkEvent::Removed).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn seen(&mut self, mut link: Link) -> Vec<LinkEvent> {
        // Counters move all the time and are not news.
        link.stats = Stats::default();
        let Some(before) = self.0.insert(link.ifindex, link.clone()) else { return vec![LinkEvent::Added(link)] };
        let mut events = Vec::new();
        if before.name != link.name {
            events.push(LinkEvent::Renamed { from: before.name.clone(), link: link.clone() });
        }
        if (before.mac, before.mtu, before.up, before.carrier, before.carrier_changes)
            != (link.mac, link.mtu, link.up, link.carrier, link.carrier_changes)
        {
            events.push(LinkEvent::Changed(link));
        }
        events
    }

    /// Compare with a whole list.
    fn resync(&mut self, all: Vec<Link>) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        let gone: Vec<u32> = self.0.keys().filter(|n| !all.iter().any(|l| l.ifindex == **n)).copied().collect();
        for ifindex in gone {
            events.extend(self.0.remove(&ifindex).map(LinkEvent::Removed));
        }
        for link in all {
            events.extend(self.seen(link));
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_packet::Mac;

    fn link(ifindex: u32, name: &str) -> Link {
        Link {
            ifindex,
            name: name.to_owned(),
            mac: Mac([2, 0, 0, 0, 0, ifindex as u8]),
            mtu: 1500,
            mtu_range: None,
            up: false,
            carrier: false,
            carrier_changes: 0,
            kind: String::new(),
            qdisc: String::new(),
            stats: Stats::default(),
        }
    }

    #[test]
    fn a_link_is_added_changed_renamed_and_removed() {
        let mut links = Links::default();
        let first = link(3, "a");
        assert_eq!(links.seen(first.clone()), [LinkEvent::Added(first.clone())]);
        let busier = Link { stats: Stats { rx_packets: Some(7), ..Stats::default() }, ..first.clone() };
        assert_eq!(links.seen(busier), []);
        let up = Link { up: true, ..first.clone() };
        assert_eq!(links.seen(up.clone()), [LinkEvent::Changed(up.clone())]);
        let renamed = Link { name: "b".to_owned(), ..up };
        assert_eq!(links.seen(renamed.clone()), [LinkEvent::Renamed { from: "a".to_owned(), link: renamed.clone() }]);
        assert_eq!(links.resync(Vec::new()), [LinkEvent::Removed(renamed)]);
    }

    #[test]
    fn a_list_says_what_notices_would_have_said() {
        let mut links = Links::default();
        links.resync(vec![link(1, "lo"), link(2, "a")]);
        let events = links.resync(vec![link(1, "lo"), link(3, "a")]);
        assert_eq!(events, [LinkEvent::Removed(link(2, "a")), LinkEvent::Added(link(3, "a"))]);
    }
}
