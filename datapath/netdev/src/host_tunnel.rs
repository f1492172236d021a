//! Tunnels over the host's own stack: the device of a tunnel port whose outer packets no bridge of ours carries.
//!
//! What: UDP sockets (VXLAN, Geneve, GTP-U, bare UDP, LISP) or raw ones (GRE, ERSPAN), one for each version of IP. What is sent
//! and received are whole outer frames, with an Ethernet header of zeros, so that the datapath puts outer headers on and
//! takes them off as it does everywhere; what the header says goes to the kernel and comes from it as ancillary data.
//! How: UDP_SEGMENT sends many datagrams of one size with one call, UDP_GRO receives them as one frame that waits for
//! segmentation. Each worker has a UDP socket of its own on the port (SO_REUSEPORT), and sends from a few others, so that flows
//! have different source ports. A raw socket sees every packet, so one worker has it.
//! SRv6 and STT cannot go this way: the kernel takes routing headers for its own, and answers STT's "TCP" with resets.
//!
//! Invariant: nothing is kept of a frame.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::epoll;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use weft_packet::tunnel::Kind;
use weft_packet::wire::ipv4::{self, Ipv4Wire};
use weft_packet::wire::ipv6::Ipv6Wire;
use weft_packet::wire::{ethernet, ethertype, proto, udp};
use weft_packet::{ChecksumState, Frame, Gso, GsoKind, Mac, Pool};
use zerocopy::IntoBytes;

use crate::device::QueuePair;
use crate::null::Silent;
use crate::queue::{RxQueue, TxCaps, TxQueue, TxReport};
use crate::soft::Soft;
use crate::sys::datagram::{self, Batch, Head};
use crate::sys::packet::set_buffers;

/// Which outer packets are ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostTunnel {
    /// The encapsulation.
    pub kind: Kind,
    /// The UDP port; not looked at for kinds that have none.
    pub port: u16,
}

/// Open the sockets.
pub(crate) fn open(options: &HostTunnel, workers: usize) -> io::Result<(Arc<Soft>, Vec<QueuePair>)> {
    let proto = match options.kind {
        kind if kind.is_udp() => proto::UDP,
        Kind::Gre | Kind::Ip6Gre | Kind::Erspan | Kind::Ip6Erspan => GRE,
        _ => return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    };
    let soft = Arc::new(Soft::new(Mac::ZERO, workers, workers));
    soft.set_mtu(u32::from(u16::MAX));
    let mut pairs = Vec::with_capacity(workers);
    let mut shared: Option<Arc<Sockets>> = None;
    for index in 0..workers {
        let sockets = match &shared {
            Some(sockets) if proto == GRE => Arc::clone(sockets),
            _ => Arc::new(Sockets::open(proto, options.port)?),
        };
        let rx: Box<dyn RxQueue> = match proto == GRE && shared.is_some() {
            true => Box::new(Silent),
            false => Box::new(Rx::new(Arc::clone(&sockets), options, proto, Arc::clone(&soft), index)?),
        };
        let tx = Tx {
            sockets: Arc::clone(&sockets),
            soft: Arc::clone(&soft),
            index,
            batch: Batch::default(),
            said: [None; 2],
        };
        pairs.push(QueuePair { rx, tx: Box::new(tx) });
        shared = Some(sockets);
    }
    Ok((soft, pairs))
}

/// A worker's sockets.
struct Sockets {
    v4: Family,
    /// None where the host has no IPv6.
    v6: Option<Family>,
}

/// Those of one version of IP.
struct Family {
    listen: OwnedFd,
    /// Where UDP is sent from, by flow; empty for a raw socket, which sends from itself.
    from: Vec<OwnedFd>,
}

impl Sockets {
    fn open(proto: u8, port: u16) -> io::Result<Sockets> {
        let v4 = Family::open(proto, port, false)?;
        let v6 = match Family::open(proto, port, true) {
            Ok(v6) => Some(v6),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => None,
            Err(error) => return Err(error),
        };
        Ok(Sockets { v4, v6 })
    }
}

impl Family {
    fn open(proto: u8, port: u16, v6: bool) -> io::Result<Family> {
        let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let udp = || rustix::net::socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP));
        if proto != proto::UDP {
            let raw = rustix::net::Protocol::from_raw(rustix::net::RawProtocol::new(proto.into()).expect("not zero"));
            let listen = rustix::net::socket_with(family, SocketType::RAW, flags, Some(raw))?;
            datagram::ask_for_head(&listen, v6)?;
            set_buffers(&listen, SOCKET_BUFFER)?;
            return Ok(Family { listen, from: Vec::new() });
        }
        let listen = udp()?;
        datagram::ask_for_head(&listen, v6)?;
        datagram::ask_for_bundles(&listen);
        if v6 {
            datagram::only_v6(&listen)?;
        }
        set_buffers(&listen, SOCKET_BUFFER)?;
        sockopt::set_socket_reuseport(&listen, true)?;
        let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        rustix::net::bind(&listen, &SocketAddr::new(any, port))?;
        let mut from = Vec::with_capacity(SENDERS);
        for _ in 0..SENDERS {
            let socket = udp()?;
            set_buffers(&socket, SOCKET_BUFFER)?;
            from.push(socket);
        }
        Ok(Family { listen, from })
    }
}

/// A worker's receive side.
struct Rx {
    sockets: Arc<Sockets>,
    /// Readable when either socket is.
    either: OwnedFd,
    soft: Arc<Soft>,
    index: usize,
    proto: u8,
    port: u16,
}

impl Rx {
    fn new(sockets: Arc<Sockets>, options: &HostTunnel, proto: u8, soft: Arc<Soft>, index: usize) -> io::Result<Rx> {
        let either = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for family in std::iter::once(&sockets.v4).chain(&sockets.v6) {
            epoll::add(&either, &family.listen, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        Ok(Rx { sockets, either, soft, index, proto, port: options.port })
    }

    /// One datagram as an outer frame; `None`: nothing waits, or nothing that is whole.
    fn receive(&self, family: &Family, v6: bool, pool: &mut Pool) -> io::Result<Option<Frame>> {
        let mut frame = pool.big();
        let (len, mut head) = match datagram::receive(&family.listen, frame.spare_mut()) {
            Ok(received) => received,
            Err(error) => {
                pool.put(frame);
                return match error.kind() {
                    io::ErrorKind::WouldBlock => Err(error),
                    _ => Ok(None), // an error of an earlier datagram of ours (ICMP), or a cut one
                };
            }
        };
        frame.set_len(len);
        if self.proto != proto::UDP && !v6 {
            // a raw socket of IPv4 has the header, with lengths and sums as they came
            frame.insert(0, ethernet::LEN);
            frame.bytes_mut()[..12].fill(0);
            frame.bytes_mut()[12..14].copy_from_slice(&ethertype::IPV4.to_be_bytes());
            frame.l3 = ethernet::LEN as u16;
            return Ok(Some(frame));
        }
        head.segment = head.segment.filter(|size| len > usize::from(*size));
        compose(&mut frame, &head, self.proto, self.port);
        Ok(Some(frame))
    }
}

/// Put the headers in front of a datagram that say what its ancillary data said.
fn compose(frame: &mut Frame, head: &Head, proto: u8, port: u16) {
    let payload = frame.len();
    let udp_len = if proto == proto::UDP { udp::LEN } else { 0 };
    let short = |len: usize| u16::try_from(len).unwrap_or(0);
    let ip_len = match (head.src, head.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            frame.insert(0, ethernet::LEN + ipv4::LEN + udp_len);
            let mut ip = Ipv4Wire::new(src.octets(), dst.octets(), proto, 0);
            ip.total_len = short(ipv4::LEN + udp_len + payload).into();
            (ip.tos, ip.ttl) = (head.tos, head.ttl);
            ip.refresh();
            write(frame, ethertype::IPV4, ip.as_bytes())
        }
        (src, dst) => {
            let octets = |address: IpAddr| match address {
                IpAddr::V6(v6) => v6.octets(),
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            };
            frame.insert(0, ethernet::LEN + size_of::<Ipv6Wire>() + udp_len);
            let mut ip = Ipv6Wire::new(octets(src), octets(dst), proto, short(udp_len + payload));
            ip.first = (0x6000_0000 | u32::from(head.tos) << 20).into();
            ip.hop_limit = head.ttl;
            write(frame, ethertype::IPV6, ip.as_bytes())
        }
    };
    let l4 = ethernet::LEN + ip_len;
    if proto == proto::UDP {
        let wire = udp::UdpWire {
            src: head.port.into(),
            dst: port.into(),
            len: short(udp::LEN + payload).into(),
            checksum: 0.into(),
        };
        frame.bytes_mut()[l4..l4 + udp::LEN].copy_from_slice(wire.as_bytes());
    }
    (frame.l3, frame.l4) = (ethernet::LEN as u16, l4 as u16);
    // the kernel has looked at the sum
    frame.checksum = ChecksumState::Valid;
    let header_len = (l4 + udp_len) as u16;
    frame.gso = head.segment.map(|size| Gso { kind: GsoKind::UdpL4, size, header_len, ecn: false });
}

/// The Ethernet header and the one behind it; returns the latter's length.
fn write(frame: &mut Frame, kind: u16, ip: &[u8]) -> usize {
    let bytes = frame.bytes_mut();
    bytes[..12].fill(0);
    bytes[12..14].copy_from_slice(&kind.to_be_bytes());
    bytes[ethernet::LEN..ethernet::LEN + ip.len()].copy_from_slice(ip);
    ip.len()
}

impl RxQueue for Rx {
    fn rx_burst(&mut self, pool: &mut Pool, out: &mut Vec<Frame>, max: usize) -> io::Result<usize> {
        let before = out.len();
        for (family, v6) in
            std::iter::once((&self.sockets.v4, false)).chain(self.sockets.v6.iter().map(|v6| (v6, true)))
        {
            for _ in 0..max.saturating_sub(out.len() - before) {
                match self.receive(family, v6, pool) {
                    Ok(Some(frame)) => out.push(frame),
                    Ok(None) => {}
                    Err(_) => break,
                }
            }
        }
        let bytes = out[before..].iter().map(|frame| frame.len() as u64).sum();
        self.soft.rx[self.index].add((out.len() - before) as u64, bytes);
        Ok(out.len() - before)
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.either.as_fd())
    }

    fn is_tunnel(&self) -> bool {
        true
    }
}

/// A worker's transmit side.
struct Tx {
    sockets: Arc<Sockets>,
    soft: Arc<Soft>,
    index: usize,
    batch: Batch,
    /// What was last said of fragments and checksums, for each version of IP.
    said: [Option<(bool, bool)>; 2],
}

/// What an outer frame is to the kernel.
struct Outgoing {
    head: Head,
    /// Where what the kernel does not write itself begins.
    at: usize,
    /// Fragments are forbidden.
    whole: bool,
    /// No UDP checksum is wanted.
    bare: bool,
    /// Chooses the sender's port.
    flow: u16,
}

fn outgoing(frame: &Frame) -> Option<Outgoing> {
    let bytes = frame.bytes();
    let l3 = ethernet::LEN;
    let segment = frame.gso.map(|gso| gso.size);
    let (head, next, l4, whole) = match bytes.get(l3)? >> 4 {
        4 => {
            let ip = weft_packet::wire::view::<Ipv4Wire>(bytes, l3)?;
            let (src, dst) = (Ipv4Addr::from(ip.src).into(), Ipv4Addr::from(ip.dst).into());
            let head = Head { src, dst, port: 0, tos: ip.tos, ttl: ip.ttl, segment };
            (head, ip.proto, l3 + ip.header_len(), ip.fragment.get() & ipv4::DONT_FRAGMENT != 0)
        }
        6 => {
            let ip = weft_packet::wire::view::<Ipv6Wire>(bytes, l3)?;
            let (src, dst) = (Ipv6Addr::from(ip.src).into(), Ipv6Addr::from(ip.dst).into());
            let tos = (ip.first.get() >> 20) as u8;
            (Head { src, dst, port: 0, tos, ttl: ip.hop_limit, segment }, ip.next, l3 + size_of::<Ipv6Wire>(), true)
        }
        _ => return None,
    };
    if next != proto::UDP {
        return (bytes.len() > l4).then_some(Outgoing { head, at: l4, whole, bare: false, flow: 0 });
    }
    let wire = weft_packet::wire::view::<udp::UdpWire>(bytes, l4)?;
    let head = Head { port: wire.dst.get(), ..head };
    let bare = wire.checksum.get() == 0;
    Some(Outgoing { head, at: l4 + udp::LEN, whole, bare, flow: wire.src.get() })
}

impl TxQueue for Tx {
    fn tx_burst(&mut self, frames: &mut Vec<Frame>, pool: &mut Pool) -> TxReport {
        let mut report = TxReport::default();
        let mut next = 0;
        while next < frames.len() {
            let Some(first) = outgoing(&frames[next]) else {
                report.errors += 1;
                next += 1;
                continue;
            };
            // neighbours of one flow and one kind leave together
            let fits = |frame: &&Frame| {
                outgoing(frame).is_some_and(|of| {
                    of.flow == first.flow
                        && of.head.dst.is_ipv6() == first.head.dst.is_ipv6()
                        && (of.whole, of.bare) == (first.whole, first.bare)
                })
            };
            let run = frames[next..].iter().take_while(fits).count();
            match self.send(&first, &frames[next..next + run]) {
                Ok(sent) => {
                    report.sent += sent as u32;
                    report.sent_bytes += frames[next..next + sent].iter().map(|f| f.len() as u64).sum::<u64>();
                    next += sent.max(1);
                }
                // the first one's error; the rest may fare better
                Err(error) => {
                    match error.raw_os_error() {
                        Some(libc::EAGAIN | libc::ENOBUFS) => report.full += 1,
                        _ => report.errors += 1,
                    }
                    next += 1;
                }
            }
        }
        self.soft.tx[self.index].add(report.sent.into(), report.sent_bytes);
        frames.drain(..).for_each(|frame| pool.put(frame));
        report
    }

    fn caps(&self) -> TxCaps {
        // UDP_SEGMENT cuts datagrams; what lies inside them is made whole before
        TxCaps { checksum: false, tso4: false, tso6: false, uso: !self.sockets.v4.from.is_empty() }
    }
}

impl Tx {
    fn send(&mut self, first: &Outgoing, frames: &[Frame]) -> io::Result<usize> {
        let v6 = first.head.dst.is_ipv6();
        let family = match v6 {
            false => &self.sockets.v4,
            true => self.sockets.v6.as_ref().ok_or(io::Error::from_raw_os_error(libc::EAFNOSUPPORT))?,
        };
        let socket = match family.from.len() {
            0 => &family.listen,
            count => &family.from[usize::from(first.flow) % count],
        };
        let asked = Some((first.whole, first.bare));
        if self.said[usize::from(v6)] != asked {
            for socket in family.from.iter().chain(std::iter::once(&family.listen)) {
                datagram::set_fragments(socket, v6, !first.whole)?;
                if !v6 && !family.from.is_empty() {
                    datagram::set_no_checksum(socket, first.bare)?;
                }
            }
            self.said[usize::from(v6)] = asked;
        }
        let datagrams = frames.iter().filter_map(|frame| outgoing(frame).map(|of| (of.head, &frame.bytes()[of.at..])));
        self.batch.send(socket, datagrams)
    }
}

const GRE: u8 = 47;
/// Sockets that a worker sends from, for each version of IP.
const SENDERS: usize = 4;
/// Bytes that may wait in a socket.
const SOCKET_BUFFER: libc::c_int = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use weft_packet::tunnel::{Dialect, decap};

    fn opened(kind: Kind, port: u16) -> QueuePair {
        open(&HostTunnel { kind, port }, 1).unwrap().1.remove(0)
    }

    #[test]
    fn kinds_that_the_kernel_takes_for_its_own_are_refused() {
        for kind in [Kind::Srv6, Kind::Stt] {
            let error = open(&HostTunnel { kind, port: 0 }, 1).map(|_| ()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
        }
    }

    #[test]
    fn what_ancillary_data_says_reads_back_from_the_headers() {
        let heads = [
            Head {
                src: Ipv4Addr::new(10, 0, 0, 1).into(),
                dst: Ipv4Addr::new(10, 0, 0, 2).into(),
                port: 40000,
                tos: 0x2e,
                ttl: 9,
                segment: Some(1200),
            },
            Head {
                src: "::1".parse().unwrap(),
                dst: "::2".parse().unwrap(),
                port: 40001,
                tos: 3,
                ttl: 200,
                segment: None,
            },
        ];
        for head in heads {
            let mut frame = Frame::copy_of(&[8, 0, 0, 0, 0, 0, 5, 0].into_iter().chain([9; 60]).collect::<Vec<_>>());
            compose(&mut frame, &head, proto::UDP, 4789);
            let read = decap(Dialect::of(Kind::Vxlan), frame.bytes(), 14, false).unwrap();
            assert_eq!((read.tunnel.ends.src(), read.tunnel.ends.dst()), (head.src, head.dst));
            assert_eq!((read.tunnel.tos, read.tunnel.ttl, read.tunnel.tp_src), (head.tos, head.ttl, head.port));
            assert_eq!((read.tunnel.id, read.end - read.at), (5, 60));
            let out = outgoing(&frame).unwrap();
            assert_eq!(out.head, Head { port: 4789, ..head });
            assert_eq!(frame.gso.map(|gso| gso.header_len), head.segment.map(|_| 42));
        }
    }

    /// A port of the kernel's choice, so that tests can run side by side.
    #[test]
    fn loopback_carries_it() {
        let probe = std::net::UdpSocket::bind("127.0.0.1:0");
        let Ok(Ok(port)) = probe.map(|socket| socket.local_addr().map(|address| address.port())) else { return };
        let mut pair = opened(Kind::Vxlan, port);
        let mut frame = Frame::copy_of(&[8, 0, 0, 0, 0, 0, 5, 0].into_iter().chain([9; 60]).collect::<Vec<_>>());
        let head = Head {
            src: Ipv4Addr::LOCALHOST.into(),
            dst: Ipv4Addr::LOCALHOST.into(),
            port: 1,
            tos: 0x20,
            ttl: 7,
            segment: None,
        };
        compose(&mut frame, &head, proto::UDP, port);
        let sent = frame.bytes()[42..].to_vec();
        let mut pool = Pool::new(0);
        let report = pair.tx.tx_burst(&mut vec![frame], &mut pool);
        assert_eq!((report.sent, report.errors), (1, 0));
        let bed = crate::Sleeper::new().unwrap();
        bed.add(pair.rx.poll_fd().unwrap()).unwrap();
        let mut got = Vec::new();
        while got.is_empty() {
            assert!(bed.sleep(Some(std::time::Duration::from_secs(20))), "nothing came");
            pair.rx.rx_burst(&mut pool, &mut got, 32).unwrap();
        }
        let read = decap(Dialect::of(Kind::Vxlan), got[0].bytes(), 14, true).unwrap();
        assert_eq!((read.tunnel.tos, read.tunnel.ttl, read.tunnel.id), (0x20, 7, 5));
        assert_eq!(read.tunnel.ends.dst(), IpAddr::from(Ipv4Addr::LOCALHOST));
        assert_eq!(got[0].bytes()[42..], sent[..]);
    }
}
