//! What: options by the rules of GNU `getopt_long`, which scripts rely on: unique prefixes of long options,
//! `--opt=value` and `--opt value`, `-oVALUE`, bundled short options, `--` ends them.
//!
//! Invariants: error texts are those of the C library.

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Never.
    Nothing,
    /// Only when attached: `--opt=VALUE`, `-oVALUE`.
    Optional,
    /// Always.
    Value,
}

/// One option. Long names identify options; a short-only option has its letter as long name.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Without dashes.
    pub long: &'static str,
    /// Without dash.
    pub short: Option<char>,
    /// Its value.
    pub takes: Takes,
}

/// A long option, for tables of options.
pub const fn opt(long: &'static str, takes: Takes) -> Opt {
    Opt { long, short: None, takes }
}

/// A long option that has a letter too.
pub const fn opt_short(long: &'static str, short: char, takes: Takes) -> Opt {
    Opt { long, short: Some(short), takes }
}

/// An option as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The option's full long name.
    pub name: &'static str,
    /// Its value, if it has one.
    pub value: Option<String>,
}

impl Found {
    /// The value of an option that must have one.
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

/// What the words said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The options in order.
    pub options: Vec<Found>,
    /// The other words.
    pub rest: Vec<String>,
}

/// Words that are no command line. The C library says so in the name that the program was called by, path and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuse(pub String);

/// Options may come after other words.
pub fn parse(args: &[String], options: &[Opt]) -> Result<Parsed, Misuse> {
    parse_words(args, options, true).map_err(Misuse)
}

/// Options end at the first other word.
pub fn parse_leading(args: &[String], options: &[Opt]) -> Result<Parsed, Misuse> {
    parse_words(args, options, false).map_err(Misuse)
}

fn parse_words(args: &[String], options: &[Opt], permute: bool) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_string())),
                None => (long, None),
            };
            let option = find_long(name, options)?;
            let value = match (option.takes, value) {
                (Takes::Nothing, Some(_)) => {
                    return Err(format!("option '--{}' doesn't allow an argument", option.long));
                }
                (Takes::Value, None) => match words.next() {
                    Some(next) => Some(next.clone()),
                    None => return Err(format!("option '--{}' requires an argument", option.long)),
                },
                (_, value) => value,
            };
            parsed.options.push(Found { name: option.long, value });
        } else if word.len() > 1 && word.starts_with('-') {
            shorts(&word[1..], &mut words, options, &mut parsed.options)?;
        } else {
            parsed.rest.push(word.clone());
            if !permute {
                break;
            }
        }
    }
    parsed.rest.extend(words.cloned());
    Ok(parsed)
}

fn shorts<'a>(
    letters: &str,
    words: &mut impl Iterator<Item = &'a String>,
    options: &[Opt],
    found: &mut Vec<Found>,
) -> Result<(), String> {
    for (at, letter) in letters.char_indices() {
        let option = options.iter().find(|option| option.short == Some(letter));
        let Some(option) = option else { return Err(format!("invalid option -- '{letter}'")) };
        let attached = &letters[at + letter.len_utf8()..];
        let value = match option.takes {
            Takes::Nothing => {
                found.push(Found { name: option.long, value: None });
                continue;
            }
            _ if !attached.is_empty() => Some(attached.to_string()),
            Takes::Optional => None,
            Takes::Value => match words.next() {
                Some(next) => Some(next.clone()),
                None => return Err(format!("option requires an argument -- '{letter}'")),
            },
        };
        found.push(Found { name: option.long, value });
        return Ok(());
    }
    Ok(())
}

/// An exact name, or a unique prefix of one.
pub fn find_long<'a>(name: &str, options: &'a [Opt]) -> Result<&'a Opt, String> {
    if let Some(option) = options.iter().find(|option| option.long == name) {
        return Ok(option);
    }
    let matching: Vec<&Opt> = options.iter().filter(|option| option.long.starts_with(name)).collect();
    match matching[..] {
        [] => Err(format!("unrecognized option '--{name}'")),
        [option] => Ok(option),
        _ => {
            let names: String = matching.iter().map(|option| format!(" '--{}'", option.long)).collect();
            Err(format!("option '--{name}' is ambiguous; possibilities:{names}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[Opt] = &[
        opt_short("timeout", 't', Takes::Value),
        opt("time", Takes::Nothing),
        opt_short("verbose", 'v', Takes::Optional),
        opt("version", Takes::Nothing),
        opt_short("help", 'h', Takes::Nothing),
    ];

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_string).collect()
    }

    type Split = (Vec<(&'static str, Option<String>)>, Vec<String>);

    fn found(text: &str) -> Result<Split, String> {
        parse(&words(text), OPTIONS)
            .map(|parsed| (parsed.options.into_iter().map(|found| (found.name, found.value)).collect(), parsed.rest))
            .map_err(|misuse| misuse.0)
    }

    #[test]
    fn forms_that_scripts_use() {
        let some = |text: &str| Some(text.to_string());
        assert_eq!(
            found("a --timeout=3 -t4 -t 5 --timeo 6 b -vx -v -h -- -t c").unwrap(),
            (
                vec![
                    ("timeout", some("3")),
                    ("timeout", some("4")),
                    ("timeout", some("5")),
                    ("timeout", some("6")),
                    ("verbose", some("x")),
                    ("verbose", None),
                    ("help", None),
                ],
                words("a b -t c")
            )
        );
        assert_eq!(found("--time").unwrap().0, [("time", None)]);
        let leading = parse_leading(&words("-h a -h"), OPTIONS).unwrap();
        assert_eq!((leading.options.len(), leading.rest), (1, words("a -h")));
    }

    #[test]
    fn errors_in_the_library_s_words() {
        for (text, error) in [
            ("--foo", "unrecognized option '--foo'"),
            ("--ver", "option '--ver' is ambiguous; possibilities: '--verbose' '--version'"),
            ("--time=3", "option '--time' doesn't allow an argument"),
            ("--timeout", "option '--timeout' requires an argument"),
            ("-z", "invalid option -- 'z'"),
            ("-ht", "option requires an argument -- 't'"),
        ] {
            assert_eq!(found(text).unwrap_err(), error);
        }
    }

    #[test]
    fn any_words_are_parsed_or_refused() {
        bolero::check!().with_type::<Vec<String>>().for_each(|words| drop(parse(words, OPTIONS)));
    }
}
