//! Datagrams with what the IP header says of them: the messages of UDP and raw sockets with their ancillary data (ip(7),
//! ipv6(7), udp(7), cmsg(3)).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use super::checked;
use super::packet::set_option;

/// What a datagram's IP and UDP headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Source; unspecified: as the routes say.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// The other side's UDP port; 0 for a raw socket.
    pub port: u16,
    /// DSCP and ECN.
    pub tos: u8,
    /// Time to live.
    pub ttl: u8,
    /// Several datagrams of this size in one.
    pub segment: Option<u16>,
}

/// Have received datagrams say all that [`Head`] holds.
pub(crate) fn ask_for_head(socket: impl AsFd, v6: bool) -> io::Result<()> {
    let options: &[(i32, i32)] = match v6 {
        false => &[
            (libc::IPPROTO_IP, libc::IP_PKTINFO),
            (libc::IPPROTO_IP, libc::IP_RECVTOS),
            (libc::IPPROTO_IP, libc::IP_RECVTTL),
        ],
        true => &[
            (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
            (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS),
            (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT),
        ],
    };
    options.iter().try_for_each(|(level, option)| set_option(&socket, *level, *option, &1i32))
}

/// A UDP socket over IPv6 that leaves IPv4 to others. Raw sockets have one version anyway, and refuse to be told.
pub(crate) fn only_v6(socket: impl AsFd) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &1i32)
}

/// UDP: take several datagrams at once, and over IPv6 also those without a checksum (RFC 6935); may be refused by old kernels.
pub(crate) fn ask_for_bundles(socket: impl AsFd) {
    for option in [UDP_GRO, UDP_NO_CHECK6_RX] {
        let _ = set_option(&socket, libc::SOL_UDP, option, &1i32);
    }
}

/// Whether packets may be cut on their way.
pub(crate) fn set_fragments(socket: impl AsFd, v6: bool, allowed: bool) -> io::Result<()> {
    let (level, option) = match v6 {
        false => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
        true => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
    };
    let value = if allowed { libc::IP_PMTUDISC_DONT } else { libc::IP_PMTUDISC_DO };
    set_option(socket, level, option, &value)
}

/// Whether UDP packets over IPv4 go out without a checksum.
pub(crate) fn set_no_checksum(socket: impl AsFd, without: bool) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, &i32::from(without))
}

/// Receive one datagram into `room`, without blocking. Returns its length and what its header said.
pub(crate) fn receive(socket: impl AsFd, room: &mut [u8]) -> io::Result<(usize, Head)> {
    let mut name = [0u8; NAME];
    let mut control = Control([0; CONTROL]);
    let mut part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    let mut message = libc::msghdr {
        msg_name: name.as_mut_ptr().cast(),
        msg_namelen: NAME as u32,
        msg_iov: &raw mut part,
        msg_iovlen: 1,
        msg_control: control.0.as_mut_ptr().cast(),
        msg_controllen: CONTROL,
        msg_flags: 0,
    };
    // SAFETY: the message points to `name`, `part` (and so `room`) and `control`, which live across the call and are as
    // long as it says.
    let len = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    if len < 0 {
        return Err(io::Error::last_os_error());
    }
    if message.msg_flags & libc::MSG_TRUNC != 0 {
        return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
    }
    let head = read_head(&name, &control.0[..message.msg_controllen.min(CONTROL)]);
    Ok((len as usize, head))
}

/// Ancillary data must lie as `struct cmsghdr` does.
#[repr(align(8))]
struct Control([u8; CONTROL]);

const NAME: usize = 28;
const CONTROL: usize = 160;
const CMSG_HEAD: usize = size_of::<libc::cmsghdr>();
const UDP_SEGMENT: i32 = 103;
const UDP_GRO: i32 = 104;
const UDP_NO_CHECK6_RX: i32 = 102;

fn read_head(name: &[u8; NAME], mut control: &[u8]) -> Head {
    let family = u16::from_ne_bytes([name[0], name[1]]);
    let port = u16::from_be_bytes([name[2], name[3]]);
    let (src, mut dst): (IpAddr, IpAddr) = match i32::from(family) {
        libc::AF_INET6 => (sixteen(&name[8..]).into(), Ipv6Addr::UNSPECIFIED.into()),
        _ => (Ipv4Addr::new(name[4], name[5], name[6], name[7]).into(), Ipv4Addr::UNSPECIFIED.into()),
    };
    let (mut tos, mut ttl, mut segment) = (0, 64, None);
    let int = |data: &[u8]| data.first_chunk::<4>().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    while let Some(head) = control.first_chunk::<CMSG_HEAD>() {
        let len = usize::from_ne_bytes([head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7]]);
        let Some(data) = control.get(CMSG_HEAD..len) else { break };
        let level = i32::from_ne_bytes([head[8], head[9], head[10], head[11]]);
        let kind = i32::from_ne_bytes([head[12], head[13], head[14], head[15]]);
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_TOS) => tos = data.first().copied().unwrap_or(0),
            (libc::IPPROTO_IP, libc::IP_TTL) => ttl = int(data) as u8,
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                if let Some([_, _, _, _, _, _, _, _, a, b, c, d]) = data.first_chunk::<12>() {
                    dst = Ipv4Addr::new(*a, *b, *c, *d).into();
                }
            }
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => tos = int(data) as u8,
            (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => ttl = int(data) as u8,
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if data.len() >= 16 => dst = sixteen(data).into(),
            (libc::SOL_UDP, UDP_GRO) => segment = u16::try_from(int(data)).ok().filter(|size| *size > 0),
            _ => {}
        }
        control = control.get(len.next_multiple_of(8)..).unwrap_or_default();
    }
    Head { src, dst, port, tos, ttl, segment }
}

fn sixteen(bytes: &[u8]) -> Ipv6Addr {
    bytes.first_chunk::<16>().map_or(Ipv6Addr::UNSPECIFIED, |bytes| Ipv6Addr::from(*bytes))
}

/// A datagram to send, with what its header is to say.
struct Outgoing {
    name: [u8; NAME],
    name_len: u32,
    control: Control,
    control_len: usize,
}

/// Scratch space for [`Batch::send`], kept from call to call.
#[derive(Default)]
pub(crate) struct Batch {
    outgoing: Vec<Outgoing>,
    parts: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers inside are only followed during `send`, which fills them in anew each time.
unsafe impl Send for Batch {}

impl Batch {
    /// Send datagrams, without blocking. Tells how many went out; an error is that of the first one.
    pub(crate) fn send<'a>(
        &mut self,
        socket: impl AsFd,
        datagrams: impl Iterator<Item = (Head, &'a [u8])>,
    ) -> io::Result<usize> {
        self.outgoing.clear();
        self.parts.clear();
        self.messages.clear();
        for (head, bytes) in datagrams {
            self.outgoing.push(Outgoing::new(&head));
            self.parts.push(libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() });
        }
        for (out, part) in self.outgoing.iter_mut().zip(&mut self.parts) {
            let msg_hdr = libc::msghdr {
                msg_name: out.name.as_mut_ptr().cast(),
                msg_namelen: out.name_len,
                msg_iov: part,
                msg_iovlen: 1,
                msg_control: out.control.0.as_mut_ptr().cast(),
                msg_controllen: out.control_len,
                msg_flags: 0,
            };
            self.messages.push(libc::mmsghdr { msg_hdr, msg_len: 0 });
        }
        let (first, count) = (self.messages.as_mut_ptr(), self.messages.len());
        // SAFETY: `first` points to `count` headers, each to one of `outgoing` and of `parts`, which have not moved since,
        // and so to slices that live for 'a; the kernel only reads them and writes `msg_len`.
        let sent = unsafe { libc::sendmmsg(socket.as_fd().as_raw_fd(), first, count as u32, libc::MSG_DONTWAIT) };
        checked(sent).map(|n| n as usize)
    }
}

impl Outgoing {
    fn new(head: &Head) -> Outgoing {
        let mut out = Outgoing { name: [0; NAME], name_len: 16, control: Control([0; CONTROL]), control_len: 0 };
        match head.dst {
            IpAddr::V4(dst) => {
                out.name[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                out.name[4..8].copy_from_slice(&dst.octets());
            }
            IpAddr::V6(dst) => {
                out.name_len = NAME as u32;
                out.name[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                out.name[8..24].copy_from_slice(&dst.octets());
            }
        }
        out.name[2..4].copy_from_slice(&head.port.to_be_bytes());
        let (tos, ttl) = (i32::from(head.tos).to_ne_bytes(), i32::from(head.ttl).to_ne_bytes());
        match head.src {
            IpAddr::V4(src) => {
                out.add(libc::IPPROTO_IP, libc::IP_TOS, &tos);
                if head.ttl != 0 {
                    out.add(libc::IPPROTO_IP, libc::IP_TTL, &ttl);
                }
                if !src.is_unspecified() {
                    let mut info = [0; 12];
                    info[4..8].copy_from_slice(&src.octets());
                    out.add(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
                }
            }
            IpAddr::V6(src) => {
                out.add(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &tos);
                if head.ttl != 0 {
                    out.add(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &ttl);
                }
                if !src.is_unspecified() {
                    let mut info = [0; 20];
                    info[..16].copy_from_slice(&src.octets());
                    out.add(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
                }
            }
        }
        if let Some(size) = head.segment {
            out.add(libc::SOL_UDP, UDP_SEGMENT, &size.to_ne_bytes());
        }
        out
    }

    /// Append one piece of ancillary data; there is room for all that [`Outgoing::new`] may say.
    fn add(&mut self, level: i32, kind: i32, data: &[u8]) {
        let (at, len) = (self.control_len, CMSG_HEAD + data.len());
        let room = &mut self.control.0[at..];
        room[..8].copy_from_slice(&len.to_ne_bytes());
        room[8..12].copy_from_slice(&level.to_ne_bytes());
        room[12..16].copy_from_slice(&kind.to_ne_bytes());
        room[16..16 + data.len()].copy_from_slice(data);
        self.control_len = at + len.next_multiple_of(8);
    }
}
