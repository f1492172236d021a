//! How a sleeping worker is woken.
//!
//! What: [`Waker`] is an eventfd that any thread may ring; [`Sleeper`] waits for queues and wakers at once.
//! Why: a worker that has spun long enough without frames must cost nothing until a frame or a command comes.
//! How: epoll, level-triggered: the set is built when ports change, a sleep is one system call whatever the number of
//! ports. Readiness is only a hint to poll all queues again, so nobody asks which one it was.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

/// A bell that any thread may ring and that a [`Sleeper`] hears.
#[derive(Debug)]
pub struct Waker(OwnedFd);

impl Waker {
    /// A silent bell.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub fn new() -> io::Result<Waker> {
        Ok(Waker(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Ring. Stays rung until [`Waker::clear`].
    pub fn wake(&self) {
        // Fails only when the counter is full, which means that it is rung already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Silence it; tells whether it was rung.
    pub fn clear(&self) -> bool {
        rustix::io::read(&self.0, &mut [0u8; 8]).is_ok()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A set of file descriptors to sleep on.
#[derive(Debug)]
pub struct Sleeper(OwnedFd);

impl Sleeper {
    /// An empty set.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub fn new() -> io::Result<Sleeper> {
        Ok(Sleeper(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Wake for this one too, when it is readable. A closed descriptor leaves the set by itself.
    ///
    /// # Errors
    /// When it is in the set already or cannot be polled.
    pub fn add(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::add(&self.0, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?)
    }

    /// No longer wake for this one.
    ///
    /// # Errors
    /// When it is not in the set.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, fd)?)
    }

    /// Sleep until one of the set is readable (`true`) or `at_most` has passed (`false`; `None`: no limit).
    pub fn sleep(&self, at_most: Option<Duration>) -> bool {
        let limit = at_most.map(|d| Timespec { tv_sec: d.as_secs() as i64, tv_nsec: d.subsec_nanos().into() });
        let mut events = Vec::with_capacity(1);
        epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events), limit.as_ref()).is_ok_and(|n| n > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rung_bell_ends_the_sleep_until_it_is_cleared() {
        let (bell, bed) = (Waker::new().unwrap(), Sleeper::new().unwrap());
        bed.add(&bell).unwrap();
        assert!(!bed.sleep(Some(Duration::ZERO)));
        bell.wake();
        bell.wake();
        assert!(bed.sleep(None));
        assert!(bell.clear());
        assert!(!bell.clear());
        assert!(!bed.sleep(Some(Duration::ZERO)));
    }
}
