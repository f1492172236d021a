//! IPv4 addresses and default routes of kernel devices, through rtnetlink.
//!
//! Invariant: asking for what is so already, or taking away what is not there, is no error.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::netlink::ask;

/// Give a device an address; its network is reached through the device from then on.
///
/// # Errors
/// `EADDRNOTAVAIL` for what no device can have; `ENODEV`; `EPERM`.
pub fn add(ifindex: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewAddress(with_address(ifindex, address, prefix));
    unless(libc::EEXIST, ask(message, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE))
}

/// Take an address away from a device.
///
/// # Errors
/// `ENODEV`; `EPERM`.
pub fn remove(ifindex: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let message = RouteNetlinkMessage::DelAddress(with_address(ifindex, address, prefix));
    unless(libc::EADDRNOTAVAIL, ask(message, NLM_F_REQUEST | NLM_F_ACK))
}

/// Let everything that has no route of its own go to `gateway` through a device.
///
/// # Errors
/// `ENETUNREACH` if the gateway is in none of its networks; `ENODEV`; `EPERM`.
pub fn add_default_route(ifindex: u32, gateway: Ipv4Addr) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewRoute(default_route(ifindex, gateway));
    unless(libc::EEXIST, ask(message, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE))
}

/// Take that route away.
///
/// # Errors
/// `ENODEV`; `EPERM`.
pub fn remove_default_route(ifindex: u32, gateway: Ipv4Addr) -> io::Result<()> {
    let message = RouteNetlinkMessage::DelRoute(default_route(ifindex, gateway));
    unless(libc::ESRCH, ask(message, NLM_F_REQUEST | NLM_F_ACK))
}

fn with_address(ifindex: u32, address: Ipv4Addr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = prefix;
    message.header.index = ifindex;
    let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    message.attributes = vec![
        AddressAttribute::Local(IpAddr::V4(address)),
        AddressAttribute::Address(IpAddr::V4(address)),
        AddressAttribute::Broadcast(Ipv4Addr::from(u32::from(address) | host_bits)),
    ];
    message
}

fn default_route(ifindex: u32, gateway: Ipv4Addr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway)), RouteAttribute::Oif(ifindex)];
    message
}

fn unless<T>(harmless: i32, answer: io::Result<T>) -> io::Result<()> {
    match answer {
        Err(error) if error.raw_os_error() != Some(harmless) => Err(error),
        _ => Ok(()),
    }
}
