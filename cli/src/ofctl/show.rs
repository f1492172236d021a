//! Messages as people read them: name, version, transaction id, and the body in weft-openflow's words.

use weft_openflow::text::message::whole::Style;
use weft_openflow::text::{Names, message};

use crate::failure::Failure;

/// One message, with the line's end.
pub fn message(bytes: &[u8], names: &Names, verbosity: u32) -> String {
    message_in(bytes, names, verbosity, true)
}

/// As [`message`]; `table_id`: OpenFlow 1.0's flow mods carry a table.
pub fn message_in(bytes: &[u8], names: &Names, verbosity: u32, table_id: bool) -> String {
    message::whole::show(bytes, Style { names, verbosity, table_id })
}

/// The failure that a switch's error makes: the message itself goes to standard error as it is.
pub fn refused(error: &[u8]) -> Failure {
    eprint!("{}", message(error, &Names::none(), 2));
    Failure::with_status(String::new(), 1)
}

/// Offset, sixteen bytes, and what of them can be printed.
pub fn hex(bytes: &[u8]) -> String {
    message::hex_dump(bytes)
}

/// As [`hex`], without the letters.
pub fn plain_hex(bytes: &[u8]) -> String {
    hex(bytes).lines().map(|line| format!("{}\n", line.split('|').next().unwrap_or_default().trim_end())).collect()
}

/// Bytes written as digits, with or without spaces.
pub fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    if digits.len() % 2 == 1 || digits.iter().any(|c| !c.is_ascii_hexdigit()) {
        return Err("trailing garbage following hex bytes".to_string());
    }
    let digit = |c: char| c.to_digit(16).unwrap_or(0) as u8;
    Ok(digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_has_offsets_bytes_and_letters() {
        assert_eq!(
            hex(&[4, 0x13, 0, 0x10, 0, 0, 0, 2, 0, 0x0c, 0x41, 0, 0, 0, 0, 0]),
            "00000000  04 13 00 10 00 00 00 02-00 0c 41 00 00 00 00 00 |..........A.....|\n"
        );
        assert_eq!(unhex("0a 0B.0c").unwrap(), [10, 11, 12]);
        assert!(unhex("0").is_err());
    }
}
