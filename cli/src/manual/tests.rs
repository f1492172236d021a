use super::*;
use crate::{MANUALS, TOOLS, pages};
use std::path::Path;

#[test]
fn help_is_taken_apart() {
    let help = "\
tool: does things
usage: tool [OPTIONS] COMMAND

FILE is a file.

Some commands:
  [--may] add FILE   add it
  long-one FILE
                     in its own lines
  a FILE
  b FILE             both alike

Options:
  -t, --time=SECS    how long
  -vSPEC, --verbose[=SPEC]  say more
  --no-x             not
";
    let page = Page::parse(help);
    assert_eq!((page.name.as_str(), page.summary.as_str()), ("tool", "does things"));
    assert_eq!(page.text.concat(), "FILE is a file.");
    let commands: Vec<_> = page.commands().map(|(name, _, help)| (name, help)).collect();
    let wanted = [("add", "add it"), ("long-one", "in its own lines"), ("a", "both alike"), ("b", "both alike")];
    assert_eq!(commands, wanted);
    let options: Vec<_> = page.options().map(|(form, value, _)| (form, value)).collect();
    assert_eq!(options, [("-t", false), ("--time", true), ("-v", false), ("--verbose", false), ("--no-x", false)]);
    let page = troff(&page, 1, "other", "");
    assert!(page.contains(".SS Some commands\n.TP\n[\\-\\-may] \\fBadd\\fR FILE\nAdd it.\n"), "{page}");
    assert!(page.contains(".TP\n\\fBa\\fR FILE\n.TQ\n\\fBb\\fR FILE\nBoth alike.\n"), "{page}");
    assert!(page.contains(".TP\n\\fB\\-t\\fR, \\fB\\-\\-time\\fR=SECS\nHow long.\n"), "{page}");
}

/// The pages in docs/man and docs/completion are those that the tools make. `UPDATE=1` rewrites them.
#[test]
fn what_is_in_the_documentation_is_up_to_date() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut files: Vec<(String, String)> = Vec::new();
    for (tool, (section, more)) in TOOLS.iter().zip(MANUALS) {
        let page = Page::parse(&(tool.help)(tool.names[0]));
        files.push((format!("man/{}.{section}", tool.names[0]), troff(&page, *section, tool.names[1], more)));
    }
    for (name, shell) in [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)] {
        files.push((format!("completion/weft.{name}"), completion(shell, &pages())));
    }
    for (name, text) in files {
        let path = docs.join(&name);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name} (UPDATE=1 rewrites it)");
    }
}

#[test]
fn bash_completes_commands_options_and_nothing_else() {
    let script = completion(Shell::Bash, &pages());
    let ask = |words: &str, at: usize| {
        let line =
            format!("{script}\nCOMP_WORDS=({words})\nCOMP_CWORD={at}\n_weft\nprintf '%s|' \"${{COMPREPLY[@]}}\"");
        let output = std::process::Command::new("bash").args(["-c", &line]).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Ok(answer) = ask("vsctl add-p", 1) else {
        return eprintln!("skipped: no bash");
    };
    assert_eq!(answer, "add-port |");
    assert_eq!(ask("ovs-vsctl --tim", 1).unwrap(), "--timeout=|");
    assert_eq!(ask("vsctl list-br -- --if-e", 3).unwrap(), "--if-exists |");
    assert_eq!(ask("ofctl dump-fl", 1).unwrap(), "dump-flows |");
    assert_eq!(ask("dbtool show", 1).unwrap(), "show-log |");
}
