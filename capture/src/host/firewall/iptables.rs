//! Rules as `iptables-save` prints them.

use super::{Chain, Family, Rule, Table, Test, Tool, Verdict};

/// Reads all tables that packets pass on their way in.
pub fn read(text: &str, tool: Tool) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            tables.push(Table {
                family: match tool {
                    Tool::Ip6tables => Family::V6,
                    _ => Family::V4,
                },
                name: name.to_owned(),
                tool,
                chains: Vec::new(),
            });
            continue;
        }
        let Some(table) = tables.last_mut() else {
            continue;
        };
        if let Some(declared) = line.strip_prefix(':') {
            let mut words = declared.split_whitespace();
            let name = words.next().unwrap_or_default();
            table.chains.push(Chain {
                name: name.to_owned(),
                base: base(&table.name, name),
                interface: None,
                drops: words.next() == Some("DROP"),
                rules: Vec::new(),
            });
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let words = words(rule);
            let Some((chain, words)) = words.split_first() else {
                continue;
            };
            let chain = table.chains.iter_mut().find(|known| known.name == *chain);
            if let Some(chain) = chain {
                chain.rules.push(self::rule(words, line));
            }
        }
    }
    tables
}

/// In which order packets for this host come to the chains.
fn base(table: &str, chain: &str) -> Option<i64> {
    Some(match (table, chain) {
        ("raw", "PREROUTING") => 0,
        ("mangle", "PREROUTING") => 1,
        ("mangle", "INPUT") => 2,
        ("filter", "INPUT") => 3,
        ("security", "INPUT") => 4,
        _ => return None,
    })
}

/// Words, of which quoted ones may hold blanks.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => quoted = !quoted,
            '\\' if quoted => words
                .last_mut()
                .into_iter()
                .for_each(|word| word.extend(letters.next())),
            ' ' if !quoted => words.push(String::new()),
            _ => words
                .last_mut()
                .into_iter()
                .for_each(|word| word.push(letter)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn rule(words: &[String], line: &str) -> Rule {
    let mut tests = Vec::new();
    let mut verdict = Verdict::Continue;
    let mut words = words.iter().map(String::as_str).peekable();
    let mut negated = false;
    while let Some(option) = words.next() {
        let test = match option {
            "!" => {
                negated = true;
                continue;
            }
            "-m" | "--match" | "--comment" => {
                words.next();
                continue;
            }
            "-c" => {
                words.nth(1);
                continue;
            }
            "-j" | "--jump" => {
                verdict = target(words.next().unwrap_or_default(), Verdict::Jump);
                // What follows belongs to the target.
                break;
            }
            "-g" | "--goto" => {
                verdict = target(words.next().unwrap_or_default(), Verdict::Goto);
                break;
            }
            "-p" | "--protocol" => {
                let number = words.next().and_then(super::protocol);
                Test::Protocol(number.into_iter().collect())
            }
            "-i" | "--in-interface" => {
                Test::Interface(words.next().map(str::to_owned).into_iter().collect())
            }
            "--dport" | "--dports" | "--destination-port" | "--destination-ports" | "--ports" => {
                Test::Port(ports(words.next().unwrap_or_default()))
            }
            "--ctstate" | "--state" => {
                let states = words.next().unwrap_or_default();
                let mut states = states.split(',');
                Test::Known(states.any(|state| state == "NEW" || state == "UNTRACKED"))
            }
            _ => {
                // Its values, up to the next option.
                while words
                    .peek()
                    .is_some_and(|word| !word.starts_with('-') && *word != "!")
                {
                    words.next();
                }
                Test::Unknown
            }
        };
        tests.push(if std::mem::take(&mut negated) {
            Test::Not(Box::new(test))
        } else {
            test
        });
    }
    Rule {
        label: line.to_owned(),
        tests,
        verdict,
    }
}

fn target(name: &str, call: impl FnOnce(String) -> Verdict) -> Verdict {
    match name {
        "ACCEPT" => Verdict::Accept,
        "DROP" => Verdict::Drop,
        "REJECT" => Verdict::Reject,
        "RETURN" => Verdict::Return,
        "NFQUEUE" | "QUEUE" | "SYNPROXY" | "TPROXY" => Verdict::Unknown,
        _ if GOES_ON.contains(&name) => Verdict::Continue,
        _ => call(name.to_owned()),
    }
}

/// Targets that let a packet go on; other names are those of chains.
const GOES_ON: [&str; 14] = [
    "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TRACE", "TOS", "DSCP", "TTL",
    "HL", "CLASSIFY", "SET",
];

/// `4789`, `4789:4790`, `4789,6081`.
fn ports(text: &str) -> Vec<(u16, u16)> {
    let ranges = text.split(',').filter_map(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    ranges.collect()
}
