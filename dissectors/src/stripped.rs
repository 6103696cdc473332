//! What is left of a frame when its layers were taken off.

use crate::fragment::Fragment;
use crate::layers::{Layers, MAX_LAYERS};
use crate::link::LinkType;
use crate::mirror::Mirror;
use crate::packet::Packet;
use crate::protocol::{Protocol, ethernet};
use crate::reason::{Malformed, Reason};
use crate::strip::offset_in;

/// The innermost frame: what the mirror copied, or the captured frame if nothing encapsulates it.
#[derive(Clone, Copy, Debug)]
pub struct InnerFrame<'a> {
    /// What the first byte belongs to; Ethernet, 802.11 or raw IP for an encapsulated frame.
    pub link: LinkType,
    /// The frame as far as it is present, padding and trailer included.
    pub bytes: &'a [u8],
    /// Bytes of the captured frame in front of this one.
    pub offset: usize,
    /// Position among the layers of the link layer that sent it: its own, or that in front of the
    /// labels of a packet without one.
    pub(crate) link_layer: usize,
    /// An IP header was read behind that link layer.
    pub(crate) ip_seen: bool,
    /// `EtherType` and bytes of its network layer, if that was reached.
    pub(crate) network: Option<(u16, &'a [u8])>,
}

impl<'a> Stripped<'a> {
    /// Notes that the innermost network header so far is one of IP.
    #[inline(always)]
    pub(crate) fn reach_ip(&mut self, protocol: Protocol, bytes: &'a [u8]) {
        let ether_type = match protocol {
            Protocol::Ipv4 => ethernet::IPV4,
            _ => ethernet::IPV6,
        };
        self.inner.network = Some((ether_type, bytes));
        self.inner.ip_seen = true;
    }
}

impl<'a> InnerFrame<'a> {
    /// Makes this the frame that starts with the next layer.
    #[inline(always)]
    pub(crate) fn enter(&mut self, link: LinkType, bytes: &'a [u8], layer: usize) {
        // The addresses in front of an MPLS label are still those of who sent the packet; behind an
        // IP header they are those of a tunnel's end.
        let keeps_link = link == LinkType::RawIp && !self.ip_seen;
        *self = Self {
            link,
            bytes,
            offset: self.offset.saturating_add(offset_in(self.bytes, bytes)),
            link_layer: if keeps_link { self.link_layer } else { layer },
            ip_seen: false,
            network: None,
        };
    }
}

/// Why no further layer was taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<'a> {
    /// The innermost packet was reached.
    Inner,
    /// A part of a datagram, or of a frame in STT or CAPWAP, that must be joined with others first.
    Fragment(Fragment<'a>),
    /// The payload of this protocol was recognised but cannot be opened.
    Opaque {
        /// The protocol whose payload it is.
        protocol: Protocol,
        /// Why it stays closed.
        reason: Reason,
    },
    /// More encapsulations or layers than allowed.
    TooDeep,
    /// A header that could not be used.
    Malformed(Malformed),
}

/// A frame taken apart.
#[derive(Clone, Debug)]
pub struct Stripped<'a> {
    /// From the wire inwards, up to the innermost network header that was reached.
    pub layers: Layers<'a>,
    /// The innermost frame.
    pub inner: InnerFrame<'a>,
    /// Which layers end an encapsulation.
    pub(crate) openings: Openings,
    /// A layer holds the time of a switch.
    pub(crate) stamped: bool,
    /// Why the layers end where they end.
    pub stop: Stop<'a>,
}

/// Positions of the layers behind which an encapsulated frame starts, not another header of the
/// same one; one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Openings(u32);

// A receiver holds many frames taken apart at a time, with all that it asked of them.
const _: () = assert!(
    size_of::<Stripped<'_>>() + size_of::<Packet<'_>>() + size_of::<Option<Mirror>>() <= 1024
);
const _: () = assert!(MAX_LAYERS <= u32::BITS as usize);

impl Openings {
    pub(crate) fn add(&mut self, layer: usize) {
        self.0 |= 1_u32.unbounded_shl(layer as u32);
    }

    #[inline(always)]
    pub(crate) fn first(self) -> Option<usize> {
        (self.0 != 0).then(|| self.0.trailing_zeros() as usize)
    }

    /// There are two or more.
    #[inline(always)]
    pub(crate) fn several(self) -> bool {
        self.0 & self.0.wrapping_sub(1) != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let first = rest.trailing_zeros();
            // Takes the lowest bit away; there is none at the end.
            rest &= rest.checked_sub(1)?;
            Some(first as usize)
        })
    }
}
