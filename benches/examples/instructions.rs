//! Instructions a frame for each step, counted by valgrind:
//! `cargo run --release -p weft-benches --example instructions [STEP]`.
//!
//! It runs itself under `valgrind --tool=none`-like counting twice per step, with few and with many bursts; the
//! difference is what the bursts cost. Instruction counts do not depend on what else the machine does.

use std::process::Command;

use weft_benches::steps::STEPS;
use weft_netdev::BURST;

const FEW: u64 = 100;
const MANY: u64 = 1100;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, step, bursts] = &args[..]
        && flag == "--run"
    {
        let step = STEPS.iter().find(|s| s.name == step).expect("a step's name");
        let mut burst = (step.prepare)();
        (0..bursts.parse().expect("a number")).for_each(|_: u64| burst());
        return;
    }
    let only = args.first().map_or("", String::as_str);
    for step in STEPS.iter().filter(|s| s.name.starts_with(only)) {
        match (count(step.name, FEW), count(step.name, MANY)) {
            (Some(few), Some(many)) => {
                let frames = (MANY - FEW) * BURST as u64;
                println!("{:32} {:7.1} instructions a frame", step.name, (many - few) as f64 / frames as f64);
            }
            _ => {
                println!("valgrind is not there (or failed): no instruction counts");
                return;
            }
        }
    }
}

/// All instructions of a run.
fn count(step: &str, bursts: u64) -> Option<u64> {
    let me = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(me)
        .args(["--run", step, &bursts.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("I refs:") || line.contains("I   refs:"))?;
    line.rsplit(' ').next()?.replace(',', "").parse().ok()
}
