//! Drivers and link modes: the ethtool ioctls, bytes in and bytes out. What they mean is read in `crate::ethtool`.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{IfReq, checked};

/// Length of `struct ethtool_drvinfo`.
pub(crate) const DRIVER_LEN: usize = 196;
/// Length of `struct ethtool_link_settings` with the longest masks that the kernel's interface allows.
pub(crate) const SETTINGS_LEN: usize = 48 + 3 * 4 * 127;

/// `ETHTOOL_GDRVINFO`: a `struct ethtool_drvinfo`.
pub(crate) fn driver(name: &str) -> io::Result<[u8; DRIVER_LEN]> {
    let mut buffer = Aligned([0; DRIVER_LEN]);
    buffer.0[..4].copy_from_slice(&GDRVINFO.to_ne_bytes());
    ask(name, &mut buffer)?;
    Ok(buffer.0)
}

/// `ETHTOOL_GLINKSETTINGS`: a `struct ethtool_link_settings` with its three masks.
pub(crate) fn link_settings(name: &str) -> io::Result<[u8; SETTINGS_LEN]> {
    // Asked with no words of mask, the kernel says (negated) how many it has; asked with that many it answers.
    let mut buffer = Aligned([0; SETTINGS_LEN]);
    buffer.0[..4].copy_from_slice(&GLINKSETTINGS.to_ne_bytes());
    ask(name, &mut buffer)?;
    let words = (buffer.0[MASK_WORDS] as i8).checked_neg().filter(|w| *w > 0);
    let words = words.ok_or(io::ErrorKind::InvalidData)?;
    buffer.0 = [0; SETTINGS_LEN];
    buffer.0[..4].copy_from_slice(&GLINKSETTINGS.to_ne_bytes());
    buffer.0[MASK_WORDS] = words as u8;
    ask(name, &mut buffer)?;
    Ok(buffer.0)
}

/// Offset of `link_mode_masks_nwords`.
pub(crate) const MASK_WORDS: usize = 15;

#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);

fn ask<const N: usize>(name: &str, buffer: &mut Aligned<N>) -> io::Result<()> {
    let mut request = IfReq::new(name)?;
    request.data[..8].copy_from_slice(&(&raw mut buffer.0).addr().to_ne_bytes());
    // The address above leaves as an integer; exposing it keeps the kernel's writes within the rules.
    let _ = (&raw mut buffer.0).expose_provenance();
    // SAFETY: no pointers.
    let fd = checked(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just given us this descriptor, nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: `request` is an ifreq that holds the address of `buffer`, which has room for the longest answer to the
    // two commands above and lives until the call is over.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as libc::Ioctl, &raw mut request) })?;
    Ok(())
}

const GDRVINFO: u32 = 0x0000_0003;
const GLINKSETTINGS: u32 = 0x0000_004c;
