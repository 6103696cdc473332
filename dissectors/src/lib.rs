//! Wire formats of mirrored traffic: captured bytes in, borrowed views out.
//!
//! [`decapsulate`] walks one captured frame from the link layer through every encapsulation it
//! knows down to the innermost packet. It keeps no state, allocates nothing and never panics,
//! whatever the bytes are; what could not be read is told as a [`Malformed`] with the protocol, a
//! stable [`Reason`] and the offset. Known are
//!
//! - mirrors: ERSPAN I, II and III, frames in GRE and in UDP, TZSP, HP ERM, jmirror, NVIDIA's header;
//! - overlays and tunnels: VXLAN with its extensions, Geneve, GUE, STT, OTV, LISP, GTP-U, CAPWAP,
//!   L2TP, EtherIP, IP in IP and others in GRE and UDP;
//! - what the link layer encapsulates: MPLS, MAC-in-MAC, TRILL, FabricPath, PPPoE, NSH, and tags.
//!
//! [`Protocol`] lists them all, [`Encapsulation`] what makes a session of its own.
//!
//! ```
//! use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
//! use mirrorscope_dissectors::{Encapsulation, LinkType, Options, decapsulate};
//!
//! let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
//! let mut frame = Vec::new();
//! wrap(&outer, &Wrap::Vxlan { vni: 5000, port: 4789 }, &[0; 60], &mut frame);
//!
//! let stripped = decapsulate(LinkType::Ethernet, &frame, &Options::default());
//! let mirror = stripped.mirror().expect("the frame is encapsulated");
//! assert_eq!(mirror.encapsulation, Encapsulation::Vxlan);
//! assert_eq!(mirror.id, Some(5000));
//! assert_eq!(stripped.inner.bytes, [0; 60]);
//! ```
//!
//! To add a protocol: one file in `protocol` with its view, and its entry in the list there. To write
//! it too: its variant of [`encap::Wrap`].

#![forbid(unsafe_code)]
#![deny(clippy::panic)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod checksum;
mod dissect;
pub mod encap;
mod familiar;
pub mod fields;
mod fragment;
mod layers;
mod link;
mod mirror;
mod options;
mod packet;
mod probe;
mod protocol;
mod reason;
mod registry;
mod strip;
mod stripped;
mod transport;
mod usual;

pub use familiar::Familiar;
pub use fragment::{Fragment, FragmentPosition, Whole};
pub use layers::{Layers, MAX_LAYERS};
pub use link::LinkType;
pub use mirror::{Carried, DeviceTime, Direction, Mirror};
pub use options::{DecodeAsError, Options, Selector};
pub use packet::{Ip, Network, Packet};
pub use protocol::arista::Arista;
pub use protocol::arp::Arp;
pub use protocol::ayiya::Ayiya;
pub use protocol::capwap::Capwap;
pub use protocol::chdlc::CiscoHdlc;
pub use protocol::cmd::{CiscoMetaData, CiscoMetaDataGre};
pub use protocol::erspan_marker::{ErspanMarker, Mark};
pub use protocol::erspan1::Erspan1;
pub use protocol::erspan2::Erspan2;
pub use protocol::erspan3::{Erspan3, Granularity};
pub use protocol::esp::Esp;
pub use protocol::etag::ETag;
pub use protocol::etherip::EtherIp;
pub use protocol::ethernet::{Ethernet, Macs};
pub use protocol::fabricpath::{FabricAddress, FabricPath};
pub use protocol::geneve::{Geneve, GeneveOption, GeneveOptions};
pub use protocol::gre::Gre;
pub use protocol::gtpu::Gtpu;
pub use protocol::gue::Gue;
pub use protocol::hp_erm::HpErm;
pub use protocol::ieee80211::{FrameType, Ieee80211};
pub use protocol::ipcomp::IpComp;
pub use protocol::ipv4::Ipv4;
pub use protocol::ipv6::Ipv6;
pub use protocol::jmirror::Jmirror;
pub use protocol::l2tp::L2tp;
pub use protocol::l2tpv3::L2tpv3;
pub use protocol::lisp::Lisp;
pub use protocol::llc::Llc;
pub use protocol::macsec::MacSec;
pub use protocol::mlnx::Mlnx;
pub use protocol::mpls::{Mpls, MplsLabel};
pub use protocol::nsh::Nsh;
pub use protocol::null::Loopback;
pub use protocol::otv::Otv;
pub use protocol::pbb::Pbb;
pub use protocol::ppp::Ppp;
pub use protocol::pppoe::Pppoe;
pub use protocol::radiotap::Radiotap;
pub use protocol::sll::{LinuxSll, LinuxSll2};
pub use protocol::stt::{Stt, SttFrame, SttSegment};
pub use protocol::teredo::Teredo;
pub use protocol::trill::Trill;
pub use protocol::tzsp::Tzsp;
pub use protocol::udp::Udp;
pub use protocol::vlan::Vlan;
pub use protocol::vntag::VnTag;
pub use protocol::vxlan::Vxlan;
pub use protocol::vxlan_gpe::VxlanGpe;
pub use protocol::wccp::Wccp;
pub use protocol::{Encapsulation, Layer, Protocol};
pub use reason::{Malformed, Reason};
pub use strip::decapsulate;
pub use stripped::{InnerFrame, Stop, Stripped};
pub use transport::{Tcp, TcpFlags, Transport, UdpDatagram};
