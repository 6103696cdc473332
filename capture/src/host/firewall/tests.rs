use super::*;

const GRE: Probe<'_> = Probe {
    v6: false,
    protocol: 47,
    port: None,
    interface: Some("eth1"),
};

fn udp(port: u16) -> Probe<'static> {
    Probe {
        protocol: 17,
        port: Some(port),
        ..GRE
    }
}

fn nft(text: &str) -> Rules {
    Rules {
        tables: nft::read(text).unwrap(),
    }
}

/// A table `filter` with a chain `input` of these rules, as nft prints it.
fn input(policy: &str, rules: &[&str]) -> Rules {
    let rules: Vec<String> = rules
        .iter()
        .enumerate()
        .map(|(number, expr)| {
            format!(
                r#"{{"rule": {{"family": "inet", "table": "filter", "chain": "input", "handle": {}, "expr": [{expr}]}}}}"#,
                number + 10
            )
        })
        .collect();
    nft(&format!(
        r#"{{"nftables": [{{"metainfo": {{"json_schema_version": 1}}}},
        {{"table": {{"family": "inet", "name": "filter", "handle": 1}}}},
        {{"chain": {{"family": "inet", "table": "filter", "name": "input", "handle": 1, "type": "filter", "hook": "input",
          "prio": 0, "policy": "{policy}"}}}}{}{}]}}"#,
        if rules.is_empty() { "" } else { "," },
        rules.join(",")
    ))
}

const ESTABLISHED: &str = r#"{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}, {"accept": null}"#;
const LOOPBACK: &str = r#"{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"accept": null}"#;
const SSH: &str = r#"{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}, {"accept": null}"#;
const GRE_DROPPED: &str = r#"{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "gre"}}, {"counter": {"packets": 0, "bytes": 0}}, {"drop": null}"#;
const SOURCE_ACCEPTED: &str = r#"{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "10.60.0.0", "len": 24}}}}, {"accept": null}"#;
const PORTS_ACCEPTED: &str = r#"{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"set": [4789, {"range": [6080, 6081]}]}}}, {"accept": null}"#;

#[track_caller]
fn stops(fate: Fate) -> Place {
    match fate {
        Fate::Stops(place) => place,
        fate => panic!("{fate:?}"),
    }
}

#[track_caller]
fn may_stop(fate: Fate) -> Place {
    match fate {
        Fate::MayStop(place) => place,
        fate => panic!("{fate:?}"),
    }
}

#[test]
fn no_rules_stop_nothing() {
    let rules = nft(r#"{"nftables": [{"metainfo": {"version": "1.0.6"}}]}"#);
    assert_eq!(rules.fate(&GRE), Fate::Passes);
    assert!(rules.is_empty());
    assert!(input("accept", &[]).is_empty());
    assert!(!input("drop", &[]).is_empty());
}

#[test]
fn a_rule_that_drops_gre_is_named_and_leaves_udp_alone() {
    let rules = input("accept", &[ESTABLISHED, GRE_DROPPED]);
    let place = stops(rules.fate(&GRE));
    assert_eq!(
        (place.table.as_str(), place.chain.as_str()),
        ("filter", "input")
    );
    assert_eq!(
        (place.family, place.rule.as_deref()),
        ("inet", Some("handle 11"))
    );
    assert!(!place.answers);
    assert_eq!(rules.fate(&udp(4789)), Fate::Passes);
    assert_eq!(stops(rules.fate(&Probe { v6: true, ..GRE })).chain, "input");
}

#[test]
fn a_policy_drops_what_no_rule_accepts() {
    let rules = input("drop", &[LOOPBACK, ESTABLISHED, SSH, PORTS_ACCEPTED]);
    let place = stops(rules.fate(&GRE));
    assert_eq!(place.rule, None);
    assert_eq!(rules.fate(&udp(4789)), Fate::Passes);
    assert_eq!(rules.fate(&udp(6080)), Fate::Passes);
    stops(rules.fate(&udp(6082)));
}

#[test]
fn what_depends_on_the_source_is_a_guess() {
    let rules = input("drop", &[SOURCE_ACCEPTED]);
    may_stop(rules.fate(&GRE));
    // The rule is of IPv4 alone.
    stops(rules.fate(&Probe { v6: true, ..GRE }));
}

#[test]
fn a_verdict_map_of_states_is_followed() {
    let map = r#"{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", {"accept": null}], ["invalid", {"drop": null}]]}}}"#;
    assert_eq!(input("accept", &[map]).fate(&GRE), Fate::Passes);
    let map = r#"{"vmap": {"key": {"meta": {"key": "l4proto"}}, "data": {"set": [["tcp", {"jump": {"target": "services"}}], ["gre", {"drop": null}]]}}}"#;
    stops(input("accept", &[map]).fate(&GRE));
    assert_eq!(input("accept", &[map]).fate(&udp(4789)), Fate::Passes);
}

#[test]
fn chains_that_are_called_may_stop_or_return() {
    let rules = nft(r#"{"nftables": [
        {"chain": {"family": "inet", "table": "t", "name": "in", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
        {"chain": {"family": "inet", "table": "t", "name": "udp", "handle": 2}},
        {"rule": {"family": "inet", "table": "t", "chain": "in", "handle": 3, "expr": [
            {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "udp"}}, {"jump": {"target": "udp"}}]}},
        {"rule": {"family": "inet", "table": "t", "chain": "udp", "handle": 4, "expr": [
            {"match": {"op": "!=", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 4789}}, {"reject": {"type": "icmpx", "expr": "port-unreachable"}}]}},
        {"rule": {"family": "inet", "table": "t", "chain": "in", "handle": 5, "comment": "not here", "expr": [
            {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth*"}},
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "protocol"}}, "right": 47}}, {"drop": null}]}}]}"#);
    let place = stops(rules.fate(&udp(6081)));
    assert_eq!((place.base.as_str(), place.chain.as_str()), ("in", "udp"));
    assert!(place.answers);
    assert_eq!(rules.fate(&udp(4789)), Fate::Passes);
    let place = stops(rules.fate(&GRE));
    assert_eq!(place.rule.as_deref(), Some("handle 5, \"not here\""));
    let elsewhere = Probe {
        interface: Some("wan0"),
        ..GRE
    };
    assert_eq!(rules.fate(&elsewhere), Fate::Passes);
    // Any interface: it depends.
    may_stop(rules.fate(&Probe {
        interface: None,
        ..GRE
    }));
}

#[test]
fn limits_named_sets_and_matches_of_iptables_are_guesses() {
    for expr in [
        r#"{"limit": {"rate": 10, "burst": 5, "per": "second"}}, {"drop": null}"#,
        r#"{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "@tunnels"}}, {"drop": null}"#,
        r#"{"xt": {"type": "match", "name": "gre"}}"#,
        r#"{"vmap": {"key": {"meta": {"key": "l4proto"}}, "data": "@verdicts"}}"#,
    ] {
        may_stop(input("accept", &[expr]).fate(&GRE));
    }
}

#[test]
fn earlier_chains_count_too_and_others_do_not() {
    let chain = |family: &str, hook: &str| {
        nft(&format!(
            r#"{{"nftables": [{{"chain": {{"family": "{family}", "table": "t", "name": "c", "type": "filter", "hook": "{hook}",
            "prio": -300, "policy": "drop"}}}}]}}"#
        ))
    };
    stops(chain("ip", "prerouting").fate(&GRE));
    stops(chain("inet", "input").fate(&GRE));
    for (family, hook) in [
        ("ip6", "input"),
        ("inet", "output"),
        ("inet", "forward"),
        ("bridge", "input"),
    ] {
        assert_eq!(
            chain(family, hook).fate(&GRE),
            Fate::Passes,
            "{family} {hook}"
        );
    }
}

#[test]
fn the_ingress_hook_of_another_interface_does_not_count() {
    let ingress = |interface: &str| {
        nft(&format!(
            r#"{{"nftables": [{{"chain": {{"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": "ingress",
            "dev": "{interface}", "prio": 0, "policy": "drop"}}}}]}}"#
        ))
    };
    stops(ingress("eth1").fate(&GRE));
    assert_eq!(ingress("eth2").fate(&GRE), Fate::Passes);
}

const SAVED: &str = "\
# Generated by iptables-save v1.8.9
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:MIRRORS - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p udp -m comment --comment \"mirrors, of -j DROP\" -j MIRRORS
-A INPUT -p gre ! -i eth2 -j REJECT --reject-with icmp-proto-unreachable
-A MIRRORS -p udp -m multiport --dports 4789,6080:6081 -j ACCEPT
-A MIRRORS -s 10.0.0.0/8 -p udp -m udp --dport 37008 -j ACCEPT
COMMIT
";

#[test]
fn rules_of_iptables_are_followed() {
    let rules = Rules {
        tables: iptables::read(SAVED, Tool::Iptables),
    };
    assert_eq!(rules.fate(&udp(4789)), Fate::Passes);
    assert_eq!(rules.fate(&udp(6081)), Fate::Passes);
    let place = may_stop(rules.fate(&udp(37_008)));
    assert_eq!((place.tool, place.rule), (Tool::Iptables, None));
    stops(rules.fate(&udp(8472)));
    let place = stops(rules.fate(&GRE));
    assert!(place.answers);
    assert_eq!(
        place.rule.as_deref(),
        Some("-A INPUT -p gre ! -i eth2 -j REJECT --reject-with icmp-proto-unreachable")
    );
    // It is not of this version of IP.
    assert_eq!(rules.fate(&Probe { v6: true, ..GRE }), Fate::Passes);
}
