//! What the log says of how a select group will choose (module `ofproto_dpif`, level DBG), as Open vSwitch says it.

use tracing::{debug, event_enabled};

use super::spread::{MAX_SLOTS, Spread};
use super::{Choice, Group};

/// Say it.
pub(super) fn log_choice(group: &Group) {
    if !event_enabled!(target: "ofproto_dpif", tracing::Level::DEBUG) {
        return;
    }
    debug!(target: "ofproto_dpif", "Constructing select group {}", group.id.0);
    match group.selection.method.as_str() {
        "" => debug!(target: "ofproto_dpif", "No selection method specified. Trying dp_hash."),
        method => debug!(target: "ofproto_dpif", "Selection method specified: {method}."),
    }
    match (&group.choice, group.selection.method.as_str()) {
        (Choice::Fields, _) => {
            let names: Vec<&str> = group.selection.fields.iter().map(|(field, _)| field.field().name).collect();
            debug!(target: "ofproto_dpif", "Hash fields: {}", names.join(","));
        }
        (Choice::Default, "hash") => {
            debug!(target: "ofproto_dpif", "No hash fields. Falling back to default hash method.");
        }
        (Choice::Default, _) => {
            log_weights(group);
            debug!(target: "ofproto_dpif", "Falling back to default hash method.");
        }
        (Choice::Datapath { symmetric, spread, .. }, _) => {
            log_weights(group);
            log_slots(group, spread);
            let (n, algorithm) = (spread.len(), u8::from(*symmetric));
            debug!(target: "ofproto_dpif", "Use dp_hash with {n} hash values using algorithm {algorithm}.");
        }
    }
}

fn log_weights(group: &Group) {
    let weights = || group.buckets.iter().map(|b| u64::from(b.said.weight));
    let total: u64 = weights().sum();
    let Some(least) = weights().filter(|w| *w > 0).min() else {
        return match group.buckets.is_empty() {
            true => debug!(target: "ofproto_dpif", "  Don't apply dp_hash method without buckets."),
            false => debug!(target: "ofproto_dpif", "  Total weight is zero. No active buckets."),
        };
    };
    debug!(target: "ofproto_dpif", "  Minimum weight: {least}, total weight: {total}");
    let needed = total.div_ceil(least).next_power_of_two();
    if needed > MAX_SLOTS {
        debug!(target: "ofproto_dpif", "  Too many hash values required: {needed}");
    }
}

fn log_slots(group: &Group, spread: &Spread) {
    let n = spread.len();
    let total: f64 = group.buckets.iter().map(|b| f64::from(b.said.weight)).sum();
    debug!(target: "ofproto_dpif", "  Using {n} hash values:");
    for (i, bucket) in group.buckets.iter().enumerate() {
        let weight = bucket.said.weight;
        let target = f64::from(weight) * n as f64 / total;
        let (id, hits) = (bucket.said.id, spread.slots_of(i));
        debug!(target: "ofproto_dpif", "  Bucket {id}: weight={weight}, target={target:.2} hits={hits}");
    }
}
