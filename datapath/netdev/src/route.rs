//! The kernel's routes and its devices' addresses: where packets of tunnels would go.
//!
//! What: [`snapshot`] lists the main and the local table and all addresses; [`RouteMonitor`] says when to look again.
//! How: rtnetlink, as for links. A notice is not taken apart: routes come and go in crowds, and one list tells of all.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::event::{PollFd, PollFlags, poll};
use weft_packet::Mac;

use crate::netlink::{ask, links};

/// A route of the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelRoute {
    /// The network.
    pub to: IpAddr,
    /// The length of its prefix.
    pub len: u8,
    /// By this device.
    pub device: String,
    /// By this router.
    pub gateway: Option<IpAddr>,
    /// Which of our addresses it prefers.
    pub source: Option<IpAddr>,
    /// It leads to ourselves.
    pub local: bool,
    /// The metric: of routes to the same network the least is used.
    pub metric: u32,
}

/// A device that has addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Addresses {
    /// Its name.
    pub device: String,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Address and length of the network's prefix.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// All that is known now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouteSnapshot {
    /// Routes, those with the least metric first.
    pub routes: Vec<KernelRoute>,
    /// Devices with addresses.
    pub devices: Vec<Addresses>,
}

/// The routes and addresses of the network namespace of this thread.
///
/// # Errors
/// When the kernel refuses.
pub fn snapshot() -> io::Result<RouteSnapshot> {
    let links = links()?;
    let name = |index: u32| links.iter().find(|link| link.ifindex == index).map(|link| link.name.clone());
    let dump = |message| ask(message, NLM_F_REQUEST | NLM_F_DUMP);
    let mut found = RouteSnapshot::default();
    for link in &links {
        found.devices.push(Addresses { device: link.name.clone(), mac: link.mac, addresses: Vec::new() });
    }
    for message in dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))? {
        if let RouteNetlinkMessage::NewAddress(message) = message
            && let Some(device) = name(message.header.index)
            && let Some(addr) = address_of(&message)
            && let Some(known) = found.devices.iter_mut().find(|known| known.device == device)
        {
            known.addresses.push((addr, message.header.prefix_len));
        }
    }
    found.devices.retain(|device| !device.addresses.is_empty());
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        for message in dump(RouteNetlinkMessage::GetRoute(request))? {
            if let RouteNetlinkMessage::NewRoute(message) = message {
                found.routes.extend(route_of(&message, &name));
            }
        }
    }
    found.routes.sort_by_key(|route| route.metric);
    Ok(found)
}

/// The address that a device has: for a peer-to-peer link the near one.
fn address_of(message: &AddressMessage) -> Option<IpAddr> {
    let find = |of: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(of);
    let local = find(|attribute| match attribute {
        AddressAttribute::Local(addr) => Some(*addr),
        _ => None,
    });
    local.or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(addr) => Some(*addr),
            _ => None,
        })
    })
}

/// A route of the main or local table to other hosts or to us.
fn route_of(message: &RouteMessage, name: &impl Fn(u32) -> Option<String>) -> Option<KernelRoute> {
    let header = &message.header;
    let local = match header.kind {
        RouteType::Unicast => false,
        RouteType::Local => true,
        _ => return None,
    };
    let any: IpAddr = match header.address_family {
        AddressFamily::Inet => [0u8; 4].into(),
        AddressFamily::Inet6 => [0u8; 16].into(),
        _ => return None,
    };
    let mut table = u32::from(header.table);
    let (mut to, mut gateway, mut source, mut device, mut metric) = (any, None, None, None, 0);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(addr) => to = plain(addr)?,
            RouteAttribute::Gateway(addr) => gateway = plain(addr),
            RouteAttribute::PrefSource(addr) => source = plain(addr),
            RouteAttribute::Oif(index) => device = Some(*index),
            RouteAttribute::Priority(priority) => metric = *priority,
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::MultiPath(hops) => {
                // the first way is as good as the others
                let hop = hops.first()?;
                device = Some(hop.interface_index);
                gateway = hop.attributes.iter().find_map(|attribute| match attribute {
                    RouteAttribute::Gateway(addr) => plain(addr),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    if !matches!(table, MAIN | LOCAL) {
        return None;
    }
    let device = name(device?)?;
    Some(KernelRoute { to, len: header.destination_prefix_length, device, gateway, source, local, metric })
}

fn plain(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}

const MAIN: u32 = 254;
const LOCAL: u32 = 255;

/// Says when routes or addresses have changed in the network namespace of the thread that opened it.
pub struct RouteMonitor(Socket);

impl RouteMonitor {
    /// Start to listen.
    ///
    /// # Errors
    /// When the kernel refuses a netlink socket.
    pub fn open() -> io::Result<RouteMonitor> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        for group in
            [libc::RTNLGRP_IPV4_ROUTE, libc::RTNLGRP_IPV6_ROUTE, libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR]
        {
            socket.add_membership(group)?;
        }
        socket.set_non_blocking(true)?;
        Ok(RouteMonitor(socket))
    }

    /// Wait until something has changed; all that changed up to now counts as one.
    ///
    /// # Errors
    /// When the kernel refuses; the monitor stays usable.
    pub fn wait(&mut self) -> io::Result<()> {
        loop {
            match poll(&mut [PollFd::new(self, PollFlags::IN)], None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if self.drain()? {
                return Ok(());
            }
        }
    }

    fn drain(&mut self) -> io::Result<bool> {
        let mut heard = false;
        loop {
            match self.0.recv_from_full() {
                Ok(_) => heard = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(heard),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // notices were lost: something has changed
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => heard = true,
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for RouteMonitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_leads_to_ourselves() {
        let found = snapshot().unwrap();
        let lo = found.devices.iter().find(|device| device.device == "lo").unwrap();
        assert!(lo.addresses.contains(&([127, 0, 0, 1].into(), 8)));
        let to_us = |route: &&KernelRoute| route.local && route.to == IpAddr::from([127, 0, 0, 1]);
        assert_eq!(found.routes.iter().find(to_us).map(|route| route.device.as_str()), Some("lo"));
    }
}
