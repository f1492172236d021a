//! Our tools beside the real ones, where Debian's packages are installed: each line of `tests/sweep/*.txt` is run by both,
//! against twin servers (the real one's) that started empty, and for ovs-ofctl against twin switches (the real one's too). What is printed, what is complained about and the
//! exit status must be equal; identities, dates and folders are taken out first.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const SERVER: &str = "/usr/sbin/ovsdb-server";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
const SWITCH: &str = "/usr/lib/openvswitch-switch/ovs-vswitchd";
const NAMES: [(&str, &str); 5] =
    [("v", "ovs-vsctl"), ("c", "ovsdb-client"), ("t", "ovsdb-tool"), ("a", "ovs-appctl"), ("o", "ovs-ofctl")];

#[test]
fn bridges_and_ports() {
    sweep("vsctl");
}

#[test]
fn commands_on_any_table() {
    sweep("tables");
}

#[test]
fn many_commands_in_one_call() {
    sweep("calls");
}

#[test]
fn talking_to_a_server() {
    sweep("client");
}

#[test]
fn files_and_daemons() {
    sweep("files");
}

#[test]
fn talking_to_a_switch() {
    sweep_with("ofctl", true);
}

#[test]
fn flows_in_colours() {
    sweep_with("colors", true);
}

fn sweep(name: &str) {
    sweep_with(name, false);
}

fn sweep_with(name: &str, switch: bool) {
    if switch && !Path::new(SWITCH).exists() {
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{SWITCH} is not installed");
        eprintln!("skipped: {SWITCH} is not installed");
        return;
    }
    if !Path::new(SERVER).exists() {
        eprintln!("skipped: {SERVER} is not installed");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sweep").join(format!("{name}.txt"));
    let lines = std::fs::read_to_string(path).unwrap();
    let ours = tempfile::tempdir().unwrap();
    for (_, tool) in NAMES {
        std::fs::hard_link(env!("CARGO_BIN_EXE_weft"), ours.path().join(tool))
            .or_else(|_| std::fs::copy(env!("CARGO_BIN_EXE_weft"), ours.path().join(tool)).map(drop))
            .unwrap();
    }
    let (mut real, mut our) = (Side::new(Path::new("/usr/bin")), Side::new(ours.path()));
    if switch {
        real.start_switch();
        our.start_switch();
    }
    let mut different = Vec::new();
    for line in lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(command) = line.strip_prefix("! ") {
            let command = format!("{{ {command}; }} >/dev/null 2>&1");
            real.shell(&command.replace("$D", &real.path()));
            our.shell(&command.replace("$D", &our.path()));
            continue;
        }
        let (sorted, line) = match line.strip_prefix('~') {
            Some(line) => (true, line),
            None => (false, line),
        };
        // Both at once: some lines wait for a second.
        let (wanted, got) = std::thread::scope(|scope| {
            let wanted = scope.spawn(|| real.run(line, sorted));
            let got = our.run(line, sorted);
            (wanted.join().unwrap(), got)
        });
        if wanted != got {
            different.push(format!("{line}\n--- real\n{wanted}--- ours\n{got}"));
        }
    }
    assert!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
}

/// A folder with a server.
struct Side {
    tools: PathBuf,
    dir: tempfile::TempDir,
    server: Option<Child>,
    switch: Option<Child>,
}

impl Side {
    fn new(tools: &Path) -> Side {
        let mut side = Side { tools: tools.to_owned(), dir: tempfile::tempdir().unwrap(), server: None, switch: None };
        side.shell(&format!("/usr/bin/ovsdb-tool create {}/conf.db {SCHEMA}", side.path()));
        let mut server = side.command(SERVER);
        server.args(["conf.db", "--no-chdir", "-vconsole:off"]);
        server.arg(format!("--remote=punix:{}/db.sock", side.path()));
        server.arg(format!("--unixctl={}/ctl", side.path()));
        side.server = Some(server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        // It listens for appctl last.
        side.shell(&format!("for i in $(seq 300); do [ -S {}/ctl ] && exit; sleep 0.1; done", side.path()));
        side
    }

    /// The real switch, with dummy devices.
    fn start_switch(&mut self) {
        let dir = self.path();
        self.shell(&format!("/usr/bin/ovs-vsctl --db=unix:{dir}/db.sock --no-wait init"));
        let mut switch = self.command(SWITCH);
        switch.arg(format!("unix:{dir}/db.sock"));
        switch.args(["--no-chdir", "-vconsole:off", "--enable-dummy=override", "--disable-system"]);
        switch.arg(format!("--unixctl={dir}/switch.ctl"));
        self.switch = Some(switch.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let versions = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15";
        let bridge = format!(
            "add-br br0 -- set Bridge br0 datapath-type=dummy fail-mode=secure protocols={versions} \
             other-config:hwaddr=aa:55:aa:55:00:00 other-config:datapath-id=fedcba9876543210"
        );
        // its address is otherwise the next that the switch thinks of
        let port = |n| {
            format!(
                "-- add-port br0 p{n} -- set Interface p{n} type=dummy ofport_request={n} mac='\"aa:55:aa:55:00:0{n}\"'"
            )
        };
        let done = self.shell(&format!(
            "/usr/bin/ovs-vsctl --db=unix:{dir}/db.sock --timeout=60 {bridge} {} {}",
            port(1),
            port(2)
        ));
        assert_eq!(done.2, Some(0), "{}", done.1);
    }

    fn path(&self) -> String {
        self.dir.path().display().to_string()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, self.dir.path());
        }
        command.env("OVS_PKGDATADIR", "/usr/share/openvswitch").env("OVS_SYSLOG_METHOD", "null").env("TZ", "UTC");
        command.current_dir(self.dir.path());
        command
    }

    fn shell(&self, text: &str) -> (String, String, Option<i32>) {
        let output = self.command("bash").args(["-c", text]).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr), output.status.code())
    }

    /// What the tool prints, what it complains of, and how it ends.
    fn run(&self, line: &str, sorted: bool) -> String {
        let (letter, words) = line.split_once(' ').unwrap_or((line, ""));
        let (_, tool) = NAMES.iter().find(|(short, _)| *short == letter).unwrap();
        let more = if letter == "v" { "--no-wait " } else { "" };
        let text = format!("exec {}/{tool} {more}{}", self.tools.display(), words.replace("DIR", &self.path()));
        let (out, err, status) = self.shell(&text);
        let mut out = self.plain(&out);
        if sorted {
            let mut lines: Vec<&str> = out.lines().collect();
            lines.sort_unstable();
            out = lines.join("\n") + "\n";
        }
        // A tool that dies of a signal has no exit status.
        format!("{out}{}[{status:?}]\n", self.plain(&err))
    }

    /// Without what differs from one run to the next.
    fn plain(&self, text: &str) -> String {
        let text = without_numbers(&without_durations(text), "(xid=0x", |c| c.is_ascii_hexdigit());
        let text = text.replace(&self.path(), "DIR").replace(&format!("{}/", self.tools.display()), "");
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.') {
                word.push(c);
                continue;
            }
            out += if is_identity(&word) || is_date(&word) { "X" } else { &word };
            word.clear();
            out.push(c);
        }
        out.pop();
        out.split("locked by pid ").map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        for daemon in self.switch.iter_mut().chain(&mut self.server) {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Numbers that only say how long something has been there.
fn without_durations(text: &str) -> String {
    let mut parts = Vec::new();
    for (i, part) in text.split("duration=").enumerate() {
        // the colour of the word ends before the number
        let start = if part.starts_with("\x1b[m\x1b[K") { "\x1b[m\x1b[K".len() } else { 0 };
        let number = part[start..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        parts.push(if i == 0 { part.to_owned() } else { format!("{}{number}", &part[..start]) });
    }
    parts.join("duration=")
}

/// Numbers behind some words: how many names a tool asked for first is its own affair.
fn without_numbers(text: &str, word: &str, digit: impl Fn(char) -> bool) -> String {
    let parts = text.split(word).enumerate();
    let bare = parts.map(|(i, part)| if i == 0 { part } else { part.trim_start_matches(&digit) });
    bare.collect::<Vec<_>>().join(word)
}

/// A UUID, its first part, or a digest.
fn is_identity(word: &str) -> bool {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match word.len() {
        36 => word.split('-').map(str::len).eq([8, 4, 4, 4, 12]),
        8 | 40 => word.chars().all(hex) && word.chars().any(|c| c.is_ascii_digit()),
        _ => false,
    }
}

/// `2026-01-31`, `23:59:59.999`, `2026-01-31T23:59:59Z`.
fn is_date(word: &str) -> bool {
    let shape: String = word.chars().take(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00" || shape.starts_with("00:00:00")
}
