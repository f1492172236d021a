//! What the benches share: frames like those of the peers' measurements, a slow path with a fixed set of rules, a worker
//! between a looping capture and a sink.

pub mod classbench;
pub mod frames;
pub mod rig;
pub mod steps;
