//! What: completion of commands, options and names in bash, zsh and fish.
//!
//! How: one function serves all tools. It knows each tool's options and, for each command, its words as help shows them; a
//! word that stands for a bridge or a table is completed by asking the database.

use super::Page;
use std::fmt::Write;

/// Whose language to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

impl Shell {
    /// By name.
    pub fn find(name: &str) -> Option<Shell> {
        [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)]
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, shell)| shell)
    }
}

/// A script for the shell; a tool comes with all its names.
pub fn completion(shell: Shell, tools: &[([&str; 2], Page)]) -> String {
    match shell {
        Shell::Bash => bash(tools),
        // zsh runs what is written for bash.
        Shell::Zsh => format!("autoload -U +X bashcompinit && bashcompinit\n{}", bash(tools)),
        Shell::Fish => fish(tools),
    }
}

fn bash(tools: &[([&str; 2], Page)]) -> String {
    let mut out = String::from("# Made by \"weft completion bash\".\n_weft_words() {\n    case $1 in\n");
    for (names, page) in tools {
        let options: Vec<String> = page
            .options()
            .map(|(form, value, _)| format!("{form}{}", if value { "=" } else { "" }))
            .chain(command_options(page))
            .collect();
        let options = distinct(options.iter().map(String::as_str));
        let commands = distinct(page.commands().map(|(name, _, _)| name));
        let _ =
            writeln!(out, "    {}|{})\n        options='{options}'\n        commands='{commands}'", names[0], names[1]);
        out += "        case $2 in\n";
        for (name, words, _) in page.commands() {
            let kinds: Vec<&str> = kinds(words);
            if kinds.iter().any(|kind| *kind != "-") {
                let _ = writeln!(out, "        {name}) kinds=({}) ;;", kinds.join(" "));
            }
        }
        out += "        esac ;;\n";
    }
    out += BASH;
    for (names, _) in tools {
        let _ = writeln!(out, "complete -o nospace -F _weft {} {}", names[0], names[1]);
    }
    out
}

const BASH: &str = r#"    esac
}
_weft() {
    local word=${COMP_WORDS[COMP_CWORD]} tool=${COMP_WORDS[0]##*/} options='' commands='' command='' at=0 i kinds=()
    COMPREPLY=()
    # What stands behind `--` is a command of its own.
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --) command='' at=0 ;;
        -* | =) ;;
        *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; else at=$((at + 1)); fi ;;
        esac
    done
    _weft_words "$tool" "$command"
    local choice=$commands
    if [ "${word#-}" != "$word" ]; then
        choice=$options
    elif [ -n "$command" ]; then
        case ${kinds[at]} in
        bridge) choice=$(vsctl --timeout=1 list-br 2>/dev/null) ;;
        port) choice=$(vsctl --timeout=1 --bare --columns=name list Port 2>/dev/null) ;;
        table) choice=$(dbclient -t 1 --no-headings list-tables 2>/dev/null) ;;
        *) compopt -o default 2>/dev/null; return ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$choice" -- "$word"))
    # An option that waits for its value goes on, any other word is over.
    for i in "${!COMPREPLY[@]}"; do
        [ "${COMPREPLY[i]%=}" = "${COMPREPLY[i]}" ] && COMPREPLY[i]+=' '
    done
}
"#;

fn fish(tools: &[([&str; 2], Page)]) -> String {
    let mut out = String::from("# Made by \"weft completion fish\".\n");
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    for (names, page) in tools {
        for tool in names {
            for (name, _, help) in page.commands() {
                let _ = writeln!(
                    out,
                    "complete -c {tool} -n __fish_use_subcommand -a {} -d {}",
                    quoted(name),
                    quoted(help)
                );
            }
            for (form, value, help) in page.options() {
                let letter = if form.starts_with("--") { "-l" } else { "-s" };
                let requires = if value { " -r" } else { "" };
                let _ = writeln!(
                    out,
                    "complete -c {tool} {letter} {}{requires} -d {}",
                    form.trim_start_matches('-'),
                    quoted(help)
                );
            }
        }
    }
    out
}

/// Options in front of commands, as `[--may-exist] add-br` shows them.
fn command_options(page: &Page) -> impl Iterator<Item = String> {
    page.commands().flat_map(|(_, words, _)| words.split(' ')).filter_map(|word| {
        let option = word.strip_prefix("[--")?.trim_end_matches(']');
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        Some(format!("--{name}{}", if value.is_empty() { "" } else { "=" }))
    })
}

/// What each word behind a command's name stands for.
fn kinds(words: &str) -> Vec<&'static str> {
    let behind = words.split(' ').skip_while(|word| word.starts_with('[')).skip(1);
    let kinds = behind.map(|word| match word.trim_matches(['[', ']', '.']) {
        "BRIDGE" | "SWITCH" | "PARENT" => "bridge",
        "PORT" | "PORT|IFACE" | "BOND" => "port",
        "TABLE" => "table",
        _ => "-",
    });
    kinds.collect()
}

fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    words.for_each(|word| {
        if !seen.contains(&word) {
            seen.push(word);
        }
    });
    seen.join(" ")
}
