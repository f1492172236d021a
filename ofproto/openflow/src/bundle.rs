//! Bundles: messages that take effect together (1.4+, and ONF's extension for 1.3).
#![allow(missing_docs, reason = "the names are the specification's")]

use bitflags::bitflags;

use crate::ids::Xid;
use crate::message::Message;

/// BUNDLE_CONTROL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct BundleControl {
    pub id: u32,
    pub kind: BundleControlKind,
    pub flags: BundleFlags,
}

/// OFPBCT_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
#[repr(u16)]
pub enum BundleControlKind {
    OpenRequest = 0,
    OpenReply = 1,
    CloseRequest = 2,
    CloseReply = 3,
    CommitRequest = 4,
    CommitReply = 5,
    DiscardRequest = 6,
    DiscardReply = 7,
}

bitflags! {
    /// OFPBF_*.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct BundleFlags: u16 {
        const ATOMIC = 1 << 0;
        const ORDERED = 1 << 1;
    }
}

/// BUNDLE_ADD_MESSAGE.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct BundleAdd {
    pub id: u32,
    pub flags: BundleFlags,
    /// The message, with its own transaction id.
    pub xid: Xid,
    pub message: Box<Message>,
}
