//! Locks: names that at most one session owns at a time (RFC 7047 section 4.1.8).
//!
//! Each lock is a queue of sessions; the first one owns it. Stealing puts the thief in front; who owned it before
//! waits behind.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// All locks of a server. `S` identifies a session.
pub struct Locks<S> {
    by_name: HashMap<String, VecDeque<S>, RandomState>,
}

impl<S> Default for Locks<S> {
    fn default() -> Locks<S> {
        Locks { by_name: HashMap::default() }
    }
}

impl<S: Copy + PartialEq> Locks<S> {
    /// Whether the session owns or waits for the lock.
    pub fn involves(&self, name: &str, session: S) -> bool {
        self.by_name.get(name).is_some_and(|queue| queue.contains(&session))
    }

    /// Whether the session owns the lock.
    pub fn owns(&self, name: &str, session: S) -> bool {
        self.by_name.get(name).and_then(VecDeque::front) == Some(&session)
    }

    /// Queues for a lock; whether the session owns it now.
    pub fn lock(&mut self, name: &str, session: S) -> bool {
        let queue = self.by_name.entry_ref(name).or_default();
        queue.push_back(session);
        queue.len() == 1
    }

    /// Takes a lock; gives the session that lost it.
    pub fn steal(&mut self, name: &str, session: S) -> Option<S> {
        let queue = self.by_name.entry_ref(name).or_default();
        let victim = queue.front().copied();
        queue.push_front(session);
        victim
    }

    /// Gives up a lock or the place in its queue; gives the session that owns it because of that.
    pub fn unlock(&mut self, name: &str, session: S) -> Option<S> {
        let queue = self.by_name.get_mut(name)?;
        let owned = queue.front() == Some(&session);
        queue.retain(|&s| s != session);
        let next = queue.front().copied().filter(|_| owned);
        if queue.is_empty() {
            self.by_name.remove(name);
        }
        next
    }

    /// Names of the locks that involve a session, in order.
    pub fn of(&self, session: S) -> Vec<String> {
        let mut names: Vec<String> =
            self.by_name.iter().filter(|(_, queue)| queue.contains(&session)).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }
}
