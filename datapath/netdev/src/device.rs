//! The control side of a device, whatever its kind.
//!
//! What: [`open`] gives the queues (one pair per worker) and a [`Device`], through which the control thread reads and
//! changes everything else.
//! How: an enum over the kinds, no trait: the kinds are few and known here.
//! Invariants: a device lives until its `Device` AND its queues are dropped; a kernel tap that we made goes with them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use weft_packet::Mac;

use crate::dummy::{self, Dummy};
use crate::kernel::{self, Kernel};
use crate::link::{LinkInfo, MtuRange, Stats};
use crate::queue::{RxQueue, TxQueue};
use crate::soft::Soft;
use crate::spec::{Kind, OpenError, Spec};
use crate::{host_tunnel, null, replay};

/// An open device.
pub struct Opened {
    /// Its control side.
    pub device: Device,
    /// One pair for each worker, in the order of the workers. A device with fewer receive queues than workers has
    /// silent ones for the rest (`poll_fd` is `None` and `always_ready` false).
    pub queues: Vec<QueuePair>,
}

/// A worker's two queues of one device.
pub struct QueuePair {
    /// Where frames come in.
    pub rx: Box<dyn RxQueue>,
    /// Where frames go out.
    pub tx: Box<dyn TxQueue>,
}

/// The control side of an open device.
#[derive(Debug)]
pub struct Device {
    spec: Spec,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Kernel(Kernel),
    Soft(Arc<Soft>),
    Dummy(Arc<Dummy>),
}

/// Open a device for `workers` (at least one) workers.
///
/// # Errors
/// When it does not exist or cannot be opened; the text is the interface's `error` column.
pub fn open(spec: &Spec, workers: usize) -> Result<Opened, OpenError> {
    let workers = workers.max(1);
    let (inner, queues) = match &spec.kind {
        Kind::Dummy(options) => {
            let (dummy, queues) = dummy::open(&spec.name, options, workers)?;
            (Inner::Dummy(dummy), queues)
        }
        Kind::Pcap(options) => {
            let (soft, queues) = replay::open(&spec.name, options, workers)?;
            (Inner::Soft(soft), queues)
        }
        Kind::HostTunnel(options) => {
            let opened = host_tunnel::open(options, workers);
            let (soft, queues) = opened.map_err(|source| OpenError::Device { name: spec.name.clone(), source })?;
            (Inner::Soft(soft), queues)
        }
        Kind::Null => {
            let (soft, queues) = null::open(workers);
            (Inner::Soft(soft), queues)
        }
        Kind::Internal | Kind::Tap | Kind::System => {
            let system = spec.kind == Kind::System;
            let opened =
                if system { kernel::open_system(&spec.name, workers) } else { kernel::open_tap(&spec.name, workers) };
            let (kernel, queues) = opened.map_err(|source| OpenError::Device { name: spec.name.clone(), source })?;
            (Inner::Kernel(kernel), queues)
        }
    };
    Ok(Opened { device: Device { spec: spec.clone(), inner }, queues })
}

impl Device {
    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What was opened.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The dummy behind it, if it is one.
    pub fn dummy(&self) -> Option<&Arc<Dummy>> {
        match &self.inner {
            Inner::Dummy(dummy) => Some(dummy),
            Inner::Kernel(_) | Inner::Soft(_) => None,
        }
    }

    /// Whether the device still exists. A tap that was moved to another network namespace does, though netlink no
    /// longer sees it.
    pub fn is_alive(&self) -> bool {
        self.ask(Kernel::is_alive, |_| true)
    }

    /// The Ethernet address.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn mac(&self) -> io::Result<Mac> {
        self.ask(Kernel::mac, |soft| Ok(soft.mac()))
    }

    /// Change the Ethernet address.
    ///
    /// # Errors
    /// When the device is gone or refuses.
    pub fn set_mac(&self, mac: Mac) -> io::Result<()> {
        self.ask(
            |kernel| kernel.set_mac(mac),
            |soft| {
                soft.set_mac(mac);
                Ok(())
            },
        )
    }

    /// The MTU: the largest payload of an Ethernet frame.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn mtu(&self) -> io::Result<u32> {
        self.ask(Kernel::mtu, |soft| Ok(soft.mtu()))
    }

    /// Change the MTU.
    ///
    /// # Errors
    /// `EINVAL` outside [`Device::mtu_range`]; when the device is gone or refuses.
    pub fn set_mtu(&self, mtu: u32) -> io::Result<()> {
        let set_soft = |soft: &Soft| {
            if !(SOFT_MTU.min..=SOFT_MTU.max).contains(&mtu) {
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            soft.set_mtu(mtu);
            Ok(())
        };
        self.ask(|kernel| kernel.set_mtu(mtu), set_soft)
    }

    /// The MTUs that the device accepts.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn mtu_range(&self) -> io::Result<MtuRange> {
        self.ask(Kernel::mtu_range, |_| Ok(SOFT_MTU))
    }

    /// Whether it is administratively up.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn is_up(&self) -> io::Result<bool> {
        self.ask(Kernel::is_up, |soft| Ok(soft.is_up()))
    }

    /// Bring it administratively up or down. Devices in memory, and new taps, start down.
    ///
    /// # Errors
    /// When the device is gone or refuses.
    pub fn set_up(&self, up: bool) -> io::Result<()> {
        self.ask(
            |kernel| kernel.set_up(up),
            |soft| {
                soft.set_up(up);
                Ok(())
            },
        )
    }

    /// Whether the link carries.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn carrier(&self) -> io::Result<bool> {
        self.ask(Kernel::carrier, |soft| Ok(soft.is_up()))
    }

    /// How often the carrier changed since the device was opened (`link_resets`).
    ///
    /// # Errors
    /// When the device is gone.
    pub fn carrier_resets(&self) -> io::Result<u64> {
        self.ask(Kernel::carrier_resets, |_| Ok(0))
    }

    /// The kernel's number of it; 0 for a device in memory.
    pub fn ifindex(&self) -> u32 {
        self.ask(Kernel::ifindex, |_| 0)
    }

    /// `Interface.status`: `driver_name`, `driver_version`, `firmware_version` where there is a driver.
    pub fn status(&self) -> BTreeMap<String, String> {
        self.ask(Kernel::status, |_| BTreeMap::new())
    }

    /// Speed, duplex and features of the link.
    pub fn link(&self) -> LinkInfo {
        self.ask(Kernel::link_info, |_| LinkInfo::default())
    }

    /// The counters.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn stats(&self) -> io::Result<Stats> {
        match &self.inner {
            Inner::Kernel(kernel) => kernel.stats(),
            Inner::Dummy(dummy) => Ok(dummy.stats()),
            Inner::Soft(soft) => Ok(soft.stats()),
        }
    }

    fn ask<T>(&self, kernel: impl FnOnce(&Kernel) -> T, soft: impl FnOnce(&Soft) -> T) -> T {
        match &self.inner {
            Inner::Kernel(device) => kernel(device),
            Inner::Dummy(dummy) => soft(&dummy.soft),
            Inner::Soft(device) => soft(device),
        }
    }
}

/// The MTUs of devices in memory.
const SOFT_MTU: MtuRange = MtuRange { min: 68, max: 65535 };
