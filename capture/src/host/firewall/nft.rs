//! Rules as `nft -j list ruleset` prints them.

use std::io;

use serde_json::Value;

use super::{Chain, Family, Rule, Table, Test, Tool, Verdict};

/// Reads a ruleset.
pub fn read(text: &str) -> io::Result<Vec<Table>> {
    let document: Value = serde_json::from_str(text)?;
    let objects = document.get("nftables").and_then(Value::as_array);
    let mut tables = Vec::new();
    for object in objects.into_iter().flatten() {
        if let Some(chain) = object.get("chain") {
            if let (Some(table), Some(name)) = (table(&mut tables, chain), chain["name"].as_str()) {
                table.chains.push(Chain {
                    name: name.to_owned(),
                    base: base(chain),
                    interface: chain["dev"].as_str().map(str::to_owned),
                    drops: chain["policy"] == "drop",
                    rules: Vec::new(),
                });
            }
        } else if let Some(rule) = object.get("rule") {
            let Some(table) = table(&mut tables, rule) else {
                continue;
            };
            let chain = rule["chain"].as_str().unwrap_or_default();
            if let Some(chain) = table.chains.iter_mut().find(|known| known.name == chain) {
                chain.rules.extend(rules(rule));
            }
        }
    }
    Ok(tables)
}

/// The table that an object belongs to, if packets of IP pass it on their way in.
fn table<'a>(tables: &'a mut Vec<Table>, object: &Value) -> Option<&'a mut Table> {
    let family = match object["family"].as_str()? {
        "inet" => Family::Both,
        "ip" => Family::V4,
        "ip6" => Family::V6,
        _ => return None,
    };
    let name = object["table"].as_str()?;
    let known = tables
        .iter()
        .position(|table| table.family == family && table.name == name);
    let place = known.unwrap_or_else(|| {
        tables.push(Table {
            family,
            name: name.to_owned(),
            tool: Tool::Nft,
            chains: Vec::new(),
        });
        tables.len() - 1
    });
    tables.get_mut(place)
}

/// When packets for this host come to a chain by themselves, in the order of the kernel.
fn base(chain: &Value) -> Option<i64> {
    // Priorities lie between hooks, too: all of one hook come before the next one's.
    const HOOK: i64 = 1 << 32;
    let priority = chain["prio"].as_i64().unwrap_or_default();
    match chain["hook"].as_str()? {
        "ingress" => Some(priority),
        "prerouting" => Some(HOOK + priority),
        "input" => Some(2 * HOOK + priority),
        _ => None,
    }
}

/// The rules that an object stands for: one, or one for each entry of its verdict map.
fn rules(rule: &Value) -> Vec<Rule> {
    let handle = rule["handle"].as_u64().unwrap_or_default();
    let label = match rule["comment"].as_str() {
        Some(comment) => format!("handle {handle}, \"{comment}\""),
        None => format!("handle {handle}"),
    };
    let mut tests = Vec::new();
    let mut verdict = Verdict::Continue;
    let statements = rule["expr"].as_array();
    for statement in statements.into_iter().flatten() {
        let Some((kind, body)) = statement.as_object().and_then(|all| all.iter().next()) else {
            continue;
        };
        match kind.as_str() {
            "match" => tests.extend(condition(body)),
            "vmap" => return map(body, &tests, &label),
            // These let a rule go on for some packets only.
            "limit" | "quota" | "ct count" | "meter" => tests.push(Test::Unknown),
            // A match or an action of iptables, which nft does not show.
            "xt" => {
                tests.push(Test::Unknown);
                verdict = Verdict::Unknown;
            }
            _ => {
                if let Some(found) = self::verdict(kind, body) {
                    verdict = found;
                }
            }
        }
    }
    vec![Rule {
        label,
        tests,
        verdict,
    }]
}

fn verdict(kind: &str, body: &Value) -> Option<Verdict> {
    let target = || body["target"].as_str().unwrap_or_default().to_owned();
    Some(match kind {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "reject" => Verdict::Reject,
        "return" => Verdict::Return,
        "jump" => Verdict::Jump(target()),
        "goto" => Verdict::Goto(target()),
        // A program decides.
        "queue" | "synproxy" | "tproxy" => Verdict::Unknown,
        _ => return None,
    })
}

/// A verdict map, as a rule for each entry.
fn map(body: &Value, tests: &[Test], label: &str) -> Vec<Rule> {
    let rule = |more: Vec<Test>, verdict| Rule {
        label: label.to_owned(),
        tests: [tests, &more].concat(),
        verdict,
    };
    let Some(entries) = body["data"]["set"].as_array() else {
        return vec![rule(vec![Test::Unknown], Verdict::Unknown)];
    };
    let rules = entries.iter().filter_map(|entry| {
        let (kind, target) = entry.get(1)?.as_object()?.iter().next()?;
        let (condition, test) = compare(&body["key"], entry.get(0)?);
        let tests = condition.into_iter().chain([test]).collect();
        Some(rule(tests, verdict(kind, target)?))
    });
    rules.collect()
}

/// A `match` statement: one test, or two of which the first says to what packets the second applies at all.
fn condition(body: &Value) -> Vec<Test> {
    let (condition, test) = compare(&body["left"], &body["right"]);
    let test = match body["op"].as_str() {
        Some("==" | "in") | None => test,
        Some("!=") => Test::Not(Box::new(test)),
        _ => Test::Unknown,
    };
    condition.into_iter().chain([test]).collect()
}

fn compare(left: &Value, right: &Value) -> (Option<Test>, Test) {
    let values = values(right);
    let of = |test: fn(&[Value]) -> Test| values.as_deref().map_or(Test::Unknown, test);
    if let Some(key) = left["meta"]["key"].as_str() {
        let test = match key {
            "l4proto" => of(protocols),
            "nfproto" | "protocol" => of(versions),
            "iifname" | "iif" => of(|names| Test::Interface(words(names))),
            "pkttype" => of(|kinds| Test::Known(words(kinds).iter().any(|kind| kind == "host"))),
            _ => Test::Unknown,
        };
        return (None, test);
    }
    if left["ct"]["key"] == "state" {
        // A mirror is never answered, so that its packets stay the first ones of a connection.
        let new = |state: &String| state == "new" || state == "untracked";
        return match values.as_deref().map(words) {
            Some(states) => (None, Test::Known(states.iter().any(new))),
            None => (None, Test::Unknown),
        };
    }
    let payload = &left["payload"];
    match (payload["protocol"].as_str(), payload["field"].as_str()) {
        (Some("ip"), Some("protocol")) => (Some(Test::V6(false)), of(protocols)),
        (Some("ip6"), Some("nexthdr")) => (Some(Test::V6(true)), of(protocols)),
        (Some("ip"), _) => (Some(Test::V6(false)), Test::Unknown),
        (Some("ip6"), _) => (Some(Test::V6(true)), Test::Unknown),
        (Some("udp"), Some("dport")) => (Some(Test::Protocol(vec![UDP])), of(ports)),
        (Some("udp"), _) => (Some(Test::Protocol(vec![UDP])), Test::Unknown),
        (Some("th"), Some("dport")) => (None, of(ports)),
        (Some("gre"), _) => (Some(Test::Protocol(vec![GRE])), Test::Unknown),
        (Some("tcp" | "icmp" | "icmpv6" | "igmp" | "sctp" | "dccp" | "udplite" | "arp"), _) => {
            (Some(Test::Known(false)), Test::Unknown)
        }
        _ => (None, Test::Unknown),
    }
}

const UDP: u8 = 17;
const GRE: u8 = 47;

/// The values that something is compared with; none if they are in a named set.
fn values(right: &Value) -> Option<Vec<Value>> {
    let values = match right {
        Value::Array(values) => values.clone(),
        Value::Object(object) if object.contains_key("set") => match &object["set"] {
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        },
        one => vec![one.clone()],
    };
    let plain = |value: Value| match value.get("elem") {
        Some(element) => element["val"].clone(),
        None => value,
    };
    let values: Vec<Value> = values.into_iter().map(plain).collect();
    let named = |value: &Value| value.as_str().is_some_and(|text| text.starts_with('@'));
    (!values.iter().any(named)).then_some(values)
}

fn words(values: &[Value]) -> Vec<String> {
    let words = values.iter().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

fn protocols(values: &[Value]) -> Test {
    let numbers = values.iter().filter_map(|value| match value {
        Value::String(name) => super::protocol(name),
        number => number.as_u64().and_then(|number| number.try_into().ok()),
    });
    Test::Protocol(numbers.collect())
}

fn versions(values: &[Value]) -> Test {
    match words(values).as_slice() {
        [version] if version == "ipv4" || version == "ip" => Test::V6(false),
        [version] if version == "ipv6" || version == "ip6" => Test::V6(true),
        [_] => Test::Known(false),
        _ => Test::Unknown,
    }
}

fn ports(values: &[Value]) -> Test {
    let port = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    let ranges = values.iter().filter_map(|value| match value.get("range") {
        Some(range) => Some((port(range.get(0)?)?, port(range.get(1)?)?)),
        None => port(value).map(|port| (port, port)),
    });
    Test::Port(ranges.collect())
}
