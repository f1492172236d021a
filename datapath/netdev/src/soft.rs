//! What devices in memory have in common: an address, an MTU, an admin state and counters.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use weft_base::Counter;
use weft_packet::Mac;

use crate::link::Stats;

/// State of a device that no kernel knows.
#[derive(Debug)]
pub(crate) struct Soft {
    mac: Mutex<Mac>,
    mtu: AtomicU32,
    up: AtomicBool,
    pub(crate) rx: Vec<Traffic>,
    pub(crate) tx: Vec<Traffic>,
    pub(crate) tx_dropped: Counter,
}

/// Packets and bytes of one queue.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    packets: Counter,
    bytes: Counter,
}

impl Traffic {
    /// Count, from the queue's one thread.
    #[inline]
    pub(crate) fn add(&self, packets: u64, bytes: u64) {
        self.packets.add(packets);
        self.bytes.add(bytes);
    }

    /// Count, from any thread.
    pub(crate) fn add_shared(&self, packets: u64, bytes: u64) {
        self.packets.add_shared(packets);
        self.bytes.add_shared(bytes);
    }

    pub(crate) fn get(&self) -> (u64, u64) {
        (self.packets.get(), self.bytes.get())
    }
}

impl Soft {
    pub(crate) fn new(mac: Mac, rx_queues: usize, tx_queues: usize) -> Soft {
        let queues = |n: usize| (0..n).map(|_| Traffic::default()).collect();
        Soft {
            mac: Mutex::new(mac),
            mtu: AtomicU32::new(1500),
            up: AtomicBool::new(false),
            rx: queues(rx_queues),
            tx: queues(tx_queues),
            tx_dropped: Counter::new(),
        }
    }

    pub(crate) fn mac(&self) -> Mac {
        *self.mac.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn set_mac(&self, mac: Mac) {
        *self.mac.lock().unwrap_or_else(|e| e.into_inner()) = mac;
    }

    pub(crate) fn mtu(&self) -> u32 {
        self.mtu.load(Ordering::Relaxed)
    }

    pub(crate) fn set_mtu(&self, mtu: u32) {
        self.mtu.store(mtu, Ordering::Relaxed);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }

    /// Packets and bytes of all queues; the device counts nothing else.
    pub(crate) fn stats(&self) -> Stats {
        let sum = |queues: &[Traffic]| queues.iter().map(Traffic::get).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let ((rx_packets, rx_bytes), (tx_packets, tx_bytes)) = (sum(&self.rx), sum(&self.tx));
        Stats {
            rx_packets: Some(rx_packets),
            rx_bytes: Some(rx_bytes),
            tx_packets: Some(tx_packets),
            tx_bytes: Some(tx_bytes),
            ..Stats::default()
        }
    }
}
