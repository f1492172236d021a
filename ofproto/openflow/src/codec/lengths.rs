//! How long the body of each kind of message may be, before anything in it is looked at.
//!
//! Invariant: a body reader may rely on the least length here; what follows comes in whole steps.

use super::kind::Kind;
use crate::error::ErrorCode;
use crate::ids::Version;
use crate::wire::buf::{Decoded, bad};
use crate::wire::said::{Module, warn};

/// What may follow the least length.
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Nothing,
    Anything,
    /// Whole steps of this many bytes.
    Steps(usize),
}

/// The least length behind the headers, and what may follow. `None`: any length is looked at by the body's own reader.
fn rule(kind: Kind, v: Version) -> Option<(usize, More)> {
    use Kind as K;
    use More::{Anything, Nothing, Steps};
    use Version::{V10, V11, V12, V13, V14, V15};
    let v10 = v == V10;
    Some(match kind {
        K::Hello | K::EchoRequest | K::EchoReply | K::FlowReply | K::NxFlowReply => return None,
        K::AggregateReply if v >= V15 => return None,
        K::Error => (4, Anything),
        K::FeaturesReply => match v {
            V10 => (24, Steps(48)),
            V11 | V12 => (24, Steps(64)),
            _ => (24, Nothing),
        },
        K::GetConfigReply | K::SetConfig => (4, Nothing),
        K::PacketIn => match v {
            V10 => (10, Anything),
            V12 => (8, Anything),
            _ => (16, Anything),
        },
        K::FlowRemoved => match v {
            V10 => (80, Nothing),
            V15 => (16, Steps(8)),
            _ => (40, Steps(8)),
        },
        K::PortStatus => match v {
            V10 => (56, Nothing),
            V11 | V12 | V13 => (72, Nothing),
            _ => (48, Steps(8)),
        },
        K::PacketOut if v10 || v >= V15 => (8, Anything),
        K::PacketOut => (16, Anything),
        K::FlowMod if v10 => (64, Steps(8)),
        K::FlowMod => (40, Steps(8)),
        K::PortMod => match v {
            V10 => (24, Nothing),
            V11 | V12 | V13 => (32, Nothing),
            _ => (24, Steps(8)),
        },
        K::QueueGetConfigRequest if v10 => (4, Nothing),
        K::QueueGetConfigRequest => (8, Nothing),
        K::QueueGetConfigReply => (8, Steps(8)),
        K::NxRoleRequest | K::NxRoleReply | K::SetFlowFormat | K::SetPacketInFormat => (4, Nothing),
        K::NxFlowMod => (32, Steps(8)),
        K::NxFlowRemoved => (40, Steps(8)),
        K::FlowModTableId | K::SetControllerId | K::CtFlushZone => (8, Nothing),
        K::NxPacketIn => (24, Anything),
        K::NxSetAsync => (24, Nothing),
        K::FlowMonitorCancel | K::OnfFlowMonitorCancel => (4, Nothing),
        K::TlvTableMod | K::CtFlush | K::NxRequestForward | K::OnfRequestForward | K::RequestForward => (8, Steps(8)),
        K::TlvTableReply => (16, Steps(8)),
        K::NxSetAsync2 | K::Resume | K::NxPacketIn2 => (0, Steps(8)),
        K::GroupMod if v10 || v >= V15 => (16, Steps(8)),
        K::GroupMod | K::MeterMod => (8, Steps(8)),
        K::TableMod if v >= V14 => (8, Steps(8)),
        K::TableMod => (8, Nothing),
        K::RoleRequest | K::RoleReply => (16, Nothing),
        K::GetAsyncReply | K::SetAsync if v == V13 => (24, Nothing),
        K::GetAsyncReply | K::SetAsync => (0, Steps(8)),
        K::RoleStatus | K::OnfRoleStatus => (16, Steps(8)),
        K::TableStatus | K::BundleControl | K::OnfBundleControl => (8, Steps(8)),
        K::BundleAdd | K::OnfBundleAdd => (8, Anything),
        K::FlowRequest | K::AggregateRequest if v10 => (44, Nothing),
        K::FlowRequest | K::AggregateRequest => (32, Steps(8)),
        K::NxFlowRequest | K::NxAggregateRequest => (8, Steps(8)),
        K::PortRequest | K::QueueRequest | K::QueueDescRequest | K::GroupRequest => (8, Nothing),
        K::PortDescRequest if v >= V15 => (8, Nothing),
        K::GroupDescRequest if v10 || v >= V15 => (8, Nothing),
        K::MeterRequest | K::MeterConfigRequest => (8, Nothing),
        K::TableFeaturesRequest | K::FlowMonitorRequest | K::NxFlowMonitorRequest => (0, Steps(8)),
        K::DescReply => (1056, Nothing),
        K::AggregateReply | K::NxAggregateReply => (24, Nothing),
        K::TableReply => match v {
            V10 => (0, Steps(64)),
            V11 => (0, Steps(88)),
            V12 => (0, Steps(128)),
            _ => (0, Steps(24)),
        },
        K::PortReply => match v {
            V10 | V11 | V12 => (0, Steps(104)),
            V13 => (0, Steps(112)),
            _ => (0, Steps(8)),
        },
        K::QueueReply => match v {
            V10 | V11 | V12 => (0, Steps(32)),
            V13 => (0, Steps(40)),
            _ => (0, Steps(8)),
        },
        K::PortDescReply => match v {
            V10 => (0, Steps(48)),
            V11 | V12 | V13 => (0, Steps(64)),
            _ => (0, Steps(8)),
        },
        K::IpfixBridgeReply => (88, Nothing),
        K::IpfixFlowReply => (0, Steps(88)),
        K::GroupFeaturesReply => (40, Nothing),
        K::MeterFeaturesReply => (16, Nothing),
        K::TableFeaturesReply => (64, Steps(8)),
        K::TableDescReply => (8, Steps(8)),
        K::GroupReply
        | K::GroupDescReply
        | K::MeterReply
        | K::MeterConfigReply
        | K::QueueDescReply
        | K::FlowMonitorReply
        | K::NxFlowMonitorReply => (0, Steps(8)),
        K::FeaturesRequest
        | K::GetConfigRequest
        | K::BarrierRequest
        | K::BarrierReply
        | K::GetAsyncRequest
        | K::FlowAge
        | K::TlvTableRequest
        | K::FlowMonitorPaused
        | K::FlowMonitorResumed
        | K::OnfFlowMonitorPaused
        | K::OnfFlowMonitorResumed
        | K::DescRequest
        | K::TableRequest
        | K::GroupDescRequest
        | K::GroupFeaturesRequest
        | K::MeterFeaturesRequest
        | K::PortDescRequest
        | K::TableDescRequest
        | K::IpfixBridgeRequest
        | K::IpfixFlowRequest => (0, Nothing),
    })
}

/// Refuses a message whose body, `len` bytes of `whole`, cannot be of this kind.
pub(super) fn check(kind: Kind, v: Version, len: usize, whole: usize) -> Decoded<()> {
    let Some((least, more)) = rule(kind, v) else { return Ok(()) };
    let fits = match more {
        _ if len < least => false,
        More::Nothing => len == least,
        More::Anything => true,
        More::Steps(step) => (len - least).is_multiple_of(step),
    };
    if fits {
        return Ok(());
    }
    let least = whole - len + least;
    let expected = match more {
        More::Nothing => format!("expected length {least}"),
        More::Anything => format!("expected length at least {least} bytes"),
        More::Steps(step) => {
            format!("must be exactly {least} bytes or longer by an integer multiple of {step} bytes")
        }
    };
    let text = format!("received {} with incorrect length {whole} ({expected})", kind.name_in(v));
    warn(Module::Msgs, || text.clone());
    bad(ErrorCode::OFPBRC_BAD_LEN, text)
}
