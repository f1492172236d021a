//! What: the commands: their names, words and options, and how a command line is cut into them.
//!
//! Invariants: one row of [`COMMANDS`] makes a command's parser, its help and its `--commands` line.

use super::context::{Context, ROOT};
use super::needs::Reads;
use super::{autoattach, bridge, commits, controller, database, desired, overview, port, reset, zone};
use crate::failure::{Failure, fail};
use std::collections::BTreeMap;

/// One command.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Least number of words after the name.
    pub min: usize,
    /// Greatest number of words after the name.
    pub max: usize,
    /// What the words mean, for shells: `!` once, `?` at most once, `+` at least once, `*` any number.
    pub words: &'static str,
    /// Options; a trailing `=` means that it takes a value.
    pub options: &'static [&'static str],
    /// One line for people.
    pub help: &'static str,
    /// What it looks at.
    pub reads: Reads,
    /// Does it.
    pub run: fn(&mut Context<'_>) -> Result<(), Failure>,
}

/// A command as the user gave it.
#[derive(Clone)]
pub struct Given {
    /// Which command.
    pub command: &'static Command,
    /// The words after its name.
    pub args: Vec<String>,
    /// Its options with their values, without dashes.
    pub options: BTreeMap<&'static str, Option<String>>,
}

/// No limit on the number of words.
pub const ANY: usize = usize::MAX;

const fn command(
    name: &'static str,
    (min, max): (usize, usize),
    words: &'static str,
    options: &'static [&'static str],
    help: &'static str,
    run: fn(&mut Context<'_>) -> Result<(), Failure>,
) -> Command {
    Command { name, min, max, words, options, help, reads: Reads::Words, run }
}

/// The commands of a group all look at the same things.
const fn reading<const N: usize>(reads: Reads, mut commands: [Command; N]) -> [Command; N] {
    let mut at = 0;
    while at < N {
        commands[at].reads = reads;
        at += 1;
    }
    commands
}

/// Every command, in groups; a group's title stands before its first command.
#[rustfmt::skip]
pub const COMMANDS: &[(&str, &[Command])] = &[
    ("Open vSwitch", &reading(Reads::Overview, [
        command("init", (0, 0), "", &[], "make the root record if there is none", overview::init),
        command("show", (0, 0), "", &[], "print an overview of the configuration", overview::show),
        command("emer-reset", (0, 0), "", &[], "reset to a known good state, keep bridges and ports", reset::emer_reset),
    ])),
    ("Bridge", &reading(Reads::Names(&[("Bridge", &["external_ids"]), ("Port", &["external_ids"])]), [
        command("add-br", (1, 3), "!NEW-BRIDGE ?PARENT ?NEW-VLAN", &["may-exist"], "add a bridge, or a fake one in PARENT on a VLAN", bridge::add),
        command("del-br", (1, 1), "!BRIDGE", &["if-exists"], "delete a bridge and its ports", bridge::delete),
        command("list-br", (0, 0), "", &["real", "fake"], "print the names of all bridges", bridge::list),
        command("br-exists", (1, 1), "!BRIDGE", &[], "exit with status 2 if there is no such bridge", bridge::exists),
        command("br-to-vlan", (1, 1), "!BRIDGE", &[], "print the VLAN that a bridge is on", bridge::vlan),
        command("br-to-parent", (1, 1), "!BRIDGE", &[], "print a bridge's parent", bridge::parent),
        command("br-set-external-id", (2, 3), "!BRIDGE !KEY ?VALUE", &[], "set or clear KEY on a bridge", bridge::set_external_id),
        command("br-get-external-id", (1, 2), "!BRIDGE ?KEY", &[], "print the value of KEY, or all pairs", bridge::get_external_id),
    ])),
    ("Port (a bond counts as one port)", &reading(Reads::Names(&[]), [
        command("list-ports", (1, 1), "!BRIDGE", &[], "print the names of a bridge's ports", port::list),
        command("add-port", (2, ANY), "!BRIDGE !NEW-PORT *COLUMN?:KEY=VALUE", &["may-exist"], "add a network device to a bridge", port::add),
        command("add-bond", (4, ANY), "!BRIDGE !BOND +IFACE *COLUMN?:KEY=VALUE", &["may-exist", "fake-iface"], "add several devices as one port", port::add_bond),
        command("add-bond-iface", (2, 2), "!BOND !IFACE", &["may-exist"], "add a device to a bond", port::add_bond_iface),
        command("del-bond-iface", (1, 2), "?BOND !IFACE", &["if-exists"], "remove a device from its bond", port::delete_bond_iface),
        command("del-port", (1, 2), "?BRIDGE !PORT|IFACE", &["if-exists", "with-iface"], "delete a port", port::delete),
        command("port-to-br", (1, 1), "!PORT", &[], "print the name of a port's bridge", port::to_bridge),
    ])),
    ("Interface (a bond consists of several)", &reading(Reads::Names(&[]), [
        command("list-ifaces", (1, 1), "!BRIDGE", &[], "print the names of a bridge's interfaces", port::list_ifaces),
        command("iface-to-br", (1, 1), "!IFACE", &[], "print the name of an interface's bridge", port::iface_to_bridge),
    ])),
    ("Conntrack zone and datapath", &reading(Reads::Columns(&[(ROOT, &["datapaths"]), ("Datapath", &["ct_zones", "capabilities"]), ("CT_Zone", &["timeout_policy"]), ("CT_Timeout_Policy", &["timeouts"])]), [
        command("add-zone-tp", (3, ANY), "", &["may-exist"], "add a zone's timeout policy: DATAPATH zone=ID KEY=SECS...", zone::add),
        command("del-zone-tp", (2, 2), "", &["if-exists"], "delete a zone's timeout policy: DATAPATH zone=ID", zone::delete),
        command("list-zone-tp", (1, 1), "", &[], "print all timeout policies of DATAPATH", zone::list),
        command("list-dp-cap", (1, 1), "", &[], "print what DATAPATH is capable of", zone::capabilities),
    ])),
    ("Controller", &reading(Reads::Names(&[("Bridge", &["controller", "fail_mode"]), ("Controller", &["target"])]), [
        command("get-controller", (1, 1), "!BRIDGE", &[], "print a bridge's controllers", controller::get),
        command("del-controller", (1, 1), "!BRIDGE", &[], "delete a bridge's controllers", controller::delete),
        command("set-controller", (1, ANY), "!BRIDGE +TARGET", &["inactivity-probe="], "set a bridge's controllers", controller::set),
        command("get-fail-mode", (1, 1), "!BRIDGE", &[], "print a bridge's fail mode", controller::get_fail_mode),
        command("del-fail-mode", (1, 1), "!BRIDGE", &[], "delete a bridge's fail mode", controller::delete_fail_mode),
        command("set-fail-mode", (2, 2), "!BRIDGE !MODE", &[], "set a bridge's fail mode", controller::set_fail_mode),
    ])),
    ("Manager", &reading(Reads::Columns(&[(ROOT, &["manager_options"]), ("Manager", &["target"])]), [
        command("get-manager", (0, 0), "", &[], "print the managers", controller::get_manager),
        command("del-manager", (0, 0), "", &[], "delete the managers", controller::delete_manager),
        command("set-manager", (1, ANY), "+TARGET", &["inactivity-probe="], "set the managers", controller::set_manager),
    ])),
    ("SSL", &reading(Reads::Columns(&[(ROOT, &["ssl"]), ("SSL", &["private_key", "certificate", "ca_cert", "bootstrap_ca_cert"])]), [
        command("get-ssl", (0, 0), "", &[], "print the SSL configuration", controller::get_ssl),
        command("del-ssl", (0, 0), "", &[], "delete the SSL configuration", controller::delete_ssl),
        command("set-ssl", (3, 3), "!PRIVATE-KEY !CERTIFICATE !CA-CERT", &["bootstrap"], "set the SSL configuration", controller::set_ssl),
    ])),
    ("Auto attach", &reading(Reads::Names(&[("Bridge", &["auto_attach"]), ("AutoAttach", &["mappings"])]), [
        command("add-aa-mapping", (3, 3), "!BRIDGE !ARG !ARG", &[], "map an I-SID to a VLAN on a bridge", autoattach::add),
        command("del-aa-mapping", (3, 3), "!BRIDGE !ARG !ARG", &[], "delete a mapping", autoattach::delete),
        command("get-aa-mapping", (1, 1), "!BRIDGE", &[], "print a bridge's mappings", autoattach::get),
    ])),
    ("Database", &reading(Reads::Words, [
        command("list", (1, ANY), "!TABLE *RECORD", &["if-exists", "columns="], "print records, all by default", database::list),
        command("find", (1, ANY), "!TABLE *COLUMN?:KEY=VALUE", &["columns="], "print the records that fulfil conditions", database::find),
        command("get", (2, ANY), "!TABLE !RECORD *COLUMN?:KEY", &["if-exists", "id="], "print columns of a record", database::get),
        command("set", (3, ANY), "!TABLE !RECORD +COLUMN?:KEY=VALUE", &["if-exists"], "set columns of a record", database::set),
        command("add", (4, ANY), "!TABLE !RECORD !COLUMN +?KEY=VALUE", &["if-exists"], "add values to a column", database::add),
        command("remove", (4, ANY), "!TABLE !RECORD !COLUMN +KEY|VALUE|KEY=VALUE", &["if-exists"], "remove values from a column", database::remove),
        command("clear", (3, ANY), "!TABLE !RECORD +COLUMN", &["if-exists"], "empty columns of a record", database::clear),
        command("create", (2, ANY), "!TABLE +COLUMN?:KEY=VALUE", &["id="], "make a record", database::create),
        command("destroy", (1, ANY), "!TABLE *RECORD", &["if-exists", "all"], "delete records", database::destroy),
        command("wait-until", (2, ANY), "!TABLE !RECORD *COLUMN?:KEY=VALUE", &[], "wait until a record fulfils conditions", database::wait_until),
        command("comment", (0, ANY), "*ARG", &[], "leave words in the database's log", database::comment),
    ])),
    ("Desired state and commits (beyond Open vSwitch)", &reading(Reads::Overview, [
        command("plan", (1, 2), "!FILE", &["json"], "print what a desired state would change; exit with status 2 if anything", desired::plan),
        command("apply", (1, 4), "!FILE", &["json", "confirm="], "make a desired state real; roll it back unless confirmed within TIME", desired::apply),
        command("confirm", (0, 1), "?ID", &[], "keep what apply --confirm changed", commits::alone),
        command("rollback", (0, 1), "?ID", &[], "take back at once what apply --confirm changed", commits::alone),
        command("history", (0, ANY), "?ID", &["json", "all", "limit=", "show="], "list commits with time and comment, or show one", commits::alone),
        command("revert", (1, 3), "!ID", &["comment="], "undo a commit in a new one", commits::alone),
    ])),
];

/// All commands, ungrouped.
pub fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().flat_map(|(_, commands)| *commands)
}

impl Command {
    /// Does it only look?
    pub fn is_read_only(&self) -> bool {
        let looks = ["show", "list", "find", "get", "wait-until", "br-exists", "plan", "history"];
        let beginnings = ["list-", "get-", "br-to-", "br-get-", "port-to-", "iface-to-"];
        looks.contains(&self.name) || beginnings.iter().any(|beginning| self.name.starts_with(beginning))
    }
}

/// Does it work on any table of any database?
pub fn is_database_command(command: &Command) -> bool {
    let database = COMMANDS.iter().filter(|(title, _)| *title == "Database");
    database.flat_map(|(_, commands)| *commands).any(|other| other.name == command.name)
}

/// Is this an option of some command, such as `--may-exist`, perhaps shortened? Its full name and whether it
/// takes a value.
pub fn command_option(name: &str) -> Result<Option<(&'static str, bool)>, Failure> {
    let mut matching: Vec<(&'static str, bool)> = Vec::new();
    for option in all().flat_map(|command| command.options) {
        let known = option_name(option);
        if known.0 == name {
            return Ok(Some(known));
        }
        if known.0.starts_with(name) && !matching.contains(&known) {
            matching.push(known);
        }
    }
    match matching[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => fail(format!("option '--{name}' is ambiguous")),
    }
}

/// Cuts the words behind the global options into commands. `first` are options that were found among the
/// global ones and belong to the first command.
pub fn split(first: Vec<String>, words: &[String]) -> Result<Vec<Given>, Failure> {
    let mut given = Vec::new();
    let mut first = Some(first);
    for words in words.split(|word| word == "--") {
        let mut all = first.take().unwrap_or_default();
        all.extend_from_slice(words);
        if !all.is_empty() {
            given.push(parse(&all)?);
        }
    }
    if given.is_empty() {
        return fail("missing command name (use --help for help)");
    }
    Ok(given)
}

fn parse(words: &[String]) -> Result<Given, Failure> {
    let count = words.iter().take_while(|word| word.starts_with('-')).count();
    let (flags, words) = words.split_at(count);
    let Some((name, args)) = words.split_first() else {
        return fail("missing command name (use --help for help)");
    };
    let Some(command) = all().find(|command| command.name == name) else {
        return fail(format!("unknown command '{name}'; use --help for help"));
    };
    let mut options = BTreeMap::new();
    for flag in flags {
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_string())),
            None => (flag.as_str(), None),
        };
        let known = command.options.iter().map(|option| option_name(option));
        let Some((option, takes)) = known.clone().find(|(option, _)| flag.strip_prefix("--") == Some(option)) else {
            return fail(format!("'{name}' command has no '{flag}' option"));
        };
        match (takes, &value) {
            (true, None) => return fail(format!("missing argument to '{flag}' option on '{name}' command")),
            (false, Some(_)) => return fail(format!("'{flag}' option on '{name}' does not accept an argument")),
            _ => {}
        }
        if options.insert(option, value).is_some() && option != "id" {
            return fail(format!("'{flag}' option specified multiple times"));
        }
    }
    if args.len() < command.min {
        return fail(format!("'{name}' command requires at least {} arguments", command.min));
    }
    if args.len() > command.max {
        let hint = match args.iter().skip(command.max).any(|word| word.starts_with("--")) {
            true => " (note that options must precede command names and follow a \"--\" argument)",
            false => "",
        };
        return fail(format!("'{name}' command takes at most {} arguments{hint}", command.max));
    }
    Ok(Given { command, args: args.to_vec(), options })
}

fn option_name(option: &'static str) -> (&'static str, bool) {
    match option.strip_suffix('=') {
        Some(name) => (name, true),
        None => (option, false),
    }
}
