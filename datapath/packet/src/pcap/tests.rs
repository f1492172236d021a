use proptest::prelude::*;

use super::*;

fn frames(file: &[u8]) -> Result<Vec<Vec<u8>>, PcapError> {
    Reader::new(file)?.map(|r| r.map(|r| r.bytes.to_vec())).collect()
}

fn written(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out).unwrap();
    for (i, frame) in frames.iter().enumerate() {
        writer.write_at(Duration::from_micros(i as u64), frame).unwrap();
    }
    out
}

/// The same capture in the three other magics.
fn rewritten(file: &[u8], big: bool, nanos: bool) -> Vec<u8> {
    let mut out = file.to_vec();
    let mut swap = |at: usize, n: usize| out[at..at + n].reverse();
    let mut at = FILE_HEADER;
    let lengths: Vec<usize> = Reader::new(file).unwrap().map(|r| r.unwrap().bytes.len()).collect();
    if big {
        for (field, n) in [(0, 4), (4, 2), (6, 2), (16, 4), (20, 4)] {
            swap(field, n);
        }
        for len in &lengths {
            (0..4).for_each(|i| swap(at + 4 * i, 4));
            at += RECORD_HEADER + len;
        }
    }
    if nanos {
        let magic = if big { NANOS.to_be_bytes() } else { NANOS.to_le_bytes() };
        out[..4].copy_from_slice(&magic);
    }
    out
}

#[test]
fn a_capture_that_tcpdump_would_write_is_read() {
    // tcpdump -w of one 4-byte frame at 1 s and 2 us, by hand from the format's description.
    let file = [
        0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0, // file
        1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 60, 0, 0, 0, 1, 2, 3, 4, // record
    ];
    let records: Vec<_> = Reader::new(&file).unwrap().map(Result::unwrap).collect();
    let expected = Record { at: Duration::new(1, 2000), bytes: &[1, 2, 3, 4], full_len: 60 };
    assert_eq!(records, [expected]);
}

#[test]
fn a_wrong_header_is_named() {
    let good = written(&[]);
    for len in 0..FILE_HEADER {
        assert_eq!(frames(&good[..len]), Err(PcapError::NoHeader { have: len }));
    }
    let with = |at: usize, byte: u8| {
        let mut file = good.clone();
        file[at] = byte;
        frames(&file).unwrap_err()
    };
    assert_eq!(with(0, 0), PcapError::BadMagic { magic: 0xa1b2_c300 });
    assert_eq!(with(4, 3), PcapError::BadVersion { major: 3, minor: 4 });
    assert_eq!(with(20, 113), PcapError::NotEthernet { link_type: 113 });
}

#[test]
fn arbitrary_bytes_never_panic() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let _ = frames(bytes);
        let mut with_header = written(&[]);
        with_header.extend_from_slice(bytes);
        let read = Reader::new(&with_header).unwrap().map_while(Result::ok).map(|r| r.bytes.len()).sum::<usize>();
        assert!(read <= bytes.len());
    });
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_every_dialect(
        sent in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..10),
        big: bool,
        nanos: bool,
    ) {
        let file = rewritten(&written(&sent), big, nanos);
        let tick = if nanos { Duration::from_nanos(1) } else { Duration::from_micros(1) };
        let records: Vec<_> = Reader::new(&file).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(records.len(), sent.len());
        for (i, (record, frame)) in records.iter().zip(&sent).enumerate() {
            prop_assert_eq!(record.bytes, &frame[..]);
            prop_assert_eq!(record.at, tick * i as u32);
        }
    }

    #[test]
    fn a_torn_file_yields_its_whole_records_and_says_where_it_ends(
        sent in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 1..6),
        cut in 1usize..60,
    ) {
        let file = written(&sent);
        let cut = cut.min(file.len() - FILE_HEADER);
        let torn = &file[..file.len() - cut];
        let read: Vec<_> = Reader::new(torn).unwrap().collect();
        let whole = read.iter().filter(|r| r.is_ok()).count();
        prop_assert!(whole < sent.len());
        for (record, frame) in read.iter().zip(&sent).take(whole) {
            prop_assert_eq!(record.as_ref().unwrap().bytes, &frame[..]);
        }
        prop_assert!(read.len() - whole <= 1);
    }
}
