//! Transcripts: what users type and what they get, against a database server in this process.
//!
//! Each `tests/golden/NAME.txt` is a list of `$ TOOL WORDS...` lines, each followed by what the tool said on
//! standard output and standard error, and by `[STATUS]` if that is not 0. `UPDATE=1 cargo test` rewrites them.
//! UUIDs appear as `<1>`, `<2>`, ... in order of appearance, temporary paths and dates as words.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use weft_ovsdb::open_vswitch;
use weft_server::database::Database;
use weft_server::serve::{OvsdbServer, OvsdbServerConfig};
use weft_server::storage::FileStorage;

#[test]
fn bridges_and_ports() {
    check("bridges");
}

#[test]
fn database_commands() {
    check("database");
}

#[test]
fn tables_in_every_format() {
    check("tables");
}

#[test]
fn talking_to_a_server() {
    check("dbclient");
}

#[test]
fn working_on_a_file() {
    check("dbtool");
}

#[test]
fn asking_a_daemon() {
    check("appctl");
}

/// Plays the transcript and compares, or rewrites it.
fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    let golden = std::fs::read_to_string(&path).unwrap();
    let stage = Stage::new();
    let actual = stage.play(&golden);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &actual).unwrap();
        return;
    }
    for (number, (expected, actual)) in golden.lines().zip(actual.lines()).enumerate() {
        assert_eq!(actual, expected, "{}:{} (UPDATE=1 rewrites it)", path.display(), number + 1);
    }
    assert_eq!(actual.lines().count(), golden.lines().count(), "{}", path.display());
}

/// A run directory with a server on `db.sock`, and this schema as `schema` in it.
struct Stage {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    server: Option<OvsdbServer>,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("server.db");
        FileStorage::create(&db, &Database::initial_log(&open_vswitch::schema())).unwrap();
        std::fs::write(dir.path().join("schema"), open_vswitch::SCHEMA_TEXT).unwrap();
        let newer = open_vswitch::SCHEMA_TEXT.replace("\"8.3.1\"", "\"9.0.0\"");
        std::fs::write(dir.path().join("newer"), newer).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let remotes = vec![format!("punix:{}", dir.path().join("db.sock").display())];
        let config = OvsdbServerConfig { databases: vec![db], remotes, ..OvsdbServerConfig::default() };
        let server = runtime.block_on(async { OvsdbServer::start(config) }).unwrap();
        Stage { dir, runtime, server: Some(server) }
    }

    fn play(&self, transcript: &str) -> String {
        let mut names = Names { dir: self.dir.path().display().to_string(), uuids: HashMap::new() };
        let mut text = String::new();
        for line in transcript.lines().filter(|line| line.starts_with("$ ") || line.starts_with('#')) {
            text += &format!("{line}\n");
            if let Some(command) = line.strip_prefix("$ ") {
                text += &names.hide(&self.run(command));
            }
        }
        text
    }

    /// Both outputs, then the status. `> FILE` at the end of a line sends the first one there.
    fn run(&self, line: &str) -> String {
        let mut words = words(line);
        let file = words.iter().position(|word| word == ">").map(|at| {
            let file: PathBuf = self.dir.path().join(&words[at + 1]);
            words.truncate(at);
            file
        });
        if words[0] == "cat" {
            return std::fs::read_to_string(self.dir.path().join(&words[1])).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
        command.args(&words).current_dir(self.dir.path()).stdin(Stdio::null());
        for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR", "OVS_PKGDATADIR"] {
            command.env(variable, self.dir.path());
        }
        command.env("OVS_SYSLOG_METHOD", "null").env("OVS_CTL_TIMEOUT", "30").env("TZ", "UTC");
        if let Some(file) = file {
            command.stdout(std::fs::File::create(file).unwrap());
        }
        let output = command.output().unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            text += &format!("[{}]\n", output.status.code().map_or("killed".to_string(), |code| code.to_string()));
        }
        text
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

/// Replaces what differs from run to run.
struct Names {
    dir: String,
    uuids: HashMap<String, usize>,
}

impl Names {
    fn hide(&mut self, text: &str) -> String {
        let text = text.replace(&self.dir, "DIR");
        let mut out = String::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            if let Some(uuid) = rest.get(..36).filter(|part| is_uuid(part)) {
                let next = self.uuids.len() + 1;
                out += &format!("<{}>", self.uuids.entry(uuid.to_string()).or_insert(next));
                rest = &rest[36..];
            } else if let Some(length) = date_length(rest) {
                out += "DATE";
                rest = &rest[length..];
            } else {
                let c = rest.chars().next().unwrap_or_default();
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        let line = |line: &str| match line.strip_prefix("DATE|") {
            Some(after) => after.split_once('|').map_or(line.to_string(), |(_, after)| format!("DATE|{after}")),
            None => line.to_string(),
        };
        out.lines().map(|text| line(text) + "\n").collect()
    }
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// `2026-01-02T03:04:05Z` and `2026-01-02 03:04:05.678`.
fn date_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let shape = b"dddd-dd-dd?dd:dd:dd";
    let fits = bytes.len() >= shape.len()
        && shape.iter().zip(bytes).all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            b'?' => *byte == b'T' || *byte == b' ',
            other => other == byte,
        });
    let tail =
        |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit() || b".Z".contains(byte)).count();
    fits.then(|| shape.len() + tail(shape.len()))
}

/// Words as a shell cuts them: spaces separate, both kinds of quotes hold together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut started) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (c, quote) {
            (_, Some(end)) if c == end => quote = None,
            (_, Some(_)) => word.push(c),
            ('\'' | '"', None) => (quote, started) = (Some(c), true),
            (' ', None) => {
                if started {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            (_, None) => {
                word.push(c);
                started = true;
            }
        }
    }
    if started {
        words.push(word);
    }
    words
}
