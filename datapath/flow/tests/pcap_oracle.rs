//! Extraction and the `Flow:` line, compared frame by frame with `ovs-ofctl parse-pcap` where that is installed.
//!
//! The frames are random but well-formed enough to get deep: tags, fragments, options, extension headers, neighbour
//! discovery, MPLS, NSH, and each of them broken now and then.

use std::io::Write;
use std::process::Command;

use weft_flow::extract::{Limits, extract};
use weft_flow::text::{PortNames, format_key};
use weft_flow::{FlowKey, OfPort};
use weft_packet::Frame;

const FRAMES: usize = 6000;

#[test]
fn every_frame_reads_as_ovs_reads_it() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let frames: Vec<Vec<u8>> = (0..FRAMES).map(|_| frame(&mut dice)).collect();
    let path = std::env::temp_dir().join(format!("weft-flow-{}.pcap", std::process::id()));
    std::fs::File::create(&path).and_then(|mut file| file.write_all(&pcap(&frames))).expect("a writable temp dir");
    let output = Command::new("ovs-ofctl").arg("parse-pcap").arg(&path).output();
    std::fs::remove_file(&path).expect("our own file");
    let Ok(output) = output else {
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "ovs-ofctl is not installed");
        println!("weft-skip every_frame_reads_as_ovs_reads_it: ovs-ofctl is not installed");
        return;
    };
    let theirs = String::from_utf8(output.stdout).expect("text");
    assert_eq!(theirs.lines().count(), FRAMES);
    let mut key = FlowKey::new();
    for (bytes, theirs) in frames.iter().zip(theirs.lines()) {
        key.begin(0, OfPort::NONE.0);
        extract(&mut Frame::copy_of(bytes), &mut key, Limits { vlans: 2 }).expect("longer than an Ethernet header");
        assert_eq!(format_key(&key, &PortNames::new()), theirs, "{bytes:02x?}");
    }
}

/// The file format of tcpdump (little-endian, Ethernet).
fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let mut file = words(&[0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65535, 1]);
    for frame in frames {
        file.extend(words(&[0, 0, frame.len() as u32, frame.len() as u32]));
        file.extend(frame);
    }
    file
}

/// A small generator of random numbers (xorshift), so that every run sees the same frames.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.below(256) as u8).collect()
    }

    fn up_to(&mut self, n: usize) -> Vec<u8> {
        let n = self.below(n);
        self.bytes(n)
    }
}

fn frame(d: &mut Dice) -> Vec<u8> {
    let mut kind = d.pick(&[0x0800u16, 0x0800, 0x86dd, 0x86dd, 0x0806, 0x8035, 0x8847, 0x8848, 0x894f, 0x1234]);
    let mut body = match kind {
        0x0800 => ipv4(d),
        0x86dd => ipv6(d),
        0x0806 | 0x8035 => arp(d),
        0x8847 | 0x8848 => mpls(d),
        0x894f => nsh(d),
        _ => d.bytes(20),
    };
    if d.one_in(16) {
        let llc: &[u8] = d.pick(&[&[0xaa, 0xaa, 3, 0, 0, 0][..], &[0xaa, 0xaa, 3, 0, 0, 1], &[0x42, 0x42, 3]]);
        body = [llc, &kind.to_be_bytes(), &body].concat();
        kind = body.len().min(0x5ff) as u16;
    }
    let mut frame = d.bytes(12);
    for _ in 0..d.pick(&[0, 0, 0, 1, 1, 2, 3]) {
        frame.extend(d.pick(&[0x8100u16, 0x8100, 0x88a8]).to_be_bytes());
        frame.extend(d.bytes(2));
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(body);
    if d.one_in(20) {
        let len = 14 + d.below(frame.len() - 13);
        frame.truncate(len);
    }
    frame
}

fn ipv4(d: &mut Dice) -> Vec<u8> {
    let proto = d.pick(&[6, 17, 1, 132, 2, 58, 47, 6, 17]);
    let ihl = d.pick(&[5usize, 5, 5, 5, 6, 7, 4, 15]);
    let options = d.bytes(ihl.saturating_sub(5) * 4);
    let payload = transport(d, proto);
    let mut len = (20 + options.len() + payload.len()) as i32;
    if d.one_in(10) {
        len += d.pick(&[-1, 1, 5, -20, 300]);
    }
    let mut header = vec![d.pick(&[4u8, 4, 4, 4, 4, 4, 5]) << 4 | ihl as u8];
    header.extend(d.bytes(1));
    header.extend((len.max(0) as u16).to_be_bytes());
    header.extend([0, 1]);
    header.extend(d.pick(&[0u16, 0, 0, 0x4000, 0x2000, 0x2001, 5]).to_be_bytes());
    header.extend([d.pick(&[64, 1, 0]), proto]);
    header.extend(d.bytes(10));
    let padding = d.up_to(40);
    [header, options, payload, padding].concat()
}

fn ipv6(d: &mut Dice) -> Vec<u8> {
    let mut next = d.pick(&[6, 17, 58, 132, 58, 2]);
    let payload = transport(d, next);
    let mut chain: Vec<u8> = Vec::new();
    for _ in 0..d.below(3) {
        let kind = d.pick(&[0u8, 43, 60, 51, 44, 44]);
        let mut header = vec![next];
        match kind {
            44 => {
                header.push(0);
                header.extend(d.pick(&[0u16, 1, 8, 9, 0x100]).to_be_bytes());
                header.extend(d.bytes(4));
            }
            51 => {
                let len = d.pick(&[1u8, 2, 4]);
                header.push(len);
                header.extend(d.bytes(usize::from(len + 2) * 4 - 2));
            }
            _ => {
                let len = d.pick(&[0u8, 0, 1, 2]);
                header.push(len);
                header.extend(d.bytes(usize::from(len) * 8 + 6));
            }
        }
        header.extend(&chain);
        chain = header;
        next = kind;
    }
    let mut len = (chain.len() + payload.len()) as i32;
    if d.one_in(10) {
        len += d.pick(&[-1, 1, -10]);
    }
    let mut header = vec![d.pick(&[6u8, 6, 6, 6, 5]) << 4 | d.below(16) as u8];
    header.extend(d.bytes(3));
    header.extend((len.max(0) as u16).to_be_bytes());
    header.extend([next, d.pick(&[64, 255, 0])]);
    header.extend(d.bytes(32));
    let padding = d.up_to(12);
    [header, chain, payload, padding].concat()
}

fn transport(d: &mut Dice, proto: u8) -> Vec<u8> {
    let mut header = match proto {
        6 => {
            let mut tcp = d.bytes(20);
            tcp[12] = d.pick(&[5, 5, 5, 6, 4, 15]) << 4 | tcp[12] & 15;
            tcp
        }
        58 => neighbour(d),
        132 => d.bytes(12),
        47 => d.up_to(30),
        _ => d.bytes(8),
    };
    header.extend(d.up_to(20));
    if d.one_in(7) {
        let len = d.below(header.len() + 1);
        header.truncate(len);
    }
    header
}

fn neighbour(d: &mut Dice) -> Vec<u8> {
    let kind = d.pick(&[128, 135, 136, 135, 136, 1]);
    let mut message = vec![kind, d.pick(&[0, 0, 0, 1])];
    message.extend(d.bytes(6));
    if matches!(kind, 135 | 136) {
        message.extend(d.bytes(16));
        for _ in 0..d.below(3) {
            let len = d.pick(&[1u8, 1, 1, 2, 0]);
            message.extend([d.pick(&[1, 2, 3]), len]);
            message.extend(d.bytes((usize::from(len) * 8).max(8) - 2));
        }
    }
    message
}

fn arp(d: &mut Dice) -> Vec<u8> {
    let mut arp: Vec<u8> = vec![0, d.pick(&[1, 1, 1, 6]), 8, d.pick(&[0, 0, 6]), d.pick(&[6, 6, 6, 8]), 4];
    arp.extend(d.pick(&[1u16, 2, 3, 300]).to_be_bytes());
    arp.extend(d.bytes(38));
    arp
}

fn mpls(d: &mut Dice) -> Vec<u8> {
    let mut stack = Vec::new();
    for _ in 0..1 + d.below(4) {
        let mut entry = d.bytes(4);
        entry[2] = entry[2] & !1 | d.pick(&[0, 0, 1]);
        stack.extend(entry);
    }
    stack.extend(d.up_to(20));
    stack
}

fn nsh(d: &mut Dice) -> Vec<u8> {
    let first = d.pick(&[0u16, 0, 0, 1]) << 14 | (d.below(256) as u16) << 6 | d.pick(&[6u16, 6, 2, 4, 5, 1]);
    let mut header = first.to_be_bytes().to_vec();
    header.extend([d.pick(&[1, 1, 2, 3]) | d.pick(&[0, 0, 0x10]), d.pick(&[1, 2, 3, 4])]);
    let rest = d.pick(&[20, 20, 24, 8]);
    header.extend(d.bytes(rest));
    header
}
