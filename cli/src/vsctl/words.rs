//! What: words of the operators' commands, whose options may stand behind the command's name too:
//! `apply FILE --confirm 60s` as well as `--confirm=60s apply FILE`.

use super::command::Given;
use super::context::Context;
use crate::failure::{Failure, fail};
use std::collections::BTreeMap;

/// What was given.
pub struct Words {
    command: &'static str,
    options: BTreeMap<String, Option<String>>,
    words: Vec<String>,
}

impl Words {
    /// The present command's, with these options: those without and those with a value.
    pub fn of(context: &Context<'_>, flags: &[&str], valued: &[&str]) -> Result<Words, Failure> {
        Words::parse(context.given, flags, valued)
    }

    /// The same outside a transaction.
    pub fn parse(given: &Given, flags: &[&str], valued: &[&str]) -> Result<Words, Failure> {
        let command = given.command.name;
        let mut options: BTreeMap<String, Option<String>> =
            given.options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut words = Vec::new();
        let mut args = given.args.iter();
        while let Some(arg) = args.next() {
            let Some(option) = arg.strip_prefix("--") else {
                words.push(arg.clone());
                continue;
            };
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (option, None),
            };
            let value = match (flags.contains(&name), valued.contains(&name), value) {
                (true, _, None) => None,
                (true, _, Some(_)) => {
                    return fail(format!("'--{name}' option on '{command}' does not accept an argument"));
                }
                (_, true, Some(value)) => Some(value),
                (_, true, None) => match args.next() {
                    Some(value) => Some(value.clone()),
                    None => return fail(format!("missing argument to '--{name}' option on '{command}' command")),
                },
                _ => return fail(format!("'{command}' command has no '--{name}' option")),
            };
            options.insert(name.to_owned(), value);
        }
        Ok(Words { command, options, words })
    }

    /// The only word that is no option.
    pub fn one(&self, what: &str) -> Result<&str, Failure> {
        match &self.words[..] {
            [one] => Ok(one),
            _ => fail(format!("'{}' command takes one {what}", self.command)),
        }
    }

    /// The same if it may be missing.
    pub fn at_most_one(&self, what: &str) -> Result<Option<&str>, Failure> {
        if self.words.is_empty() { Ok(None) } else { self.one(what).map(Some) }
    }

    /// Was the option given?
    pub fn has(&self, option: &str) -> bool {
        self.options.contains_key(option)
    }

    /// The option's value.
    pub fn value(&self, option: &str) -> Option<&str> {
        self.options.get(option)?.as_deref()
    }
}
