//! The list of all protocols: what is read, what leads to it, and what it opens.
//!
//! A protocol is one file here, with its `mod` line and its entry in the list below. The entry makes
//! its [`Protocol`], whose first line of documentation is also its title in help texts; its
//! [`Layer`]; the numbers that lead to it, which a user may change (see [`Options`]); and the
//! encapsulations that it may turn out to be.
//!
//! [`Options`]: crate::Options

pub(crate) mod arista;
pub(crate) mod arp;
pub(crate) mod ayiya;
pub(crate) mod capwap;
pub(crate) mod chdlc;
pub(crate) mod cmd;
pub(crate) mod erspan1;
pub(crate) mod erspan2;
pub(crate) mod erspan3;
pub(crate) mod erspan_marker;
pub(crate) mod esp;
pub(crate) mod etag;
pub(crate) mod etherip;
pub(crate) mod ethernet;
pub(crate) mod extension;
pub(crate) mod fabricpath;
pub(crate) mod geneve;
pub(crate) mod gre;
pub(crate) mod gtpu;
pub(crate) mod gue;
pub(crate) mod hp_erm;
pub(crate) mod ieee80211;
pub(crate) mod ipcomp;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
pub(crate) mod jmirror;
pub(crate) mod l2tp;
pub(crate) mod l2tpv3;
pub(crate) mod lisp;
pub(crate) mod llc;
pub(crate) mod macsec;
pub(crate) mod mlnx;
pub(crate) mod mpls;
pub(crate) mod nsh;
pub(crate) mod null;
pub(crate) mod otv;
pub(crate) mod pbb;
pub(crate) mod ppp;
pub(crate) mod pppoe;
pub(crate) mod radiotap;
pub(crate) mod sll;
pub(crate) mod stt;
pub(crate) mod teredo;
pub(crate) mod trill;
pub(crate) mod tzsp;
pub(crate) mod udp;
pub(crate) mod vlan;
pub(crate) mod vntag;
pub(crate) mod vxlan;
pub(crate) mod vxlan_gpe;
pub(crate) mod wccp;

use crate::options::Selector::{EtherType, GreType, IpProtocol, TcpPort, UdpPort};
use crate::registry::protocols;

// Where several could be meant, the order counts: a number is looked up from the front, and a tunnel on
// an unknown port is the first that leads to a packet. So the frequent come first, and those whose
// header proves little (labels, jmirror) behind those whose header proves more.
protocols! {
    // Link layer.

    /// Ethernet II or 802.3.
    Ethernet(ethernet::Ethernet) = "ethernet";
    /// Linux cooked capture, version 1.
    LinuxSll(sll::LinuxSll) = "linux-sll";
    /// Linux cooked capture, version 2.
    LinuxSll2(sll::LinuxSll2) = "linux-sll2";
    /// BSD loopback, NULL or LOOP.
    Loopback(null::Loopback) = "loopback";
    /// PPP.
    Ppp(ppp::Ppp) = "ppp" from [EtherType(0x880b)];
    /// Cisco HDLC.
    CiscoHdlc(chdlc::CiscoHdlc) = "chdlc";
    /// LLC and SNAP.
    Llc(llc::Llc) = "llc" from [EtherType(0x8870)];

    // Tags.

    /// One 802.1Q or 802.1ad tag.
    Vlan(vlan::Vlan) = "vlan"
        from [EtherType(0x8100), EtherType(0x88a8), EtherType(0x9100), EtherType(0x9200), EtherType(0x9300)];
    /// VN-Tag.
    VnTag(vntag::VnTag) = "vntag" from [EtherType(vntag::ETHER_TYPE)];
    /// 802.1BR E-Tag.
    ETag(etag::ETag) = "etag" from [EtherType(etag::ETHER_TYPE)];
    /// Cisco MetaData in Ethernet.
    CiscoMetaData(cmd::CiscoMetaData) = "cmd" from [EtherType(cmd::ETHER_TYPE)];
    /// Arista time stamp header.
    Arista(arista::Arista) = "arista" from [EtherType(arista::ETHER_TYPE)];

    // IP, and what it carries.

    /// IPv4.
    Ipv4(ipv4::Ipv4) = "ipv4" from [EtherType(0x0800), IpProtocol(4)] opens {
        /// IPv4 in IPv4.
        Ipip = "ipip",
        /// IPv6 in IPv4.
        SixInFour = "6in4",
    };
    /// IPv6.
    Ipv6(ipv6::Ipv6) = "ipv6" from [EtherType(0x86dd), IpProtocol(41)] opens {
        /// IPv4 in IPv6.
        FourInSix = "4in6",
        /// IPv6 in IPv6.
        SixInSix = "6in6",
    };
    /// UDP.
    Udp(udp::Udp) = "udp" from [IpProtocol(17)] opens {
        /// UDP around a frame or packet without a header of its own.
        Udp = "udp",
    };
    /// EtherIP.
    EtherIp(etherip::EtherIp) = "etherip" from [IpProtocol(97)] opens {
        /// EtherIP.
        EtherIp = "etherip",
    };
    /// L2TPv3.
    L2tpv3(l2tpv3::L2tpv3) = "l2tpv3" from [IpProtocol(115)] opens {
        /// L2TP, version 3.
        L2tpv3 = "l2tpv3",
    };

    // GRE, and mirrors and tunnels in it.

    /// GRE.
    Gre(gre::Gre) = "gre" from [IpProtocol(47), UdpPort(4754)] opens {
        /// GRE around what has no session of its own.
        Gre = "gre",
        /// NVGRE.
        Nvgre = "nvgre",
        /// Ethernet over IP of MikroTik.
        Eoip = "eoip",
        /// PPTP.
        Pptp = "pptp",
    };
    /// ERSPAN Type I.
    Erspan1(erspan1::Erspan1) = "erspan1" opens {
        /// ERSPAN Type I.
        Erspan1 = "erspan1",
    };
    /// ERSPAN Type II.
    Erspan2(erspan2::Erspan2) = "erspan2" from [GreType(0x88be)] opens {
        /// ERSPAN Type II.
        Erspan2 = "erspan2",
    };
    /// ERSPAN Type III.
    Erspan3(erspan3::Erspan3) = "erspan3" from [GreType(0x22eb)] opens {
        /// ERSPAN Type III.
        Erspan3 = "erspan3",
    };
    /// Mellanox (NVIDIA) mirror.
    Mlnx(mlnx::Mlnx) = "mlnx" from [GreType(mlnx::GRE_TYPE)] opens {
        /// Mellanox (NVIDIA) mirror.
        Mlnx = "mlnx",
    };
    /// WCCP redirection.
    Wccp(wccp::Wccp) = "wccp" from [GreType(wccp::GRE_TYPE)] opens {
        /// WCCP redirection.
        Wccp = "wccp",
    };
    /// Cisco MetaData in GRE.
    CiscoMetaDataGre(cmd::CiscoMetaDataGre) = "cmd-gre" from [GreType(cmd::ETHER_TYPE)];

    // Overlays and tunnels over UDP, or over what looks like TCP.

    /// VXLAN.
    Vxlan(vxlan::Vxlan) = "vxlan" from [UdpPort(4789), UdpPort(8472), UdpPort(48879)] opens {
        /// VXLAN.
        Vxlan = "vxlan",
    };
    /// VXLAN-GPE.
    VxlanGpe(vxlan_gpe::VxlanGpe) = "vxlan-gpe" from [UdpPort(vxlan_gpe::PORT)] opens {
        /// VXLAN-GPE.
        VxlanGpe = "vxlan-gpe",
    };
    /// Geneve.
    Geneve(geneve::Geneve) = "geneve" from [UdpPort(6081)] opens {
        /// Geneve.
        Geneve = "geneve",
    };
    /// OTV over UDP.
    Otv(otv::Otv) = "otv" opens {
        /// OTV.
        Otv = "otv",
    };
    /// GUE.
    Gue(gue::Gue) = "gue" from [UdpPort(6080)] opens {
        /// GUE around an IP packet.
        Gue = "gue",
    };
    /// STT.
    Stt(stt::Stt) = "stt" from [TcpPort(stt::PORT)] opens {
        /// STT.
        Stt = "stt",
    };
    /// LISP.
    Lisp(lisp::Lisp) = "lisp" from [UdpPort(4341)] opens {
        /// LISP.
        Lisp = "lisp",
    };
    /// GTP-U.
    Gtpu(gtpu::Gtpu) = "gtp-u" from [UdpPort(2152)] opens {
        /// GTP-U.
        Gtpu = "gtp-u",
    };
    /// L2TP.
    L2tp(l2tp::L2tp) = "l2tp" from [UdpPort(1701)] opens {
        /// L2TP, version 2.
        L2tp = "l2tp",
    };
    /// Teredo.
    Teredo(teredo::Teredo) = "teredo" from [UdpPort(3544)] opens {
        /// Teredo.
        Teredo = "teredo",
    };
    /// AYIYA.
    Ayiya(ayiya::Ayiya) = "ayiya" from [UdpPort(5072)] opens {
        /// AYIYA.
        Ayiya = "ayiya",
    };

    // Mirror transports over UDP.

    /// TZSP.
    Tzsp(tzsp::Tzsp) = "tzsp" from [UdpPort(tzsp::PORT)] opens {
        /// TZSP.
        Tzsp = "tzsp",
    };
    /// HP ERM.
    HpErm(hp_erm::HpErm) = "hp-erm" from [UdpPort(hp_erm::PORT)] opens {
        /// HP ERM.
        HpErm = "hp-erm",
    };
    /// jmirror.
    Jmirror(jmirror::Jmirror) = "jmirror" from [UdpPort(jmirror::PORT)] opens {
        /// jmirror.
        Jmirror = "jmirror",
    };
    /// Cisco ERSPAN markers.
    ErspanMarker(erspan_marker::ErspanMarker) = "erspan-marker" at a named port;

    // Wireless networks.

    /// CAPWAP data.
    Capwap(capwap::Capwap) = "capwap" from [UdpPort(capwap::PORT)] opens {
        /// CAPWAP data.
        Capwap = "capwap",
    };
    /// IEEE 802.11.
    Ieee80211(ieee80211::Ieee80211) = "ieee80211" from [
        GreType(0x8200), GreType(0x8210), GreType(0x8220), GreType(0x8230), GreType(0x8240),
        GreType(0x8250), GreType(0x8260), GreType(0x8270), GreType(0x8280), GreType(0x8290),
        GreType(0x82a0), GreType(0x82b0), GreType(0x82c0), GreType(0x82d0), GreType(0x82e0),
        GreType(0x82f0), GreType(0x8300), GreType(0x8310), GreType(0x8320), GreType(0x8330),
        GreType(0x8340), GreType(0x8350), GreType(0x8360), GreType(0x8370), GreType(0x9000),
    ];
    /// Radiotap.
    Radiotap(radiotap::Radiotap) = "radiotap";

    // Encapsulations of the link layer.

    /// MPLS.
    Mpls(mpls::Mpls) = "mpls"
        from [EtherType(mpls::ETHER_TYPE), EtherType(0x8848), IpProtocol(137), UdpPort(6635)] opens {
        /// MPLS around IP.
        Mpls = "mpls",
        /// Ethernet pseudowire over MPLS; OTV in GRE is one too.
        MplsPw = "mpls-pw",
    };
    /// 802.1ah MAC-in-MAC.
    Pbb(pbb::Pbb) = "pbb" from [EtherType(pbb::ETHER_TYPE)] opens {
        /// 802.1ah MAC-in-MAC.
        Pbb = "pbb",
    };
    /// TRILL.
    Trill(trill::Trill) = "trill" from [EtherType(trill::ETHER_TYPE)] opens {
        /// TRILL.
        Trill = "trill",
    };
    /// FabricPath.
    FabricPath(fabricpath::FabricPath) = "fabricpath" from [EtherType(fabricpath::ETHER_TYPE)] opens {
        /// FabricPath.
        FabricPath = "fabricpath",
    };
    /// PPPoE session.
    Pppoe(pppoe::Pppoe) = "pppoe" from [EtherType(pppoe::ETHER_TYPE)] opens {
        /// PPPoE session.
        Pppoe = "pppoe",
    };
    /// NSH.
    Nsh(nsh::Nsh) = "nsh" from [EtherType(nsh::ETHER_TYPE)] opens {
        /// NSH.
        Nsh = "nsh",
    };

    // Closed: encrypted, or compressed.

    /// MACsec.
    MacSec(macsec::MacSec) = "macsec" from [EtherType(0x88e5)];
    /// ESP.
    Esp(esp::Esp) = "esp" from [IpProtocol(50), UdpPort(4500)] opens {
        /// ESP.
        Esp = "esp",
    };
    /// IPComp.
    IpComp(ipcomp::IpComp) = "ipcomp" from [IpProtocol(108)] opens {
        /// IPComp.
        IpComp = "ipcomp",
    };
}
