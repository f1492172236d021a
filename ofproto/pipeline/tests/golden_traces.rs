//! Traces that once differed from Open vSwitch's: `golden/trace/*.txt` holds the flows, the frame and what the real
//! ovs-vswitchd says. They run without it; `UPDATE=1` asks it again and writes its answers down.

mod real;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use real::{BRIDGES, Pair, bridge_of, normal, ours_joined, program_over_the_wire};
use weft_base::Time;

/// A file, taken apart.
struct Golden {
    path: PathBuf,
    why: String,
    flows: Vec<String>,
    frame: String,
    said: String,
}

impl Golden {
    fn read(path: &Path) -> Golden {
        let text = std::fs::read_to_string(path).expect("a golden file");
        let all = |prefix: &str| text.lines().filter_map(|l| l.strip_prefix(prefix)).map(str::to_owned).collect();
        let (flows, why, frames, said): (Vec<_>, Vec<String>, Vec<String>, Vec<String>) =
            (all("flow "), all("# "), all("trace "), all(">"));
        let said = said.iter().fold(String::new(), |all, line| all + line.strip_prefix(' ').unwrap_or(line) + "\n");
        Golden { path: path.to_owned(), why: why.join("\n# "), flows, frame: frames.concat(), said }
    }

    /// Of `ofproto/trace`: the frame, and perhaps what conntrack will say.
    fn args(&self) -> Vec<&str> {
        std::iter::once(BRIDGES[0]).chain(self.frame.split_whitespace()).collect()
    }

    fn write(&self, said: &str) {
        let mut text = format!("# {}\n", self.why);
        self.flows.iter().for_each(|flow| {
            let _ = writeln!(text, "flow {flow}");
        });
        let _ = writeln!(text, "trace {}", self.frame);
        said.lines().for_each(|line| {
            let _ = writeln!(text, "{}", format!("> {line}").trim_end());
        });
        std::fs::write(&self.path, text).expect("the golden file is writable");
    }
}

fn all() -> Vec<Golden> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/trace");
    let entries = std::fs::read_dir(dir).expect("the golden folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| Golden::read(path)).collect()
}

#[test]
fn traces_stay_as_the_real_one_says() {
    if std::env::var_os("UPDATE").is_some() {
        bless();
    }
    let mut differences = String::new();
    for golden in all() {
        let pipeline = ours_joined();
        for line in &golden.flows {
            let (bridge, flow) = bridge_of(line);
            program_over_the_wire(&pipeline, bridge, flow);
        }
        let said = pipeline.command("ofproto/trace", &golden.args(), Time::ZERO).unwrap_or_else(|e| e);
        let (ours, theirs) = (normal(&said), normal(&golden.said));
        if ours.trim() != theirs.trim() {
            let _ = write!(differences, "== {}\n-- golden\n{theirs}\n-- ours\n{ours}\n", golden.path.display());
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

fn bless() {
    let pair = Pair::joined().expect("an ovs-vswitchd to ask");
    for golden in all() {
        let mut flows = golden.flows.clone();
        pair.replace_all(&mut flows);
        assert_eq!(flows, golden.flows, "{}: the real one refuses some", golden.path.display());
        let said = pair.real.trace(&golden.args());
        if normal(&said).trim() != normal(&golden.said).trim() {
            golden.write(&said);
        }
    }
}
