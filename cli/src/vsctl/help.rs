//! What: `--help`, `--commands` and `--options`.

use super::command::{COMMANDS, all};
use crate::getopt::{Opt, Takes};
use crate::{logging, table};

/// `--help`
pub fn help(program: &str, default_db: &str) -> String {
    let mut text = format!(
        "{program}: configure a virtual switch through its database\n\
         usage: {program} [OPTIONS] [--] [OPTIONS] COMMAND [ARG...] [-- [OPTIONS] COMMAND [ARG...]]...\n\
         All commands of one call are one transaction: everything happens, or nothing.\n"
    );
    for (title, commands) in COMMANDS {
        text += &format!("\n{title} commands:\n");
        for command in *commands {
            let mut line = String::new();
            for option in command.options {
                let value = if option.ends_with('=') { "VALUE" } else { "" };
                line += &format!("[--{option}{value}] ");
            }
            line += command.name;
            for word in command.words.split(' ').filter(|word| !word.is_empty()) {
                line += &words(word);
            }
            text += &match line.len() {
                0..=36 => format!("  {line:<37} {}\n", command.help),
                _ => format!("  {line}\n{:<40}{}\n", "", command.help),
            };
        }
    }
    text += &format!(
        "\nOptions:\n  \
         --db=DATABASE              connect to DATABASE (default: {default_db})\n  \
         --no-wait                  do not wait for the switch to take the changes over\n  \
         --retry                    keep trying to connect\n  \
         -t, --timeout=SECS         give up after SECS seconds\n  \
         --dry-run                  do everything but commit\n  \
         --print-grpc               print the gRPC call that does the same, and do nothing\n  \
         --oneline                  print each command's output on one line\n  \
         -h, --help                 print this help\n  \
         -V, --version              print the version\n\n{}\n{}\n{}",
        table::HELP,
        logging::HELP,
        logging::PKI_HELP
    );
    text
}

/// `--commands`, for shells that complete words.
pub fn commands() -> String {
    let line = |command: &super::command::Command| {
        let options: Vec<String> = command.options.iter().map(|option| format!("[--{option}] ")).collect();
        format!("{},{},{}\n", options.concat(), command.name, command.words)
    };
    all().map(line).collect()
}

/// `--options`, for the same.
pub fn options(options: &[Opt]) -> String {
    let mut text = String::new();
    for option in options {
        let value = if option.takes == Takes::Nothing { "" } else { "ARG" };
        let equals = if value.is_empty() { "" } else { "=" };
        text += &format!("--{}{equals}{value}\n", option.long);
        if let Some(short) = option.short {
            text += format!("-{short} {value}").trim_end();
            text.push('\n');
        }
    }
    text
}

/// A word of a command's grammar as people read it.
fn words(word: &str) -> String {
    // Parts of a word that may be missing: `COLUMN?:KEY`, `?KEY=VALUE`.
    let name = &word[1..].replace("?:KEY", "[:KEY]").replace("?KEY=", "[KEY=]");
    match word.as_bytes()[0] {
        b'!' => format!(" {name}"),
        b'?' => format!(" [{name}]"),
        b'+' => format!(" {name}..."),
        _ => format!(" [{name}]..."),
    }
}
