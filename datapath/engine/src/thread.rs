//! The thread around a worker: when to turn, when to sleep.
//!
//! What: [`run`] turns its worker while frames come, for a short while longer (a port that often had frames soon after the
//! last ones is asked up to [`MAX_PATIENCE`](crate::worker) times in vain), and then sleeps until a device or the control
//! side wakes it. Nothing ticks: an idle switch costs nothing.
//! How: epoll, level-triggered, over the devices' descriptors and the bell. A port that grew cold is not asked any more,
//! so while others keep the worker awake, epoll is also asked, without waiting, every few turns.
//! Invariant (no lost wake-ups): the worker sleeps only when every port that could have frames is in epoll's set or was
//! just found empty; a command is in the channel before the bell rings, and the bell is cleared before the channel is read.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use rustix::event::{Timespec, epoll};
use weft_base::Clock;
use weft_netdev::Waker;

use crate::worker::{Command, Worker};

/// A command and where its answer goes.
pub struct Request {
    /// What to do.
    pub command: Command,
    /// Whether it was done.
    pub done: Sender<bool>,
}

/// Turns between two looks at epoll while awake.
const LOOK_EVERY: u32 = 8;
/// The bell's place among the ports' numbers.
const BELL: u64 = u64::MAX;

/// Drive a worker until the other end of `inbox` is dropped.
pub fn run(mut worker: Worker, inbox: &Receiver<Request>, bell: &Waker, bed: &Bed, clock: &Arc<dyn Clock>) {
    let mut turns: u32 = 0;
    loop {
        match obey(&mut worker, inbox, bed, clock) {
            Ok(()) => {}
            Err(Closed) => return,
        }
        let frames = worker.turn(clock.now());
        turns = turns.wrapping_add(1);
        if frames == 0 {
            if !worker.is_warm() {
                worker.sleeps();
                bed.sleep(&mut worker, bell);
                continue;
            }
            bed.look(&mut worker, bell);
            std::thread::yield_now();
        } else if turns.is_multiple_of(LOOK_EVERY) && bed.has_ports() {
            bed.look(&mut worker, bell);
        }
    }
}

/// The other end is gone.
struct Closed;

fn obey(worker: &mut Worker, inbox: &Receiver<Request>, bed: &Bed, clock: &Arc<dyn Clock>) -> Result<(), Closed> {
    loop {
        let Request { command, done } = match inbox.try_recv() {
            Ok(request) => request,
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Disconnected) => return Err(Closed),
        };
        let (added, removed) = match &command {
            Command::PortAdd { port, .. } => (Some(*port), Some(*port)),
            Command::PortRemove(port) => (None, Some(*port)),
            _ => (None, None),
        };
        if let Some(port) = removed {
            bed.leave(worker, port);
        }
        let answer = worker.obey(command, clock.now());
        if let Some(port) = added {
            bed.join(worker, port);
        }
        // The asker may have given up waiting; then nobody needs the answer.
        let _ = done.send(answer);
    }
}

/// What a worker sleeps on.
pub struct Bed {
    epoll: OwnedFd,
}

impl Bed {
    /// A bed that hears `bell`.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub fn new(bell: &Waker) -> io::Result<Bed> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, bell.as_fd(), epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        Ok(Bed { epoll })
    }
}
