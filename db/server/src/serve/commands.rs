//! The `ovsdb-server/*` commands of appctl, `coverage/*` and `memory/show`, over a [`Handle`].

use super::{Call, Handle, SyncCall};
use std::path::PathBuf;
use weft_jsonrpc::unixctl::Commands;

/// Registers the commands of ovsdb-server(1) that a standalone server has.
pub fn register(commands: &mut Commands, handle: &Handle) {
    type Make = fn(&[String]) -> Call;
    let table: &[(&str, &str, usize, usize, Make)] = &[
        ("ovsdb-server/add-db", "DB", 1, 1, |a| Call::AddDatabase(PathBuf::from(&a[0]))),
        ("ovsdb-server/remove-db", "DB", 1, 1, |a| Call::RemoveDatabase(a[0].clone())),
        ("ovsdb-server/list-dbs", "", 0, 0, |_| Call::ListDatabases),
        ("ovsdb-server/get-db-storage-status", "DB", 1, 1, |a| Call::StorageStatus(a[0].clone())),
        ("ovsdb-server/compact", "", 0, 1, |a| Call::Compact(a.first().cloned())),
        ("ovsdb-server/add-remote", "REMOTE", 1, 1, |a| Call::AddRemote(a[0].clone())),
        ("ovsdb-server/remove-remote", "REMOTE", 1, 1, |a| Call::RemoveRemote(a[0].clone())),
        ("ovsdb-server/list-remotes", "", 0, 0, |_| Call::ListRemotes),
        ("ovsdb-server/reconnect", "", 0, 0, |_| Call::Reconnect),
        ("ovsdb-server/disable-monitor-cond", "", 0, 0, |_| Call::DisableConditions),
        ("ovsdb-server/tlog-list", "", 0, 0, |_| Call::ListNarrated),
        ("ovsdb-server/sync-status", "", 0, 0, |_| Call::Sync(SyncCall::Status)),
        ("ovsdb-server/get-active-ovsdb-server", "", 0, 0, |_| Call::Sync(SyncCall::From)),
        ("ovsdb-server/set-active-ovsdb-server", "", 1, 1, |a| Call::Sync(SyncCall::SetFrom(a[0].clone()))),
        ("ovsdb-server/connect-active-ovsdb-server", "", 0, 0, |_| Call::Sync(SyncCall::Connect)),
        ("ovsdb-server/disconnect-active-ovsdb-server", "", 0, 0, |_| Call::Sync(SyncCall::Disconnect)),
        ("ovsdb-server/set-active-ovsdb-server-probe-interval", "", 1, 1, |a| {
            Call::Sync(SyncCall::SetProbe(a[0].clone()))
        }),
        ("ovsdb-server/set-sync-exclude-tables", "", 0, 1, |a| {
            Call::Sync(SyncCall::Exclude(a.first().cloned().unwrap_or_default()))
        }),
        ("ovsdb-server/get-sync-exclude-tables", "", 0, 0, |_| Call::Sync(SyncCall::Excluded)),
        ("ovsdb-server/perf-counters-show", "", 0, 0, |_| Call::Counters),
        ("coverage/show", "", 0, 0, |_| Call::Coverage),
        ("coverage/read-counter", "COUNTER", 1, 1, |a| Call::ReadCounter(a[0].clone())),
        ("memory/show", "", 0, 0, |_| Call::Memory),
    ];
    for &(name, usage, min, max, make) in table {
        let handle = handle.clone();
        commands.register(name, usage, min, max, move |call| {
            let reply = call.reply;
            handle.call_later(make(&call.args), move |answer| reply.send(answer));
        });
    }
    let trim = handle.clone();
    commands.register("ovsdb-server/memory-trim-on-compaction", "on|off", 1, 1, move |call| {
        let reply = call.reply;
        match call.args[0].as_str() {
            word @ ("on" | "off") => {
                trim.call_later(Call::TrimOnCompaction(word == "on"), move |answer| reply.send(answer))
            }
            _ => reply.error("invalid argument"),
        }
    });
    let narrate = handle.clone();
    commands.register("ovsdb-server/tlog-set", "DB:TABLE on|off", 2, 2, move |call| {
        let (reply, table) = (call.reply, call.args[0].clone());
        match call.args[1].as_str() {
            word @ ("on" | "off") => {
                narrate.call_later(Call::Narrate(table, word == "on"), move |answer| reply.send(answer));
            }
            _ => reply.error("invalid command argument"),
        }
    });
    commands.immediate("ovsdb-server/perf-counters-clear", "", 0, 0, |_| Ok(String::new()));
}
