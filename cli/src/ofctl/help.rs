//! `--help` and `list-commands`, made from the table of commands.

use std::fmt::Write;

use super::command::COMMANDS;
use crate::logging;

/// The help text.
pub fn help(program: &str) -> String {
    let mut text = format!(
        "{program}: program and watch an OpenFlow switch\n\
         usage: {program} [OPTIONS] COMMAND [ARG...]\n\n\
         SWITCH is a bridge's name, or unix:FILE, tcp:HOST[:PORT]. FLOW is written like\n  \
         'table=0,priority=10,tcp,in_port=1,tp_dst=80,actions=output:2'\n\nCommands:\n"
    );
    for command in COMMANDS.iter().filter(|command| !command.usage.is_empty()) {
        let call = format!("{} {}", command.name, command.usage);
        let _ = match call.len() < 38 {
            true => writeln!(text, "  {call:<38} {}", command.help),
            false => writeln!(text, "  {call}\n  {:<38} {}", "", command.help),
        };
    }
    text.push_str("\nWithout a switch (words in front of the colon are arguments):\n");
    for command in COMMANDS.iter().filter(|command| command.usage.is_empty()) {
        let _ = writeln!(text, "  {:<38} {}", command.name, command.help);
    }
    let _ = write!(
        text,
        "\nOptions:\n  \
         -O, --protocols=LIST       versions to speak: OpenFlow10 (default) to OpenFlow15, with commas\n  \
         -F, --flow-format=LIST     forms of flows to use: OpenFlow10, NXM, OXM, ... (default: any that fits)\n  \
         --strict                   mod-flows, del-flows: only flows with exactly this match and priority\n  \
         --may-create               mod-group: add the group if it is not there\n  \
         --bundle                   all changes of a command, or none\n  \
         --readd                    replace-flows: also flows that are there already\n  \
         --names, --no-names        print names of ports and tables, or numbers (default: names on a terminal)\n  \
         --no-stats                 dump-flows: without counters\n  \
         --sort[=FIELD], --rsort    dump-flows: in the order of a field (default: priority)\n  \
         --format=text|json         lint: how findings are printed\n  \
         -m, --more                 say more about messages; twice: also their bytes\n  \
         --timestamp                monitor, snoop: when each message came\n  \
         -P, --packet-in-format=F   monitor: standard, nxt_packet_in or nxt_packet_in2\n  \
         --read-only                refuse commands that change something\n  \
         -t, --timeout=SECS         give up after SECS seconds\n  \
         --color[=always|never|auto]  understood; output has no colors\n  \
         --unixctl=SOCKET           monitor: listen there for appctl\n  \
         --detach, --pidfile[=FILE], --no-chdir  monitor, snoop: in the background\n  \
         -h, --help                 print this help\n  \
         -V, --version              print the version\n\n{}\n{}",
        logging::HELP,
        logging::PKI_HELP
    );
    text
}

/// Names and arguments.
pub fn list() -> String {
    let mut text = String::from("The available commands are:\n");
    for command in COMMANDS {
        let _ = writeln!(text, "  {:<23} {}", command.name, command.usage);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_page_has_every_command() {
        let page = include_str!("../../../docs/man/ofctl.8");
        for command in COMMANDS {
            let name = command.name.replace('-', "\\-");
            assert!(page.contains(&format!("\\fB{name}\\fR")), "{name}");
        }
    }
}
