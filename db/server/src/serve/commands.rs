//! The `ovsdb-server/*` commands of appctl and `memory/show`, over a [`Handle`].

use super::{Call, Handle};
use std::path::PathBuf;
use weft_jsonrpc::unixctl::Commands;

/// Registers the commands of ovsdb-server(1) that a standalone server has.
pub fn register(commands: &mut Commands, handle: &Handle) {
    type Make = fn(&[String]) -> Call;
    let table: [(&str, &str, usize, usize, Make); 9] = [
        ("ovsdb-server/add-db", "DB", 1, 1, |a| Call::AddDatabase(PathBuf::from(&a[0]))),
        ("ovsdb-server/remove-db", "DB", 1, 1, |a| Call::RemoveDatabase(a[0].clone())),
        ("ovsdb-server/list-dbs", "", 0, 0, |_| Call::ListDatabases),
        ("ovsdb-server/compact", "", 0, 1, |a| Call::Compact(a.first().cloned())),
        ("ovsdb-server/add-remote", "REMOTE", 1, 1, |a| Call::AddRemote(a[0].clone())),
        ("ovsdb-server/remove-remote", "REMOTE", 1, 1, |a| Call::RemoveRemote(a[0].clone())),
        ("ovsdb-server/list-remotes", "", 0, 0, |_| Call::ListRemotes),
        ("ovsdb-server/reconnect", "", 0, 0, |_| Call::Reconnect),
        ("memory/show", "", 0, 0, |_| Call::Memory),
    ];
    for (name, usage, min, max, make) in table {
        let handle = handle.clone();
        commands.register(name, usage, min, max, move |call| {
            let reply = call.reply;
            handle.call_later(make(&call.args), move |answer| reply.send(answer));
        });
    }
    commands.immediate("ovsdb-server/sync-status", "", 0, 0, |_| Ok("state: active\n".into()));
    commands.immediate("ovsdb-server/get-active-ovsdb-server", "", 0, 0, |_| Ok(String::new()));
    commands.immediate("ovsdb-server/get-sync-exclude-tables", "", 0, 0, |_| Ok(String::new()));
    commands.immediate("ovsdb-server/disconnect-active-ovsdb-server", "", 0, 0, |_| Ok(String::new()));
    commands.immediate("ovsdb-server/connect-active-ovsdb-server", "", 0, 0, |_| {
        Err("Unable to connect: active server is not specified.\n".into())
    });
    let perf = handle.clone();
    commands.register("ovsdb-server/perf-counters-show", "", 0, 0, move |call| {
        let reply = call.reply;
        perf.call_later(Call::Counters, move |answer| reply.send(answer));
    });
    commands.immediate("ovsdb-server/perf-counters-clear", "", 0, 0, |_| Ok(String::new()));
}
