//! What: which core polls which receive queue (`other_config:pmd-*`, ovs-vswitchd.conf.db(5)).
//!
//! Why: people pin queues to cores, keep cores for themselves, and read from `dpif-netdev/pmd-rxq-show` and the log what
//! became of it. How: [`Cores::arrange`] is told what is wanted and what there is, and works the whole assignment out
//! anew; it returns what the log shall say. A core here is a list of queues as people arrange them; the engine's workers, of
//! which there may be fewer, poll each device's queues round robin, whatever list they stand in.
//!
//! Invariants: pure. A queue is on one core at most; an isolated core has pinned queues only.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

/// How queues that nobody pinned are dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the database's words")]
pub enum Mode {
    RoundRobin,
    #[default]
    Cycles,
    Group,
}

impl Mode {
    /// The database's word; `None` for one that is none.
    pub fn parse(text: &str) -> Option<Mode> {
        match text {
            "roundrobin" => Some(Mode::RoundRobin),
            "cycles" => Some(Mode::Cycles),
            "group" => Some(Mode::Group),
            _ => None,
        }
    }

    /// The database's word.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::RoundRobin => "roundrobin",
            Mode::Cycles => "cycles",
            Mode::Group => "group",
        }
    }
}

/// A port whose queues are polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolledPort {
    /// Its name.
    pub name: String,
    /// The memory node that it belongs to.
    pub numa: u32,
    /// How many receive queues it has.
    pub queues: u32,
    /// Which core a queue is pinned to.
    pub pinned: BTreeMap<u32, u32>,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Wish {
    /// Cores that may be used; `None`: one of each node.
    pub mask: Option<Vec<u32>>,
    /// How to deal.
    pub mode: Mode,
    /// Whether a core with a pinned queue gets no others.
    pub isolate: bool,
    /// Ports in the order of their numbers.
    pub ports: Vec<PolledPort>,
}

/// One core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// Its memory node.
    pub numa: u32,
    /// Whether it has pinned queues only.
    pub isolated: bool,
    /// Ports and queues.
    pub queues: Vec<(String, u32)>,
}

/// What the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "levels of the log")]
pub enum Line {
    Info(String),
    Warn(String),
}

/// The cores in use.
#[derive(Clone, Debug, Default)]
pub struct Cores {
    /// The node of each core of the machine.
    topology: Vec<u32>,
    /// By number.
    pub used: BTreeMap<u32, Core>,
    wish: Wish,
}

impl Cores {
    /// A machine whose cores lie on these nodes.
    pub fn new(topology: Vec<u32>) -> Cores {
        Cores { topology, ..Cores::default() }
    }

    /// The core that polls a queue of this port, the first queue's first.
    pub fn of_port(&self, name: &str) -> Option<u32> {
        let on = |core: &Core| core.queues.iter().filter(|(port, _)| port == name).map(|(_, queue)| *queue).min();
        self.used.iter().filter_map(|(id, core)| Some((on(core)?, *id))).min().map(|(_, id)| id)
    }

    /// Deal the queues anew, if anything has changed.
    pub fn arrange(&mut self, wish: Wish) -> Vec<Line> {
        if wish == self.wish {
            return Vec::new();
        }
        let mut log = Vec::new();
        self.use_cores(&wish, &mut log);
        self.deal(&wish, &mut log);
        self.wish = wish;
        log
    }

    /// Cores are in use only while there is something to poll.
    fn use_cores(&mut self, wish: &Wish, log: &mut Vec<Line>) {
        let node = |core: u32| self.topology.get(core as usize).copied();
        let wanted: Vec<u32> = match &wish.mask {
            _ if wish.ports.is_empty() => Vec::new(),
            Some(mask) => mask.iter().copied().filter(|core| node(*core).is_some()).collect(),
            None => {
                let all = 0..self.topology.len() as u32;
                let first_of_its_node = |core: &u32| !(0..*core).any(|earlier| node(earlier) == node(*core));
                all.filter(first_of_its_node).collect()
            }
        };
        let before: Vec<u32> = self.used.keys().copied().collect();
        for core in before.iter().filter(|core| !wanted.contains(core)) {
            let numa = self.used.remove(core).map_or(0, |core| core.numa);
            log.push(Line::Info(format!("PMD thread on numa_id: {numa}, core id: {core:2} destroyed.")));
        }
        for core in wanted.iter().filter(|core| !before.contains(core)) {
            let numa = node(*core).unwrap_or(0);
            self.used.insert(*core, Core { numa, isolated: false, queues: Vec::new() });
            log.push(Line::Info(format!("PMD thread on numa_id: {numa}, core id: {core:2} created.")));
        }
        if before != self.used.keys().copied().collect::<Vec<_>>() {
            let mut nodes: BTreeMap<u32, u32> = BTreeMap::new();
            self.used.values().for_each(|core| *nodes.entry(core.numa).or_default() += 1);
            for (numa, count) in nodes {
                log.push(Line::Info(format!("There are {count} pmd threads on numa node {numa}")));
            }
        }
    }

    fn deal(&mut self, wish: &Wish, log: &mut Vec<Line>) {
        for core in self.used.values_mut() {
            (core.isolated, core.queues) = (false, Vec::new());
        }
        // we measure time per worker, not per queue
        let measured = if wish.mode == Mode::RoundRobin { "" } else { " (measured processing cycles 0)" };
        let mut free: Vec<(&PolledPort, u32)> = Vec::new();
        for port in &wish.ports {
            for queue in 0..port.queues {
                let name = &port.name;
                match port.pinned.get(&queue) {
                    None => free.push((port, queue)),
                    Some(id) => match self.used.get_mut(id) {
                        None => {
                            log.push(Line::Warn(format!(
                                "Core {id:2} cannot be pinned with port '{name}' rx queue {queue}. Use pmd-cpu-mask to \
                                 enable a pmd on core {id}. An alternative core will be assigned."
                            )));
                            free.push((port, queue));
                        }
                        Some(core) => {
                            core.queues.push((name.clone(), queue));
                            core.isolated |= wish.isolate;
                            log.push(Line::Info(format!(
                                "Core {id:2} on numa node {} is pinned with port '{name}' rx queue {queue}{measured}",
                                core.numa
                            )));
                        }
                    },
                }
            }
        }
        if free.is_empty() {
            return;
        }
        log.push(Line::Info(format!("Performing pmd to rx queue assignment using {} algorithm.", wish.mode.name())));
        let mut turns: BTreeMap<u32, Turns> = BTreeMap::new();
        let mut last_other = None;
        for (port, queue) in free {
            let name = &port.name;
            let mut numa = port.numa;
            if !self.has_free_core(numa) {
                let Some(other) = self.next_node(last_other) else {
                    log.push(Line::Warn(format!(
                        "No non-isolated pmd on any numa available for port '{name}' rx queue {queue}{measured}. This rx \
                         queue will not be polled."
                    )));
                    continue;
                };
                log.push(Line::Info(format!(
                    "There's no available (non-isolated) pmd thread on numa node {numa}. Port '{name}' rx queue {queue} \
                     will be assigned to a pmd on numa node {other}. This may lead to reduced performance."
                )));
                (numa, last_other) = (other, Some(other));
            }
            let cores = self.used.iter().filter(|(_, core)| core.numa == numa && !core.isolated);
            let candidates: Vec<(u32, usize)> = cores.map(|(id, core)| (*id, core.queues.len())).collect();
            let turn = turns.entry(numa).or_default();
            let id = match wish.mode {
                Mode::Group => candidates.iter().min_by_key(|(id, queues)| (*queues, *id)).map_or(0, |(id, _)| *id),
                Mode::RoundRobin => candidates[turn.next(candidates.len(), false)].0,
                Mode::Cycles => candidates[turn.next(candidates.len(), true)].0,
            };
            if let Some(core) = self.used.get_mut(&id) {
                core.queues.push((name.clone(), queue));
            }
            log.push(Line::Info(format!(
                "Core {id:2} on numa node {numa} assigned port '{name}' rx queue {queue}{measured}."
            )));
        }
    }

    fn has_free_core(&self, numa: u32) -> bool {
        self.used.values().any(|core| core.numa == numa && !core.isolated)
    }

    /// The node after this one that has a core to spare, all around.
    fn next_node(&self, after: Option<u32>) -> Option<u32> {
        let mut nodes: Vec<u32> = self.used.values().filter(|core| !core.isolated).map(|core| core.numa).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let later = nodes.iter().copied().find(|numa| after.is_none_or(|after| *numa > after));
        later.or_else(|| nodes.first().copied())
    }
}

/// Whose turn it is on a node.
#[derive(Default)]
struct Turns {
    at: usize,
    back: bool,
}

impl Turns {
    /// The next of so many: around, or there and back again.
    fn next(&mut self, of: usize, there_and_back: bool) -> usize {
        let now = self.at.min(of - 1);
        if !there_and_back {
            self.at = (now + 1) % of;
        } else if self.back {
            (self.at, self.back) = if now == 0 { (0, false) } else { (now - 1, true) };
        } else {
            (self.at, self.back) = if now + 1 == of { (now, true) } else { (now + 1, false) };
        }
        now
    }
}

/// The cores of a hexadecimal mask.
pub fn parse_mask(text: &str) -> Option<Vec<u32>> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let mut cores = Vec::new();
    for (at, digit) in digits.chars().rev().enumerate() {
        let digit = digit.to_digit(16)?;
        cores.extend((0..4).filter(|bit| digit >> bit & 1 == 1).map(|bit| at as u32 * 4 + bit));
    }
    Some(cores)
}

/// `0:3,1:7`: queues and their cores.
pub fn parse_affinity(text: &str) -> BTreeMap<u32, u32> {
    let pair = |word: &str| {
        let (queue, core) = word.split_once(':')?;
        Some((queue.trim().parse().ok()?, core.trim().parse().ok()?))
    };
    text.split(',').filter_map(pair).collect()
}

/// `--dummy-numa`'s list, or the machine: all its cores on one node.
pub fn topology(dummy: Option<&str>) -> Vec<u32> {
    match dummy {
        Some(list) => list.split(',').filter_map(|numa| numa.trim().parse().ok()).collect(),
        None => vec![0; std::thread::available_parallelism().map_or(1, usize::from)],
    }
}

/// What the log says of the machine.
pub fn discovered(topology: &[u32]) -> Vec<String> {
    let mut nodes: BTreeMap<u32, usize> = BTreeMap::new();
    topology.iter().for_each(|numa| *nodes.entry(*numa).or_default() += 1);
    let mut lines: Vec<String> =
        nodes.iter().map(|(numa, cores)| format!("Discovered {cores} CPU cores on NUMA node {numa}")).collect();
    lines.push(format!("Discovered {} NUMA nodes and {} CPU cores", nodes.len(), topology.len()));
    lines
}
