//! Frames of 60 bytes (64 with the FCS), the same kinds that the peers were measured with.

use weft_packet::Mac;
use weft_packet::builder::Builder;

/// A small generator of numbers; the same seed gives the same frames.
pub struct Random(u64);

impl Random {
    /// Start from a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number (xorshift64*, Vigna 2016).
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// One UDP frame.
pub fn udp(src_mac: u64, src: u32, dst: u32, sport: u16, dport: u16) -> Vec<u8> {
    let mac = |bits: u64| Mac(*bits.to_be_bytes().last_chunk().expect("six of eight"));
    Builder::ethernet(mac(0x0200_0000_0002), mac(src_mac))
        .ipv4(src.to_be_bytes(), dst.to_be_bytes())
        .udp(sport, dport)
        .payload(&[0; 18])
        .build()
}

/// `n` flows that differ in addresses and ports.
pub fn flows(n: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    let mut frame = || {
        let r = random.draw();
        udp(
            0x0200_0000_0001,
            0x0a00_0000 | r as u32 & 0xffff,
            0x0b00_0000 | (r >> 16) as u32 & 0xffff,
            1024 + (r >> 32) as u16 % 16384,
            1024 + (r >> 48) as u16 % 16384,
        )
    };
    (0..n).map(|_| frame()).collect()
}

/// `n` frames of `masks` classes: bits 0 to k-1 of a frame of class k are clear and bit k is set, so that rule k of
/// [`crate::rig::Rules::ladder`] is the first that matches and its megaflow needs a mask of its own.
pub fn ladder(masks: u32, n: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(2);
    let mut frame = || {
        let class = (random.draw() >> 32) as u32 % masks;
        let wide = u128::from(random.draw()) << 64 | u128::from(random.draw());
        let bits = wide >> 28 >> class << class | 1 << class;
        let ports = random.draw();
        udp(
            (bits >> 62) as u64 & 0x3f_ffff_ffff,
            bits as u32 & 0x7fff_ffff,
            (bits >> 31) as u32 & 0x7fff_ffff,
            1024 + ports as u16 % 16384,
            1024 + (ports >> 16) as u16 % 16384,
        )
    };
    (0..n).map(|_| frame()).collect()
}
