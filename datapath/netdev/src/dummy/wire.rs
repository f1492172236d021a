//! Cables between dummies: `options:pstream=punix:PATH` on one, `options:stream=unix:PATH` on others.
//!
//! Why: tests of bonds, LACP, tunnels and whole networks need ports that are plugged into one another.
//! How: both ends live in this process, so a frame goes straight into the other's inbox; the socket's name only says who
//! belongs together. Whoever listens sends to all that have dialled; whoever dials sends to the one that listens.
//!
//! Invariant: a cable is there exactly while both ends are.

use std::sync::{Arc, Mutex, Weak};

use super::{Dummy, lock};
use crate::spec::DummyOptions;

/// One end, as everybody can find it.
struct Plug {
    path: String,
    listens: bool,
    dummy: Weak<Dummy>,
}

/// All ends in this process.
static PLUGS: Mutex<Vec<Plug>> = Mutex::new(Vec::new());

/// Where a dummy's frames go.
#[derive(Debug, Default)]
pub(super) struct Wires {
    /// The others' ends.
    pub to: Vec<Weak<Dummy>>,
    /// Whether it dials somebody.
    pub dials: bool,
}

/// Put a dummy's plugs where its options say, and pull those that were there.
pub(super) fn plug(dummy: &Arc<Dummy>, options: &DummyOptions) {
    let mut plugs = lock(&PLUGS);
    plugs.retain(|plug| plug.dummy.strong_count() > 0 && !std::ptr::eq(plug.dummy.as_ptr(), Arc::as_ptr(dummy)));
    // who listens dials nobody
    let path = |text: &Option<String>, kind: &str| text.as_deref()?.strip_prefix(kind).map(str::to_owned);
    let listens = path(&options.pstream, "punix:");
    let dials = path(&options.stream, "unix:").filter(|_| options.pstream.is_none());
    lock(&dummy.wires).dials = options.stream.is_some() && options.pstream.is_none();
    for (path, listens) in [(listens, true), (dials, false)] {
        if let Some(path) = path {
            plugs.push(Plug { path, listens, dummy: Arc::downgrade(dummy) });
        }
    }
    let ends: Vec<Arc<Dummy>> = plugs.iter().filter_map(|plug| plug.dummy.upgrade()).chain([dummy.clone()]).collect();
    for end in ends {
        let mine = plugs.iter().filter(|plug| std::ptr::eq(plug.dummy.as_ptr(), Arc::as_ptr(&end)));
        let others = mine
            .flat_map(|mine| plugs.iter().filter(move |plug| plug.path == mine.path && plug.listens != mine.listens));
        lock(&end.wires).to = others.map(|plug| plug.dummy.clone()).collect();
    }
}

/// Whether the other end of a dialling dummy is there; `None` for one that does not dial.
pub(super) fn is_connected(dummy: &Dummy) -> Option<bool> {
    let wires = lock(&dummy.wires);
    wires.dials.then(|| wires.to.iter().any(|other| other.strong_count() > 0))
}
