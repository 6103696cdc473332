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
        differences: &[
            "191 conversations, tshark 189",
            "Geneve VNI 1193046: 1, tshark 2",
            "VXLAN VNI 54321: 1, tshark 2",
        ],
        why: SOURCE_PORT,
    },
    Known {
        file: "libpcap-AH-IPcomp-IPv4.pcap",
        differences: &[
            "tcp 50.0.1.1|1026 150.0.1.1|80: bytes back 160, tshark 4601",
            "tcp 50.0.1.1|1026 150.0.1.1|80: bytes forth 160, tshark 406",
            "tcp 50.0.1.1|1026 150.0.1.1|80: packets back 3, tshark 6",
            "tcp 50.0.1.1|1026 150.0.1.1|80: packets forth 3, tshark 4",
            "tcp 50.0.1.1|1026 150.0.1.1|80: payload back 0, tshark 4285",
            "tcp 50.0.1.1|1026 150.0.1.1|80: payload forth 0, tshark 194",
        ],
        why: IPCOMP,
    },
    Known {
        file: "libpcap-AH-IPcomp-IPv6.pcap",
        differences: &[
            "tcp 4000::1|12764 2003::8c00:1|80: bytes back 220, tshark 4937",
            "tcp 4000::1|12764 2003::8c00:1|80: bytes forth 364, tshark 635",
            "tcp 4000::1|12764 2003::8c00:1|80: packets back 3, tshark 9",
            "tcp 4000::1|12764 2003::8c00:1|80: packets forth 5, tshark 6",
            "tcp 4000::1|12764 2003::8c00:1|80: payload back 0, tshark 4285",
            "tcp 4000::1|12764 2003::8c00:1|80: payload forth 0, tshark 199",
        ],
        why: IPCOMP,
    },
    Known {
        file: "ndpi-ajp.pcap",
        differences: &[
            "tcp 172.29.9.146|38856 172.29.9.147|8009: payload back 251, tshark 243",
            "tcp 172.29.9.146|38856 172.29.9.147|8009: payload forth 2708, tshark 2700",
        ],
        why: "tshark takes the last four bytes of every FabricPath frame for a checksum, which the copies have not",
    },
    Known {
        file: "ntopng-hoobr_aodv_extension.pcap",
        differences: &["udp 48.48.48.48|654 48.48.48.48|12336: payload forth 12308, tshark 12328"],
        why: "UDP claims 20 bytes more than the IP packet can hold; tshark believes it",
    },
    Known {
        file: "pcpp-GrePackets.pcapng",
        differences: &["GRE with_seq: 1, tshark 2"],
        why: NESTED_NUMBERS,
    },
    Known {
        file: "pcpp-gtp.pcapng",
        differences: &[
            "gtp-u 167660384: 0, tshark 1",
            "packets of 192.168.168.245>192.168.168.238: 0, tshark 1",
        ],
        why: "port 2123 is that of GTP-C, which tells tunnels and carries nothing",
    },
    Known {
        file: "pfl-01_mpls_pw_eth_ipv4_tcp_no_cw.pcap",
        differences: &["tcp 192.0.2.50|49180 198.51.100.50|443: not in tshark's list"],
        why: PSEUDOWIRE,
    },
    Known {
        file: "pfl-02_mpls_pw_eth_ipv4_udp_no_cw.pcap",
        differences: &["udp 192.0.2.50|53560 198.51.100.50|443: not in tshark's list"],
        why: PSEUDOWIRE,
    },
    Known {
        file: "pfl-03_mpls_pw_eth_ipv6_tcp_cw.pcap",
        differences: &["tcp 2001:db8:50::10|49180 2001:db8:50::20|443: not in tshark's list"],
        why: PSEUDOWIRE,
    },
    Known {
        file: "pfl-04_mpls_pw_eth_ipv6_udp_cw.pcap",
        differences: &["udp 2001:db8:50::10|53560 2001:db8:50::20|443: not in tshark's list"],
        why: PSEUDOWIRE,
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
        file: "pfl-06_mpls_pw_eth_vlan_ipv4_tcp_cw.pcap",
        differences: &["tcp 192.0.2.50|49180 198.51.100.50|443: not in tshark's list"],
        why: PSEUDOWIRE,
    },
    Known {
        file: "pfl-08_pbb_inner_llc_snap_ipv4_udp.pcap",
        differences: &["udp 192.0.2.60|53570 198.51.100.60|443: not in tshark's list"],
        why: "tshark does not look behind a length in MAC-in-MAC; there is SNAP with IPv4",
    },
    Known {
        file: "pfl-14_mpls_pw_control_word_with_sequence.pcap",
        differences: &["udp 192.0.2.50|53560 198.51.100.50|443: not in tshark's list"],
        why: PSEUDOWIRE,
    },
    Known {
        file: "pfl-16_mpls_pw_outer_vlan_inner_qinq_ipv4_udp_cw.pcap",
        differences: &["udp 192.0.2.50|53560 198.51.100.50|443: not in tshark's list"],
        why: PSEUDOWIRE,
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
        differences: &[
            "mpls 701: 0, tshark 1",
            "tcp 192.0.2.50|49180 198.51.100.50|443: not in tshark's list",
            "udp 203.0.113.130|48000 198.51.100.130|48001: bytes forth 68, tshark 44",
        ],
        why: "a label stack that ends in front of its bottom is told as cut; a pseudowire that tshark misreads; and tshark \
                  gives a datagram the length of its last fragment",
    },
    Known {
        file: "sv-decode-too-many-layers.pcap",
        differences: &["mpls 16: 8, tshark 1"],
        why: "one packet with many label stacks inside each other; tshark tells the outermost",
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
        file: "sv-eth-ip-gre-ppp-max-ip-packet.pcap",
        differences: &[
            "udp 1.1.1.1|11111 2.2.2.2|9999: bytes forth 85995, tshark 63",
            "udp 1.1.1.1|11111 2.2.2.2|9999: packets forth 1024, tshark 1",
        ],
        why: "a datagram in 1024 fragments, each of which is a packet; tshark counts the last one only",
    },
    Known {
        file: "sv-frag-eth-vlan-ip-tcp-syn.pcap",
        differences: &["tcp 1.1.1.1|12345 2.2.2.2|8080: bytes forth 44, tshark 28"],
        why: LAST_FRAGMENT,
    },
    Known {
        file: "sv-wrong-version-ipv4-ipv6.pcap",
        differences: &[
            "packets of 2001:db8:85a3::8a2e:370:7334>2001:db8:85a3::8a2e:370:7335: 0, tshark 1",
        ],
        why: "protocol 4 with a packet of version 6: no IPv4 in IPv6; tshark goes by the number alone",
    },
    Known {
        file: "tcpdump-arista_ether.pcap",
        differences: &["mpls 1024: 8, tshark 7"],
        why: "another kind of hardware in the version of the time stamp header; tshark stops there, and a label stack follows",
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
        file: "tcpdump-nsh-over-vxlan-gpe.pcap",
        differences: &["VXLAN VNI 16777215: 1, tshark 0"],
        why: "tshark lists the identifier of some VXLAN-GPE headers only",
    },
    Known {
        file: "tcpdump-udp-length-heapoverflow.pcap",
        differences: &["udp 48.48.48.48|12336 48.48.48.48|12336: payload 12308, tshark 0"],
        why: "cut behind the ports; IP's length tells that of the payload, tshark wants UDP's",
    },
    Known {
        file: "tcpdump-wb-oobr.pcap",
        differences: &[
            "udp 48.4.4.4|4400 127.0.0.1|3503: payload forth 24616, tshark 24656",
            "udp 48.48.0.1|3503 48.4.4.4|4567: payload forth 24616, tshark 24656",
            "udp 48.48.48.48|3503 48.48.48.48|4567: payload forth 12308, tshark 12328",
            "udp 48.48.48.48|4400 48.48.48.48|3503: payload forth 12308, tshark 12328",
        ],
        why: "UDP claims 20 bytes more than the IP packet can hold; tshark believes it",
    },
    Known {
        file: "zeek-gre-aruba-amsdu.pcap",
        differences: &[
            "tcp 157.240.18.16|443 149.159.130.184|49392: bytes forth 281, tshark 356",
            "tcp 157.240.18.16|443 149.159.130.184|49392: packets forth 1, tshark 2",
            "tcp 157.240.18.16|443 149.159.130.184|49392: payload forth 229, tshark 252",
        ],
        why: "one frame with two packets, of which the first is followed",
    },
    Known {
        file: "zeek-gre-pptp.pcap",
        differences: &["GRE with_seq: 0, tshark 2"],
        why: NESTED_NUMBERS,
    },
    Known {
        file: "zeek-pppoe-over-qinq.pcap",
        differences: &["tcp 1.1.1.1|20394 2.2.2.2|443: payload back 11141, tshark 11105"],
        why: "PPPoE claims less than IP in it does; tshark believes PPPoE",
    },
    Known {
        file: "zeek-reassembly.pcap",
        differences: &[
            "tcp 63.193.213.194|2564 128.3.97.175|80: payload forth 34434, tshark 34370",
        ],
        why: SHORTENED,
    },
];

const SOURCE_PORT: &str = "6081 and 4790 are those of Geneve and VXLAN-GPE as destination ports only (RFC 8926 §3.3); \
                           tshark takes them on either side";
const IPCOMP: &str = "tshark inflates what is compressed; here it stays closed and is told so";
const NESTED_NUMBERS: &str =
    "sequence numbers are those of the outermost encapsulation; tshark counts inner ones too";
const PSEUDOWIRE: &str = "an Ethernet pseudowire with a control word read as without one, or the reverse: tshark goes by \
                          the first four bits, which MAC addresses have too; the frame behind the right one checks itself";
const LAST_FRAGMENT: &str = "tshark gives a datagram the length of its last fragment";
const SHORTENED: &str = "frames shortened before they were captured: the IP header claims more than the capture says \
                         was on the wire, and tshark counts the header's bytes but not the payload's";
