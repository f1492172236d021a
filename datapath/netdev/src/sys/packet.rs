//! Packet sockets and their options.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::checked;

/// A packet socket that receives nothing until [`bind`].
pub(crate) fn socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers.
    let fd = checked(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
    // SAFETY: the kernel has just given us this descriptor, nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Receive everything that the device takes in, from now on.
pub(crate) fn bind(socket: impl AsFd, ifindex: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: ifindex as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let (at, len) = (&raw const address, size_of::<libc::sockaddr_ll>() as u32);
    // SAFETY: `at` points to a whole sockaddr_ll.
    checked(unsafe { libc::bind(socket.as_fd().as_raw_fd(), at.cast(), len) })?;
    Ok(())
}

/// Switch a packet option (`PACKET_*`) that takes an integer.
pub(crate) fn set(socket: impl AsFd, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    set_option(socket, libc::SOL_PACKET, option, &value)
}

/// Ask for buffers of `bytes` in both directions, beyond the system's limit where we may.
pub(crate) fn set_buffers(socket: impl AsFd, bytes: libc::c_int) -> io::Result<()> {
    for (force, ask) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        if set_option(&socket, libc::SOL_SOCKET, force, &bytes).is_err() {
            set_option(&socket, libc::SOL_SOCKET, ask, &bytes)?;
        }
    }
    Ok(())
}

/// Keep the device promiscuous as long as the socket is open.
pub(crate) fn set_promiscuous(socket: impl AsFd, ifindex: u32) -> io::Result<()> {
    let membership = libc::packet_mreq {
        mr_ifindex: ifindex as i32,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)
}

/// Ask for a receive ring; map it with [`super::ring::RxRing`].
pub(super) fn set_rx_ring(socket: impl AsFd, request: &libc::tpacket_req) -> io::Result<()> {
    set_option(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, request)
}

/// Frames that the kernel dropped because ring and socket buffer were full, since the last call.
pub(crate) fn take_drops(socket: impl AsFd) -> io::Result<u32> {
    let mut stats = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    get_option(socket, libc::PACKET_STATISTICS, &mut stats)?;
    Ok(stats.tp_drops)
}

/// The fanout group of a socket that has joined one.
pub(crate) fn fanout_group(socket: impl AsFd) -> io::Result<u16> {
    let mut value: libc::c_int = 0;
    get_option(socket, libc::PACKET_FANOUT, &mut value)?;
    Ok(value as u16)
}

/// Any option whose value holds no pointers that the kernel would write through later.
pub(super) fn set_option<T>(socket: impl AsFd, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
    let (at, len) = (std::ptr::from_ref(value), size_of::<T>() as u32);
    // SAFETY: `at` points to `len` readable bytes; the callers above pass plain integers and structs of them.
    checked(unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, at.cast(), len) })?;
    Ok(())
}

/// Any packet option whose value is integers only, so that all bytes that the kernel may write are valid.
fn get_option<T>(socket: impl AsFd, option: libc::c_int, value: &mut T) -> io::Result<()> {
    let (at, mut len) = (std::ptr::from_mut(value), size_of::<T>() as u32);
    // SAFETY: `at` points to `len` writable bytes and `len` itself is passed along; the callers pass integers.
    let result =
        unsafe { libc::getsockopt(socket.as_fd().as_raw_fd(), libc::SOL_PACKET, option, at.cast(), &raw mut len) };
    checked(result)?;
    Ok(())
}
