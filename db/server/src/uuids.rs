//! Fresh random UUIDs without asking the kernel for each.
//!
//! Every row and every version of a row gets one. They must not repeat and should not be guessable; SipHash of a
//! counter under a key from the operating system gives both at a fraction of a system call.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use weft_ovsdb::Uuid;

/// A source of random (version 4) UUIDs.
pub struct UuidSource {
    high: RandomState,
    low: RandomState,
    counter: u64,
}

impl UuidSource {
    /// A source with a key of its own.
    pub fn new() -> UuidSource {
        let seed = Uuid::new_v4().as_u64_pair();
        UuidSource { high: RandomState::new(), low: RandomState::new(), counter: seed.0 ^ seed.1 }
    }

    /// The next one.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so it need not be an iterator")]
    pub fn next(&mut self) -> Uuid {
        self.counter = self.counter.wrapping_add(1);
        let (high, low) = (self.high.hash_one(self.counter), self.low.hash_one(!self.counter));
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

impl Default for UuidSource {
    fn default() -> UuidSource {
        UuidSource::new()
    }
}
