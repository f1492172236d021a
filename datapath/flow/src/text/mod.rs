//! How people write flows: values, ports and matches, as the tools of Open vSwitch print and take them.
//!
//! - [`ports`]: port names and numbers.
//! - [`number`], [`flags`]: integers and flags, read and written.
//! - [`value`]: a field's value with its mask, both ways.
//! - [`match_print`], [`match_parse`]: whole matches in the flow syntax of ovs-ofctl(8).
//! - [`key_print`]: the `Flow:` line of a trace.

mod error;
pub mod flags;
pub mod key_print;
pub mod match_parse;
pub mod match_print;
pub mod number;
pub mod ports;
pub mod value;

pub use key_print::{format_key, format_key_with};
pub use match_parse::{
    Said, field_by_any_name, normalize, normalize_from, parse_match, parse_match_key, parse_option, read_field,
    read_match_key,
};
pub use match_print::format_match;
pub use ports::PortNames;
pub use value::{format_value, parse_value};

#[cfg(test)]
mod tests;
