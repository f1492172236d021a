//! What: which part of the database the commands of one call look at.
//!
//! Why: a switch with thousands of ports keeps megabytes of statistics in rows that no command asks about; what is not asked
//! for is neither sent nor parsed.
//!
//! How: each group of commands says what it reads ([`Reads`]); commands on any table say it with their words, which are
//! names that may be shortened, so the choice waits for the server's schema.
//!
//! Invariants: a column that a command sets on a row that exists is among those that are read, else "unchanged" could not be
//! told from "changed to the default".

use super::command::Given;
use super::context::ROOT;
use super::lookup;
use super::model::NAMES;
use super::overview::SHOWN;
use weft_ovsdb::replica::Select;
use weft_ovsdb::schema::N_IMPLICIT;
use weft_ovsdb::{DatabaseSchema, TableSchema};

/// What a group of commands reads.
#[derive(Clone, Copy, Debug)]
pub enum Reads {
    /// The whole database, or what its overview shows.
    Overview,
    /// Bridges, ports and interfaces by name, and these columns.
    Names(&'static [(&'static str, &'static [&'static str])]),
    /// These columns only.
    Columns(&'static [(&'static str, &'static [&'static str])]),
    /// What its words say.
    Words,
}

/// What all commands of a call read; `waits`: the switch's progress too.
pub fn select(commands: &[Given], waits: bool, schema: &DatabaseSchema) -> Select {
    let mut select = Select::default().columns(ROOT, if waits { &["cur_cfg"] } else { &[] });
    if waits {
        select = select.columns("Interface", &["name", "ofport", "error"]);
    }
    for given in commands {
        select = match given.command.reads {
            Reads::Overview => match given.command.name {
                "init" => select,
                "show" => SHOWN.iter().fold(select, |select, shown| {
                    let name = Some(shown.name).filter(|name| !name.is_empty());
                    select.columns(shown.table, shown.columns).columns(shown.table, name.as_slice())
                }),
                _ => return Select::everything(),
            },
            Reads::Names(more) => add(add(select, NAMES), more),
            Reads::Columns(columns) => add(select, columns),
            Reads::Words => words(select, given, schema),
        };
    }
    select
}

fn add(select: Select, columns: &[(&str, &[&str])]) -> Select {
    columns.iter().fold(select, |select, (table, columns)| select.columns(table, columns))
}

/// A command on any table: its rows with the columns that are mentioned, and what gives them names.
fn words(mut select: Select, given: &Given, schema: &DatabaseSchema) -> Select {
    // What is not found here is an error there.
    let Some(Ok(table)) = given.args.first().map(|name| lookup::table(schema, name)) else { return select };
    select = select.columns(&table.name, &[]);
    for way in lookup::WAYS.iter().filter(|way| way.table == table.name) {
        select = select.columns(way.name_table, &[way.name_column]).columns(way.name_table, way.reference.as_slice());
    }
    let list = given.options.get("columns").and_then(Option::as_deref);
    let from = match given.command.name {
        "list" | "find" if list.is_none() => return select.table(&table.name),
        "list" | "find" => 1,
        "create" | "destroy" | "comment" => return select,
        _ => 2,
    };
    let listed = list.unwrap_or_default().split([',', ' ']).filter(|name| !name.is_empty());
    let mentioned = given.args.iter().skip(from).map(|word| word.split(OPERATORS).next().unwrap_or_default());
    listed.chain(mentioned).fold(select, |select, name| mention(select, &table, name))
}

fn mention(select: Select, table: &TableSchema, name: &str) -> Select {
    match lookup::column_or_uuid(table, &weft_ovsdb::text::unquote(name).unwrap_or_default()) {
        Ok(at) if at >= N_IMPLICIT => select.columns(&table.name, &[&table.columns[at].name]),
        _ => select,
    }
}

/// Where a column's name ends.
const OPERATORS: [char; 6] = [':', '=', '!', '<', '>', '{'];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vsctl::command;
    use std::sync::Arc;
    use weft_ovsdb::open_vswitch;
    use weft_ovsdb::replica::Replica;

    fn read(line: &str) -> String {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        let commands = command::split(Vec::new(), &words).unwrap();
        let schema = open_vswitch::schema();
        let select = select(&commands, false, &schema);
        let replica = Replica::new(Arc::new(schema), &select);
        let shown = |(name, table): (&str, &weft_ovsdb::replica::Table)| {
            format!("{name}({})", table.selected().collect::<Vec<_>>().join(" "))
        };
        replica.tables().map(shown).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn commands_read_what_they_look_at() {
        for (line, tables) in [
            ("init", "Open_vSwitch()"),
            ("get Open . next_cfg", "Open_vSwitch(next_cfg)"),
            ("get-manager", "Manager(target) Open_vSwitch(manager_options)"),
            ("find Interface type=gre name!=a --", ""),
            ("--columns=name,error find Interface link_st=up", "Interface(error link_state name) Open_vSwitch()"),
            ("set Int eth0 opt:key=1", "Interface(name options) Open_vSwitch()"),
            (
                "list-ports br0",
                "Bridge(name ports) Interface(name) Open_vSwitch(bridges) Port(fake_bridge interfaces name tag)",
            ),
            ("list NoSuchTable", "Open_vSwitch()"),
            ("destroy QoS p1", "Open_vSwitch() Port(name qos) QoS()"),
        ] {
            match tables {
                "" => assert!(read(line).contains("statistics"), "{line}"),
                _ => assert_eq!(read(line), tables, "{line}"),
            }
        }
    }
}
