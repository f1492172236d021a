//! Long answers: a dump of flows, or the first word of a flow monitor, is made as fast as its reader takes it.
//!
//! What: the flows that a request means are looked up at once (a pointer each), under the read lock that misses take
//! too. Their statistics become messages a chunk at a time, whenever the peer has taken what was there. Meanwhile what
//! else the peer asks waits unread, so that answers keep the order of requests.
//!
//! Invariant: beside the pointers an answer costs [`CHUNK`] bytes and one message, however long it gets.

use std::sync::Arc;

use weft_base::Time;
use weft_openflow::codec::Dialect;
use weft_openflow::flow::FlowStatsRequest;
use weft_openflow::{Message, StatsReply, Xid};

use super::{monitor, stats};
use crate::config::ConnectionId;
use crate::pipeline::{Control, Pipeline};
use crate::rule::Rule;

/// Queued bytes up to which more is made.
const CHUNK: usize = 256 << 10;
/// Flows that are encoded at a time.
const BATCH: usize = 256;

/// An answer that is not finished.
pub(crate) struct Answer {
    xid: Xid,
    dialect: Dialect,
    rules: std::vec::IntoIter<Arc<Rule>>,
    what: What,
}

enum What {
    /// Statistics, as of this time.
    Flows(Time),
    /// Flows that a monitor starts with, with or without their actions.
    Initial { with_actions: bool },
}

impl Pipeline {
    /// Begin to answer a request for flow statistics.
    pub(super) fn answer_flows(
        &self,
        control: &mut Control,
        id: ConnectionId,
        xid: Xid,
        dialect: Dialect,
        which: &FlowStatsRequest,
        now: Time,
    ) {
        self.push_all();
        let Some(connection) = control.connections.get_mut(id) else { return };
        let rules: Vec<Arc<Rule>> = match self.read().bridge(connection.bridge) {
            Some(bridge) => stats::meant(bridge, which).cloned().collect(),
            None => Vec::new(),
        };
        connection.answer = Some(Answer { xid, dialect, rules: rules.into_iter(), what: What::Flows(now) });
        self.go_on_answering(control, id);
    }

    /// Begin to tell a new monitor of the flows that are there.
    pub(super) fn answer_monitor(
        &self,
        control: &mut Control,
        id: ConnectionId,
        (xid, dialect): (Xid, Dialect),
        rules: Vec<Arc<Rule>>,
        with_actions: bool,
    ) {
        let Some(connection) = control.connections.get_mut(id) else { return };
        connection.answer =
            Some(Answer { xid, dialect, rules: rules.into_iter(), what: What::Initial { with_actions } });
        self.go_on_answering(control, id);
    }

    /// Make more of an unfinished answer, as much as the peer has room for.
    pub(super) fn go_on_answering(&self, control: &mut Control, id: ConnectionId) {
        loop {
            let Some(connection) = control.connections.get_mut(id) else { return };
            let room = connection.backlog < CHUNK;
            let Some(answer) = connection.answer.as_mut().filter(|_| room) else { return };
            let batch = answer.rules.by_ref().take(BATCH);
            let body = match answer.what {
                What::Flows(asked) => StatsReply::Flow(batch.map(|rule| stats::flow_stats(&rule, asked)).collect()),
                What::Initial { with_actions } => {
                    StatsReply::FlowMonitor(batch.map(|rule| monitor::initial(&rule, with_actions)).collect())
                }
            };
            let more = answer.rules.len() > 0;
            let (xid, dialect) = (answer.xid, answer.dialect);
            if !more {
                connection.answer = None;
            }
            let part = Message::StatsReply { body, more };
            control.connections.send_in(id, xid, &part, &dialect);
        }
    }
}
