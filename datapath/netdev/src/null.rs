//! The device that drops what it is sent: the benchmark's sink.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use weft_packet::{Frame, Mac, Pool};

use crate::device::QueuePair;
use crate::queue::{RxQueue, TxCaps, TxQueue, TxReport};
use crate::soft::Soft;

pub(crate) fn open(queues: usize) -> (Arc<Soft>, Vec<QueuePair>) {
    let soft = Arc::new(Soft::new(MAC, 0, queues));
    let pair = |index| QueuePair { rx: Box::new(Silent), tx: Box::new(Sink { soft: Arc::clone(&soft), index }) };
    let pairs = (0..queues).map(pair).collect();
    (soft, pairs)
}

/// A receive queue that nothing ever comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl RxQueue for Silent {
    fn rx_burst(&mut self, _pool: &mut Pool, _out: &mut Vec<Frame>, _max: usize) -> io::Result<usize> {
        Ok(0)
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Counts and drops.
pub(crate) struct Sink {
    pub(crate) soft: Arc<Soft>,
    pub(crate) index: usize,
}

impl TxQueue for Sink {
    fn tx_burst(&mut self, frames: &mut Vec<Frame>, pool: &mut Pool) -> TxReport {
        let (mut sent, mut sent_bytes) = (0u32, 0u64);
        for frame in frames.drain(..) {
            sent += 1;
            sent_bytes += frame.len() as u64;
            pool.put(frame);
        }
        self.soft.tx[self.index].add(sent.into(), sent_bytes);
        TxReport { sent, sent_bytes, ..TxReport::default() }
    }

    fn caps(&self) -> TxCaps {
        TxCaps { checksum: true, tso4: true, tso6: true, uso: true }
    }
}

/// Locally administered; nobody ever asks for it.
const MAC: Mac = Mac([0x02, 0, 0, 0, 0, 1]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_counted_and_its_buffer_comes_back() {
        let (soft, mut pairs) = open(2);
        let mut pool = Pool::new(4);
        let mut frames: Vec<Frame> = (0..4).map(|_| pool.small()).collect();
        frames.iter_mut().for_each(|f| f.fill(&[0; 60]));
        let report = pairs[1].tx.tx_burst(&mut frames, &mut pool);
        assert_eq!((report.sent, report.sent_bytes, frames.len()), (4, 240, 0));
        assert_eq!((soft.stats().tx_packets, soft.stats().tx_bytes), (Some(4), Some(240)));
        (0..4).for_each(|_| drop(pool.small()));
        assert_eq!(pool.allocated, 0);
    }
}
