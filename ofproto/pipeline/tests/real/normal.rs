//! Traces without what may differ between two switches that do the same.

/// Without numbers that are each daemon's own, and without what only OVS's datapath cannot do.
pub fn normal(text: &str) -> String {
    let mut out = String::new();
    let skipped = |l: &&str| !l.contains("slow path because") && !l.contains("not supported by datapath");
    for line in text.lines().filter(skipped) {
        // a whim about packets that came without an Ethernet header
        let unsaid = ["ct_nw_src=0.0.0.0,ct_nw_dst=0.0.0.0,", "ct_ipv6_src=::,ct_ipv6_dst=::,"];
        let shorter = match line.contains("packet_type=(1,") {
            true => unsaid.iter().fold(line.to_owned(), |line, whim| line.replace(whim, "")),
            // nor is such a packet cut for a port that does not take it
            false if line.starts_with("Datapath actions: trunc(") && out.contains("Flow: packet_type=(1,") => {
                let end = line.find("),").map_or(line.len(), |at| at + 2);
                let rest = if end == line.len() { "drop" } else { &line[end..] };
                format!("Datapath actions: {rest}")
            }
            false => line.to_owned(),
        };
        let line = &*shorter;
        // hashes are each switch's own
        let mut rest = match line.find(": score ").filter(|_| line.contains("-> bucket")) {
            Some(at) => &line[..at],
            None => line,
        };
        while let Some(at) = rest.find(",recirc_id=") {
            let end = rest[at + 11..].find([',', ')']).map_or(rest.len(), |n| at + 11 + n);
            out.push_str(&rest[..at]);
            out.push_str(",recirc_id=N");
            rest = &rest[end..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    // a translation that failed has no megaflow worth the name; without an Ethernet header ours may say more than it needs
    let failed = out.contains("Translation failed");
    let unwanted = |l: &&str| l.starts_with("Megaflow:") && (failed || l.contains(",packet_type=(1,"));
    let out: String = out.lines().filter(|l| !unwanted(l)).map(|l| format!("{l}\n")).collect();
    // cut, and then not sent
    let out: String = out.lines().map(|line| uncut(line).to_owned() + "\n").collect();
    let out: String = match ["FLOOD", "ALL"].iter().any(|word| out.lines().any(|line| line.trim() == *word)) {
        true => out.lines().map(|line| in_order(line) + "\n").collect(),
        false => out,
    };
    number_recirculations(&out)
}

/// Outputs in a row in the order of their numbers: a flood has none that counts.
fn in_order(line: &str) -> String {
    if !line.starts_with("Datapath actions: ") {
        return line.to_owned();
    }
    let (mut out, mut run) = (String::new(), Vec::new());
    for part in line["Datapath actions: ".len()..].split(',') {
        match part.parse::<u32>() {
            Ok(port) => run.push(port),
            Err(_) => {
                run.sort_unstable();
                run.drain(..).for_each(|port| out += &format!("{port},"));
                out += &format!("{part},");
            }
        }
    }
    run.sort_unstable();
    run.drain(..).for_each(|port| out += &format!("{port},"));
    format!("Datapath actions: {}", out.trim_end_matches(','))
}

/// The datapath's actions without a truncation at the end.
fn uncut(line: &str) -> &str {
    match line.strip_prefix("Datapath actions: ").and_then(|actions| actions.rfind("trunc(")) {
        Some(0) if !line.contains("),") => "Datapath actions: drop",
        Some(at) if line.ends_with(')') && !line["Datapath actions: ".len() + at..].contains(',') => line
            ["Datapath actions: ".len()..][..at]
            .strip_suffix(',')
            .map_or(line, |actions| &line[..18 + actions.len()]),
        _ => line,
    }
}

/// Recirculation ids in the order of their appearance: 0x1, 0x2, ...
fn number_recirculations(text: &str) -> String {
    let mut seen: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = ["recirc(0x", "recirc_id=0x"].iter().filter_map(|p| Some(rest.find(p)? + p.len())).min() {
        let end = rest[at..].find(|c: char| !c.is_ascii_hexdigit()).map_or(rest.len(), |n| at + n);
        let id = &rest[at..end];
        let n = seen.iter().position(|s| s == id).unwrap_or_else(|| {
            seen.push(id.to_owned());
            seen.len() - 1
        });
        out.push_str(&rest[..at]);
        out.push_str(&format!("{:x}", n + 1));
        rest = &rest[end..];
    }
    out + rest
}
