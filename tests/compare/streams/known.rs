//! Streams whose bytes are others, with the reason and who is right.

use std::collections::BTreeSet;

struct Known {
    /// Name of the capture, tool, sender, receiver; without the last two, all streams of the capture.
    streams: &'static [&'static str],
    #[expect(dead_code, reason = "for people")]
    why: &'static str,
}

/// Every known difference.
pub fn differences() -> BTreeSet<&'static str> {
    let known = KNOWN.iter().flat_map(|known| known.streams);
    known.copied().collect()
}

const KNOWN: &[Known] = &[
    Known {
        streams: &[
            "libpcap-AH-IPcomp-IPv4.pcap tshark",
            "libpcap-AH-IPcomp-IPv6.pcap tshark",
        ],
        why: "tshark inflates what is compressed (IPComp); here it stays closed, and is told so",
    },
    Known {
        streams: &[
            "mercury-emix.pcap tshark 10.10.10.22:47309 10.10.10.23:1044",
            "ndpi-reasm_segv_anon.pcapng tshark 63.190.145.43:80 172.17.36.21:57619",
            "pcpp-unidirectional_tcp_stream_with_missing_packet.pcap tshark 10.0.0.1:61541 81.218.72.15:80",
            "sv-TLPW1-tcp-110.37.219.134-10.12.14.101-tcp-990-49254.pcap tshark 110.37.219.134:990 10.12.14.101:49254",
        ],
        why: "ours: the number of bytes is that of all segments together; tshark leaves segments out behind a gap, and those \
              far out of order",
    },
    Known {
        streams: &[
            "pcpp-Ftp.pcap tshark 192.168.0.114:1137 192.168.0.193:21",
            "pcpp-Ftp.pcap tshark 192.168.0.193:21 192.168.0.114:1137",
        ],
        why: "ours: two connections, 15 years apart, with the same ports and numbers; tshark takes them for one",
    },
    Known {
        streams: &[
            "ndpi-heuristic_tcp_ack_payload.pcap tshark",
            "ndpi-heuristic_tcp_ack_payload.pcap tcpflow",
        ],
        why: "ours: IP claims the padding of short frames. tshark adds what lies behind a FIN and the payload of an RST, which \
              is not of the stream (RFC 9293 §3.5.3); tcpflow lets later segments overwrite earlier ones",
    },
    Known {
        streams: &[
            "tcpdump-tcp_rst_data-trunc.pcap tshark",
            "tcpdump-tcp_rst_data-trunc.pcap tcpflow",
        ],
        why: "ours: the payload of an RST says why it was sent, and is not of the stream (RFC 9293 §3.5.3)",
    },
    Known {
        streams: &["ndpi-wechat.pcap tshark 192.168.1.103:58143 216.58.205.131:443"],
        why: "ours: data in a FIN, the only data; tshark leaves it out",
    },
    Known {
        streams: &[
            "ndpi-capwap_data.pcapng tshark 10.1.3.68:47025 74.125.130.188:443",
            "ndpi-capwap_data.pcapng tcpflow 10.1.3.68:47025 74.125.130.188:443",
        ],
        why: "ours: frames of 802.11 whose frame control is byte-swapped, as Cisco's CAPWAP has it, and as `decap` writes them; \
              tshark takes them for another kind, tcpflow does not read them",
    },
    Known {
        streams: &[
            "tcpdump-bigtcp-ipv6-vxlan-ipv6.pcap tshark",
            "tcpdump-bigtcp-ipv6-vxlan-ipv6.pcap tcpflow",
            "tcpdump-bigtcp-ipv6-geneve-ipv4.pcap tcpflow",
            "tcpdump-bigtcp-ipv4-vxlan-ipv4.pcap tcpflow",
            "tcpdump-bigtcp-ipv4-geneve-ipv4.pcap tcpflow",
        ],
        why: "ours: packets above 64 KiB, whose length in IP is 0 (BIG TCP)",
    },
    Known {
        streams: &[
            "zeek-gre-aruba-amsdu.pcap tshark 157.240.18.16:443 149.159.130.184:49392",
            "zeek-gre-aruba-amsdu.pcap tcpflow 157.240.18.16:443 149.159.130.184:49392",
        ],
        why: "tshark: one frame of 802.11 with two packets (A-MSDU), of which only the first is followed here",
    },
    Known {
        streams: &[
            "zeek-reassembly.pcap tshark 63.193.213.194:2564 128.3.97.175:80",
            "zeek-reassembly.pcap tcpflow 63.193.213.194:2564 128.3.97.175:80",
            "sv-tcp-overlap.pcap tcpflow",
            "sv-tcp-overlap2.pcap tcpflow",
            "tcpdump-kday7.pcap tcpflow 204.0.55.10:323 204.9.54.80:55936",
        ],
        why: "neither: segments contradict each other. Here the bytes that arrived first count (--overlap), in tcpflow the last",
    },
    Known {
        streams: &[
            "truncated-erspan.pcap tcpflow",
            "truncated.pcap tcpflow",
            "truncated.pcap tshark",
            "tcpdump-hoobr_nfs_printfh.pcap tcpflow",
            "tcpdump-bgp_mp_reach_nlri-oobr.pcap tcpflow",
        ],
        why: "ours: packets cut short, with zeros for what is missing up to the end; tcpflow leaves the end out",
    },
    Known {
        streams: &["zeek-gre-aruba.pcap tcpflow"],
        why: "ours: frames of 802.11, which tcpflow does not read",
    },
    Known {
        streams: &[
            "pcpp-one_tcp_stream.pcap tcpflow 10.0.0.1:61541 81.218.72.15:80",
            "pcpp-example2.pcap tcpflow",
            "ndpi-rtsp.pcapng tcpflow 10.2.2.2:8554 10.1.1.10:52478",
        ],
        why: "ours: tcpflow takes the padding of short frames for data, also in the middle, and contradicts itself where a \
              port is used again",
    },
];
