//! The two traits between the engine and those above it.

use std::any::Any;
use std::sync::Arc;

use weft_base::Time;
use weft_flow::action::Userspace;
use weft_flow::{DpAction, FlowKey, FlowMask};
use weft_packet::{DpPort, DropReason, Frame};

use crate::{LastDrop, Megaflow, Meter};

/// A frame whose flow no cache knows.
pub struct Upcall<'a> {
    /// Its key; `in_port` is a [`DpPort`].
    pub key: &'a FlowKey,
    /// The frame as it came in (or as it was recirculated).
    pub frame: &'a Frame,
    /// Which worker asks.
    pub worker: usize,
    /// Whether the engine would install a megaflow now. When false ([`Slowpath::flow_limit`] is reached), the verdict
    /// serves this frame only, whatever [`Verdict::install`] says, and its statistics must be credited at once.
    pub may_install: bool,
}

/// What to do with a flow.
pub struct Verdict {
    /// The actions; a drop is `[DpAction::Drop(reason)]`.
    pub actions: Vec<DpAction>,
    /// The bits of the key on which the verdict rests.
    pub mask: FlowMask,
    /// Whether to install a megaflow (false: this frame only).
    pub install: bool,
    /// Kept with the megaflow, see [`Megaflow::attachment`].
    pub attachment: Attachment,
}

/// What the slow path hangs on a megaflow.
pub type Attachment = Box<dyn Any + Send + Sync>;

/// Whom the workers ask. Implemented by the pipeline; called on worker threads, must not block for long.
pub trait Slowpath: Send + Sync {
    /// Translate a missed flow. Effects (learning a MAC, a packet-in) have been applied on return; the first frame's
    /// statistics are credited here, too: a new megaflow counts the frames that come after the first.
    fn upcall(&self, upcall: &Upcall<'_>, now: Time) -> Verdict;

    /// These keys are about to be asked for, one by one: a chance to fetch what they will need all at once. What it
    /// returns is handed back to [`Slowpath::installed`].
    fn expect(&self, keys: &[&FlowKey]) -> u64 {
        let _ = keys;
        0
    }

    /// The megaflows for verdicts since that [`Slowpath::expect`] are there now, for [`Datapath::flows`] to list. What
    /// changed in the meantime could not find them.
    fn installed(&self, stamp: u64) {
        let _ = stamp;
    }

    /// A frame that reached [`DpAction::Userspace`]. Returns actions to execute on the frame
    /// ([`Userspace::SlowPath`]); empty when there is nothing left to do.
    fn userspace(&self, upcall: &Upcall<'_>, what: &Userspace, now: Time) -> Vec<DpAction>;

    /// How many megaflows all workers together may hold now.
    fn flow_limit(&self) -> usize;
}

/// One frame to send through given actions (packet-out, `ofproto/trace -generate`, `dpctl execute`).
pub struct Execute {
    /// The frame, consumed.
    pub frame: Frame,
    /// Its key, with `in_port` as a [`DpPort`].
    pub key: FlowKey,
    /// What to do.
    pub actions: Vec<DpAction>,
}

/// Totals over all workers, as `dpctl show` prints them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DpStats {
    /// Frames answered by a cache.
    pub hit: u64,
    /// Frames that needed the slow path.
    pub missed: u64,
    /// Frames lost before the slow path (budget, full table).
    pub lost: u64,
    /// Megaflows.
    pub flows: u64,
    /// Masks probed over all lookups.
    pub mask_hit: u64,
    /// Distinct masks, summed over workers.
    pub masks: u64,
    /// Frames answered by the microflow cache.
    pub cache_hit: u64,
}

/// What the engine counts per port, summed over its workers. Frames that a device lost by itself are the device's to
/// tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Frames taken from the device (a GSO frame is one).
    pub rx_packets: u64,
    /// Bytes of them.
    pub rx_bytes: u64,
    /// Frames that came from the device and went nowhere, by our decision or for their form.
    pub rx_dropped: u64,
    /// Reads that failed.
    pub rx_errors: u64,
    /// Frames that the device took.
    pub tx_packets: u64,
    /// Bytes of them.
    pub tx_bytes: u64,
    /// Frames that the device or its MTU did not let out.
    pub tx_dropped: u64,
    /// Frames that the device refused with an error.
    pub tx_errors: u64,
}

/// What the control side can ask of a datapath. All calls come from the control thread; each returns when done.
/// Whoever calls must hold no lock that [`Slowpath`] takes: a worker finishes its turn before it answers.
pub trait Datapath: Send + Sync {
    /// All megaflows of all workers, in no order.
    fn flows(&self) -> Vec<Arc<Megaflow>>;

    /// Remove a megaflow; frames that match it miss from then on. Its counters are final when this returns.
    fn flow_delete(&self, flow: &Arc<Megaflow>);

    /// [`Datapath::flow_delete`] for many, with one round trip to each worker.
    fn flows_delete(&self, flows: &[Arc<Megaflow>]) {
        for flow in flows {
            self.flow_delete(flow);
        }
    }

    /// Remove all megaflows.
    fn flow_flush(&self);

    /// Give a megaflow other actions (and the worker what it precomputed from them).
    fn flow_modify(&self, flow: &Arc<Megaflow>, actions: Vec<DpAction>, attachment: Attachment);

    /// [`Datapath::flow_modify`] for many, with one round trip to each worker.
    fn flows_modify(&self, changes: Vec<(Arc<Megaflow>, Vec<DpAction>, Attachment)>) {
        for (flow, actions, attachment) in changes {
            self.flow_modify(&flow, actions, attachment);
        }
    }

    /// Install a flow in every worker (`dpctl add-flow`), under an id of the caller's or one of its match. `frame` is the
    /// key that was written, whatever of it the mask keeps: dumps show it.
    ///
    /// # Errors
    /// When a flow is there already that takes such a frame.
    fn flow_put(
        &self,
        pattern: weft_flow::Match,
        frame: &weft_flow::FlowKey,
        actions: Vec<DpAction>,
        id: Option<u128>,
    ) -> Result<Arc<Megaflow>, FlowExists>;

    /// Put a meter under a number ([`DpAction::Meter`]), replace it, or take it away. Whoever holds the meter reads its
    /// counters from it. A datapath without meters lets everything pass.
    fn meter_set(&self, id: u32, meter: Option<Arc<Meter>>) {
        let _ = (id, meter);
    }

    /// Say what the tunnel port of a number speaks, or that there is none any more. `tnl_pop` and `set(tunnel(..))` need it;
    /// `tnl_push` has the port's packets numbered.
    fn tunnel_set(&self, port: DpPort, dialect: Option<weft_packet::tunnel::Dialect>) {
        let _ = (port, dialect);
    }

    /// From which UDP ports tunnelled packets are sent: the lowest and the highest.
    fn tunnel_sources(&self, lowest: u16, highest: u16) {
        let _ = (lowest, highest);
    }

    /// Run actions on a frame and send what they output.
    fn execute(&self, execute: Execute);

    /// Wait until every worker has handled all that was waiting in its queues and commands when this was called.
    fn settle(&self);

    /// What a port's frames came to, over all workers; `None` for a port that is not there.
    fn port_stats(&self, port: DpPort) -> Option<PortStats>;

    /// Totals.
    fn stats(&self) -> DpStats;

    /// Drops per port and reason since the port was added; ports in ascending order, zero counts left out.
    fn drops(&self) -> Vec<(DpPort, DropReason, u64)>;

    /// A drop of a port's frames, coming in or going out: the first of the newest turn that had one.
    fn last_drop(&self, port: DpPort) -> Option<LastDrop>;
}

/// A flow with the same match is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowExists;
