use super::*;

fn port(name: &str, numa: u32, queues: u32) -> PolledPort {
    PolledPort { name: name.to_owned(), numa, queues, pinned: BTreeMap::new() }
}

fn lists(cores: &Cores) -> Vec<(u32, bool, Vec<String>)> {
    let show = |core: &Core| core.queues.iter().map(|(port, queue)| format!("{port}.{queue}")).collect();
    cores.used.iter().map(|(id, core)| (*id, core.isolated, show(core))).collect()
}

fn infos(log: &[Line]) -> Vec<&str> {
    log.iter()
        .map(|line| match line {
            Line::Info(text) | Line::Warn(text) => text.as_str(),
        })
        .collect()
}

/// Every table here was read from Open vSwitch 3.1.
#[test]
fn queues_are_dealt_there_and_back_or_around() {
    let mut cores = Cores::new(vec![0, 0]);
    let wish = |mode| Wish { mask: Some(vec![0, 1]), mode, isolate: true, ports: vec![port("pm0", 0, 4)] };
    let log = cores.arrange(wish(Mode::Cycles));
    assert_eq!(
        infos(&log)[..5],
        [
            "PMD thread on numa_id: 0, core id:  0 created.",
            "PMD thread on numa_id: 0, core id:  1 created.",
            "There are 2 pmd threads on numa node 0",
            "Performing pmd to rx queue assignment using cycles algorithm.",
            "Core  0 on numa node 0 assigned port 'pm0' rx queue 0 (measured processing cycles 0).",
        ]
    );
    let words = |list: &[&str]| list.iter().map(|w| w.to_string()).collect::<Vec<_>>();
    assert_eq!(lists(&cores), [(0, false, words(&["pm0.0", "pm0.3"])), (1, false, words(&["pm0.1", "pm0.2"]))]);
    cores.arrange(wish(Mode::RoundRobin));
    assert_eq!(lists(&cores), [(0, false, words(&["pm0.0", "pm0.2"])), (1, false, words(&["pm0.1", "pm0.3"]))]);
    assert!(cores.arrange(wish(Mode::RoundRobin)).is_empty());
}

#[test]
fn a_pinned_queue_has_its_core_for_itself_if_that_is_wanted() {
    let mut cores = Cores::new(vec![0, 0]);
    let pinned = PolledPort { pinned: parse_affinity("0:1"), ..port("pm0", 0, 2) };
    let wish = |isolate, mode| Wish { mask: Some(vec![0, 1]), mode, isolate, ports: vec![pinned.clone()] };
    let log = cores.arrange(wish(true, Mode::Cycles));
    assert!(
        infos(&log)
            .contains(&"Core  1 on numa node 0 is pinned with port 'pm0' rx queue 0 (measured processing cycles 0)")
    );
    assert_eq!(lists(&cores), [(0, false, vec!["pm0.1".to_owned()]), (1, true, vec!["pm0.0".to_owned()])]);
    let log = cores.arrange(wish(false, Mode::RoundRobin));
    assert!(infos(&log).contains(&"Core  1 on numa node 0 is pinned with port 'pm0' rx queue 0"));
    assert!(!cores.used[&1].isolated);
    let only = |mask: Vec<u32>| Wish { mask: Some(mask), ..wish(true, Mode::Group) };
    let log = cores.arrange(only(vec![0]));
    assert!(
        matches!(&log[2], Line::Warn(text) if text.starts_with("Core  1 cannot be pinned with port 'pm0' rx queue 0."))
    );
    let log = cores.arrange(only(vec![9]));
    let unpolled = "No non-isolated pmd on any numa available for port 'pm0' rx queue 1 (measured processing cycles 0). \
                    This rx queue will not be polled.";
    assert!(infos(&log).contains(&unpolled), "{log:?}");
}

#[test]
fn a_node_without_cores_borrows() {
    let mut cores = Cores::new(vec![1, 1, 0, 0, 0, 0, 1, 1]);
    let ports = vec![port("p1", 1, 2), port("p2", 0, 1)];
    cores.arrange(Wish { ports: ports.clone(), ..Wish::default() });
    assert_eq!(cores.used.keys().copied().collect::<Vec<_>>(), [0, 2]);
    assert_eq!((cores.of_port("p1"), cores.of_port("p2"), cores.of_port("p3")), (Some(0), Some(2), None));
    let log = cores.arrange(Wish { mask: Some(vec![4]), ports, ..Wish::default() });
    let borrowed = "There's no available (non-isolated) pmd thread on numa node 1. Port 'p1' rx queue 0 will be assigned to \
                    a pmd on numa node 0. This may lead to reduced performance.";
    assert!(infos(&log).contains(&borrowed), "{log:?}");
    // nothing to poll, no cores
    assert_eq!(infos(&cores.arrange(Wish::default())), ["PMD thread on numa_id: 0, core id:  4 destroyed."]);
}

#[test]
fn masks_and_lists_are_read() {
    assert_eq!(parse_mask("0x1fe"), Some((1..9).collect()));
    assert_eq!(parse_mask("3"), Some(vec![0, 1]));
    assert_eq!(parse_mask("x"), None);
    assert_eq!(parse_affinity("0:3, 1:7,foo").into_iter().collect::<Vec<_>>(), [(0, 3), (1, 7)]);
    assert_eq!(topology(Some("0,0,1")), [0, 0, 1]);
    assert_eq!(
        discovered(&[0, 1, 1]),
        [
            "Discovered 1 CPU cores on NUMA node 0",
            "Discovered 2 CPU cores on NUMA node 1",
            "Discovered 2 NUMA nodes and 3 CPU cores"
        ]
    );
}
