//! Many messages in one system call (rustix has no sendmmsg).

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Scratch space for [`SendBatch::send`], kept from call to call.
#[derive(Default)]
pub(crate) struct SendBatch {
    parts: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers inside are only followed during `send`, which fills them in anew each time.
unsafe impl Send for SendBatch {}

impl SendBatch {
    /// Send each of `datagrams` through the connected or bound socket, without blocking. Tells how many went out;
    /// an error is that of the first one.
    pub(crate) fn send<'a>(
        &mut self,
        socket: impl AsFd,
        datagrams: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<usize> {
        self.parts.clear();
        self.parts.extend(datagrams.map(|d| libc::iovec { iov_base: d.as_ptr().cast_mut().cast(), iov_len: d.len() }));
        self.messages.clear();
        self.messages.extend(self.parts.iter_mut().map(|part| {
            let msg_hdr = libc::msghdr {
                msg_name: std::ptr::null_mut(),
                msg_namelen: 0,
                msg_iov: part,
                msg_iovlen: 1,
                msg_control: std::ptr::null_mut(),
                msg_controllen: 0,
                msg_flags: 0,
            };
            libc::mmsghdr { msg_hdr, msg_len: 0 }
        }));
        let (first, count) = (self.messages.as_mut_ptr(), self.messages.len());
        // SAFETY: `first` points to `count` headers, each to one of `parts`, each to a slice that lives for 'a; the
        // kernel only reads the slices and writes `msg_len`.
        let sent = unsafe { libc::sendmmsg(socket.as_fd().as_raw_fd(), first, count as u32, libc::MSG_DONTWAIT) };
        super::checked(sent).map(|n| n as usize)
    }
}
