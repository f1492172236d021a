use weft_packet::builder::Builder;
use weft_packet::checksum::Sum;
use weft_packet::wire::layers;
use weft_packet::{Gso, Mac};

use super::*;
use crate::counters::PortCounters;
use crate::sim::{tcp, udp};

fn prepared(frame: Frame, caps: TxCaps, mtu: u32) -> (Vec<Frame>, PortCounters) {
    let (mut frames, mut scratch, counters) = (vec![frame], Vec::new(), PortCounters::default());
    prepare(&mut frames, &mut scratch, caps, mtu, &mut Pool::new(4), |reason, _| counters.count_drop(reason, 1));
    assert!(scratch.is_empty());
    (frames, counters)
}

/// A TCP frame as a host with segmentation offload sends it.
fn gso(payload: usize) -> Frame {
    let mut frame = Frame::copy_of(&tcp(0x10, payload));
    frame.l3 = 14;
    frame.l4 = 34;
    frame.checksum = ChecksumState::Partial { start: 34, offset: 16 };
    frame.gso = Some(Gso { kind: GsoKind::TcpV4, size: 1448, header_len: 54, ecn: false });
    frame
}

const ALL: TxCaps = TxCaps { checksum: true, tso4: true, tso6: true, uso: true };

#[test]
fn what_the_device_can_do_is_left_to_it() {
    let (frames, _) = prepared(gso(20_000), ALL, 1500);
    assert_eq!((frames.len(), frames[0].gso.is_some(), frames[0].len()), (1, true, 20_054));
}

#[test]
fn what_it_cannot_do_is_done_here() {
    for caps in [TxCaps::default(), TxCaps { checksum: true, tso6: true, uso: true, tso4: false }] {
        let (frames, _) = prepared(gso(20_000), caps, 1500);
        assert_eq!(frames.len(), 14);
        for frame in &frames {
            assert!(frame.len() <= 1514 && frame.gso.is_none() && frame.checksum == ChecksumState::Valid);
            let found = layers::find(frame.bytes()).unwrap();
            assert_eq!(found.pseudo(frame.bytes()).with(&frame.bytes()[found.l4..]).finish(), 0);
        }
    }
}

#[test]
fn a_partial_checksum_is_filled_in_for_a_device_that_does_not() {
    let mut frame = Frame::copy_of(&udp(1, 2, 3));
    let found = layers::find(frame.bytes()).unwrap();
    let pseudo = found.pseudo(frame.bytes()).folded();
    frame.bytes_mut()[40..42].copy_from_slice(&pseudo.to_be_bytes());
    frame.checksum = ChecksumState::Partial { start: 34, offset: 6 };
    let (frames, _) = prepared(frame, TxCaps::default(), 1500);
    assert_eq!(frames[0].bytes(), udp(1, 2, 3));
    let sum = Sum::of(&frames[0].bytes()[found.l4..]).join(found.pseudo(frames[0].bytes()));
    assert_eq!(sum.finish(), 0);
}

#[test]
fn tags_do_not_count_against_the_mtu_but_payload_does() {
    let build = |payload: usize| {
        let mut frame = Frame::copy_of(
            &Builder::ethernet(Mac::BROADCAST, Mac::ZERO)
                .vlan(0x8100, 5)
                .ipv4([1; 4], [2; 4])
                .udp(1, 2)
                .payload(&vec![0; payload])
                .build(),
        );
        frame.l3 = 18;
        frame
    };
    assert_eq!(prepared(build(1472), ALL, 1500).0.len(), 1);
    let (frames, counters) = prepared(build(1473), ALL, 1500);
    assert_eq!((frames.len(), counters.drops(DropReason::MtuExceeded)), (0, 1));
    // Segments that would not fit do not go out either.
    let (frames, counters) = prepared(gso(20_000), ALL, 1400);
    assert_eq!((frames.len(), counters.drops(DropReason::MtuExceeded)), (0, 1));
}

#[test]
fn a_gso_frame_that_is_none_is_an_error_of_the_port() {
    let mut frame = gso(3000);
    frame.bytes_mut()[23] = 47; // not TCP
    let (frames, counters) = prepared(frame, TxCaps::default(), 1500);
    assert_eq!((frames.len(), counters.drops(DropReason::TxError)), (0, 1));
}

#[test]
fn a_cut_frame_needs_no_help() {
    let mut frame = gso(3000);
    truncate(&mut frame, 100);
    assert_eq!((frame.len(), frame.gso, frame.checksum), (100, None, ChecksumState::Unknown));
    let mut short = gso(3000);
    truncate(&mut short, 10_000);
    assert!(short.gso.is_some());
}
