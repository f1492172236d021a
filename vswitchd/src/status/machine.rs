//! What: the machine's own statistics, for `Open_vSwitch.statistics` (ovs-vswitchd.conf.db(5), `enable-statistics`).
//!
//! How: the kernel's texts are read in one place, [`read`], and each is made into a value by a function of its text.
//!
//! Invariants: what cannot be found out is left out. A file system that hangs holds up nobody but who calls [`read`].

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// All that can be found out; `run_dir` is where the daemons' pidfiles are.
pub fn read(run_dir: &Path) -> BTreeMap<String, String> {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut found = BTreeMap::new();
    let mut put = |key: &str, value: Option<String>| drop(value.map(|value| found.insert(key.to_owned(), value)));
    put("cpu", cpus(&text("/proc/stat")));
    put("load_average", load_average(&text("/proc/loadavg")));
    put("memory", memory(&text("/proc/meminfo")));
    put("file_systems", file_systems(&text("/proc/mounts"), usage));
    let locks = text("/proc/locks");
    for entry in std::fs::read_dir(run_dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".pid")) else { continue };
        // Our own is among them: opening and closing it would give up the lock that we hold on it.
        if let Some(pid) = path.metadata().ok().and_then(|file| holder(&locks, file.dev(), file.ino())) {
            put(&format!("process_{name}"), process(pid));
        }
    }
    found
}

/// How many processors are online: a line for each.
fn cpus(stat: &str) -> Option<String> {
    let is_cpu =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    Some(stat.lines().filter(is_cpu).count()).filter(|count| *count > 0).map(|count| count.to_string())
}

fn load_average(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    (words.len() == 3).then(|| words.join(","))
}

/// Total, used, of that to be had back, swap, used swap, in kB.
fn memory(meminfo: &str) -> Option<String> {
    let fields: BTreeMap<&str, u64> = meminfo
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            Some((name, rest.split_whitespace().next()?.parse().ok()?))
        })
        .collect();
    let field = |name: &str| fields.get(name).copied();
    let (total, free) = (field("MemTotal")?, field("MemFree")?);
    let cached = field("Buffers").unwrap_or(0) + field("Cached").unwrap_or(0);
    let (swap, swap_free) = (field("SwapTotal").unwrap_or(0), field("SwapFree").unwrap_or(0));
    let used = |total: u64, free: u64| total.saturating_sub(free);
    Some(format!("{total},{},{cached},{swap},{}", used(total, free), used(swap, swap_free)))
}

/// `MOUNT,TOTAL,USED` of local file systems that can be written to.
fn file_systems(mounts: &str, usage: impl Fn(&str) -> Option<(u64, u64)>) -> Option<String> {
    let mut items = Vec::new();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(device), Some(mount), _, Some(options)) = (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        if !device.starts_with('/') || options.split(',').any(|option| option == "ro") {
            continue;
        }
        // the kernel writes odd characters as three octal digits
        let mount = mount.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
        if let Some((total, used)) = usage(&mount) {
            items.push(format!("{},{total},{used}", mount.replace([' ', ','], "_")));
        }
    }
    (!items.is_empty()).then(|| items.join(" "))
}

/// Size and use in kB.
fn usage(mount: &str) -> Option<(u64, u64)> {
    let found = rustix::fs::statvfs(mount).ok()?;
    let kb = |blocks: u64| blocks.saturating_mul(found.f_frsize) / 1024;
    Some((kb(found.f_blocks), kb(found.f_blocks.saturating_sub(found.f_bfree))))
}

/// The process that holds a lock on the file; a pidfile without one is of a process that is gone.
fn holder(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let file = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(4);
        let (pid, of) = (words.next()?, words.next()?);
        (of == file).then(|| pid.parse().ok())?
    })
}

/// Of `/proc/PID/stat`, what we look at.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    parent: u32,
    /// In 1/100 s, as are all times of this file.
    cpu: u64,
    started: u64,
    virtual_kb: u64,
    resident_pages: u64,
    core: u64,
}

impl Process {
    fn parse(stat: &str) -> Option<Process> {
        // the name, in parentheses, may hold anything
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Process {
            parent: number(4)? as u32,
            cpu: number(14)? + number(15)?,
            started: number(22)?,
            virtual_kb: number(23)? / 1024,
            resident_pages: number(24)?,
            core: number(39)?,
        })
    }

    fn of(pid: u32) -> Option<Process> {
        Process::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }
}

/// Memory, time, crashes, how long ago it was first and last started, and on which core it ran last.
fn process(pid: u32) -> Option<String> {
    let process = Process::of(pid)?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime = (uptime.split_whitespace().next()?.parse::<f64>().ok()? * 1000.0) as u64;
    let page_kb = rustix::param::page_size() as u64 / 1024;
    let age = |process: &Process| uptime.saturating_sub(process.started * TICK_MS);
    let monitor = std::fs::read(format!("/proc/{}/cmdline", process.parent)).unwrap_or_default();
    let crashes = crashes(&String::from_utf8_lossy(&monitor));
    let first = crashes.and_then(|_| Process::of(process.parent)).map_or(age(&process), |monitor| age(&monitor));
    Some(format!(
        "{},{},{},{},{first},{},{}",
        process.virtual_kb,
        process.resident_pages * page_kb,
        process.cpu * TICK_MS,
        crashes.unwrap_or(0),
        age(&process),
        process.core
    ))
}

/// What a monitor says of its child, in its command line: `monitoring pid 7 (2 crashes: ...)`; `None` if it is no monitor.
fn crashes(cmdline: &str) -> Option<u64> {
    let (_, rest) = cmdline.split_once("monitoring pid ")?;
    let inside = rest.split_once('(')?.1;
    let (count, what) = inside.split_once(' ').unwrap_or((inside, ""));
    Some(if what.starts_with("crash") { count.parse().unwrap_or(0) } else { 0 })
}

/// The kernel's unit of time for user space.
const TICK_MS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_kernel() {
        assert_eq!(cpus("cpu  1 2\ncpu0 1\ncpu1 1\nintr 5\n").as_deref(), Some("2"));
        assert_eq!(cpus(""), None);
        assert_eq!(load_average("6.84 7.65 9.32 7/184 13686\n").as_deref(), Some("6.84,7.65,9.32"));
        assert_eq!(load_average("1"), None);
        let meminfo =
            "MemTotal: 100 kB\nMemFree: 40 kB\nBuffers: 3 kB\nCached: 7 kB\nSwapTotal: 9 kB\nSwapFree: 4 kB\n";
        assert_eq!(memory(meminfo).as_deref(), Some("100,60,10,9,5"));
        assert_eq!(memory("MemTotal: x"), None);
    }

    #[test]
    fn only_local_file_systems_that_can_be_written() {
        let mounts = "proc /proc proc rw 0 0\n/dev/vda / ext4 rw,relatime 0 0\n/dev/sr0 /cd iso9660 ro 0 0\n\
                      host:/x /nfs nfs rw 0 0\n/dev/vdb /a\\040b,c ext4 rw 0 0\nshort";
        let usage = |mount: &str| Some((100, mount.len() as u64));
        assert_eq!(file_systems(mounts, usage).as_deref(), Some("/,100,1 /a_b_c,100,6"));
        assert_eq!(file_systems("", usage), None);
    }

    #[test]
    fn processes() {
        let stat = "42 (a ) b) S 7 42 42 0 -1 4194560 25565 0 0 0 5 7 0 0 20 0 1 0 3380403 2048000 1059 1 1 1 1 0 0 0 0 0 0 \
                    0 0 0 17 1 0 0 0 0 0";
        let process = Process { parent: 7, cpu: 12, started: 3380403, virtual_kb: 2000, resident_pages: 1059, core: 1 };
        assert_eq!(Process::parse(stat), Some(process));
        assert_eq!(Process::parse("42 (x) S 1"), None);
        assert_eq!(crashes("ovs-vswitchd: monitoring pid 7 (healthy)"), Some(0));
        assert_eq!(crashes("ovs-vswitchd: monitoring pid 7 (2 crashes: pid 5 died)"), Some(2));
        assert_eq!(crashes("/usr/sbin/ovs-vswitchd"), None);
        let locks = "1: POSIX  ADVISORY  WRITE 7 fe:00:123 0 EOF\n2: FLOCK ADVISORY WRITE 8 fe:00:5 0 EOF\n";
        let device = rustix::fs::makedev(0xfe, 0);
        assert_eq!(holder(locks, device, 123), Some(7));
        assert_eq!(holder(locks, device, 12), None);
        assert_eq!(holder(locks, rustix::fs::makedev(8, 1), 123), None);
        assert_eq!(holder("", 1, 1), None);
    }

    #[test]
    fn this_machine() {
        let found = read(Path::new("/nonexistent"));
        assert!(
            found.contains_key("cpu") && found.contains_key("memory") && found.contains_key("load_average"),
            "{found:?}"
        );
    }
}
