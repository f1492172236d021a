use super::*;

fn run(program: Program, line: &str) -> Options {
    match parse(program, line.split_whitespace().map(str::to_owned)).unwrap() {
        Parsed::Run(options) => *options,
        Parsed::Print(text) => panic!("printed {text}"),
    }
}

fn error(program: Program, line: &str) -> String {
    parse(program, line.split_whitespace().map(str::to_owned)).unwrap_err().to_string()
}

#[test]
fn what_scripts_pass_is_understood() {
    let line = "--detach --no-chdir --pidfile --log-file -vvconn:file:dbg -v ofproto_dpif:dbg --disable-system \
                --disable-system-route --enable-dummy=override --dummy-numa 0,0 --unixctl=/x.ctl unix:/db.sock";
    // A bare -v takes no word that follows it.
    let options = run(Program::Switch, &line.replace("-v ofproto_dpif:dbg", "-v"));
    assert!(options.daemon.detach && options.daemon.no_chdir && options.disable_system);
    assert_eq!(options.daemon.pidfile, Some(None));
    assert_eq!(options.log_file, Some(None));
    assert_eq!(options.verbose, [Some("vconn:file:dbg".to_owned()), None]);
    assert_eq!(options.dummy, Dummy::Override);
    assert_eq!(options.unixctl.as_deref(), Some("/x.ctl"));
    assert_eq!(options.arguments, ["unix:/db.sock"]);
}

#[test]
fn the_servers_own_options() {
    let options = run(Program::Database, "a.db --remote=punix:x --remote ptcp:0 b.db --pidfile=/p --no-dbs");
    assert_eq!(options.remotes, ["punix:x", "ptcp:0"]);
    assert_eq!(options.arguments, ["a.db", "b.db"]);
    assert!(options.no_dbs);
    assert_eq!(error(Program::Switch, "--no-dbs"), "unrecognized option '--no-dbs'");
}

#[test]
fn prefixes_work_while_they_are_unique() {
    assert!(run(Program::Switch, "--det").daemon.detach);
    let text = error(Program::Switch, "--disable-s");
    assert!(text.contains("ambiguous"), "{text}");
    assert!(run(Program::Switch, "--disable-system").disable_system);
}

#[test]
fn mistakes_are_named() {
    assert_eq!(error(Program::Whole, "--nonsense"), "unrecognized option '--nonsense'");
    assert_eq!(error(Program::Whole, "--detach=1"), "option '--detach' doesn't allow an argument");
    assert_eq!(error(Program::Whole, "--unixctl"), "option '--unixctl' requires an argument");
    assert!(error(Program::Whole, "--enable-dummy=maybe").contains("expected override or system"));
    assert!(error(Program::Whole, "--grpc=smtp:x").contains("expected a path"));
    assert_eq!(run(Program::Whole, "--grpc /x --grpc tcp:127.0.0.1:1").grpc, ["/x", "tcp:127.0.0.1:1"]);
    assert!(error(Program::Whole, "a b").contains("at most one"));
    assert!(run(Program::Whole, "-p /x --ca-cert=none").tls.private_key.is_some());
}

#[test]
fn help_lists_only_what_the_program_takes() {
    let texts = [Program::Whole, Program::Switch, Program::Database].map(help);
    assert!(texts.iter().all(|text| text.contains("--detach") && text.lines().all(|line| line.len() <= 120)));
    assert!(texts[2].contains("--remote=REMOTE") && !texts[1].contains("--remote"));
    assert!(version(Program::Switch).starts_with("ovs-vswitchd (Open vSwitch) 3.1.0\n"));
}
