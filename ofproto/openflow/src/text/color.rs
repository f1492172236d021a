//! The colours of printed flows: `--color`, and `OVS_COLORS` in the environment (ovs-ofctl(8)).
//!
//! What: a part of a text and the SGR attributes around it.
//! How: the printers ask [`Names`] for their words ([`Names::special`], [`Names::param`], ...), as everything that prints has
//! it at hand; without colours they come back as they are. A match is printed elsewhere, so [`paint_match`] looks at its words.
//! Invariant: but for the comma behind `exec(...)`, text with its escape sequences taken out is the text without colours.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use super::Names;

/// SGR attributes of the parts of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colors {
    /// `ac`: `actions=`
    actions: String,
    /// `dr`: `drop`
    drop: String,
    /// `le`: `learn(`
    learn: String,
    /// `pm`: names in front of values
    param: String,
    /// `pr`: words in front of parentheses
    paren: String,
    /// `sp`: what stands out: `table=`, `output:`, ...
    special: String,
    /// `vl`: words that stand alone
    value: String,
}

impl Default for Colors {
    fn default() -> Colors {
        let [actions, drop, learn, param, paren, special, value] =
            ["1;31", "34", "31", "36", "35", "33", "32"].map(str::to_owned);
        Colors { actions, drop, learn, param, paren, special, value }
    }
}

impl Colors {
    /// The default colours, but for what a list like `ac=01;31:dr=34` says. What makes no sense in it is passed over.
    pub fn parse(list: &str) -> Colors {
        let mut colors = Colors::default();
        for (name, sgr) in list.split(':').filter_map(|word| word.split_once('=')) {
            if !sgr.bytes().all(|byte| byte.is_ascii_digit() || byte == b';') {
                continue;
            }
            let place = match name {
                "ac" => &mut colors.actions,
                "dr" => &mut colors.drop,
                "le" => &mut colors.learn,
                "pm" => &mut colors.param,
                "pr" => &mut colors.paren,
                "sp" => &mut colors.special,
                "vl" => &mut colors.value,
                _ => continue,
            };
            *place = sgr.to_owned();
        }
        colors
    }

    /// What this process prints is coloured from here on; a tool says so once, before it prints anything.
    pub fn install(self) {
        let _ = OF_THE_PROCESS.set(self);
    }

    /// Those that were installed.
    pub(super) fn installed() -> Option<&'static Colors> {
        OF_THE_PROCESS.get()
    }
}

static OF_THE_PROCESS: OnceLock<Colors> = OnceLock::new();

/// A part of a text in its colour.
#[derive(Clone, Copy)]
pub struct Painted<'a> {
    sgr: Option<&'a str>,
    text: &'a str,
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sgr {
            None => f.write_str(self.text),
            Some(sgr) => write!(f, "\x1b[{sgr}m\x1b[K{}\x1b[m\x1b[K", self.text),
        }
    }
}

impl Names {
    /// `actions=` of a flow in a table.
    pub(super) fn actions_word(&self) -> Painted<'_> {
        self.paint(|c| &c.actions, "actions=")
    }

    /// `drop`
    pub(super) fn drop_word(&self) -> Painted<'_> {
        self.paint(|c| &c.drop, "drop")
    }

    /// `learn(` and its end.
    pub(super) fn learn<'a>(&'a self, text: &'a str) -> Painted<'a> {
        self.paint(|c| &c.learn, text)
    }

    /// A name in front of a value.
    pub(super) fn param<'a>(&'a self, text: &'a str) -> Painted<'a> {
        self.paint(|c| &c.param, text)
    }

    /// A word with a parenthesis, and the parenthesis' end.
    pub(super) fn paren<'a>(&'a self, text: &'a str) -> Painted<'a> {
        self.paint(|c| &c.paren, text)
    }

    /// A word that stands out.
    pub(super) fn special<'a>(&'a self, text: &'a str) -> Painted<'a> {
        self.paint(|c| &c.special, text)
    }

    /// A word that stands alone.
    pub(super) fn value<'a>(&'a self, text: &'a str) -> Painted<'a> {
        self.paint(|c| &c.value, text)
    }

    fn paint<'a>(&'a self, which: impl Fn(&'a Colors) -> &'a String, text: &'a str) -> Painted<'a> {
        Painted { sgr: self.colors.map(|colors| which(colors).as_str()), text }
    }
}

/// A match as [`weft_flow::text::format_match`] or `format_key` print it, in colours.
pub fn paint_match<'a>(text: &'a str, names: &Names) -> Cow<'a, str> {
    if names.colors.is_none() || text.is_empty() {
        return Cow::Borrowed(text);
    }
    let words: Vec<String> = split(text).map(|word| paint_word(word, names)).collect();
    Cow::Owned(words.join(","))
}

fn paint_word(word: &str, names: &Names) -> String {
    let Some((name, value)) = word.split_once('=') else {
        return if is_plain(word) { word.to_owned() } else { names.value(word).to_string() };
    };
    if is_plain(name) {
        return word.to_owned();
    }
    match name {
        "priority" => format!("{}{value}", names.special("priority=")),
        "conj_id" => format!("{}={value}", names.param(name)),
        _ => format!("{}{value}", names.param(&word[..=name.len()])),
    }
}

/// Fields that the tools never colour.
fn is_plain(name: &str) -> bool {
    let plain = ["packet_type", "tun_gbp_flags", "gtpu_flags", "gtpu_msgtype", "tun_erspan"];
    plain.iter().any(|it| name.starts_with(it)) || name.starts_with("tun_metadata")
}

/// At commas outside of parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    text.split(move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colored() -> Names {
        Names { colors: Some(Box::leak(Box::default())), ..Names::none() }
    }

    /// Shorter to read: `<36>` and `<>`.
    fn short(text: &str) -> String {
        text.replace("\x1b[m\x1b[K", "<>").replace("m\x1b[K", ">").replace("\x1b[", "<")
    }

    #[test]
    fn a_list_changes_what_it_names() {
        let colors = Colors::parse("ac=1:dr:le=3=4:pm=zz:pr=5:xx=7:sp=");
        assert_eq!(
            colors,
            Colors { actions: "1".into(), paren: "5".into(), special: String::new(), ..Colors::default() }
        );
        assert_eq!(Colors::parse(""), Colors::default());
    }

    #[test]
    fn words_of_a_match_have_their_colours() {
        let text = "priority=5,tcp,in_port=1,conj_id=4,tun_metadata0=0x5,packet_type=(1,0x800)";
        assert_eq!(
            short(&paint_match(text, &colored())),
            "<33>priority=<>5,<32>tcp<>,<36>in_port=<>1,<36>conj_id<>=4,tun_metadata0=0x5,packet_type=(1,0x800)"
        );
        assert_eq!(paint_match(text, &Names::none()), text);
    }

    #[test]
    fn actions_have_their_colours() {
        let show = |text: &str| {
            let actions = super::super::parse_instructions(text, &Names::none()).unwrap();
            let plain = super::super::format_instructions(&actions, &Names::none());
            let painted = short(&super::super::format_instructions(&actions, &colored()));
            let bare = regex_free(&painted);
            assert_eq!(bare.replace("),)", "))"), plain);
            painted
        };
        assert_eq!(show("drop"), "<34>drop<>");
        assert_eq!(show("normal,output:1"), "NORMAL,<33>output:<>1");
        assert_eq!(
            show("ct(commit,zone=1,nat(src=1.1.1.1),exec(load:1->NXM_NX_CT_MARK[]))"),
            "<35>ct(<><32>commit<>,<36>zone=<>1,<35>nat<><35>(<><36>src<><36>=<>1.1.1.1<35>)<>,\
             <35>exec(<><33>load:<>0x1<33>-><>NXM_NX_CT_MARK[]<35>),<><35>)<>"
        );
        assert_eq!(
            show("learn(table=1,idle_timeout=3,fin_hard_timeout=4,priority=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])"),
            "<31>learn(<><33>table=<>1,<36>idle_timeout=<>3<36>,fin_hard_timeout=<>4<33>,priority=<>5,\
             <36>NXM_OF_ETH_DST[]<><36>=<>NXM_OF_ETH_SRC[]<31>)<>"
        );
        assert_eq!(show("clone(drop),dec_ttl(1,2)"), "<35>clone(<><34>drop<><35>)<>,<35>dec_ttl<><35>(<>1,2<35>)<>");
        assert_eq!(
            show("meter:3,write_actions(group:3),goto_table:3"),
            "<36>meter:<>3,<35>write_actions(<><33>group:<>3<35>)<>,<36>goto_table:<>3"
        );
    }

    /// Without the marks of [`short`].
    fn regex_free(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('<') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1 + rest[at + 1..].find('>').unwrap() + 1..];
        }
        out + rest
    }
}
