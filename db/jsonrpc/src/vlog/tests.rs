//! What users type and what they get to see.

use super::*;

fn log() -> Vlog {
    Vlog::new("ovs-test", &["bridge", "ofproto"])
}

fn row(log: &Vlog, module: &str) -> String {
    let list = log.list();
    let line = list.lines().find(|line| line.split_whitespace().next() == Some(module)).unwrap();
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn words_choose_module_destination_and_level() {
    let log = log();
    assert_eq!(row(&log, "bridge"), "INFO INFO INFO");
    log.set("bridge:Console,warn").unwrap();
    assert_eq!(row(&log, "bridge"), "WARN INFO INFO");
    log.set("file any").unwrap();
    assert_eq!((row(&log, "bridge"), row(&log, "ofproto")), ("WARN INFO DBG".into(), "INFO INFO DBG".into()));
    log.set("off").unwrap();
    assert_eq!(row(&log, "ofproto"), "OFF OFF OFF");
    log.set("").unwrap();
    assert_eq!(row(&log, "vlog"), "DBG DBG DBG");
}

#[test]
fn wrong_words_are_named() {
    let log = log();
    for (spec, error) in [
        ("foo", "no destination, level, or module \"foo\""),
        ("syslog:any:info:dbg", "cannot specify multiple levels"),
        ("console:file:dbg", "cannot specify multiple destinations"),
        ("bridge:ofproto", "cannot specify multiple modules"),
        ("PATTERN", "missing destination"),
        ("PATTERN:foo:bar", "unknown destination \"foo\""),
        ("FACILITY:foo", "invalid facility"),
    ] {
        assert_eq!(log.set(spec).unwrap_err().to_string(), error);
    }
}

#[test]
fn lists_have_columns() {
    assert!(log().list().starts_with(
        "                 console    syslog    file\n                 -------    ------    ------\nbridge            INFO       INFO       INFO\n"
    ));
    let log = log();
    log.set("PATTERN:console:%m").unwrap();
    assert_eq!(
        log.list_patterns(),
        "         prefix                            format\n         ------                            ------\n\
         SYSLOG   <%B> %D{%h %e %T} %E %A:          ovs|%05N|%c%T|%p|%m\n\
         CONSOLE  none                              %m\n\
         FILE     none                              %D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m\n"
    );
}

fn formatted(pattern: &str) -> String {
    let record = Record {
        program: "ovs-test",
        module: "bridge",
        level: Level::Warn,
        message: "hello",
        facility: Facility::DAEMON,
        serial: 7,
        now: "2026-02-03T04:05:06.789012Z".parse().unwrap(),
    };
    Pattern::parse(pattern).format(&record)
}

#[test]
fn patterns_expand() {
    assert_eq!(
        formatted("%A|%B|%c|%p|%m|%%|%N|%05N|%-3N|%8c|%q|%"),
        "ovs-test|28|bridge|WARN|hello|%|7|00007|7  |  bridge|%q|%"
    );
    assert_eq!(formatted("%D"), "2026-02-03 04:05:06");
    assert_eq!(formatted("%D{%Y-%m-%dT%H:%M:%S.###Z}"), "2026-02-03T04:05:06.789Z");
    assert_eq!(formatted("%D{%H.#####}"), "04.78900");
}

#[test]
fn any_pattern_and_any_spec_are_taken_or_refused() {
    bolero::check!().with_type::<String>().for_each(|text| {
        formatted(text);
        let _ = log().set(text);
    });
}
