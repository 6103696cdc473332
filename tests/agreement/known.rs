//! Differences that are to stay, with the reason why tshark is the one that is wrong.

use std::collections::{BTreeMap, BTreeSet};

struct Known {
    file: &'static str,
    differences: &'static [&'static str],
    #[expect(dead_code, reason = "for people")]
    why: &'static str,
}

/// Every known difference by file.
pub fn differences() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    KNOWN
        .iter()
        .map(|known| (known.file, known.differences.iter().copied().collect()))
        .collect()
}

const KNOWN: &[Known] = &[
    Known {
        file: "arkime-arkime_synthetic.pcap",
        differences: &["Geneve VNI 1193046: 1, tshark 2"],
        why: SOURCE_PORT,
    },
    Known {
        file: "ntopng-hoobr_aodv_extension.pcap",
        differences: &["udp 48.48.48.48|654 48.48.48.48|12336: payload forth 12308, tshark 12328"],
        why: "UDP claims 20 bytes more than the IP packet can hold; tshark believes it",
    },
    Known {
        file: "pfl-04_sll_vlan_ipv4_udp_unsupported.pcap",
        differences: &[
            "packets of 172.20.1.10>172.20.1.11: 0, tshark 1",
            "udp 172.20.1.10|40000 172.20.1.11|4789: not in tshark's list",
        ],
        why: "two bytes are no VXLAN header; tshark goes by the port alone",
    },
    Known {
        file: "pfl-18_geneve_udp_port_direction_matrix.pcap",
        differences: &[
            "Geneve VNI 100: 1, tshark 2",
            "packets of 203.0.113.50>203.0.113.51: 2, tshark 3",
            "tcp 10.50.0.10|49550 10.50.0.20|443: bytes forth 42, tshark 84",
            "tcp 10.50.0.10|49550 10.50.0.20|443: packets forth 1, tshark 2",
            "tcp 10.50.0.10|49550 10.50.0.20|443: payload forth 2, tshark 4",
            "udp 203.0.113.50|6081 203.0.113.51|6091: not in tshark's list",
        ],
        why: SOURCE_PORT,
    },
    Known {
        file: "pfl-pcap_flow_lab_showcase.pcap",
        differences: &["udp 203.0.113.130|48000 198.51.100.130|48001: bytes forth 68, tshark 44"],
        why: LAST_FRAGMENT,
    },
    Known {
        file: "sv-decode-too-small.pcap",
        differences: &[
            "GRE headers: 0, tshark 2",
            "packets of 1.1.1.1>2.2.2.2: 0, tshark 1",
            "packets of fd01::101:101>fd02::202:202: 0, tshark 1",
        ],
        why: "two bytes are no GRE header; tshark goes by the protocol number alone",
    },
    Known {
        file: "sv-frag-eth-vlan-ip-tcp-syn.pcap",
        differences: &["tcp 1.1.1.1|12345 2.2.2.2|8080: bytes forth 44, tshark 28"],
        why: LAST_FRAGMENT,
    },
    Known {
        file: "tcpdump-erspan-type-iii-ft-7.pcap",
        differences: &[
            "udp 10.240.19.139|137 10.240.19.255|137: not in tshark's list",
            "udp 10.240.19.139|64948 224.0.0.252|5355: not in tshark's list",
            "udp 10.240.19.139|65371 224.0.0.252|5355: not in tshark's list",
        ],
        why: "tshark stops at frame type 7; behind a sub-header stand Ethernet frames with NBNS and LLMNR queries",
    },
    Known {
        file: "tcpdump-esp_truncated.pcap",
        differences: &[
            "packets of 0.254.92.182>255.127.255.121: 0, tshark 1",
            "udp 0.254.92.182|4500 255.127.255.121|8472: not in tshark's list",
        ],
        why: "a first fragment whose VXLAN header is cut, and has no VNI flag; tshark goes by the port alone",
    },
    Known {
        file: "tcpdump-kday7.pcap",
        differences: &["tcp 204.9.51.132|50079 204.9.54.80|22: payload forth 768, tshark 0"],
        why: SHORTENED,
    },
    Known {
        file: "tcpdump-udp-length-heapoverflow.pcap",
        differences: &["udp 48.48.48.48|12336 48.48.48.48|12336: payload 12308, tshark 0"],
        why: "cut behind the ports; IP's length tells that of the payload, tshark wants UDP's",
    },
    Known {
        file: "zeek-reassembly.pcap",
        differences: &[
            "tcp 63.193.213.194|2564 128.3.97.175|80: payload forth 34434, tshark 34370",
        ],
        why: SHORTENED,
    },
];

const SOURCE_PORT: &str =
    "6081 is Geneve's as a destination port only (RFC 8926 §3.3); tshark takes it on either side";
const LAST_FRAGMENT: &str = "tshark gives a datagram the length of its last fragment";
const SHORTENED: &str = "frames shortened before they were captured: the IP header claims more than the capture says \
                         was on the wire, and tshark counts the header's bytes but not the payload's";
