//! Whether the packet filter of this host lets mirrors reach sockets, and whether it answers them.

use std::io;

use mirrorscope_capture::host::firewall::{Fate, Place, Probe, Rules, Tool};
use mirrorscope_engine::point::printable;

use super::machine::mirror_ports;
use super::{Check, Status};

const CHECK: &str = "packet-filter";
const GRE: u8 = 47;
const UDP: u8 = 17;
/// Ports that are named first: what most mirrors use.
const COMMON: [u16; 3] = [4789, 6081, 37_008];

/// What is stopped at one place.
struct Stopped {
    place: Place,
    certain: bool,
    /// GRE by IPv4 and by IPv6.
    gre: [bool; 2],
    /// UDP ports by either.
    ports: Vec<u16>,
}

/// Walks GRE and all UDP ports of mirrors through the rules; `interface` is the only one that matters, if there is one.
pub fn checks(rules: &io::Result<Rules>, interface: Option<&str>) -> Vec<Check> {
    let rules = match rules {
        Ok(rules) => rules,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let found = "only root may read the packet filter";
            return vec![Check::unknown(CHECK, found).fix("sudo mirrorscope doctor")];
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let found = "there is neither nft nor iptables-save to read the packet filter with";
            return vec![Check::unknown(CHECK, found).fix("sudo apt install nftables")];
        }
        Err(error) => {
            let found = format!("the packet filter could not be read: {error}");
            return vec![Check::unknown(CHECK, printable(&found))];
        }
    };
    let mut all: Vec<Stopped> = Vec::new();
    for v6 in [false, true] {
        let probe = |protocol, port| Probe {
            v6,
            protocol,
            port,
            interface,
        };
        if let Some(stopped) = at(&mut all, rules.fate(&probe(GRE, None))) {
            stopped.gre[usize::from(v6)] = true;
        }
        for (port, _) in mirror_ports() {
            if let Some(stopped) = at(&mut all, rules.fate(&probe(UDP, Some(port))))
                && !stopped.ports.contains(&port)
            {
                stopped.ports.push(port);
            }
        }
    }
    if all.is_empty() {
        let found = if rules.is_empty() {
            "there is none"
        } else {
            "no rule stops GRE or the UDP ports of mirrors"
        };
        return vec![Check::ok(CHECK, found)];
    }
    all.iter().map(check).collect()
}

/// The entry of the place where a packet was stopped.
fn at(all: &mut Vec<Stopped>, fate: Fate) -> Option<&mut Stopped> {
    let (place, certain) = match fate {
        Fate::Passes => return None,
        Fate::MayStop(place) => (place, false),
        Fate::Stops(place) => (place, true),
    };
    let known = all
        .iter()
        .position(|known| known.place == place && known.certain == certain);
    let number = known.unwrap_or_else(|| {
        all.push(Stopped {
            place,
            certain,
            gre: [false; 2],
            ports: Vec::new(),
        });
        all.len() - 1
    });
    all.get_mut(number)
}

fn check(stopped: &Stopped) -> Check {
    let Stopped { place, certain, .. } = stopped;
    let (what, verb) = packets(stopped);
    let fate = match (certain, place.answers) {
        (true, false) => format!("{verb} dropped"),
        (true, true) => format!("{verb} refused"),
        (false, _) => "may be stopped".to_owned(),
    };
    let found = format!("{what} {fate} by {}", who(place));
    let mut meaning =
        "captures are whole, because the packet ring sees packets before any rule; --via endpoint does not receive them".to_owned();
    if place.answers {
        meaning.push_str(
            "; the sender is told with ICMP unreachable, whatever sockets are held open, and some switches then stop mirroring",
        );
    }
    if !certain {
        meaning.push_str("; it depends on what is not known here: source addresses, sets, rates");
    }
    let mut check = Check::new(CHECK, Status::Warn, printable(&found)).means(meaning);
    if stopped.gre != [false; 2] {
        check = check.fix(allow_gre(place));
    }
    if !stopped.ports.is_empty() {
        check = check.fix(allow_udp(place, &common(&stopped.ports)));
    }
    check
}

/// The rule as its own tool names it.
fn who(place: &Place) -> String {
    let chain = format!("{} {} {}", place.family, place.table, place.chain);
    match (place.tool, &place.rule) {
        (Tool::Nft, Some(rule)) => format!("nft's rule {chain} {rule}"),
        (Tool::Nft, None) => format!("the policy of nft's chain {chain}"),
        (tool, Some(rule)) => format!("the rule of {} {rule}", program(tool)),
        (tool, None) => format!("the policy of chain {} of {}", place.chain, program(tool)),
    }
}

/// `GRE over IPv4 and UDP ports 4789, 6081 and 12 more`, and the verb that goes with it.
fn packets(stopped: &Stopped) -> (String, &'static str) {
    let mut parts = Vec::new();
    match stopped.gre {
        [true, true] => parts.push("GRE".to_owned()),
        [true, false] => parts.push("GRE over IPv4".to_owned()),
        [false, true] => parts.push("GRE over IPv6".to_owned()),
        [false, false] => {}
    }
    let named = common(&stopped.ports);
    if !named.is_empty() {
        let word = if stopped.ports.len() == 1 {
            "UDP port"
        } else {
            "UDP ports"
        };
        let more = match stopped.ports.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more of mirrors"),
        };
        parts.push(format!("{word} {}{more}", list(&named, ", ")));
    }
    let verb = match (parts.len(), stopped.ports.len()) {
        (1, 0 | 1) => "is",
        _ => "are",
    };
    (parts.join(" and "), verb)
}

/// The ports to name: the common ones, or a few if none of them is there.
fn common(ports: &[u16]) -> Vec<u16> {
    let named = ports.iter().copied().filter(|port| COMMON.contains(port));
    let named: Vec<u16> = named.collect();
    if named.is_empty() {
        ports.iter().copied().take(COMMON.len()).collect()
    } else {
        named
    }
}

fn allow_gre(place: &Place) -> String {
    match place.tool {
        Tool::Nft => format!("{} meta l4proto gre accept", insert(place)),
        tool => format!(
            "sudo {} {}-I {} -p gre -j ACCEPT",
            program(tool),
            table(place),
            place.base
        ),
    }
}

fn allow_udp(place: &Place, ports: &[u16]) -> String {
    match place.tool {
        // The shell must not take the braces for its own.
        Tool::Nft => format!(
            "{} udp dport '{{ {} }}' accept",
            insert(place),
            list(ports, ", ")
        ),
        tool => format!(
            "sudo {} {}-I {} -p udp -m multiport --dports {} -j ACCEPT",
            program(tool),
            table(place),
            place.base,
            list(ports, ",")
        ),
    }
}

fn insert(place: &Place) -> String {
    format!(
        "sudo nft insert rule {} {} {}",
        place.family,
        printable(&place.table),
        printable(&place.base)
    )
}

fn table(place: &Place) -> String {
    match place.table.as_str() {
        "filter" => String::new(),
        other => format!("-t {} ", printable(other)),
    }
}

fn program(tool: Tool) -> &'static str {
    match tool {
        Tool::Nft => "nft",
        Tool::Iptables => "iptables",
        Tool::Ip6tables => "ip6tables",
    }
}

fn list(ports: &[u16], separator: &str) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    ports.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(tool: Tool, rule: Option<&str>, answers: bool) -> Place {
        let (family, base) = match tool {
            Tool::Nft => ("inet", "input"),
            _ => ("ip", "INPUT"),
        };
        Place {
            tool,
            family,
            table: "filter".to_owned(),
            base: base.to_owned(),
            chain: base.to_owned(),
            rule: rule.map(str::to_owned),
            answers,
        }
    }

    #[test]
    fn a_rule_of_nft_is_told_with_the_rule_that_lets_gre_pass() {
        let check = check(&Stopped {
            place: place(Tool::Nft, Some("handle 7"), false),
            certain: true,
            gre: [true, true],
            ports: Vec::new(),
        });
        assert_eq!(
            check.found,
            "GRE is dropped by nft's rule inet filter input handle 7"
        );
        assert_eq!(
            check.fix,
            ["sudo nft insert rule inet filter input meta l4proto gre accept"]
        );
        assert!(!check.meaning.unwrap().contains("ICMP"));
    }

    #[test]
    fn a_policy_of_iptables_that_stops_everything_names_the_common_ports() {
        let check = check(&Stopped {
            place: place(Tool::Iptables, None, false),
            certain: false,
            gre: [true, false],
            ports: vec![1701, 4789, 6081, 8472],
        });
        assert_eq!(
            check.found,
            "GRE over IPv4 and UDP ports 4789, 6081 and 2 more of mirrors may be stopped by the policy of chain INPUT of iptables"
        );
        assert_eq!(
            check.fix,
            [
                "sudo iptables -I INPUT -p gre -j ACCEPT",
                "sudo iptables -I INPUT -p udp -m multiport --dports 4789,6081 -j ACCEPT",
            ]
        );
    }

    #[test]
    fn a_rule_that_answers_says_so() {
        let check = check(&Stopped {
            place: place(Tool::Nft, None, true),
            certain: true,
            gre: [false, false],
            ports: vec![4789],
        });
        assert!(
            check.found.starts_with("UDP port 4789 is refused by"),
            "{}",
            check.found
        );
        assert!(check.meaning.unwrap().contains("ICMP unreachable"));
        assert_eq!(
            check.fix,
            ["sudo nft insert rule inet filter input udp dport '{ 4789 }' accept"]
        );
    }

    #[test]
    fn what_could_not_be_read_is_not_called_well() {
        let refused = checks(&Err(io::ErrorKind::PermissionDenied.into()), None);
        assert_eq!(refused[0].status, Status::Unknown);
        assert_eq!(refused[0].fix, ["sudo mirrorscope doctor"]);
        let none = checks(&Ok(Rules::default()), None);
        assert_eq!(
            (none[0].status, none[0].found.as_str()),
            (Status::Ok, "there is none")
        );
    }
}
