//! Every error that has a name, with what each version puts on the wire. Sorted by name.

use super::ErrorCode;

/// What one version puts on the wire for an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wire {
    /// `type`, `code`.
    Standard(u16, u16),
    /// 1.0 and 1.1: Nicira's vendor error with an inner type and code.
    Nicira(u16, u16),
    /// 1.2+: OFPET_EXPERIMENTER with the experimenter's id and its exp_type.
    Experimenter(u32, u16),
    /// This version cannot say it.
    Unencodable,
}

/// One error.
pub(super) struct Row {
    pub name: &'static str,
    /// For 1.0 to 1.5.
    pub wire: [Wire; 6],
}

#[rustfmt::skip]
pub(super) static ROWS: [Row; 198] = [
    row("NXBAC_BAD_CONJUNCTION", [n(2, 526), n(2, 526), x(NX, 15), x(NX, 15), x(NX, 15), x(NX, 15)]),
    row("NXBAC_BAD_ED_PROP", [U, U, U, x(NX, 41), x(NX, 41), x(NX, 41)]),
    row("NXBAC_BAD_HEADER_TYPE", [U, U, U, x(NX, 39), x(NX, 39), x(NX, 39)]),
    row("NXBAC_CT_DATAPATH_SUPPORT", [n(1, 265), n(1, 265), x(NX, 42), x(NX, 42), x(NX, 42), x(NX, 42)]),
    row("NXBAC_MUST_BE_ZERO", [n(2, 256), n(2, 256), x(NX, 11), x(NX, 11), x(NX, 11), x(NX, 11)]),
    row("NXBAC_UNKNOWN_ED_PROP", [U, U, U, x(NX, 40), x(NX, 40), x(NX, 40)]),
    row("NXBMC_CT_DATAPATH_SUPPORT", [n(1, 264), n(1, 264), x(NX, 43), x(NX, 43), x(NX, 43), x(NX, 43)]),
    row("NXBRC_BAD_REASON", [n(1, 516), n(1, 516), x(NX, 5), x(NX, 5), x(NX, 5), x(NX, 5)]),
    row("NXBRC_FM_BAD_EVENT", [n(1, 520), n(1, 520), x(NX, 9), x(NX, 9), x(NX, 9), x(NX, 9)]),
    row("NXBRC_MUST_BE_ZERO", [n(1, 515), n(1, 515), x(NX, 4), x(NX, 4), x(NX, 4), x(NX, 4)]),
    row("NXBRC_NXM_BAD_TYPE", [n(1, 257), n(1, 257), x(NX, 3), x(NX, 3), x(NX, 3), x(NX, 3)]),
    row("NXBRC_NXM_INVALID", [n(1, 256), n(1, 256), x(NX, 2), x(NX, 2), x(NX, 2), x(NX, 2)]),
    row("NXBRC_UNENCODABLE_ERROR", [n(1, 521), n(1, 521), x(NX, 10), x(NX, 10), x(NX, 10), x(NX, 10)]),
    row("NXFMFC_BAD_TABLE_ID", [n(5, 257), n(5, 257), x(NX, 13), x(NX, 13), x(NX, 13), x(NX, 13)]),
    row("NXFMFC_HARDWARE", [n(5, 256), n(5, 256), x(NX, 12), x(NX, 12), x(NX, 12), x(NX, 12)]),
    row("NXFMFC_INVALID_TLV_FIELD", [n(1, 536), n(1, 536), x(NX, 37), x(NX, 37), x(NX, 37), x(NX, 37)]),
    row("NXQOFC_QUEUE_ERROR", [U, U, U, U, x(NX, 23), x(NX, 23)]),
    row("NXR_NOT_SUPPORTED", [n(1, 533), n(1, 533), x(NX, 34), x(NX, 34), x(NX, 34), x(NX, 34)]),
    row("NXR_STALE", [n(1, 534), n(1, 534), x(NX, 35), x(NX, 35), x(NX, 35), x(NX, 35)]),
    row("NXST_NOT_CONFIGURED", [n(1, 535), n(1, 535), x(NX, 36), x(NX, 36), x(NX, 36), x(NX, 36)]),
    row("NXTFFC_DUP_TABLE", [U, U, U, x(NX, 44), x(NX, 44), x(NX, 44)]),
    row("NXTTMFC_ALREADY_MAPPED", [n(1, 531), n(1, 531), x(NX, 20), x(NX, 20), x(NX, 20), x(NX, 20)]),
    row("NXTTMFC_BAD_COMMAND", [n(1, 527), n(1, 527), x(NX, 16), x(NX, 16), x(NX, 16), x(NX, 16)]),
    row("NXTTMFC_BAD_FIELD_IDX", [n(1, 529), n(1, 529), x(NX, 18), x(NX, 18), x(NX, 18), x(NX, 18)]),
    row("NXTTMFC_BAD_OPT_LEN", [n(1, 528), n(1, 528), x(NX, 17), x(NX, 17), x(NX, 17), x(NX, 17)]),
    row("NXTTMFC_DUP_ENTRY", [n(1, 532), n(1, 532), x(NX, 21), x(NX, 21), x(NX, 21), x(NX, 21)]),
    row("NXTTMFC_INVALID_TLV_DEL", [n(1, 537), n(1, 537), x(NX, 38), x(NX, 38), x(NX, 38), x(NX, 38)]),
    row("NXTTMFC_TABLE_FULL", [n(1, 530), n(1, 530), x(NX, 19), x(NX, 19), x(NX, 19), x(NX, 19)]),
    row("OFPACFC_EPERM", [U, U, U, x(ONF, 2372), s(15, 2), s(15, 2)]),
    row("OFPACFC_INVALID", [U, U, U, x(ONF, 2370), s(15, 0), s(15, 0)]),
    row("OFPACFC_UNSUPPORTED", [U, U, U, x(ONF, 2371), s(15, 1), s(15, 1)]),
    row("OFPBAC_BAD_ARGUMENT", all(s(2, 5))),
    row("OFPBAC_BAD_LEN", all(s(2, 1))),
    row("OFPBAC_BAD_METER", [U, U, U, U, U, s(2, 17)]),
    row("OFPBAC_BAD_OUT_GROUP", since11(n(2, 9), s(2, 9))),
    row("OFPBAC_BAD_OUT_PORT", all(s(2, 4))),
    row("OFPBAC_BAD_QUEUE", all(s(2, 8))),
    row("OFPBAC_BAD_SET_ARGUMENT", [n(1, 525), n(1, 525), s(2, 15), s(2, 15), s(2, 15), s(2, 15)]),
    row("OFPBAC_BAD_SET_LEN", [n(1, 524), n(1, 524), s(2, 14), s(2, 14), s(2, 14), s(2, 14)]),
    row("OFPBAC_BAD_SET_MASK", [U, U, U, x(ONF, 4250), x(ONF, 4250), s(2, 16)]),
    row("OFPBAC_BAD_SET_TYPE", [n(1, 523), n(1, 523), s(2, 13), s(2, 13), s(2, 13), s(2, 13)]),
    row("OFPBAC_BAD_TAG", since11(U, s(2, 12))),
    row("OFPBAC_BAD_TYPE", all(s(2, 0))),
    row("OFPBAC_BAD_VENDOR", all(s(2, 2))),
    row("OFPBAC_BAD_VENDOR_TYPE", all(s(2, 3))),
    row("OFPBAC_EPERM", all(s(2, 6))),
    row("OFPBAC_MATCH_INCONSISTENT", since11(n(1, 522), s(2, 10))),
    row("OFPBAC_TOO_MANY", all(s(2, 7))),
    row("OFPBAC_UNSUPPORTED_ORDER", since11(U, s(2, 11))),
    row("OFPBFC_BAD_FLAGS", [U, U, U, x(ONF, 2307), s(17, 7), s(17, 7)]),
    row("OFPBFC_BAD_ID", [U, U, U, x(ONF, 2302), s(17, 2), s(17, 2)]),
    row("OFPBFC_BAD_TYPE", [U, U, U, x(ONF, 2306), s(17, 6), s(17, 6)]),
    row("OFPBFC_BAD_VERSION", [U, U, U, U, x(NX, 22), x(NX, 22)]),
    row("OFPBFC_BUNDLE_CLOSED", [U, U, U, x(ONF, 2304), s(17, 4), s(17, 4)]),
    row("OFPBFC_BUNDLE_EXIST", [U, U, U, x(ONF, 2303), s(17, 3), s(17, 3)]),
    row("OFPBFC_BUNDLE_IN_PROGRESS", [U, U, U, x(ONF, 2315), s(17, 15), s(17, 15)]),
    row("OFPBFC_EPERM", [U, U, U, x(ONF, 2301), s(17, 1), s(17, 1)]),
    row("OFPBFC_MSG_BAD_LEN", [U, U, U, x(ONF, 2308), s(17, 8), s(17, 8)]),
    row("OFPBFC_MSG_BAD_XID", [U, U, U, x(ONF, 2309), s(17, 9), s(17, 9)]),
    row("OFPBFC_MSG_CONFLICT", [U, U, U, x(ONF, 2311), s(17, 11), s(17, 11)]),
    row("OFPBFC_MSG_FAILED", [U, U, U, x(ONF, 2313), s(17, 13), s(17, 13)]),
    row("OFPBFC_MSG_TOO_MANY", [U, U, U, x(ONF, 2312), s(17, 12), s(17, 12)]),
    row("OFPBFC_MSG_UNSUP", [U, U, U, x(ONF, 2310), s(17, 10), s(17, 10)]),
    row("OFPBFC_OUT_OF_BUNDLES", [U, U, U, x(ONF, 2305), s(17, 5), s(17, 5)]),
    row("OFPBFC_SCHED_FUTURE", [U, U, U, U, U, s(17, 17)]),
    row("OFPBFC_SCHED_NOT_SUPPORTED", [U, U, U, U, U, s(17, 16)]),
    row("OFPBFC_SCHED_PAST", [U, U, U, U, U, s(17, 18)]),
    row("OFPBFC_TIMEOUT", [U, U, U, x(ONF, 2314), s(17, 14), s(17, 14)]),
    row("OFPBFC_UNKNOWN", [U, U, U, x(ONF, 2300), s(17, 0), s(17, 0)]),
    row("OFPBIC_BAD_EXPERIMENTER", since11(U, s(3, 5))),
    row("OFPBIC_BAD_EXP_TYPE", [U, s(3, 5), s(3, 6), s(3, 6), s(3, 6), s(3, 6)]),
    row("OFPBIC_BAD_LEN", [U, U, s(3, 7), s(3, 7), s(3, 7), s(3, 7)]),
    row("OFPBIC_BAD_TABLE_ID", since11(U, s(3, 2))),
    row("OFPBIC_DUP_INST", [U, n(3, 256), x(ONF, 2600), x(ONF, 2600), s(3, 9), s(3, 9)]),
    row("OFPBIC_EPERM", [U, U, s(3, 8), s(3, 8), s(3, 8), s(3, 8)]),
    row("OFPBIC_UNKNOWN_INST", since11(U, s(3, 0))),
    row("OFPBIC_UNSUP_INST", since11(n(2, 257), s(3, 1))),
    row("OFPBIC_UNSUP_METADATA", since11(U, s(3, 3))),
    row("OFPBIC_UNSUP_METADATA_MASK", since11(U, s(3, 4))),
    row("OFPBMC_BAD_DL_ADDR_MASK", since11(U, s(4, 3))),
    row("OFPBMC_BAD_FIELD", since11(n(0, 263), s(4, 6))),
    row("OFPBMC_BAD_LEN", since11(U, s(4, 1))),
    row("OFPBMC_BAD_MASK", [n(1, 259), n(1, 259), s(4, 8), s(4, 8), s(4, 8), s(4, 8)]),
    row("OFPBMC_BAD_NW_ADDR_MASK", since11(U, s(4, 4))),
    row("OFPBMC_BAD_PREREQ", [n(1, 260), n(1, 260), s(4, 9), s(4, 9), s(4, 9), s(4, 9)]),
    row("OFPBMC_BAD_TAG", since11(U, s(4, 2))),
    row("OFPBMC_BAD_TYPE", since11(U, s(4, 0))),
    row("OFPBMC_BAD_VALUE", since11(n(1, 258), s(4, 7))),
    row("OFPBMC_BAD_WILDCARDS", since11(n(1, 262), s(4, 5))),
    row("OFPBMC_DUP_FIELD", [n(1, 261), n(1, 261), s(4, 10), s(4, 10), s(4, 10), s(4, 10)]),
    row("OFPBMC_EPERM", [U, U, s(4, 11), s(4, 11), s(4, 11), s(4, 11)]),
    row("OFPBPC_BAD_EXPERIMENTER", [n(14, 5), n(14, 5), x(NX, 30), x(ONF, 4445), s(14, 5), s(14, 5)]),
    row("OFPBPC_BAD_EXP_TYPE", [n(14, 6), n(14, 6), x(NX, 31), x(ONF, 4446), s(14, 6), s(14, 6)]),
    row("OFPBPC_BAD_EXP_VALUE", [n(14, 7), n(14, 7), x(NX, 32), x(ONF, 4447), s(14, 7), s(14, 7)]),
    row("OFPBPC_BAD_LEN", [n(13, 3), n(13, 3), x(NX, 26), s(13, 3), s(14, 1), s(14, 1)]),
    row("OFPBPC_BAD_TYPE", [n(13, 2), n(13, 2), x(NX, 25), s(13, 2), s(14, 0), s(14, 0)]),
    row("OFPBPC_BAD_VALUE", [n(13, 4), n(13, 4), x(NX, 27), s(13, 4), s(14, 2), s(14, 2)]),
    row("OFPBPC_DUP_TYPE", [n(14, 4), n(14, 4), x(NX, 29), x(ONF, 4444), s(14, 4), s(14, 4)]),
    row("OFPBPC_EPERM", [n(14, 8), n(14, 8), x(NX, 33), x(ONF, 4448), s(14, 8), s(14, 8)]),
    row("OFPBPC_TOO_MANY", [n(14, 3), n(14, 3), x(NX, 28), x(ONF, 4443), s(14, 3), s(14, 3)]),
    row("OFPBRC_BAD_LEN", all(s(1, 6))),
    row("OFPBRC_BAD_PACKET", [U, U, s(1, 12), s(1, 12), s(1, 12), s(1, 12)]),
    row("OFPBRC_BAD_PORT", [n(1, 514), n(1, 514), s(1, 11), s(1, 11), s(1, 11), s(1, 11)]),
    row("OFPBRC_BAD_STAT", all(s(1, 2))),
    row("OFPBRC_BAD_SUBTYPE", all(s(1, 4))),
    row("OFPBRC_BAD_TABLE_ID", since11(n(1, 512), s(1, 9))),
    row("OFPBRC_BAD_TYPE", all(s(1, 1))),
    row("OFPBRC_BAD_VENDOR", all(s(1, 3))),
    row("OFPBRC_BAD_VERSION", all(s(1, 0))),
    row("OFPBRC_BUFFER_EMPTY", all(s(1, 7))),
    row("OFPBRC_BUFFER_UNKNOWN", all(s(1, 8))),
    row("OFPBRC_EPERM", all(s(1, 5))),
    row("OFPBRC_IS_SECONDARY", [s(1, 5), s(1, 5), s(1, 10), s(1, 10), s(1, 10), s(1, 10)]),
    row("OFPBRC_MULTIPART_BAD_SCHED", [U, U, U, U, U, s(1, 16)]),
    row("OFPBRC_MULTIPART_BUFFER_OVERFLOW", [U, U, U, s(1, 13), s(1, 13), s(1, 13)]),
    row("OFPBRC_MULTIPART_REPLY_TIMEOUT", [U, U, U, x(ONF, 2641), s(1, 15), s(1, 15)]),
    row("OFPBRC_MULTIPART_REQUEST_TIMEOUT", [U, U, U, x(ONF, 2640), s(1, 14), s(1, 14)]),
    row("OFPBRC_PIPELINE_FIELDS_ONLY", [U, U, U, U, U, s(1, 17)]),
    row("OFPBRC_UNKNOWN", [U, U, U, U, U, s(1, 18)]),
    row("OFPFMFC_BAD_COMMAND", since11(s(3, 4), s(5, 6))),
    row("OFPFMFC_BAD_EMERG_TIMEOUT", since11(s(3, 3), U)),
    row("OFPFMFC_BAD_FLAGS", [n(3, 258), n(5, 258), s(5, 7), s(5, 7), s(5, 7), s(5, 7)]),
    row("OFPFMFC_BAD_PRIORITY", [U, U, U, x(ONF, 2360), s(5, 9), s(5, 9)]),
    row("OFPFMFC_BAD_TABLE_ID", since11(U, s(5, 2))),
    row("OFPFMFC_BAD_TIMEOUT", since11(U, s(5, 5))),
    row("OFPFMFC_CANT_SYNC", [U, U, U, U, s(5, 8), s(5, 8)]),
    row("OFPFMFC_EPERM", since11(s(3, 2), s(5, 4))),
    row("OFPFMFC_IS_SYNC", [U, U, U, U, s(5, 10), s(5, 10)]),
    row("OFPFMFC_OVERLAP", since11(s(3, 1), s(5, 3))),
    row("OFPFMFC_TABLE_FULL", since11(s(3, 0), s(5, 1))),
    row("OFPFMFC_UNKNOWN", since11(U, s(5, 0))),
    row("OFPFMFC_UNSUPPORTED", since11(s(3, 5), U)),
    row("OFPGMFC_BAD_BUCKET", [n(6, 12), U, s(6, 12), s(6, 12), s(6, 12), s(6, 12)]),
    row("OFPGMFC_BAD_COMMAND", [n(6, 11), U, s(6, 11), s(6, 11), s(6, 11), s(6, 11)]),
    row("OFPGMFC_BAD_TYPE", [n(6, 10), U, s(6, 10), s(6, 10), s(6, 10), s(6, 10)]),
    row("OFPGMFC_BAD_WATCH", [n(6, 13), U, s(6, 13), s(6, 13), s(6, 13), s(6, 13)]),
    row("OFPGMFC_BUCKET_EXISTS", [n(6, 16), U, U, U, U, s(6, 16)]),
    row("OFPGMFC_CHAINED_GROUP", [n(6, 9), U, s(6, 9), s(6, 9), s(6, 9), s(6, 9)]),
    row("OFPGMFC_CHAINING_UNSUPPORTED", since11(n(6, 5), s(6, 5))),
    row("OFPGMFC_EPERM", [n(6, 14), U, s(6, 14), s(6, 14), s(6, 14), s(6, 14)]),
    row("OFPGMFC_GROUP_EXISTS", since11(n(6, 0), s(6, 0))),
    row("OFPGMFC_INVALID_GROUP", since11(n(6, 1), s(6, 1))),
    row("OFPGMFC_LOOP", since11(n(6, 7), s(6, 7))),
    row("OFPGMFC_OUT_OF_BUCKETS", since11(n(6, 4), s(6, 4))),
    row("OFPGMFC_OUT_OF_GROUPS", since11(n(6, 3), s(6, 3))),
    row("OFPGMFC_UNKNOWN_BUCKET", [n(6, 15), U, U, U, U, s(6, 15)]),
    row("OFPGMFC_UNKNOWN_GROUP", since11(n(6, 8), s(6, 8))),
    row("OFPGMFC_WATCH_UNSUPPORTED", since11(n(6, 6), s(6, 6))),
    row("OFPGMFC_WEIGHT_UNSUPPORTED", since11(n(6, 2), s(6, 2))),
    row("OFPHFC_EPERM", all(s(0, 1))),
    row("OFPHFC_INCOMPATIBLE", all(s(0, 0))),
    row("OFPMMFC_BAD_BAND", [U, U, U, s(12, 8), s(12, 8), s(12, 8)]),
    row("OFPMMFC_BAD_BAND_VALUE", [U, U, U, s(12, 9), s(12, 9), s(12, 9)]),
    row("OFPMMFC_BAD_BURST", [U, U, U, s(12, 7), s(12, 7), s(12, 7)]),
    row("OFPMMFC_BAD_COMMAND", [U, U, U, s(12, 4), s(12, 4), s(12, 4)]),
    row("OFPMMFC_BAD_FLAGS", [U, U, U, s(12, 5), s(12, 5), s(12, 5)]),
    row("OFPMMFC_BAD_RATE", [U, U, U, s(12, 6), s(12, 6), s(12, 6)]),
    row("OFPMMFC_INVALID_METER", [U, U, U, s(12, 2), s(12, 2), s(12, 2)]),
    row("OFPMMFC_METER_EXISTS", [U, U, U, s(12, 1), s(12, 1), s(12, 1)]),
    row("OFPMMFC_OUT_OF_BANDS", [U, U, U, s(12, 11), s(12, 11), s(12, 11)]),
    row("OFPMMFC_OUT_OF_METERS", [U, U, U, s(12, 10), s(12, 10), s(12, 10)]),
    row("OFPMMFC_UNKNOWN", [U, U, U, s(12, 0), s(12, 0), s(12, 0)]),
    row("OFPMMFC_UNKNOWN_METER", [U, U, U, s(12, 3), s(12, 3), s(12, 3)]),
    row("OFPMOFC_BAD_COMMAND", [U, U, U, U, s(16, 4), s(16, 4)]),
    row("OFPMOFC_BAD_FLAGS", [n(1, 518), n(1, 518), x(NX, 7), x(NX, 7), s(16, 5), s(16, 5)]),
    row("OFPMOFC_BAD_OUT", [U, U, U, U, s(16, 7), s(16, 7)]),
    row("OFPMOFC_BAD_TABLE_ID", [U, U, U, U, s(16, 6), s(16, 6)]),
    row("OFPMOFC_INVALID_MONITOR", [U, U, U, U, s(16, 2), s(16, 2)]),
    row("OFPMOFC_MONITOR_EXISTS", [n(1, 517), n(1, 517), x(NX, 6), x(NX, 6), s(16, 1), s(16, 1)]),
    row("OFPMOFC_UNKNOWN", [U, U, U, U, s(16, 0), s(16, 0)]),
    row("OFPMOFC_UNKNOWN_MONITOR", [n(1, 519), n(1, 519), x(NX, 8), x(NX, 8), s(16, 3), s(16, 3)]),
    row("OFPPMFC_BAD_ADVERTISE", since11(U, s(7, 3))),
    row("OFPPMFC_BAD_CONFIG", since11(U, s(7, 2))),
    row("OFPPMFC_BAD_HW_ADDR", since11(s(4, 1), s(7, 1))),
    row("OFPPMFC_BAD_PORT", since11(s(4, 0), s(7, 0))),
    row("OFPPMFC_EPERM", [U, U, s(7, 4), s(7, 4), s(7, 4), s(7, 4)]),
    row("OFPQOFC_BAD_PORT", since11(s(5, 0), s(9, 0))),
    row("OFPQOFC_BAD_QUEUE", since11(s(5, 1), s(9, 1))),
    row("OFPQOFC_EPERM", since11(s(5, 2), s(9, 2))),
    row("OFPRRFC_BAD_ROLE", [n(1, 513), n(1, 513), s(11, 2), s(11, 2), s(11, 2), s(11, 2)]),
    row("OFPRRFC_ID_IN_USE", [U, U, U, U, U, s(11, 4)]),
    row("OFPRRFC_ID_UNSUP", [U, U, U, U, U, s(11, 3)]),
    row("OFPRRFC_STALE", [U, U, s(11, 0), s(11, 0), s(11, 0), s(11, 0)]),
    row("OFPRRFC_UNSUP", [U, U, s(11, 1), s(11, 1), s(11, 1), s(11, 1)]),
    row("OFPSCFC_BAD_FLAGS", since11(U, s(10, 0))),
    row("OFPSCFC_BAD_LEN", since11(U, s(10, 1))),
    row("OFPSCFC_EPERM", [U, U, s(10, 2), s(10, 2), s(10, 2), s(10, 2)]),
    row("OFPTFFC_BAD_CAPA", [U, U, U, U, U, s(13, 6)]),
    row("OFPTFFC_BAD_COMMAND", [U, U, U, U, U, s(13, 9)]),
    row("OFPTFFC_BAD_FEATURES", [U, U, U, U, U, s(13, 8)]),
    row("OFPTFFC_BAD_MAX_ENT", [U, U, U, U, U, s(13, 7)]),
    row("OFPTFFC_BAD_METADATA", [U, U, U, s(13, 1), s(13, 1), s(13, 1)]),
    row("OFPTFFC_BAD_TABLE", [U, U, U, s(13, 0), s(13, 0), s(13, 0)]),
    row("OFPTFFC_EPERM", [U, U, U, s(13, 5), s(13, 5), s(13, 5)]),
    row("OFPTFFC_TOO_MANY", [U, U, U, U, U, s(13, 10)]),
    row("OFPTMFC_BAD_CONFIG", since11(U, s(8, 1))),
    row("OFPTMFC_BAD_TABLE", since11(U, s(8, 0))),
    row("OFPTMFC_EPERM", [U, U, s(8, 2), s(8, 2), s(8, 2), s(8, 2)]),
];

#[rustfmt::skip]
#[allow(missing_docs, reason = "the names are the specification's and OVS's")]
impl ErrorCode {
    pub const NXBAC_BAD_CONJUNCTION: ErrorCode = ErrorCode(0);
    pub const NXBAC_BAD_ED_PROP: ErrorCode = ErrorCode(1);
    pub const NXBAC_BAD_HEADER_TYPE: ErrorCode = ErrorCode(2);
    pub const NXBAC_CT_DATAPATH_SUPPORT: ErrorCode = ErrorCode(3);
    pub const NXBAC_MUST_BE_ZERO: ErrorCode = ErrorCode(4);
    pub const NXBAC_UNKNOWN_ED_PROP: ErrorCode = ErrorCode(5);
    pub const NXBMC_CT_DATAPATH_SUPPORT: ErrorCode = ErrorCode(6);
    pub const NXBRC_BAD_REASON: ErrorCode = ErrorCode(7);
    pub const NXBRC_FM_BAD_EVENT: ErrorCode = ErrorCode(8);
    pub const NXBRC_MUST_BE_ZERO: ErrorCode = ErrorCode(9);
    pub const NXBRC_NXM_BAD_TYPE: ErrorCode = ErrorCode(10);
    pub const NXBRC_NXM_INVALID: ErrorCode = ErrorCode(11);
    pub const NXBRC_UNENCODABLE_ERROR: ErrorCode = ErrorCode(12);
    pub const NXFMFC_BAD_TABLE_ID: ErrorCode = ErrorCode(13);
    pub const NXFMFC_HARDWARE: ErrorCode = ErrorCode(14);
    pub const NXFMFC_INVALID_TLV_FIELD: ErrorCode = ErrorCode(15);
    pub const NXQOFC_QUEUE_ERROR: ErrorCode = ErrorCode(16);
    pub const NXR_NOT_SUPPORTED: ErrorCode = ErrorCode(17);
    pub const NXR_STALE: ErrorCode = ErrorCode(18);
    pub const NXST_NOT_CONFIGURED: ErrorCode = ErrorCode(19);
    pub const NXTFFC_DUP_TABLE: ErrorCode = ErrorCode(20);
    pub const NXTTMFC_ALREADY_MAPPED: ErrorCode = ErrorCode(21);
    pub const NXTTMFC_BAD_COMMAND: ErrorCode = ErrorCode(22);
    pub const NXTTMFC_BAD_FIELD_IDX: ErrorCode = ErrorCode(23);
    pub const NXTTMFC_BAD_OPT_LEN: ErrorCode = ErrorCode(24);
    pub const NXTTMFC_DUP_ENTRY: ErrorCode = ErrorCode(25);
    pub const NXTTMFC_INVALID_TLV_DEL: ErrorCode = ErrorCode(26);
    pub const NXTTMFC_TABLE_FULL: ErrorCode = ErrorCode(27);
    pub const OFPACFC_EPERM: ErrorCode = ErrorCode(28);
    pub const OFPACFC_INVALID: ErrorCode = ErrorCode(29);
    pub const OFPACFC_UNSUPPORTED: ErrorCode = ErrorCode(30);
    pub const OFPBAC_BAD_ARGUMENT: ErrorCode = ErrorCode(31);
    pub const OFPBAC_BAD_LEN: ErrorCode = ErrorCode(32);
    pub const OFPBAC_BAD_METER: ErrorCode = ErrorCode(33);
    pub const OFPBAC_BAD_OUT_GROUP: ErrorCode = ErrorCode(34);
    pub const OFPBAC_BAD_OUT_PORT: ErrorCode = ErrorCode(35);
    pub const OFPBAC_BAD_QUEUE: ErrorCode = ErrorCode(36);
    pub const OFPBAC_BAD_SET_ARGUMENT: ErrorCode = ErrorCode(37);
    pub const OFPBAC_BAD_SET_LEN: ErrorCode = ErrorCode(38);
    pub const OFPBAC_BAD_SET_MASK: ErrorCode = ErrorCode(39);
    pub const OFPBAC_BAD_SET_TYPE: ErrorCode = ErrorCode(40);
    pub const OFPBAC_BAD_TAG: ErrorCode = ErrorCode(41);
    pub const OFPBAC_BAD_TYPE: ErrorCode = ErrorCode(42);
    pub const OFPBAC_BAD_VENDOR: ErrorCode = ErrorCode(43);
    pub const OFPBAC_BAD_VENDOR_TYPE: ErrorCode = ErrorCode(44);
    pub const OFPBAC_EPERM: ErrorCode = ErrorCode(45);
    pub const OFPBAC_MATCH_INCONSISTENT: ErrorCode = ErrorCode(46);
    pub const OFPBAC_TOO_MANY: ErrorCode = ErrorCode(47);
    pub const OFPBAC_UNSUPPORTED_ORDER: ErrorCode = ErrorCode(48);
    pub const OFPBFC_BAD_FLAGS: ErrorCode = ErrorCode(49);
    pub const OFPBFC_BAD_ID: ErrorCode = ErrorCode(50);
    pub const OFPBFC_BAD_TYPE: ErrorCode = ErrorCode(51);
    pub const OFPBFC_BAD_VERSION: ErrorCode = ErrorCode(52);
    pub const OFPBFC_BUNDLE_CLOSED: ErrorCode = ErrorCode(53);
    pub const OFPBFC_BUNDLE_EXIST: ErrorCode = ErrorCode(54);
    pub const OFPBFC_BUNDLE_IN_PROGRESS: ErrorCode = ErrorCode(55);
    pub const OFPBFC_EPERM: ErrorCode = ErrorCode(56);
    pub const OFPBFC_MSG_BAD_LEN: ErrorCode = ErrorCode(57);
    pub const OFPBFC_MSG_BAD_XID: ErrorCode = ErrorCode(58);
    pub const OFPBFC_MSG_CONFLICT: ErrorCode = ErrorCode(59);
    pub const OFPBFC_MSG_FAILED: ErrorCode = ErrorCode(60);
    pub const OFPBFC_MSG_TOO_MANY: ErrorCode = ErrorCode(61);
    pub const OFPBFC_MSG_UNSUP: ErrorCode = ErrorCode(62);
    pub const OFPBFC_OUT_OF_BUNDLES: ErrorCode = ErrorCode(63);
    pub const OFPBFC_SCHED_FUTURE: ErrorCode = ErrorCode(64);
    pub const OFPBFC_SCHED_NOT_SUPPORTED: ErrorCode = ErrorCode(65);
    pub const OFPBFC_SCHED_PAST: ErrorCode = ErrorCode(66);
    pub const OFPBFC_TIMEOUT: ErrorCode = ErrorCode(67);
    pub const OFPBFC_UNKNOWN: ErrorCode = ErrorCode(68);
    pub const OFPBIC_BAD_EXPERIMENTER: ErrorCode = ErrorCode(69);
    pub const OFPBIC_BAD_EXP_TYPE: ErrorCode = ErrorCode(70);
    pub const OFPBIC_BAD_LEN: ErrorCode = ErrorCode(71);
    pub const OFPBIC_BAD_TABLE_ID: ErrorCode = ErrorCode(72);
    pub const OFPBIC_DUP_INST: ErrorCode = ErrorCode(73);
    pub const OFPBIC_EPERM: ErrorCode = ErrorCode(74);
    pub const OFPBIC_UNKNOWN_INST: ErrorCode = ErrorCode(75);
    pub const OFPBIC_UNSUP_INST: ErrorCode = ErrorCode(76);
    pub const OFPBIC_UNSUP_METADATA: ErrorCode = ErrorCode(77);
    pub const OFPBIC_UNSUP_METADATA_MASK: ErrorCode = ErrorCode(78);
    pub const OFPBMC_BAD_DL_ADDR_MASK: ErrorCode = ErrorCode(79);
    pub const OFPBMC_BAD_FIELD: ErrorCode = ErrorCode(80);
    pub const OFPBMC_BAD_LEN: ErrorCode = ErrorCode(81);
    pub const OFPBMC_BAD_MASK: ErrorCode = ErrorCode(82);
    pub const OFPBMC_BAD_NW_ADDR_MASK: ErrorCode = ErrorCode(83);
    pub const OFPBMC_BAD_PREREQ: ErrorCode = ErrorCode(84);
    pub const OFPBMC_BAD_TAG: ErrorCode = ErrorCode(85);
    pub const OFPBMC_BAD_TYPE: ErrorCode = ErrorCode(86);
    pub const OFPBMC_BAD_VALUE: ErrorCode = ErrorCode(87);
    pub const OFPBMC_BAD_WILDCARDS: ErrorCode = ErrorCode(88);
    pub const OFPBMC_DUP_FIELD: ErrorCode = ErrorCode(89);
    pub const OFPBMC_EPERM: ErrorCode = ErrorCode(90);
    pub const OFPBPC_BAD_EXPERIMENTER: ErrorCode = ErrorCode(91);
    pub const OFPBPC_BAD_EXP_TYPE: ErrorCode = ErrorCode(92);
    pub const OFPBPC_BAD_EXP_VALUE: ErrorCode = ErrorCode(93);
    pub const OFPBPC_BAD_LEN: ErrorCode = ErrorCode(94);
    pub const OFPBPC_BAD_TYPE: ErrorCode = ErrorCode(95);
    pub const OFPBPC_BAD_VALUE: ErrorCode = ErrorCode(96);
    pub const OFPBPC_DUP_TYPE: ErrorCode = ErrorCode(97);
    pub const OFPBPC_EPERM: ErrorCode = ErrorCode(98);
    pub const OFPBPC_TOO_MANY: ErrorCode = ErrorCode(99);
    pub const OFPBRC_BAD_LEN: ErrorCode = ErrorCode(100);
    pub const OFPBRC_BAD_PACKET: ErrorCode = ErrorCode(101);
    pub const OFPBRC_BAD_PORT: ErrorCode = ErrorCode(102);
    pub const OFPBRC_BAD_STAT: ErrorCode = ErrorCode(103);
    pub const OFPBRC_BAD_SUBTYPE: ErrorCode = ErrorCode(104);
    pub const OFPBRC_BAD_TABLE_ID: ErrorCode = ErrorCode(105);
    pub const OFPBRC_BAD_TYPE: ErrorCode = ErrorCode(106);
    pub const OFPBRC_BAD_VENDOR: ErrorCode = ErrorCode(107);
    pub const OFPBRC_BAD_VERSION: ErrorCode = ErrorCode(108);
    pub const OFPBRC_BUFFER_EMPTY: ErrorCode = ErrorCode(109);
    pub const OFPBRC_BUFFER_UNKNOWN: ErrorCode = ErrorCode(110);
    pub const OFPBRC_EPERM: ErrorCode = ErrorCode(111);
    pub const OFPBRC_IS_SECONDARY: ErrorCode = ErrorCode(112);
    pub const OFPBRC_MULTIPART_BAD_SCHED: ErrorCode = ErrorCode(113);
    pub const OFPBRC_MULTIPART_BUFFER_OVERFLOW: ErrorCode = ErrorCode(114);
    pub const OFPBRC_MULTIPART_REPLY_TIMEOUT: ErrorCode = ErrorCode(115);
    pub const OFPBRC_MULTIPART_REQUEST_TIMEOUT: ErrorCode = ErrorCode(116);
    pub const OFPBRC_PIPELINE_FIELDS_ONLY: ErrorCode = ErrorCode(117);
    pub const OFPBRC_UNKNOWN: ErrorCode = ErrorCode(118);
    pub const OFPFMFC_BAD_COMMAND: ErrorCode = ErrorCode(119);
    pub const OFPFMFC_BAD_EMERG_TIMEOUT: ErrorCode = ErrorCode(120);
    pub const OFPFMFC_BAD_FLAGS: ErrorCode = ErrorCode(121);
    pub const OFPFMFC_BAD_PRIORITY: ErrorCode = ErrorCode(122);
    pub const OFPFMFC_BAD_TABLE_ID: ErrorCode = ErrorCode(123);
    pub const OFPFMFC_BAD_TIMEOUT: ErrorCode = ErrorCode(124);
    pub const OFPFMFC_CANT_SYNC: ErrorCode = ErrorCode(125);
    pub const OFPFMFC_EPERM: ErrorCode = ErrorCode(126);
    pub const OFPFMFC_IS_SYNC: ErrorCode = ErrorCode(127);
    pub const OFPFMFC_OVERLAP: ErrorCode = ErrorCode(128);
    pub const OFPFMFC_TABLE_FULL: ErrorCode = ErrorCode(129);
    pub const OFPFMFC_UNKNOWN: ErrorCode = ErrorCode(130);
    pub const OFPFMFC_UNSUPPORTED: ErrorCode = ErrorCode(131);
    pub const OFPGMFC_BAD_BUCKET: ErrorCode = ErrorCode(132);
    pub const OFPGMFC_BAD_COMMAND: ErrorCode = ErrorCode(133);
    pub const OFPGMFC_BAD_TYPE: ErrorCode = ErrorCode(134);
    pub const OFPGMFC_BAD_WATCH: ErrorCode = ErrorCode(135);
    pub const OFPGMFC_BUCKET_EXISTS: ErrorCode = ErrorCode(136);
    pub const OFPGMFC_CHAINED_GROUP: ErrorCode = ErrorCode(137);
    pub const OFPGMFC_CHAINING_UNSUPPORTED: ErrorCode = ErrorCode(138);
    pub const OFPGMFC_EPERM: ErrorCode = ErrorCode(139);
    pub const OFPGMFC_GROUP_EXISTS: ErrorCode = ErrorCode(140);
    pub const OFPGMFC_INVALID_GROUP: ErrorCode = ErrorCode(141);
    pub const OFPGMFC_LOOP: ErrorCode = ErrorCode(142);
    pub const OFPGMFC_OUT_OF_BUCKETS: ErrorCode = ErrorCode(143);
    pub const OFPGMFC_OUT_OF_GROUPS: ErrorCode = ErrorCode(144);
    pub const OFPGMFC_UNKNOWN_BUCKET: ErrorCode = ErrorCode(145);
    pub const OFPGMFC_UNKNOWN_GROUP: ErrorCode = ErrorCode(146);
    pub const OFPGMFC_WATCH_UNSUPPORTED: ErrorCode = ErrorCode(147);
    pub const OFPGMFC_WEIGHT_UNSUPPORTED: ErrorCode = ErrorCode(148);
    pub const OFPHFC_EPERM: ErrorCode = ErrorCode(149);
    pub const OFPHFC_INCOMPATIBLE: ErrorCode = ErrorCode(150);
    pub const OFPMMFC_BAD_BAND: ErrorCode = ErrorCode(151);
    pub const OFPMMFC_BAD_BAND_VALUE: ErrorCode = ErrorCode(152);
    pub const OFPMMFC_BAD_BURST: ErrorCode = ErrorCode(153);
    pub const OFPMMFC_BAD_COMMAND: ErrorCode = ErrorCode(154);
    pub const OFPMMFC_BAD_FLAGS: ErrorCode = ErrorCode(155);
    pub const OFPMMFC_BAD_RATE: ErrorCode = ErrorCode(156);
    pub const OFPMMFC_INVALID_METER: ErrorCode = ErrorCode(157);
    pub const OFPMMFC_METER_EXISTS: ErrorCode = ErrorCode(158);
    pub const OFPMMFC_OUT_OF_BANDS: ErrorCode = ErrorCode(159);
    pub const OFPMMFC_OUT_OF_METERS: ErrorCode = ErrorCode(160);
    pub const OFPMMFC_UNKNOWN: ErrorCode = ErrorCode(161);
    pub const OFPMMFC_UNKNOWN_METER: ErrorCode = ErrorCode(162);
    pub const OFPMOFC_BAD_COMMAND: ErrorCode = ErrorCode(163);
    pub const OFPMOFC_BAD_FLAGS: ErrorCode = ErrorCode(164);
    pub const OFPMOFC_BAD_OUT: ErrorCode = ErrorCode(165);
    pub const OFPMOFC_BAD_TABLE_ID: ErrorCode = ErrorCode(166);
    pub const OFPMOFC_INVALID_MONITOR: ErrorCode = ErrorCode(167);
    pub const OFPMOFC_MONITOR_EXISTS: ErrorCode = ErrorCode(168);
    pub const OFPMOFC_UNKNOWN: ErrorCode = ErrorCode(169);
    pub const OFPMOFC_UNKNOWN_MONITOR: ErrorCode = ErrorCode(170);
    pub const OFPPMFC_BAD_ADVERTISE: ErrorCode = ErrorCode(171);
    pub const OFPPMFC_BAD_CONFIG: ErrorCode = ErrorCode(172);
    pub const OFPPMFC_BAD_HW_ADDR: ErrorCode = ErrorCode(173);
    pub const OFPPMFC_BAD_PORT: ErrorCode = ErrorCode(174);
    pub const OFPPMFC_EPERM: ErrorCode = ErrorCode(175);
    pub const OFPQOFC_BAD_PORT: ErrorCode = ErrorCode(176);
    pub const OFPQOFC_BAD_QUEUE: ErrorCode = ErrorCode(177);
    pub const OFPQOFC_EPERM: ErrorCode = ErrorCode(178);
    pub const OFPRRFC_BAD_ROLE: ErrorCode = ErrorCode(179);
    pub const OFPRRFC_ID_IN_USE: ErrorCode = ErrorCode(180);
    pub const OFPRRFC_ID_UNSUP: ErrorCode = ErrorCode(181);
    pub const OFPRRFC_STALE: ErrorCode = ErrorCode(182);
    pub const OFPRRFC_UNSUP: ErrorCode = ErrorCode(183);
    pub const OFPSCFC_BAD_FLAGS: ErrorCode = ErrorCode(184);
    pub const OFPSCFC_BAD_LEN: ErrorCode = ErrorCode(185);
    pub const OFPSCFC_EPERM: ErrorCode = ErrorCode(186);
    pub const OFPTFFC_BAD_CAPA: ErrorCode = ErrorCode(187);
    pub const OFPTFFC_BAD_COMMAND: ErrorCode = ErrorCode(188);
    pub const OFPTFFC_BAD_FEATURES: ErrorCode = ErrorCode(189);
    pub const OFPTFFC_BAD_MAX_ENT: ErrorCode = ErrorCode(190);
    pub const OFPTFFC_BAD_METADATA: ErrorCode = ErrorCode(191);
    pub const OFPTFFC_BAD_TABLE: ErrorCode = ErrorCode(192);
    pub const OFPTFFC_EPERM: ErrorCode = ErrorCode(193);
    pub const OFPTFFC_TOO_MANY: ErrorCode = ErrorCode(194);
    pub const OFPTMFC_BAD_CONFIG: ErrorCode = ErrorCode(195);
    pub const OFPTMFC_BAD_TABLE: ErrorCode = ErrorCode(196);
    pub const OFPTMFC_EPERM: ErrorCode = ErrorCode(197);
}

const NX: u32 = 0x2320;
const ONF: u32 = 0x4f4e_4600;
const U: Wire = Wire::Unencodable;

const fn s(kind: u16, code: u16) -> Wire {
    Wire::Standard(kind, code)
}

const fn n(kind: u16, code: u16) -> Wire {
    Wire::Nicira(kind, code)
}

const fn x(experimenter: u32, kind: u16) -> Wire {
    Wire::Experimenter(experimenter, kind)
}

const fn all(wire: Wire) -> [Wire; 6] {
    [wire; 6]
}

const fn since11(first: Wire, rest: Wire) -> [Wire; 6] {
    [first, rest, rest, rest, rest, rest]
}

const fn row(name: &'static str, wire: [Wire; 6]) -> Row {
    Row { name, wire }
}
