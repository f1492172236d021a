//! What: `--timeout`. A tool that waits too long dies by SIGALRM, as scripts expect from its exit status.

use std::time::Duration;

/// `-t`'s value, or `OVS_CTL_TIMEOUT` when there is none.
pub fn parse(option: Option<&str>, name: &str) -> Result<Option<Duration>, String> {
    let Some(text) = option else {
        let variable = std::env::var("OVS_CTL_TIMEOUT").ok();
        return Ok(variable.and_then(|text| seconds(&text)));
    };
    match seconds(text) {
        Some(limit) => Ok(Some(limit)),
        None => Err(format!("value {text} on {name} is invalid")),
    }
}

/// Kills this process when the time is over.
pub fn arm(limit: Option<Duration>) {
    let Some(limit) = limit else { return };
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        tracing::warn!(target: "fatal_signal", "terminating with signal 14 (Alarm clock)");
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::ALARM);
    });
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}
