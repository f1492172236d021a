//! The control side of kernel devices: taps that we made, and existing devices.
//!
//! How: what the kernel knows is asked for when it is wanted (netlink, ethtool), by the device's number, so that a
//! rename changes nothing. A tap that was moved into another network namespace (a container's) cannot be asked any
//! more: its address still can, through its descriptor, and its counters are our own.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weft_packet::Mac;

use crate::device::QueuePair;
use crate::link::{Link, LinkInfo, MtuRange, Stats};
use crate::packet_socket::{self, PacketRx, PacketTx};
use crate::soft::{Soft, Traffic};
use crate::sys::{packet, tun};
use crate::tap::{self, TapRx, TapTx};
use crate::{ethtool, netlink};

/// An open kernel device.
#[derive(Debug)]
pub(crate) struct Kernel {
    ifindex: u32,
    /// `carrier_changes` when it was opened.
    carrier_changes: u32,
    half: Half,
}

/// What differs between the two ways to a kernel device.
#[derive(Debug)]
enum Half {
    /// We are the tap's other end.
    Tap { fd: Arc<OwnedFd>, soft: Arc<Soft> },
    /// We look over the device's shoulder.
    Packet { sockets: Vec<Arc<OwnedFd>>, drops: AtomicU64, unfit: Vec<Arc<Traffic>>, dropped: Vec<Arc<Traffic>> },
}

/// Open (and make, if it does not exist) the tap `name`.
pub(crate) fn open_tap(name: &str, workers: usize) -> io::Result<(Kernel, Vec<QueuePair>)> {
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    let tap = tap::open(name, workers)?;
    let link = netlink::link_by_name(name)?;
    let soft = Arc::new(Soft::new(link.mac, workers, workers));
    soft.set_mtu(link.mtu);
    let pair = |(index, fd): (usize, &Arc<OwnedFd>)| QueuePair {
        rx: Box::new(TapRx::new(Arc::clone(fd), Arc::clone(&soft), index)),
        tx: Box::new(TapTx::new(Arc::clone(fd), Arc::clone(&soft), index, tap.uso)),
    };
    let queues = tap.queues.iter().enumerate().map(pair).collect();
    let half = Half::Tap { fd: Arc::clone(&tap.queues[0]), soft };
    Ok((Kernel { ifindex: link.ifindex, carrier_changes: link.carrier_changes, half }, queues))
}

/// Open the existing device `name`.
pub(crate) fn open_system(name: &str, workers: usize) -> io::Result<(Kernel, Vec<QueuePair>)> {
    if name.len() >= libc::IFNAMSIZ {
        // No device can have that name.
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    let link = netlink::link_by_name(name)?;
    let slots = (RING_SLOTS / workers).max(RING_SLOTS / 4);
    let uso = kernel_segments_udp();
    let (mut sockets, mut queues, mut unfit, mut dropped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..workers {
        let (socket, ring) = packet_socket::open(link.ifindex, slots)?;
        let (misfits, refused) = (Arc::new(Traffic::default()), Arc::new(Traffic::default()));
        queues.push(QueuePair {
            rx: Box::new(PacketRx::new(Arc::clone(&socket), ring, Arc::clone(&misfits))),
            tx: Box::new(PacketTx::new(Arc::clone(&socket), Arc::clone(&refused), uso)),
        });
        sockets.push(socket);
        unfit.push(misfits);
        dropped.push(refused);
    }
    packet_socket::start(&sockets, link.ifindex)?;
    let half = Half::Packet { sockets, drops: AtomicU64::new(0), unfit, dropped };
    Ok((Kernel { ifindex: link.ifindex, carrier_changes: link.carrier_changes, half }, queues))
}

impl Kernel {
    pub(crate) fn ifindex(&self) -> u32 {
        self.ifindex
    }

    pub(crate) fn is_alive(&self) -> bool {
        match &self.half {
            Half::Tap { fd, .. } => tun::is_attached(fd),
            Half::Packet { .. } => self.link().is_ok(),
        }
    }

    pub(crate) fn mac(&self) -> io::Result<Mac> {
        match &self.half {
            Half::Tap { fd, .. } => tun::mac(fd).map(Mac),
            Half::Packet { .. } => Ok(self.link()?.mac),
        }
    }

    pub(crate) fn set_mac(&self, mac: Mac) -> io::Result<()> {
        match &self.half {
            Half::Tap { fd, .. } => tun::set_mac(fd, mac.0),
            Half::Packet { .. } => netlink::set_mac(self.ifindex, mac),
        }
    }

    pub(crate) fn mtu(&self) -> io::Result<u32> {
        match (&self.half, self.link()) {
            (_, Ok(link)) => Ok(link.mtu),
            // Out of sight: what it was when we last saw it.
            (Half::Tap { soft, .. }, Err(_)) => Ok(soft.mtu()),
            (_, Err(error)) => Err(error),
        }
    }

    pub(crate) fn set_mtu(&self, mtu: u32) -> io::Result<()> {
        netlink::set_mtu(self.ifindex, mtu)?;
        if let Half::Tap { soft, .. } = &self.half {
            soft.set_mtu(mtu);
        }
        Ok(())
    }

    pub(crate) fn mtu_range(&self) -> io::Result<MtuRange> {
        Ok(self.link()?.mtu_range.unwrap_or(MtuRange { min: 68, max: 65535 }))
    }

    pub(crate) fn is_up(&self) -> io::Result<bool> {
        Ok(self.link()?.up)
    }

    pub(crate) fn set_up(&self, up: bool) -> io::Result<()> {
        netlink::set_up(self.ifindex, up)
    }

    pub(crate) fn carrier(&self) -> io::Result<bool> {
        Ok(self.link()?.carrier)
    }

    pub(crate) fn carrier_resets(&self) -> io::Result<u64> {
        Ok(u64::from(self.link()?.carrier_changes.wrapping_sub(self.carrier_changes)))
    }

    pub(crate) fn status(&self) -> BTreeMap<String, String> {
        self.link().map(|link| ethtool::status(&link.name)).unwrap_or_default()
    }

    pub(crate) fn link_info(&self) -> LinkInfo {
        self.link().map(|link| ethtool::link(&link.name)).unwrap_or_default()
    }

    pub(crate) fn stats(&self) -> io::Result<Stats> {
        match &self.half {
            Half::Tap { soft, .. } => Ok(tap_stats(soft, self.link().ok())),
            Half::Packet { sockets, drops, unfit, dropped } => {
                let mut stats = self.link()?.stats;
                for socket in sockets {
                    drops.fetch_add(packet::take_drops(socket).unwrap_or(0).into(), Ordering::Relaxed);
                }
                let misfits: u64 = unfit.iter().map(|t| t.get().0).sum();
                add(&mut stats.rx_dropped, drops.load(Ordering::Relaxed) + misfits);
                add(&mut stats.tx_dropped, dropped.iter().map(|t| t.get().0).sum());
                add(&mut stats.tx_errors, dropped.iter().map(|t| t.get().1).sum());
                Ok(stats)
            }
        }
    }

    /// The kernel's view of the device; an error when it is gone (or out of sight, for a tap).
    fn link(&self) -> io::Result<Link> {
        netlink::link_by_index(self.ifindex)
    }
}

/// What passed through our queues, and, while we can see it, what the kernel had to drop: its transmit side is where
/// frames for us wait, so its drops there are our receive drops.
fn tap_stats(soft: &Soft, link: Option<Link>) -> Stats {
    let mut stats = soft.stats();
    stats.tx_dropped = Some(soft.tx_dropped.get());
    if let Some(link) = link {
        let kernel = link.stats;
        stats.rx_dropped = kernel.tx_dropped;
        stats.rx_errors = kernel.tx_errors;
        stats.tx_errors = kernel.rx_errors;
        add(&mut stats.tx_dropped, kernel.rx_dropped.unwrap_or(0));
        stats.multicast = kernel.multicast;
        stats.collisions = kernel.collisions;
        stats.rx_over_err = kernel.rx_over_err;
        stats.rx_crc_err = kernel.rx_crc_err;
        stats.rx_frame_err = kernel.rx_frame_err;
        stats.rx_missed_errors = kernel.rx_missed_errors;
    }
    stats
}

fn add(counter: &mut Option<u64>, more: u64) {
    *counter = Some(counter.unwrap_or(0) + more);
}

/// Whether the kernel takes segmentation of UDP from a packet socket (6.2 and later).
fn kernel_segments_udp() -> bool {
    let release = rustix::system::uname();
    let text = release.release().to_string_lossy();
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(6), Some(2))
}

/// Slots of a device's receive rings, all queues together: 1 MB, 4 ms of 64-byte frames at 1 Mpps. With 512 slots a busy
/// machine lost frames above 120 kpps, with 4,096 it keeps 900.
const RING_SLOTS: usize = 4096;
