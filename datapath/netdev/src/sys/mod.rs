//! The cellar: the only unsafe code of the house.
//!
//! One system call or one pointer step per block, each under a line that says why it is sound. All that leaves this
//! module is safe to call with any arguments. What rustix offers is not repeated here.
//!
//! - `mmsg`: many messages in one system call.
//! - `datagram`: UDP and raw sockets' messages with their ancillary data.
//! - `ring`: the receive ring that a packet socket shares with the kernel.
//! - `packet`: packet sockets and their options.
//! - `tun`: taps.
//! - `ethtool`: drivers and link modes.
//! - `signal`: what a crash does.
//! - `heap`: unused memory goes back to the system.
#![allow(unsafe_code)]

pub(crate) mod datagram;
pub(crate) mod ethtool;
pub(crate) mod heap;
pub(crate) mod mmsg;
pub(crate) mod packet;
pub(crate) mod ring;
pub(crate) mod signal;
pub(crate) mod tun;

use std::io;

/// The result of a system call that says -1 for failure.
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// `struct ifreq` with its union as bytes.
#[repr(C, align(8))]
struct IfReq {
    name: [u8; libc::IFNAMSIZ],
    data: [u8; 24],
}

const _: () = assert!(size_of::<IfReq>() == size_of::<libc::ifreq>());

impl IfReq {
    /// A request about the device `name`.
    fn new(name: &str) -> io::Result<IfReq> {
        let mut request = IfReq { name: [0; libc::IFNAMSIZ], data: [0; 24] };
        if name.len() >= libc::IFNAMSIZ || name.is_empty() || name.contains('\0') {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        request.name[..name.len()].copy_from_slice(name.as_bytes());
        Ok(request)
    }
}
