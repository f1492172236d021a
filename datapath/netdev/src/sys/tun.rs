//! Taps: the ioctls of /dev/net/tun.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use super::{IfReq, checked};

/// Attach a new descriptor to the tap `name`, making the tap if it does not exist. Returns the kernel's name of it.
pub(crate) fn attach(name: &str, flags: libc::c_int) -> io::Result<(OwnedFd, String)> {
    let fd = rustix::fs::open("/dev/net/tun", OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut request = IfReq::new(name)?;
    request.data[..2].copy_from_slice(&(flags as i16).to_ne_bytes());
    ifreq_ioctl(&fd, libc::TUNSETIFF, &mut request)?;
    let len = request.name.iter().position(|c| *c == 0).unwrap_or(request.name.len());
    Ok((fd, String::from_utf8_lossy(&request.name[..len]).into_owned()))
}

/// Say which offloads the reader of the tap takes (`TUN_F_*`).
pub(crate) fn set_offload(tap: impl AsFd, offloads: libc::c_uint) -> io::Result<()> {
    // SAFETY: the request takes its argument by value.
    checked(unsafe { libc::ioctl(tap.as_fd().as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(offloads)) })?;
    Ok(())
}

/// Set the length of the offload header before each frame.
pub(crate) fn set_vnet_header_len(tap: impl AsFd, len: libc::c_int) -> io::Result<()> {
    // SAFETY: the request reads one int at the address.
    checked(unsafe { libc::ioctl(tap.as_fd().as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const len) })?;
    Ok(())
}

/// Whether the tap behind the descriptor still exists.
pub(crate) fn is_attached(tap: impl AsFd) -> bool {
    let mut request = IfReq { name: [0; libc::IFNAMSIZ], data: [0; 24] };
    ifreq_ioctl(tap, libc::TUNGETIFF, &mut request).is_ok()
}

/// The tap's address; works wherever the tap has been moved.
pub(crate) fn mac(tap: impl AsFd) -> io::Result<[u8; 6]> {
    let mut request = IfReq { name: [0; libc::IFNAMSIZ], data: [0; 24] };
    ifreq_ioctl(tap, libc::SIOCGIFHWADDR as libc::Ioctl, &mut request)?;
    let [_, _, mac @ ..] = request.data;
    Ok([mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]])
}

/// Change the tap's address; works wherever the tap has been moved.
pub(crate) fn set_mac(tap: impl AsFd, mac: [u8; 6]) -> io::Result<()> {
    let mut request = IfReq { name: [0; libc::IFNAMSIZ], data: [0; 24] };
    request.data[..2].copy_from_slice(&libc::ARPHRD_ETHER.to_ne_bytes());
    request.data[2..8].copy_from_slice(&mac);
    ifreq_ioctl(tap, libc::SIOCSIFHWADDR as libc::Ioctl, &mut request)
}

/// A request whose argument is a `struct ifreq` without pointers in it.
fn ifreq_ioctl(fd: impl AsFd, code: libc::Ioctl, request: &mut IfReq) -> io::Result<()> {
    // SAFETY: the callers above pass codes that read and write one ifreq, which `request` is.
    checked(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), code, std::ptr::from_mut(request)) })?;
    Ok(())
}
