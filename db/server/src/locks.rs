//! Locks: names that at most one session owns at a time (RFC 7047 section 4.1.8).
//!
//! Each lock is a queue of sessions; the first one owns it. Stealing puts the thief in front; who owned it before
//! waits behind, unless it was a thief too: that one waits no more, but must still unlock before it asks again.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// All locks of a server. `S` identifies a session.
pub struct Locks<S> {
    by_name: HashMap<String, Queue<S>, RandomState>,
}

struct Queue<S> {
    /// The owner, then those who wait; with whether they asked for it by stealing.
    waiting: VecDeque<(S, bool)>,
    /// Thieves from whom it was stolen.
    robbed: Vec<S>,
}

impl<S> Default for Queue<S> {
    fn default() -> Queue<S> {
        Queue { waiting: VecDeque::new(), robbed: Vec::new() }
    }
}

impl<S> Default for Locks<S> {
    fn default() -> Locks<S> {
        Locks { by_name: HashMap::default() }
    }
}

impl<S: Copy + PartialEq> Queue<S> {
    fn owner(&self) -> Option<S> {
        self.waiting.front().map(|(session, _)| *session)
    }

    fn involves(&self, session: S) -> bool {
        self.waiting.iter().any(|(s, _)| *s == session) || self.robbed.contains(&session)
    }
}

impl<S: Copy + PartialEq> Locks<S> {
    /// Whether the session has asked for the lock and not given it up.
    pub fn involves(&self, name: &str, session: S) -> bool {
        self.by_name.get(name).is_some_and(|queue| queue.involves(session))
    }

    /// Whether the session owns the lock.
    pub fn owns(&self, name: &str, session: S) -> bool {
        self.by_name.get(name).and_then(Queue::owner) == Some(session)
    }

    /// Queues for a lock; whether the session owns it now.
    pub fn lock(&mut self, name: &str, session: S) -> bool {
        let queue = self.by_name.entry_ref(name).or_default();
        queue.waiting.push_back((session, false));
        queue.waiting.len() == 1
    }

    /// Takes a lock; gives the session that lost it.
    pub fn steal(&mut self, name: &str, session: S) -> Option<S> {
        let queue = self.by_name.entry_ref(name).or_default();
        let victim = queue.owner();
        if let Some((thief, _)) = queue.waiting.pop_front_if(|(_, stolen)| *stolen) {
            queue.robbed.push(thief);
        }
        queue.waiting.push_front((session, true));
        victim
    }

    /// Gives up a lock or the place in its queue; gives the session that owns it then. That one is told so, also if it
    /// owned it before: Open vSwitch does the same.
    pub fn unlock(&mut self, name: &str, session: S) -> Option<S> {
        let queue = self.by_name.get_mut(name)?;
        if let Some(i) = queue.robbed.iter().position(|s| *s == session) {
            queue.robbed.remove(i);
            return None;
        }
        queue.waiting.retain(|(s, _)| *s != session);
        let next = queue.owner();
        if queue.waiting.is_empty() && queue.robbed.is_empty() {
            self.by_name.remove(name);
        }
        next
    }

    /// Names of the locks that involve a session, in order.
    pub fn of(&self, session: S) -> Vec<String> {
        let mut names: Vec<String> =
            self.by_name.iter().filter(|(_, queue)| queue.involves(session)).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }
}
