//! The Internet checksum (RFC 1071), its incremental update (RFC 1624), pseudo headers, and SCTP's CRC32c.
//!
//! What: [`Sum`] adds up bytes in 16-bit words; `finish` folds and complements. [`update`] repairs a checksum after an
//! edit without touching the rest. [`fill`] completes a frame whose sender left that to the device.
//! How: the sum is the same in any byte order but for a final swap (RFC 1071 §2 B), so 32-bit native words are added
//! into 64 bits, which the compiler vectorises; each added slice is taken as if it began at an even offset.

use crate::frame::{ChecksumState, Frame};

/// A one's complement sum in the making. Adding slices of odd length is right only for the last one.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The sum of some bytes.
    #[inline]
    pub fn of(bytes: &[u8]) -> Sum {
        Sum::default().with(bytes)
    }

    /// Add bytes.
    #[inline]
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Sum {
        let mut sum = self.0;
        // 64 bits hold the sum of 2^31 words; a frame has fewer.
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            sum += u64::from(u32::from_ne_bytes(*word));
        }
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        sum += u64::from(u32::from_ne_bytes(last));
        Sum(fold32(sum))
    }

    /// Add a 16-bit number as it would lie on the wire.
    #[inline]
    #[must_use]
    pub fn with16(self, value: u16) -> Sum {
        Sum(self.0 + u64::from(value.to_be()))
    }

    /// Add a sum made elsewhere.
    #[inline]
    #[must_use]
    pub fn join(self, other: Sum) -> Sum {
        Sum(fold32(self.0) + fold32(other.0))
    }

    /// The folded sum, not complemented: what stands in a checksum field that waits for the device.
    #[inline]
    pub fn folded(self) -> u16 {
        let mut sum = fold32(self.0);
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        u16::from_be(sum as u16)
    }

    /// The checksum.
    #[inline]
    pub fn finish(self) -> u16 {
        !self.folded()
    }
}

fn fold32(sum: u64) -> u64 {
    (sum >> 32) + (sum & 0xffff_ffff)
}

/// The IPv4 pseudo header (RFC 793 §3.1): `addresses` is source and destination as they lie in the header.
#[inline]
pub fn pseudo_v4(addresses: &[u8; 8], proto: u8, len: u16) -> Sum {
    Sum::of(addresses).with16(proto.into()).with16(len)
}

/// The IPv6 pseudo header (RFC 8200 §8.1).
#[inline]
pub fn pseudo_v6(addresses: &[u8; 32], proto: u8, len: u32) -> Sum {
    Sum::of(addresses).with(&len.to_be_bytes()).with16(proto.into())
}

/// The checksum after 16-bit aligned bytes `old` of what it covers became `new` (RFC 1624 §3, equation 3).
#[inline]
pub fn update(check: u16, old: &[u8], new: &[u8]) -> u16 {
    debug_assert!(old.len() == new.len() && old.len().is_multiple_of(2));
    !update_folded(!check, old, new)
}

/// The same for a folded, not complemented sum.
#[inline]
pub fn update_folded(folded: u16, old: &[u8], new: &[u8]) -> u16 {
    let without_old = Sum::of(old).finish();
    Sum::default().with16(folded).with16(without_old).join(Sum::of(new)).folded()
}

/// [`update`] for one 16-bit number.
#[inline]
pub fn update16(check: u16, old: u16, new: u16) -> u16 {
    update(check, &old.to_be_bytes(), &new.to_be_bytes())
}

/// Complete a checksum that was left to the device. Nothing happens to other frames.
pub fn fill(frame: &mut Frame) {
    let ChecksumState::Partial { start, offset } = frame.checksum else { return };
    let (start, at) = (usize::from(start), usize::from(start) + usize::from(offset));
    let bytes = frame.bytes_mut();
    if at + 2 <= bytes.len() {
        let check = nonzero(Sum::of(&bytes[start..]).finish());
        bytes[at..at + 2].copy_from_slice(&check.to_be_bytes());
    }
    frame.checksum = ChecksumState::Valid;
}

/// UDP says 0xffff where the sum is 0, since 0 means "none" (RFC 768); for TCP both are the same number.
#[inline]
pub const fn nonzero(check: u16) -> u16 {
    if check == 0 { 0xffff } else { check }
}

/// SCTP's checksum over a packet whose checksum field is zero (RFC 9260 §6.8, appendix A): stored little-endian.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc = CRC32C[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    }
    !crc
}

/// Remainders of every byte modulo the Castagnoli polynomial, bits reversed.
const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 != 0 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !(sum as u16)
    }

    proptest! {
        #[test]
        fn sums_agree_with_the_definition(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(Sum::of(&bytes).finish(), naive(&bytes));
            // pnet says 0 of nothing, where the definition says 0xffff
            prop_assume!(!bytes.is_empty());
            prop_assert_eq!(pnet_packet::util::checksum(&bytes, usize::MAX), naive(&bytes));
        }

        #[test]
        fn an_update_gives_what_summing_anew_gives(
            mut bytes in prop::collection::vec(any::<u8>(), 8..100), new in any::<[u8; 4]>(), at in 0usize..2,
        ) {
            let before = naive(&bytes);
            let old: [u8; 4] = bytes[2 * at..2 * at + 4].try_into().unwrap();
            bytes[2 * at..2 * at + 4].copy_from_slice(&new);
            // Both zeros of one's complement arithmetic are the same sum.
            prop_assert_eq!(update(before, &old, &new) % 0xffff, naive(&bytes) % 0xffff);
        }
    }

    #[test]
    fn crc32c_of_the_standard_test_string() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn filling_a_partial_checksum_makes_the_whole_sum_good() {
        let mut segment = vec![0x11; 8];
        segment.extend([7; 13]);
        let pseudo = pseudo_v4(&[10, 0, 0, 1, 10, 0, 0, 2], 17, segment.len() as u16);
        segment[6..8].copy_from_slice(&pseudo.folded().to_be_bytes());
        let mut frame = Frame::copy_of(&segment);
        frame.checksum = ChecksumState::Partial { start: 0, offset: 6 };
        fill(&mut frame);
        assert_eq!(frame.checksum, ChecksumState::Valid);
        assert_eq!(pseudo.with(frame.bytes()).finish(), 0);
    }
}
