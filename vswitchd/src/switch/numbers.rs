//! What: the datapath's port numbers.
//!
//! Why: users of dummies count on a number that they can guess: `p7` is port 7, `br0` is port 100, as Open vSwitch
//! has it; real devices get the next free number.
//!
//! Invariants: 0 is never given out (it is the datapath's own port); a number is in use once at most.

use std::collections::BTreeSet;

use weft_packet::DpPort;

/// Numbers in use.
#[derive(Debug, Default)]
pub struct Numbers {
    used: BTreeSet<u32>,
    last: u32,
}

impl Numbers {
    /// A number for the interface `name`; `guessable` if it shall follow from the name.
    pub fn take(&mut self, name: &str, guessable: bool) -> Option<DpPort> {
        let wished = if guessable { wish(name) } else { None };
        let free = |n: &u32| !self.used.contains(n);
        let number = wished.filter(free).or_else(|| {
            let after = self.last + 1..MAX;
            if guessable { (1..MAX).find(|n| free(n)) } else { after.chain(1..MAX).find(|n| free(n)) }
        })?;
        if !guessable {
            self.last = number;
        }
        self.used.insert(number);
        Some(DpPort(number))
    }

    /// The number is free again.
    pub fn give_back(&mut self, port: DpPort) {
        self.used.remove(&port.0);
    }
}

/// The first number in the name; bridges start at 100.
fn wish(name: &str) -> Option<u32> {
    let start = name.find(|c: char| c.is_ascii_digit())?;
    let digits: String = name[start..].chars().take_while(char::is_ascii_digit).collect();
    let base = if name.starts_with("br") { 100 } else { 0 };
    let number: u32 = digits.parse().ok()?;
    Some(number.checked_add(base)?).filter(|n| (1..MAX).contains(n))
}

const MAX: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_dummies_say_their_number() {
        let mut numbers = Numbers::default();
        for (name, number) in [("p7", 7), ("br0", 100), ("br-int", 1), ("p1", 2), ("q7", 3), ("p0", 4)] {
            assert_eq!(numbers.take(name, true), Some(DpPort(number)), "{name}");
        }
        numbers.give_back(DpPort(7));
        assert_eq!(numbers.take("x7y9", true), Some(DpPort(7)));
    }

    #[test]
    fn numbers_of_devices_are_not_used_again_at_once() {
        let mut numbers = Numbers::default();
        let first = numbers.take("eth7", false).unwrap();
        numbers.give_back(first);
        assert_eq!((first, numbers.take("eth8", false)), (DpPort(1), Some(DpPort(2))));
    }
}
