//! What: the appctl commands `vlog/*`.

use super::Vlog;
use crate::session::bare;
use crate::unixctl::Commands;

/// Adds them to a daemon's commands.
pub fn register(commands: &mut Commands, log: &Vlog) {
    let vlog = log.clone();
    commands.immediate("vlog/set", "{spec | PATTERN:destination:pattern}", 0, usize::MAX, move |args| {
        if args.is_empty() {
            vlog.set("").map_err(|error| error.to_string())?;
        }
        for spec in args {
            vlog.set(spec).map_err(|error| error.to_string())?;
        }
        Ok(String::new())
    });
    let vlog = log.clone();
    commands.immediate("vlog/list", "", 0, 0, move |_| Ok(vlog.list()));
    let vlog = log.clone();
    commands.immediate("vlog/list-pattern", "", 0, 0, move |_| Ok(vlog.list_patterns()));
    let vlog = log.clone();
    commands.immediate("vlog/reopen", "", 0, 0, move |_| {
        vlog.reopen().map(|()| String::new()).map_err(|error| bare(&error))
    });
    let vlog = log.clone();
    commands.immediate("vlog/close", "", 0, 0, move |_| {
        vlog.close();
        Ok(String::new())
    });
    for (name, limited) in [("vlog/disable-rate-limit", false), ("vlog/enable-rate-limit", true)] {
        let vlog = log.clone();
        commands.immediate(name, "[module]...", 0, usize::MAX, move |args| {
            let known = match args {
                [] => vlog.limit_rate(None, limited),
                modules => modules.iter().all(|module| vlog.limit_rate(Some(module), limited)),
            };
            if known { Ok(String::new()) } else { Err("unknown module".to_owned()) }
        });
    }
}
