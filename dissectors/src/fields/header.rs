//! Which reader a header has.

use super::sheet::Reader;
use super::{ip, link, mirror, overlay, transport, tunnel};
use crate::dissect::Dissect;
use crate::protocol::{Encapsulation, Layer as Header, Protocol};

/// Puts down a header that starts at a place of the frame.
pub(super) fn read(reader: &mut Reader<'_>, protocol: Protocol, start: usize, header: &Header<'_>) {
    match header {
        Header::Ipv4(ip) => return ip::v4(reader, start, ip, ""),
        Header::Ipv6(ip) => return ip::v6(reader, start, ip, ""),
        // A segment of TCP, on a port that STT has too.
        Header::Stt(stt) if stt.segment().is_none() => return,
        // Something else on the port of markers.
        Header::ErspanMarker(marker) if marker.mark().is_none() => return,
        Header::Erspan1(_) => {
            // It has no header: the frame follows that of GRE.
            let mut sheet = reader.layer("ERSPAN I", start);
            sheet.gist("a mirrored frame without a header of its own");
            return sheet.len(0);
        }
        _ => {}
    }
    let mut sheet = reader.layer(title(protocol, header), start);
    let sheet = &mut sheet;
    match header {
        Header::Ethernet(header) => link::ethernet(sheet, header),
        Header::LinuxSll(header) => link::linux_sll(sheet, header),
        Header::LinuxSll2(header) => link::linux_sll2(sheet, header),
        Header::Loopback(header) => link::loopback(sheet, header),
        Header::Ppp(header) => link::ppp(sheet, header),
        Header::CiscoHdlc(header) => link::cisco_hdlc(sheet, header),
        Header::Llc(header) => link::llc(sheet, header),
        Header::Vlan(header) => link::vlan(sheet, header),
        Header::VnTag(header) => link::vn_tag(sheet, header),
        Header::ETag(header) => link::e_tag(sheet, header),
        Header::CiscoMetaData(header) => link::cisco_meta_data(sheet, header),
        Header::CiscoMetaDataGre(header) => link::cisco_meta_data(sheet, &header.tag()),
        Header::Arista(header) => link::arista(sheet, header),
        Header::Ieee80211(header) => link::ieee80211(sheet, header),
        Header::Radiotap(header) => link::radiotap(sheet, header),
        Header::MacSec(header) => link::macsec(sheet, header),
        Header::Udp(header) => transport::udp_header(sheet, header),
        Header::Gre(header) => tunnel::gre(sheet, header),
        Header::Erspan2(header) => mirror::erspan2(sheet, header),
        Header::Erspan3(header) => mirror::erspan3(sheet, header),
        Header::Mlnx(header) => sheet.carries(header.payload()),
        Header::Tzsp(header) => mirror::tzsp(sheet, header),
        Header::HpErm(header) => mirror::hp_erm(sheet, header),
        Header::Jmirror(header) => mirror::jmirror(sheet, header),
        Header::ErspanMarker(header) => mirror::erspan_marker(sheet, *header),
        Header::Vxlan(header) => overlay::vxlan(sheet, header),
        Header::VxlanGpe(header) => overlay::vxlan_gpe(sheet, header),
        Header::Geneve(header) => overlay::geneve(sheet, header),
        Header::Mpls(header) => tunnel::mpls(sheet, header),
        Header::Otv(header) => overlay::otv(sheet, header),
        Header::Gue(header) => tunnel::gue(sheet, header),
        Header::Stt(header) => overlay::stt(sheet, header),
        Header::Lisp(header) => overlay::lisp(sheet, header),
        Header::Gtpu(header) => tunnel::gtpu(sheet, header),
        Header::L2tp(header) => tunnel::l2tp(sheet, header),
        Header::L2tpv3(header) => tunnel::l2tpv3(sheet, header),
        Header::Teredo(header) => tunnel::teredo(sheet, header),
        Header::Ayiya(header) => tunnel::ayiya(sheet, header),
        Header::Wccp(header) => tunnel::wccp(sheet, header),
        Header::Capwap(header) => tunnel::capwap(sheet, header),
        Header::EtherIp(header) => {
            sheet.add("Version", 0..1, 3);
            sheet.gist("version 3");
            sheet.carries(header.payload());
        }
        Header::Pbb(header) => tunnel::pbb(sheet, header),
        Header::Trill(header) => tunnel::trill(sheet, header),
        Header::FabricPath(header) => tunnel::fabric_path(sheet, header),
        Header::Pppoe(header) => tunnel::pppoe(sheet, header),
        Header::Nsh(header) => overlay::nsh(sheet, header),
        Header::Esp(header) => tunnel::esp(sheet, header),
        Header::IpComp(header) => tunnel::ip_comp(sheet, header),
        // Put down above.
        Header::Ipv4(_) | Header::Ipv6(_) | Header::Erspan1(_) => {}
    }
}

/// What a header is called in a list of layers.
fn title(protocol: Protocol, header: &Header<'_>) -> &'static str {
    match header {
        Header::Ethernet(_) => "Ethernet",
        Header::Vlan(_) => "VLAN tag",
        Header::Loopback(_) => "BSD loopback",
        Header::LinuxSll(_) | Header::LinuxSll2(_) => "Linux cooked capture",
        Header::CiscoMetaData(_) | Header::CiscoMetaDataGre(_) => "Cisco MetaData",
        Header::Arista(_) => "Arista time stamp",
        Header::Erspan2(_) => "ERSPAN II",
        Header::Erspan3(_) => "ERSPAN III",
        Header::Gre(gre) => match gre.opened(gre.key()).map(|opened| opened.encapsulation) {
            Some(Encapsulation::Nvgre) => "NVGRE",
            Some(Encapsulation::Eoip) => "GRE, EoIP",
            Some(Encapsulation::Pptp) => "GRE, PPTP",
            _ => "GRE",
        },
        _ => protocol.title(),
    }
}
