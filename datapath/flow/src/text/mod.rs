//! How people write flows: values, ports and matches, as the tools of Open vSwitch print and take them.
//!
//! - [`ports`]: port names and numbers.
//! - [`number`]: integers and flags.
//! - [`value`]: a field's value with its mask, both ways.
//! - [`match_print`], [`match_parse`]: whole matches in the flow syntax of ovs-ofctl(8).

pub mod match_parse;
pub mod match_print;
pub mod number;
pub mod ports;
pub mod value;

pub use match_parse::{normalize, parse_match_key};
pub use match_print::format_match;
pub use ports::PortNames;
pub use value::{format_value, parse_value};
