use proptest::prelude::*;

use super::*;

fn shown(bytes: &[u8], verbosity: u32) -> String {
    show(bytes, Style { names: &Names::none(), verbosity, table_id: true })
}

/// An OFPT_ERROR of 1.3 that quotes `data`.
fn error(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + data.len()).expect("it fits");
    let mut bytes = vec![4, 1];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 1, 0, 0]);
    bytes.extend(data);
    bytes
}

#[test]
fn errors_quoted_in_errors_end_somewhere() {
    let mut bytes = vec![4, 20, 0, 8, 0, 0, 0, 9];
    while bytes.len() < 60_000 {
        bytes = error(&bytes);
    }
    let text = shown(&bytes, 0);
    assert_eq!(text.matches("OFPT_ERROR").count(), usize::from(MAX_DEPTH) + 1);
    assert!(shown(&error(&[4, 20, 0, 8, 0, 0, 0, 9]), 0).ends_with("OFPT_BARRIER_REQUEST (OF1.3) (xid=0x9):\n"));
}

#[test]
fn what_stands_before_a_bad_entry_is_shown() {
    // two meters, the second of which is cut
    let mut bytes = vec![4, 19, 0, 32, 0, 0, 0, 1, 0, 10, 0, 0, 0, 0, 0, 0];
    bytes.extend([0, 8, 0, 1, 0, 0, 0, 5, 0, 9, 0, 1, 0, 0, 0, 6]);
    let text = shown(&bytes, 0);
    assert!(text.contains("meter=5 kbps bands=\n***decode error: OFPBRC_BAD_LEN***\n00000000  04 13"), "{text}");
}

#[test]
fn flags_that_nobody_knows_are_said() {
    let mut bytes = vec![4, 18, 0, 16, 0, 0, 0, 1, 0, 8, 0xff, 0, 0, 0, 0, 0];
    assert_eq!(
        shown(&bytes, 0),
        "OFPST_GROUP_FEATURES request (OF1.3) (xid=0x1): flags=[***unknown flags 0xff00***]\n"
    );
    bytes[10..12].copy_from_slice(&[0, 1]);
    assert!(shown(&bytes, 0).ends_with(": flags=[more]\n"));
}

#[test]
fn an_impossible_length_hides_the_name() {
    let text = shown(&[4, 20, 0, 9, 0, 0, 0, 1, 0], 0);
    assert!(text.starts_with("***decode error: OFPBRC_BAD_LEN***\n"), "{text}");
}

proptest! {
    #[test]
    fn anything_is_shown(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0u8..36, verbosity in 0u32..4) {
        let mut bytes = bytes;
        if let [version, number, high, low, ..] = bytes.as_mut_slice() {
            (*version, *number) = (*version % 6 + 1, kind);
            (*high, *low) = (0, 0);
        }
        let length = (bytes.len() as u16).to_be_bytes();
        bytes.iter_mut().skip(2).zip(length).for_each(|(byte, length)| *byte = length);
        prop_assert!(shown(&bytes, verbosity).ends_with('\n'));
    }
}
