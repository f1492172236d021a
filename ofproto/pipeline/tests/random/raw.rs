//! Frames as bytes: what no flow can say (extension headers, options, lengths that lie, frames that end too early).

use super::Rng;

/// A frame in hexadecimal digits, an Ethernet header at least.
pub fn frame(rng: &mut Rng) -> String {
    let mut bytes = vec![0x50, 0x54, 0, 0, 0, 1 + rng.below(4) as u8, 0x50, 0x54, 0, 0, 0, 1 + rng.below(4) as u8];
    for _ in 0..[0, 0, 0, 1, 1, 2, 3][rng.below(7) as usize] {
        put16(&mut bytes, [0x8100, 0x8100, 0x88a8][rng.below(3) as usize]);
        put16(&mut bytes, [5, 6 | 3 << 13, 7, 0, 1 << 13, 0x1005][rng.below(6) as usize]);
    }
    let (kind, body) = network(rng, 0);
    match kind {
        LLC => put16(&mut bytes, body.len() as u16),
        kind => put16(&mut bytes, kind),
    }
    bytes.extend(body);
    match rng.below(8) {
        0 => bytes.truncate(14 + rng.below(bytes.len() as u64 - 13) as usize),
        1 => bytes.resize(bytes.len() + rng.below(20) as usize, 0),
        _ => {}
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The place of a length instead of an EtherType.
const LLC: u16 = 0;

fn put16(to: &mut Vec<u8>, value: u16) {
    to.extend(value.to_be_bytes());
}

/// Something with its EtherType.
fn network(rng: &mut Rng, depth: u32) -> (u16, Vec<u8>) {
    match rng.below(13) {
        0..=3 => (0x0800, ipv4(rng)),
        4..=8 => (0x86dd, ipv6(rng)),
        9 => (0x0806, arp(rng)),
        10 if depth == 0 => (0x8847, labels(rng)),
        11 => (0x894f, service(rng)),
        12 => (LLC, rng.pick(&[&SNAP[..], &[0x42, 0x42, 3, 0, 0], &[0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 1]]).to_vec()),
        _ => (0x1234, vec![0; 10]),
    }
}

/// IPv4 behind LLC and SNAP.
const SNAP: [u8; 12] = [0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0, 0x45, 0, 0, 20];

fn ipv4(rng: &mut Rng) -> Vec<u8> {
    let words = [5, 5, 5, 6, 8, 4][rng.below(6) as usize];
    let protocol = [6, 17, 132, 1, 2, 47, 50, 0][rng.below(8) as usize];
    let payload = transport(rng, protocol, false);
    let mut all = vec![if rng.one_in(20) { 0x60 } else { 0x40 } | words as u8, [0, 32, 1][rng.below(3) as usize]];
    let length = words * 4 + payload.len();
    put16(&mut all, wrong_at_times(rng, length));
    put16(&mut all, 7);
    put16(&mut all, [0, 0, 0x4000, 0x2000, 0x0010, 0x2010][rng.below(6) as usize]);
    all.extend([[1, 2, 64][rng.below(3) as usize], protocol, 0, 0]);
    for _ in 0..2 {
        all.extend([10, rng.below(2) as u8, rng.below(2) as u8, 1 + rng.below(3) as u8]);
    }
    all.resize((words * 4).max(20), 1);
    all.extend(payload);
    all
}

/// A length that may be a lie.
fn wrong_at_times(rng: &mut Rng, length: usize) -> u16 {
    match rng.below(12) {
        0 => rng.below(64) as u16,
        1 => length as u16 + 8,
        2 => (length as u16).saturating_sub(1 + rng.below(8) as u16),
        _ => length as u16,
    }
}

fn ipv6(rng: &mut Rng) -> Vec<u8> {
    let chain: Vec<u8> =
        (0..rng.below(4)).map(|_| [0, 43, 60, 44, 51, 44, 60, 135, 139, 140, 50][rng.below(11) as usize]).collect();
    let last = [6, 17, 132, 58, 58, 59, 47][rng.below(7) as usize];
    let mut behind = Vec::new();
    for (nth, header) in chain.iter().enumerate() {
        let next = chain.get(nth + 1).copied().unwrap_or(last);
        let more = rng.below(2) as u8;
        match header {
            44 => {
                behind.extend([next, 0]);
                put16(&mut behind, [0, 1, 0x10, 0x11, 0x8][rng.below(5) as usize]);
                behind.extend([0, 0, 0, 9]);
            }
            51 => {
                behind.extend([next, 1 + more]);
                behind.resize(behind.len() + 10 + 4 * usize::from(more), 0);
            }
            _ => {
                behind.extend([next, more, 1, 4, 0, 0, 0, 0]);
                behind.resize(behind.len() + 8 * usize::from(more), 0);
            }
        }
    }
    behind.extend(transport(rng, last, true));
    let mut all = vec![if rng.one_in(20) { 0x40 } else { 0x60 } | rng.below(4) as u8, (rng.below(4) << 4) as u8, 0, 1];
    let length = behind.len();
    put16(&mut all, wrong_at_times(rng, length));
    all.extend([chain.first().copied().unwrap_or(last), [1, 2, 64][rng.below(3) as usize]]);
    for _ in 0..2 {
        all.extend([0xfd, 0, 0, rng.below(2) as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 + rng.below(3) as u8]);
    }
    all.extend(behind);
    all
}

fn transport(rng: &mut Rng, protocol: u8, v6: bool) -> Vec<u8> {
    let mut all = Vec::new();
    let ports = |rng: &mut Rng, to: &mut Vec<u8>| (0..2).for_each(|_| put16(to, super::l4(rng) as u16));
    match protocol {
        6 => {
            ports(rng, &mut all);
            all.extend([0; 8]);
            put16(&mut all, [0x5000, 0x6000, 0x4000, 0xf000][rng.below(4) as usize] | rng.below(0x1000) as u16);
            all.extend([0; 6]);
            all.resize(20 + 4 * rng.below(2) as usize, 0);
        }
        17 => {
            ports(rng, &mut all);
            all.extend([0, 12, 0, 0, 1, 2, 3, 4]);
        }
        132 => {
            ports(rng, &mut all);
            all.extend([0; 8]);
        }
        1 => all.extend([[8, 0, 3][rng.below(3) as usize], rng.below(2) as u8, 0, 0, 0, 1, 0, 2]),
        2 => all.extend([[0x11, 0x16, 0x17, 0x22][rng.below(4) as usize], 0, 0, 0, 224, 0, 0, 5]),
        58 if v6 => neighbour(rng, &mut all),
        _ => all.extend([1, 2, 3, 4]),
    }
    all
}

/// Neighbour discovery (or an echo), its options sometimes twice or broken.
fn neighbour(rng: &mut Rng, all: &mut Vec<u8>) {
    all.extend([[135, 136, 128, 134, 133][rng.below(5) as usize], u8::from(rng.one_in(6)), 0, 0]);
    all.extend([if rng.one_in(3) { 0x60 } else { 0 }, 0, 0, u8::from(rng.one_in(6))]);
    all.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, rng.below(3) as u8]);
    for _ in 0..rng.below(3) {
        all.extend([1 + rng.below(3) as u8, if rng.one_in(5) { rng.below(3) as u8 } else { 1 }]);
        all.extend([0x50, 0x54, 0, 0, 0, rng.below(3) as u8]);
    }
}

fn arp(rng: &mut Rng) -> Vec<u8> {
    let mut all = vec![0, [1, 1, 1, 6][rng.below(4) as usize], 8, 0, 6, [4, 4, 4, 16][rng.below(4) as usize]];
    put16(&mut all, [1, 2, 3, 0, 0x101][rng.below(5) as usize]);
    for _ in 0..2 {
        all.extend([0x50, 0x54, 0, 0, 0, 1 + rng.below(3) as u8, 10, 0, 0, rng.below(4) as u8]);
    }
    all
}

fn labels(rng: &mut Rng) -> Vec<u8> {
    let n = 1 + rng.below(5);
    let mut all = Vec::new();
    for nth in 0..n {
        let bottom = if nth + 1 == n && !rng.one_in(10) { 0x100 } else { 0 };
        let entry = [100, 5, 0, 3][rng.below(4) as usize] << 12 | (rng.below(3) << 9) as u32 | bottom | 64;
        all.extend(entry.to_be_bytes());
    }
    all.extend(network(rng, 1).1);
    all
}

/// A network service header (RFC 8300).
fn service(rng: &mut Rng) -> Vec<u8> {
    let kind = [1, 1, 2, 3][rng.below(4) as usize];
    let words: u16 = if kind == 1 { 6 } else { 2 + rng.below(3) as u16 };
    let mut all = Vec::new();
    put16(&mut all, (rng.below(2) << 13) as u16 | (rng.below(64) << 6) as u16 | if rng.one_in(8) { 1 } else { words });
    all.extend([kind as u8, 1 + rng.below(5) as u8, 0, 0, rng.below(3) as u8, 254 + rng.below(2) as u8]);
    all.resize(4 * usize::from(words), 5);
    all.extend([0; 20]);
    all
}
