//! Network namespaces for tests: each is a thread of its own and ends with it.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use weft_netdev::{Device, QueuePair, Sleeper, Spec, open};
use weft_packet::{Frame, Pool};

/// Whether namespaces can be had; says so if not. Where `WEFT_E2E_REQUIRED` is set, that is a failure.
pub fn skip(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return false;
    }
    assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{test}: needs root");
    println!("weft-skip {test}: needs root");
    true
}

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace: what runs in it sees its devices alone.
pub struct Host {
    /// The thread's number, by which `ip link set ... netns` finds it.
    pub id: i32,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    pub fn new() -> Host {
        let (jobs, work) = channel::<Job>();
        let (tell, told) = channel();
        let thread = std::thread::spawn(move || {
            #[allow(deprecated, reason = "a namespace of the network only, which is what makes the call sound")]
            rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET).expect("unshare");
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).expect("the test waits");
            work.into_iter().for_each(|job| job());
        });
        Host { id: told.recv().expect("the thread lives"), jobs: Some(jobs), thread: Some(thread) }
    }

    /// Start something in the namespace; the result comes through the channel.
    pub fn start<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> std::sync::mpsc::Receiver<T> {
        let (tell, told) = channel();
        let job = Box::new(move || {
            let _ = tell.send(body());
        });
        self.jobs.as_ref().expect("not dropped").send(job).expect("the thread lives");
        told
    }

    /// Run something in the namespace.
    pub fn run<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> T {
        self.start(body).recv().expect("the job ended well")
    }

    /// Run `ip` with these arguments in the namespace.
    pub fn ip(&self, arguments: &str) {
        let arguments = arguments.to_owned();
        self.run(move || ip(&arguments));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // A failed test may leave a job that waits for ever.
        if !std::thread::panicking() {
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

/// Run `ip` with these arguments in the calling thread's namespace.
pub fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip (package iproute2) starts");
    assert!(done.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Open a device for one worker, and bring it up.
pub fn device(name: &str, kind: &str) -> (Device, QueuePair) {
    let mut opened = open(&Spec::new(name, kind, &BTreeMap::new()).unwrap(), 1).unwrap();
    opened.device.set_up(true).unwrap();
    (opened.device, opened.queues.remove(0))
}

/// Send these frames.
pub fn send(pair: &mut QueuePair, frames: &[Vec<u8>]) -> weft_netdev::TxReport {
    let mut burst = frames.iter().map(|bytes| Frame::copy_of(bytes)).collect();
    pair.tx.tx_burst(&mut burst, &mut Pool::new(0))
}

/// Receive until `count` frames that `wanted` likes have come.
pub fn receive(pair: &mut QueuePair, count: usize, wanted: impl Fn(&[u8]) -> bool) -> Vec<Frame> {
    let (mut pool, mut got) = (Pool::new(0), Vec::new());
    let bed = Sleeper::new().unwrap();
    bed.add(pair.rx.poll_fd().unwrap()).unwrap();
    while got.len() < count {
        let mut burst = Vec::new();
        if pair.rx.rx_burst(&mut pool, &mut burst, 32).unwrap() == 0 {
            assert!(bed.sleep(Some(PATIENCE)), "only {} of {count} frames came", got.len());
        }
        got.extend(burst.into_iter().filter(|frame| wanted(frame.bytes())));
    }
    got
}

/// A broadcast frame of our own Ethernet type with a number in it, `len` bytes long.
pub fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xff; 6];
    bytes.extend([2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    bytes.extend(number.to_be_bytes());
    bytes.extend((bytes.len()..len).map(|i| (i as u32 * 7 + number) as u8));
    bytes
}

/// Whether a frame is one of [`numbered`].
pub fn is_numbered(bytes: &[u8]) -> bool {
    bytes.get(12..14) == Some(&[0x88, 0xb5])
}

/// How long a test waits for what must come before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);
