//! One bench per step of a frame's journey.
fn main() {}
