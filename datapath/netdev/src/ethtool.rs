//! What the driver says: its name and versions, link modes, speed and duplex.
//!
//! The ioctls are in `sys`; here their answers are read, as bytes that may be anything.

use std::collections::BTreeMap;

use crate::link::{Duplex, Features, LinkInfo};
use crate::sys::ethtool::{self as ioctls, MASK_WORDS};

/// `driver_name`, `driver_version` and `firmware_version` of a kernel device; empty if it has no driver to ask.
pub(crate) fn status(name: &str) -> BTreeMap<String, String> {
    ioctls::driver(name).map(|answer| parse_driver(&answer)).unwrap_or_default()
}

/// Speed, duplex and features of a kernel device; all unknown if the driver does not tell.
pub(crate) fn link(name: &str) -> LinkInfo {
    ioctls::link_settings(name).map(|answer| parse_link(&answer)).unwrap_or_default()
}

/// A `struct ethtool_drvinfo`: the command, then strings of 32 bytes.
fn parse_driver(answer: &[u8]) -> BTreeMap<String, String> {
    let fields = [("driver_name", 4), ("driver_version", 36), ("firmware_version", 68)];
    let text = |at: usize| {
        let bytes = answer.get(at..at + 32).unwrap_or_default();
        let len = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    };
    fields.into_iter().map(|(key, at)| (key.to_owned(), text(at))).collect()
}

/// A `struct ethtool_link_settings`: fixed fields, then the masks of supported, advertised and peer modes.
fn parse_link(answer: &[u8]) -> LinkInfo {
    let byte = |at: usize| answer.get(at).copied().unwrap_or(0);
    let word = |at: usize| match answer.get(at..at + 4).map(TryInto::try_into) {
        Some(Ok(bytes)) => u32::from_ne_bytes(bytes),
        _ => 0,
    };
    let words = usize::from(byte(MASK_WORDS));
    let mask = |index: usize| {
        // Modes beyond bit 127 have no OpenFlow feature of their own.
        let at = MASKS + index * words * 4;
        let bits = (0..words.min(4)).map(|i| u128::from(word(at + 4 * i)) << (32 * i)).fold(0, |a, b| a | b);
        features(bits)
    };
    let (supported, advertised, peer) = (mask(0), mask(1), mask(2));
    let speed = match word(SPEED) {
        0 | UNKNOWN_SPEED => None,
        megabits => Some(u64::from(megabits)),
    };
    let duplex = match byte(DUPLEX) {
        0 => Some(Duplex::Half),
        1 => Some(Duplex::Full),
        _ => None,
    };
    let mut current = speed.map_or(Features::empty(), |speed| feature_of_speed(speed, duplex != Some(Duplex::Half)));
    match byte(PORT) {
        PORT_TP => current |= Features::COPPER,
        PORT_FIBRE => current |= Features::FIBER,
        _ => {}
    }
    if byte(AUTONEG) != 0 {
        current |= Features::AUTONEG;
    }
    LinkInfo {
        speed_bps: speed.map(|s| s * 1_000_000),
        max_speed_bps: max_speed(supported),
        duplex: speed.and(duplex),
        current,
        advertised,
        supported,
        peer,
    }
}

fn feature_of_speed(megabits: u64, full: bool) -> Features {
    match (megabits, full) {
        (10, false) => Features::HD_10MB,
        (10, true) => Features::FD_10MB,
        (100, false) => Features::HD_100MB,
        (100, true) => Features::FD_100MB,
        (1000, false) => Features::HD_1GB,
        (1000, true) => Features::FD_1GB,
        (10_000, _) => Features::FD_10GB,
        (40_000, _) => Features::FD_40GB,
        (100_000, _) => Features::FD_100GB,
        (1_000_000, _) => Features::FD_1TB,
        _ => Features::OTHER,
    }
}

fn max_speed(features: Features) -> Option<u64> {
    let by_speed = [
        (Features::FD_1TB, 1_000_000),
        (Features::FD_100GB, 100_000),
        (Features::FD_40GB, 40_000),
        (Features::FD_10GB, 10_000),
        (Features::FD_1GB | Features::HD_1GB, 1000),
        (Features::FD_100MB | Features::HD_100MB, 100),
        (Features::FD_10MB | Features::HD_10MB, 10),
    ];
    by_speed.into_iter().find(|(f, _)| features.intersects(*f)).map(|(_, megabits)| megabits * 1_000_000)
}

/// The OpenFlow features of a mask of `ETHTOOL_LINK_MODE_*` bits.
fn features(modes: u128) -> Features {
    let mut found = Features::empty();
    for (feature, bits) in MODES {
        if bits.iter().any(|bit| modes >> bit & 1 != 0) {
            found |= *feature;
        }
    }
    found
}

/// Which link modes (bit numbers of the kernel's interface) make which feature.
const MODES: &[(Features, &[u32])] = &[
    (Features::HD_10MB, &[0]),
    (Features::FD_10MB, &[1, 92]),
    (Features::HD_100MB, &[2, 90]),
    (Features::FD_100MB, &[3, 67, 91]),
    (Features::HD_1GB, &[4]),
    (Features::FD_1GB, &[5, 17, 41, 68]),
    (Features::FD_10GB, &[12, 18, 19, 20, 42, 43, 44, 45, 46]),
    (Features::FD_40GB, &[23, 24, 25, 26]),
    (Features::FD_100GB, &[36, 37, 38, 39, 57, 58, 59, 60, 61, 75, 76, 77, 78, 79]),
    (
        Features::OTHER,
        &[
            15, 21, 22, 27, 28, 29, 30, 31, 32, 33, 34, 35, 40, 47, 48, 52, 53, 54, 55, 56, 62, 63, 64, 65, 66, 69, 70,
            71, 72, 73, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89,
        ],
    ),
    (Features::COPPER, &[7]),
    (Features::FIBER, &[10]),
    (Features::AUTONEG, &[6]),
    (Features::PAUSE, &[13]),
    (Features::PAUSE_ASYM, &[14]),
];

// Offsets in `struct ethtool_link_settings`.
const SPEED: usize = 4;
const DUPLEX: usize = 8;
const PORT: usize = 9;
const AUTONEG: usize = 11;
const MASKS: usize = 48;

const UNKNOWN_SPEED: u32 = u32::MAX;
const PORT_TP: u8 = 0;
const PORT_FIBRE: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(speed: u32, duplex: u8, port: u8, autoneg: u8, masks: [u32; 3]) -> Vec<u8> {
        let mut answer = vec![0; MASKS + 12];
        answer[SPEED..SPEED + 4].copy_from_slice(&speed.to_ne_bytes());
        (answer[DUPLEX], answer[PORT], answer[AUTONEG], answer[MASK_WORDS]) = (duplex, port, autoneg, 1);
        for (i, mask) in masks.iter().enumerate() {
            answer[MASKS + 4 * i..MASKS + 4 * i + 4].copy_from_slice(&mask.to_ne_bytes());
        }
        answer
    }

    #[test]
    fn a_gigabit_copper_port_says_so() {
        let supported = 1 << 5 | 1 << 3 | 1 << 6 | 1 << 7;
        let info = parse_link(&settings(1000, 1, PORT_TP, 1, [supported, 1 << 5, 0]));
        assert_eq!((info.speed_bps, info.max_speed_bps), (Some(1_000_000_000), Some(1_000_000_000)));
        assert_eq!(info.duplex, Some(Duplex::Full));
        assert_eq!(info.current, Features::FD_1GB | Features::COPPER | Features::AUTONEG);
        assert_eq!(info.advertised, Features::FD_1GB);
        assert!(info.supported.contains(Features::FD_100MB) && info.peer.is_empty());
    }

    #[test]
    fn a_link_that_is_down_has_no_speed_and_no_duplex() {
        let info = parse_link(&settings(UNKNOWN_SPEED, 0xff, 0xef, 0, [0; 3]));
        assert_eq!((info.speed_bps, info.duplex, info.current), (None, None, Features::empty()));
    }

    #[test]
    fn arbitrary_answers_never_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = parse_link(bytes);
            assert_eq!(parse_driver(bytes).len(), 3);
        });
    }
}
