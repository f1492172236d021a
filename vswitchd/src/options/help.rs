//! What: `--help` and `--version`.

use super::{Program, Section, TABLE, Value};

/// The version of Open vSwitch whose behaviour this is.
pub const COMPATIBLE: &str = "3.1.0";

/// What `--version` and appctl's `version` print.
pub fn version(program: Program) -> String {
    format!("{} (Open vSwitch) {COMPATIBLE}\nWeft {}\n", program.name(), env!("CARGO_PKG_VERSION"))
}

/// What `--help` prints.
pub fn help(program: Program) -> String {
    let name = program.shown();
    let mut text = match program {
        Program::Whole => format!(
            "{name}: a whole virtual switch: packet workers, OpenFlow and the configuration database in one process.\n\
             \n\
             usage: {name} [OPTIONS] [DATABASE-FILE]\n\
             \n\
             The database file is created if it does not exist (default: DBDIR/conf.db). Tools such as vsctl and\n\
             ovs-vsctl find the switch by themselves through RUNDIR/db.sock.\n\
             \n\
             Try it:\n\
             \x20 {name} --detach --pidfile --log-file\n\
             \x20 vsctl add-br br0 -- add-port br0 tap0 -- set Interface tap0 type=tap\n\
             \x20 appctl fdb/show br0\n"
        ),
        Program::Switch => format!(
            "{name}: the switch, configured by a database server.\n\
             \n\
             usage: {name} [OPTIONS] [DATABASE]\n\
             \n\
             DATABASE is where the server listens: unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT\n\
             (default: unix:RUNDIR/db.sock).\n"
        ),
        Program::Database => format!(
            "{name}: the configuration database server.\n\
             \n\
             usage: {name} [OPTIONS] [DATABASE...]\n\
             \n\
             Each DATABASE is a database file (default: DBDIR/conf.db). REMOTE is punix:FILE, ptcp:PORT[:IP],\n\
             pssl:PORT[:IP], unix:FILE, tcp:HOST:PORT, ssl:HOST:PORT, or db:DATABASE,TABLE,COLUMN to read remotes\n\
             from a column.\n"
        ),
    };
    let sections = [
        (Section::Database, "Database"),
        (Section::Switch, "Switch"),
        (Section::Daemon, "Daemon"),
        (Section::Logging, "Logging"),
        (Section::Ssl, "SSL (the database's table SSL goes first)"),
        (Section::Other, "Other"),
    ];
    for (section, title) in sections {
        let entries: Vec<_> = TABLE.iter().filter(|e| e.section == section && e.of.has(program)).collect();
        if entries.is_empty() {
            continue;
        }
        text += &format!("\n{title}:\n");
        for entry in entries {
            let letter = entry.short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
            let value = match entry.value {
                Value::No => String::new(),
                Value::May => format!("[={}]", entry.shown),
                Value::Must => format!("={}", entry.shown),
            };
            text += &format!("  {:<34} {}\n", format!("{letter}--{}{value}", entry.long), entry.help);
        }
    }
    text += "\nEnvironment:\n\
             \x20 OVS_RUNDIR    sockets and pidfiles (/var/run/openvswitch)\n\
             \x20 OVS_LOGDIR    log files (/var/log/openvswitch)\n\
             \x20 OVS_DBDIR     the database file (OVS_SYSCONFDIR/openvswitch)\n\
             \x20 OVS_SYSCONFDIR  configuration (/etc)\n";
    text
}
