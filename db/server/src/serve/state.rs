//! What appctl has changed since the start, kept in a file so that a server restarted by its monitor after a crash
//! goes on with it (ovsdb-server(1), `--monitor`). A server that ends in peace removes the file.

use super::sync::SyncConfig;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The databases and remotes that a server should have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct State {
    pub databases: Vec<PathBuf>,
    pub remotes: Vec<String>,
    pub sync: Option<SyncConfig>,
}

impl State {
    /// What the file says; `None` if there is none, or none that was written whole.
    pub(super) fn load(path: &Path) -> Option<State> {
        let json: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let strings = |name: &str| -> Option<Vec<String>> {
            json.get(name)?.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        };
        Some(State {
            databases: strings("databases")?.into_iter().map(PathBuf::from).collect(),
            remotes: strings("remotes")?,
            sync: json.get("sync").map(|sync| SyncConfig {
                from: sync["from"].as_str().map(str::to_owned),
                exclude: sync["exclude"].as_str().map(str::to_owned),
                active: sync["active"].as_bool().unwrap_or(true),
            }),
        })
    }

    /// Replaces the file in one step.
    pub(super) fn save(&self, path: &Path) {
        let mut json = json!({"databases": self.databases, "remotes": self.remotes});
        if let Some(SyncConfig { from, exclude, active }) = &self.sync {
            json["sync"] = json!({"from": from, "exclude": exclude, "active": active});
        }
        let temporary = path.with_extension("tmp");
        let saved = std::fs::write(&temporary, json.to_string()).and_then(|()| std::fs::rename(&temporary, path));
        if let Err(error) = saved {
            tracing::warn!(target: "ovsdb_server", "{}: cannot save configuration ({error})", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_and_half_of_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.state");
        assert_eq!(State::load(&path), None);
        let sync = SyncConfig { from: Some("tcp:a".into()), exclude: None, active: true };
        let remotes = vec!["punix:\"x\"".into()];
        let state = State { databases: vec!["/a b".into()], remotes, sync: Some(sync) };
        state.save(&path);
        assert_eq!(State::load(&path), Some(state));
        std::fs::write(&path, "{\"databases\":[").unwrap();
        assert_eq!(State::load(&path), None);
    }
}
