use super::*;
use weft_openflow::meter::MeterBand;

fn config(id: u32, flags: MeterFlags, bands: usize) -> MeterConfig {
    let band = MeterBand { kind: BandKind::Drop, rate: 1, burst: 0 };
    MeterConfig { id: MeterId(id), flags, bands: vec![band; bands] }
}

/// As ovs-vswitchd 3.1 answers.
#[test]
fn what_cannot_be_is_refused() {
    let (mut meters, mut numbers) = (Meters::default(), Numbers::default());
    let mut add = |id, flags, bands| meters.add(config(id, flags, bands), &mut numbers, Time::ZERO).map(|told| told.0);
    let pktps = MeterFlags::PKTPS;
    assert_eq!(add(1, pktps | MeterFlags::STATS, 1), Ok(0));
    assert_eq!(add(1, pktps, 1), Err(ErrorCode::OFPMMFC_METER_EXISTS));
    assert_eq!(add(2, MeterFlags::STATS, 1), Err(ErrorCode::OFPMMFC_BAD_FLAGS));
    assert_eq!(add(2, pktps | MeterFlags::KBPS, 1), Err(ErrorCode::OFPMMFC_BAD_FLAGS));
    assert_eq!(add(2, pktps, 9), Err(ErrorCode::OFPMMFC_OUT_OF_BANDS));
    assert_eq!(add(MeterId::ALL.0, pktps, 1), Err(ErrorCode::OFPMMFC_INVALID_METER));
    assert_eq!(add(0, pktps, 1), Err(ErrorCode::OFPMMFC_INVALID_METER));
    assert_eq!(add(262_145, pktps, 8), Ok(1));
    assert_eq!(add(MeterId::CONTROLLER.0, pktps, 1), Ok(2));
    assert_eq!(add(MeterId::SLOWPATH.0, pktps, 1), Ok(3));
    let missing = meters.modify(config(9, pktps, 1), Time::ZERO).map(|told| told.0);
    assert_eq!(missing, Err(ErrorCode::OFPMMFC_UNKNOWN_METER));
    assert_eq!(meters.modify(config(1, MeterFlags::KBPS, 2), Time::ZERO).map(|told| told.0), Ok(0));
    assert!(meters.remove(MeterId(9), &mut numbers).is_none());
    assert!(meters.remove(MeterId(262_145), &mut numbers).is_some());
    let again = meters.add(config(5, pktps, 1), &mut numbers, Time::ZERO).map(|told| told.0);
    assert_eq!(again, Ok(1), "the lowest free number");
}
