//! A controller's own settings: role, asynchronous messages.

/// OFPCR_ROLE_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
#[repr(u32)]
pub enum Role {
    /// Do not change it, only say which.
    NoChange = 0,
    Equal = 1,
    Primary = 2,
    Secondary = 3,
}

/// ROLE_REQUEST and ROLE_REPLY.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct RoleMessage {
    pub role: Role,
    /// `None`: not said (Nicira's form has none).
    pub generation_id: Option<u64>,
}

/// The switch changed a controller's role (1.4+).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct RoleStatus {
    pub role: Role,
    /// OFPCRR_*: 0 another became primary, 1 configuration, 2 experimenter.
    pub reason: u8,
    pub generation_id: Option<u64>,
}

/// Which asynchronous messages a controller wants, one bit per reason; `[0]` as primary or equal, `[1]` as secondary.
/// `None`: the message did not say (1.4+ may leave kinds out), nothing changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the messages' names")]
pub struct AsyncConfig {
    pub packet_in: [Option<u32>; 2],
    pub port_status: [Option<u32>; 2],
    pub flow_removed: [Option<u32>; 2],
    pub role_status: [Option<u32>; 2],
    pub table_status: [Option<u32>; 2],
    pub request_forward: [Option<u32>; 2],
}
