//! What: words to [`Options`], by the rules of GNU getopt_long: options anywhere, unique prefixes, `--` ends them.

use super::{Dummy, Entry, Options, Parsed, Program, Section, TABLE, Value, help, version};

/// What was wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message says it")]
pub enum UsageError {
    #[error("unrecognized option '{0}'")]
    Unknown(String),
    #[error("option '{0}' is ambiguous; possibilities: {1}")]
    Ambiguous(String, String),
    #[error("option '{0}' requires an argument")]
    Missing(String),
    #[error("option '{0}' doesn't allow an argument")]
    Extra(String),
    #[error("option '{option}': bad value \"{value}\" (expected {expected})")]
    Bad { option: &'static str, value: String, expected: &'static str },
    #[error("at most one non-option argument accepted; use --help for usage")]
    Arguments,
}

/// Parses what follows the program's name.
///
/// # Errors
/// Says which word is wrong and why.
pub fn parse(program: Program, words: impl IntoIterator<Item = String>) -> Result<Parsed, UsageError> {
    let mut options = Options::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            options.arguments.extend(words.by_ref());
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, inline) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let entry = find_long(program, name)?;
            let value = match (entry.value, inline) {
                (Value::No, Some(_)) => return Err(UsageError::Extra(format!("--{}", entry.long))),
                (Value::Must, None) => {
                    Some(words.next().ok_or_else(|| UsageError::Missing(format!("--{}", entry.long)))?)
                }
                (_, value) => value,
            };
            if let Some(text) = apply(program, &mut options, entry, value)? {
                return Ok(Parsed::Print(text));
            }
        } else if word.len() > 1 && word.starts_with('-') {
            if let Some(text) = short_options(program, &mut options, &word, &mut words)? {
                return Ok(Parsed::Print(text));
            }
        } else {
            options.arguments.push(word);
        }
    }
    if program != Program::Database && options.arguments.len() > 1 {
        return Err(UsageError::Arguments);
    }
    Ok(Parsed::Run(Box::new(options)))
}

fn short_options(
    program: Program,
    options: &mut Options,
    word: &str,
    words: &mut impl Iterator<Item = String>,
) -> Result<Option<String>, UsageError> {
    for (at, letter) in word.char_indices().skip(1) {
        let entry = TABLE.iter().find(|entry| entry.short == Some(letter) && entry.of.has(program));
        let entry = entry.ok_or_else(|| UsageError::Unknown(format!("-{letter}")))?;
        let rest = &word[at + letter.len_utf8()..];
        let value = match entry.value {
            Value::No => None,
            _ if !rest.is_empty() => Some(rest.to_owned()),
            Value::May => None,
            Value::Must => Some(words.next().ok_or_else(|| UsageError::Missing(format!("-{letter}")))?),
        };
        let takes_rest = entry.value != Value::No;
        if let Some(text) = apply(program, options, entry, value)? {
            return Ok(Some(text));
        }
        if takes_rest {
            break;
        }
    }
    Ok(None)
}

fn find_long(program: Program, name: &str) -> Result<&'static Entry, UsageError> {
    let known = || TABLE.iter().filter(|entry| entry.of.has(program));
    if let Some(exact) = known().find(|entry| entry.long == name) {
        return Ok(exact);
    }
    let mut near = known().filter(|entry| entry.long.starts_with(name));
    match (near.next(), near.next()) {
        (Some(entry), None) => Ok(entry),
        (None, _) => Err(UsageError::Unknown(format!("--{name}"))),
        (Some(a), Some(b)) => {
            let names = [a, b].into_iter().chain(near).map(|entry| format!("'--{}'", entry.long));
            Err(UsageError::Ambiguous(format!("--{name}"), names.collect::<Vec<_>>().join(" ")))
        }
    }
}

/// Takes one option in; `Some` is a text to print instead of running.
fn apply(
    program: Program,
    options: &mut Options,
    entry: &'static Entry,
    value: Option<String>,
) -> Result<Option<String>, UsageError> {
    if entry.section == Section::Ssl {
        let value = value.unwrap_or_default();
        if program != Program::Switch && value.starts_with("db:") {
            options.tls_columns.push((entry.long.to_owned(), value));
        } else {
            options.tls.take(entry.long, &value);
        }
        return Ok(None);
    }
    if options.daemon.take(entry.long, value.as_deref()) {
        return Ok(None);
    }
    match entry.long {
        "remote" => options.remotes.extend(value),
        "sync-from" => options.sync.from = value,
        "sync-exclude-tables" => options.sync.exclude = value,
        "active" => options.sync.active = true,
        "no-dbs" => options.no_dbs = true,
        "run" => options.run = value,
        "disable-file-column-diff" => options.whole_columns = true,
        "grpc" => {
            let text = value.unwrap_or_default();
            if weft_grpc::parse_listen(&text).is_err() {
                let expected = "a path, unix:PATH, tcp:IP:PORT or ssl:IP:PORT";
                return Err(UsageError::Bad { option: "--grpc", value: text, expected });
            }
            options.grpc.push(text);
        }
        "workers" => {
            let text = value.unwrap_or_default();
            let count = text.parse().ok().filter(|n| (1..=1024).contains(n));
            let bad = UsageError::Bad { option: "--workers", value: text, expected: "a number from 1 to 1024" };
            options.workers = Some(count.ok_or(bad)?);
        }
        "enable-dummy" => {
            options.dummy = match value.as_deref() {
                None | Some("") => Dummy::On,
                Some("override") => Dummy::Override,
                Some("system") => Dummy::System,
                Some(other) => {
                    let (option, expected) = ("--enable-dummy", "override or system");
                    return Err(UsageError::Bad { option, value: other.to_owned(), expected });
                }
            }
        }
        "dummy-numa" => options.dummy_numa = value,
        "disable-system" => options.disable_system = true,
        "disable-system-route" => options.disable_system_route = true,
        "mlockall" => options.mlockall = true,
        "verbose" => options.verbose.push(value),
        "log-file" => options.log_file = Some(value.map(Into::into)),
        "syslog-method" => options.syslog_method = value,
        "syslog-target" => options.syslog_target = value,
        "unixctl" => options.unixctl = value,
        "help" => return Ok(Some(help(program))),
        "version" => return Ok(Some(version(program))),
        // Of no use to this switch, and harmless: DPDK.
        _ => {}
    }
    Ok(None)
}
