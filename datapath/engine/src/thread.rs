//! The thread around a worker: when to turn, when to sleep.
//!
//! What: [`run`] turns its worker while frames come, for a short while longer (a port that often had frames soon after the
//! last ones is asked for longer, see [`crate::worker`]), and then sleeps until a device or the control side wakes it.
//! Nothing ticks: an idle switch costs nothing. While it spins it does not yield: who yields on a busy machine comes
//! back a time slice later, who sleeps is woken at once.
//! How: epoll, level-triggered, over the devices' descriptors and the bell. A port that grew cold is not asked any more,
//! so while others keep the worker awake, epoll is also asked, without waiting, every few turns.
//! Invariant (no lost wake-ups): the worker sleeps only when every port that could have frames is in epoll's set or was
//! just found empty; a command is in the channel before the bell rings, and the bell is cleared before the channel is read.

use std::io;
use std::mem::MaybeUninit;
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
pub fn run(mut worker: Worker, inbox: &Receiver<Request>, mut bed: Bed, clock: &dyn Clock) {
    let mut turns: u32 = 0;
    while obey(&mut worker, inbox, &mut bed, clock).is_ok() {
        let frames = worker.turn(clock.now());
        turns = turns.wrapping_add(1);
        if frames == 0 && !worker.is_warm() {
            bed.sleep(&mut worker);
        } else if frames == 0 {
            bed.look(&mut worker);
            std::hint::spin_loop();
        } else if turns.is_multiple_of(LOOK_EVERY) {
            bed.look(&mut worker);
        }
    }
}

/// The other end is gone.
struct Closed;

fn obey(worker: &mut Worker, inbox: &Receiver<Request>, bed: &mut Bed, clock: &dyn Clock) -> Result<(), Closed> {
    let mut answered = false;
    loop {
        let Request { command, done } = match inbox.try_recv() {
            Ok(request) => request,
            Err(TryRecvError::Empty) => break,
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
        answered = true;
    }
    if answered {
        // Where the asker has no other processor, it goes on now instead of a time slice later.
        std::thread::yield_now();
    }
    Ok(())
}

/// What a worker sleeps on.
pub struct Bed {
    epoll: OwnedFd,
    bell: Arc<Waker>,
    /// Ports whose devices wake us.
    ports: usize,
    /// Ports whose devices failed: out of the set, or they would keep us awake.
    failed: Vec<u32>,
    /// Looks until they are tried again.
    patience: u32,
}

/// How long a failed device is left alone while the worker sleeps, and for how many looks while it does not.
const RETRY: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
const RETRY_LOOKS: u32 = 10_000;
const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

impl Bed {
    /// A bed that hears `bell`.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub fn new(bell: Arc<Waker>) -> io::Result<Bed> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, bell.as_fd(), epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        Ok(Bed { epoll, bell, ports: 0, failed: Vec::new(), patience: 0 })
    }

    /// Hear a port's device too.
    fn join(&mut self, worker: &mut Worker, port: u32) {
        let Some(fd) = worker.poll_fd(port) else { return };
        if epoll::add(&self.epoll, fd, epoll::EventData::new_u64(port.into()), epoll::EventFlags::IN).is_ok() {
            self.ports += 1;
        }
    }

    /// No longer hear it.
    fn leave(&mut self, worker: &mut Worker, port: u32) {
        self.failed.retain(|p| *p != port);
        let Some(fd) = worker.poll_fd(port) else { return };
        if epoll::delete(&self.epoll, fd).is_ok() {
            self.ports -= 1;
        }
    }

    /// Sleep until something is to be done.
    fn sleep(&mut self, worker: &mut Worker) {
        self.shun_failed(worker);
        worker.note_sleep();
        let limit = if self.failed.is_empty() { None } else { Some(&RETRY) };
        if self.wait(worker, limit) == 0 {
            self.forgive(worker);
        }
    }

    /// See what is to be done, without sleeping.
    fn look(&mut self, worker: &mut Worker) {
        if self.ports == 0 {
            return;
        }
        self.shun_failed(worker);
        self.wait(worker, Some(&NO_WAIT));
        self.patience = self.patience.saturating_sub(1);
        if self.patience == 0 {
            self.forgive(worker);
        }
    }

    fn wait(&mut self, worker: &mut Worker, limit: Option<&Timespec>) -> usize {
        let mut room = [const { MaybeUninit::uninit() }; 64];
        // An interrupted wait is one that found nothing.
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut room, limit) else { return 0 };
        for event in &*events {
            match event.data.u64() {
                BELL => drop(self.bell.clear()),
                port => worker.warm(port as u32),
            }
        }
        events.len()
    }

    fn shun_failed(&mut self, worker: &mut Worker) {
        while let Some(port) = worker.take_failed() {
            if !self.failed.contains(&port) {
                self.leave(worker, port);
                self.failed.push(port);
                self.patience = RETRY_LOOKS;
            }
        }
    }

    fn forgive(&mut self, worker: &mut Worker) {
        for port in std::mem::take(&mut self.failed) {
            self.join(worker, port);
            worker.warm(port);
        }
    }
}
