//! What: what `--version` says.

/// The version of Open vSwitch that the tools stand in for; scripts compare it.
pub const OVS_VERSION: &str = "3.1.0";

/// Under a name of OVS, its line; under ours, both.
pub fn line(program: &str) -> String {
    match program.starts_with("ovs") {
        true => format!("{program} (Open vSwitch) {OVS_VERSION}"),
        false => format!("{program} (Weft {}, for Open vSwitch) {OVS_VERSION}", env!("CARGO_PKG_VERSION")),
    }
}
