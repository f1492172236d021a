//! Why a frame died. A drop is data: each place that drops names one of these, counted per port and reason.

/// The reason of a drop. `name` is what `appctl drop/show` and the metrics print.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(u8)]
pub enum DropReason {
    /// The frame's bytes are not a well-formed frame of any kind (shorter than an Ethernet header).
    Malformed,
    /// The flow's actions are empty: a rule without actions, or `drop`.
    FlowDrop,
    /// No rule matched and the table's miss policy (or fail_mode secure) drops.
    TableMiss,
    /// The output port does not exist (any more).
    NoSuchPort,
    /// The output port is administratively down or has no link.
    PortDown,
    /// The port's OpenFlow configuration says not to receive or not to forward (no-recv, no-fwd).
    PortConfig,
    /// The frame would leave by the port it came in by.
    SamePort,
    /// The ingress VLAN is not allowed on the port (access, trunks).
    VlanNotAllowed,
    /// Reserved multicast addresses 01:80:c2:00:00:0x are not forwarded.
    ReservedMulticast,
    /// The port is an output-only mirror port.
    MirrorOutput,
    /// The time to live reached zero.
    TtlExpired,
    /// Translation resubmitted too often.
    TooManyResubmits,
    /// Translation needed more stack or recirculation than allowed.
    TranslationError,
    /// The port's budget of new flows was used up.
    MissBudget,
    /// The megaflow table is full and the frame could not be handled without one.
    FlowLimit,
    /// The frame is larger than the output port's MTU and cannot be segmented.
    MtuExceeded,
    /// The output queue of a device was full.
    TxQueueFull,
    /// The device reported an error on transmission.
    TxError,
    /// A meter band said so.
    Meter,
    /// An action could not be applied to this frame (for example a set_field on a header it lacks).
    ActionFailed,
    /// The recirculation id is unknown (its flow is gone).
    RecircUnknown,
    /// The queue towards the slow path or a controller was full.
    ControllerQueue,
    /// Nothing listens at the device's other side (patch port without a peer, tap without a reader).
    NoPeer,
    /// A control protocol's own frame, consumed by the switch.
    Consumed,
    /// The actions want conntrack, and this datapath has none.
    NoConntrack,
    /// Resubmits and patch ports nested too deeply.
    RecursionTooDeep,
    /// Translation pushed too much onto its stack.
    StackTooDeep,
    /// A label stack grew beyond what a key holds.
    TooManyLabels,
    /// A header that cannot go around such a packet, or come off it.
    UnsupportedPacketType,
    /// A tunnelled packet ends inside its outer headers.
    TunnelShort,
    /// A length in a tunnelled packet's outer headers is wrong.
    TunnelLength,
    /// A checksum of a tunnelled packet's outer headers is wrong.
    TunnelChecksum,
    /// A tunnelled packet came as a fragment of an outer packet.
    TunnelFragment,
    /// A version or flag of a tunnel header that nobody defined, or that the port does not use.
    TunnelFlags,
    /// A tunnel header's options are broken.
    TunnelOptions,
    /// The tunnel does not carry such a packet.
    TunnelPayload,
    /// There is no such tunnel port.
    TunnelUnknown,
    /// The outer header says congestion, and the inner packet cannot.
    TunnelEcn,
    /// A tunnel's other end would be ourselves.
    TunnelToUs,
    /// No route leads to a tunnel's other end.
    NoRoute,
    /// The next hop to a tunnel's other end is not known yet; it is being asked for.
    NoNeighbour,
}

impl DropReason {
    /// All reasons, in the order of their counters.
    pub const ALL: [DropReason; 41] = {
        use DropReason::*;
        [
            Malformed,
            FlowDrop,
            TableMiss,
            NoSuchPort,
            PortDown,
            PortConfig,
            SamePort,
            VlanNotAllowed,
            ReservedMulticast,
            MirrorOutput,
            TtlExpired,
            TooManyResubmits,
            TranslationError,
            MissBudget,
            FlowLimit,
            MtuExceeded,
            TxQueueFull,
            TxError,
            Meter,
            ActionFailed,
            RecircUnknown,
            ControllerQueue,
            NoPeer,
            Consumed,
            NoConntrack,
            RecursionTooDeep,
            StackTooDeep,
            TooManyLabels,
            UnsupportedPacketType,
            TunnelShort,
            TunnelLength,
            TunnelChecksum,
            TunnelFragment,
            TunnelFlags,
            TunnelOptions,
            TunnelPayload,
            TunnelUnknown,
            TunnelEcn,
            TunnelToUs,
            NoRoute,
            NoNeighbour,
        ]
    };

    /// The stable name, kebab-case.
    pub const fn name(self) -> &'static str {
        use DropReason::*;
        match self {
            Malformed => "malformed",
            FlowDrop => "flow-drop",
            TableMiss => "table-miss",
            NoSuchPort => "no-such-port",
            PortDown => "port-down",
            PortConfig => "port-config",
            SamePort => "same-port",
            VlanNotAllowed => "vlan-not-allowed",
            ReservedMulticast => "reserved-multicast",
            MirrorOutput => "mirror-output",
            TtlExpired => "ttl-expired",
            TooManyResubmits => "too-many-resubmits",
            TranslationError => "translation-error",
            MissBudget => "miss-budget",
            FlowLimit => "flow-limit",
            MtuExceeded => "mtu-exceeded",
            TxQueueFull => "tx-queue-full",
            TxError => "tx-error",
            Meter => "meter",
            ActionFailed => "action-failed",
            RecircUnknown => "recirc-unknown",
            ControllerQueue => "controller-queue",
            NoPeer => "no-peer",
            Consumed => "consumed",
            NoConntrack => "no-conntrack",
            RecursionTooDeep => "recursion-too-deep",
            StackTooDeep => "stack-too-deep",
            TooManyLabels => "too-many-labels",
            UnsupportedPacketType => "unsupported-packet-type",
            TunnelShort => "tunnel-short",
            TunnelLength => "tunnel-length",
            TunnelChecksum => "tunnel-checksum",
            TunnelFragment => "tunnel-fragment",
            TunnelFlags => "tunnel-flags",
            TunnelOptions => "tunnel-options",
            TunnelPayload => "tunnel-payload",
            TunnelUnknown => "tunnel-unknown",
            TunnelEcn => "tunnel-ecn",
            TunnelToUs => "tunnel-to-us",
            NoRoute => "no-route",
            NoNeighbour => "no-neighbour",
        }
    }

    /// What it means, in a sentence for an operator.
    pub const fn meaning(self) -> &'static str {
        use DropReason::*;
        match self {
            Malformed => "the frame is too short to be an Ethernet frame",
            FlowDrop => "the flow that matched has no actions, or none that sends the frame anywhere",
            TableMiss => "no flow of the table matches, and the table's policy for that is to drop",
            NoSuchPort => "the port that it should use does not exist",
            PortDown => "the output port is down",
            PortConfig => "the port's OpenFlow configuration (no-recv, no-fwd) or its protected setting forbids it",
            SamePort => "it would leave by the port that it came in by",
            VlanNotAllowed => "the port's VLAN settings (tag, trunks, vlan_mode) do not admit the frame's VLAN",
            ReservedMulticast => "its destination is reserved for bridges (01:80:c2:00:00:0x) and forward-bpdu is off",
            MirrorOutput => "the port is reserved for a mirror's output",
            TtlExpired => "its time to live ran out",
            TooManyResubmits => "the flow tables resubmit too often, most likely in a loop",
            RecursionTooDeep => "the flow tables resubmit too deeply, most likely in a loop",
            StackTooDeep => "the flow tables push more onto the stack than allowed",
            TooManyLabels => "it would have more MPLS labels than allowed",
            UnsupportedPacketType => "a header cannot go around such a packet, or come off it",
            TunnelShort => "a tunnelled packet ends inside its outer headers",
            TunnelLength => "a length in its outer headers does not agree with what came",
            TunnelChecksum => "a checksum of its outer headers is wrong",
            TunnelFragment => "its outer packet came in fragments, which are not put together",
            TunnelFlags => "its tunnel header has a version or flags that the tunnel does not use",
            TunnelOptions => "its tunnel header's options are broken",
            TunnelPayload => "its tunnel does not carry such packets",
            TunnelUnknown => "there is no such tunnel port",
            TunnelEcn => "its outer header says congestion, and it cannot say that itself",
            TunnelToUs => "the tunnel's other end would be the address that it came to",
            NoRoute => "no route leads to the tunnel's other end by a bridge",
            NoNeighbour => "the next hop to the tunnel's other end is not known yet, and is being asked for",
            TranslationError => "the flow tables ask for more stack, actions or recirculation than allowed",
            MissBudget => "the port brings more new flows than its share while other ports have work",
            FlowLimit => "the datapath holds as many flows as it may (flow-limit)",
            MtuExceeded => "it is larger than the output port's MTU and is not to be cut",
            TxQueueFull => "the output device's queue was full",
            TxError => "the output device reported an error",
            Meter => "a meter's rate was exceeded",
            ActionFailed => "an action does not apply to this frame",
            RecircUnknown => "the flow that it was to go on with is gone",
            ControllerQueue => "the queue to the controllers was full",
            NoPeer => "nothing listens at the other side of the port",
            Consumed => "the switch itself took it: it is a control protocol's",
            NoConntrack => "its flow asks for connection tracking, which is not available",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_reason_at_its_own_index() {
        for (i, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i, "{}", reason.name());
        }
    }
}
