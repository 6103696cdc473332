//! The transport header of the innermost packet, as far as it is there.
//!
//! Specification: RFC 9293 §3.1, RFC 768, RFC 792, RFC 4443, RFC 9260 §3.1. Checksums are not
//! verified: mirrors of locally made packets have unfinished ones.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::protocol::{Protocol, udp};
use crate::reason::{Malformed, Reason};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const SCTP: u8 = 132;

/// The header of TCP as it is on the wire, without options.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct TcpHeader {
    source_port: U16,
    destination_port: U16,
    sequence: U32,
    acknowledgement: U32,
    /// Header length in units of 4 bytes (4 bits), reserved (3), control bits (9).
    len_flags: U16,
    window: U16,
    checksum: U16,
    urgent: U16,
}

/// Length of a TCP header without options.
const TCP_LEN: usize = size_of::<TcpHeader>();
/// Length of a UDP header.
const UDP_LEN: usize = size_of::<udp::Header>();

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport<'a> {
    /// A TCP segment whose header is there, except perhaps for options.
    Tcp(Tcp<'a>),
    /// A TCP segment that was cut inside its header.
    TcpPorts {
        /// Port of the sender.
        source_port: u16,
        /// Port of the receiver.
        destination_port: u16,
        /// Sequence number, if it is there.
        sequence: Option<u32>,
    },
    /// A UDP datagram.
    Udp(UdpDatagram<'a>),
    /// An SCTP packet.
    Sctp {
        /// Port of the sender.
        source_port: u16,
        /// Port of the receiver.
        destination_port: u16,
        /// What is present of the packet behind the ports.
        payload: &'a [u8],
    },
    /// An `ICMPv4` message.
    Icmp {
        /// Type of the message.
        kind: u8,
        /// Code within the type.
        code: u8,
        /// Bytes 4 and 5, the identifier of an echo; 0 if they are not there.
        identifier: u16,
        /// Bytes 6 and 7, the sequence number of an echo; 0 if they are not there.
        sequence: u16,
        /// What follows the first 8 bytes: the quoted packet of an error.
        payload: &'a [u8],
    },
    /// An `ICMPv6` message.
    Icmp6 {
        /// Type of the message.
        kind: u8,
        /// Code within the type.
        code: u8,
        /// Bytes 4 and 5, the identifier of an echo; 0 if they are not there.
        identifier: u16,
        /// Bytes 6 and 7, the sequence number of an echo; 0 if they are not there.
        sequence: u16,
        /// What follows the first 8 bytes: the quoted packet of an error.
        payload: &'a [u8],
    },
    /// Another protocol.
    Other {
        /// What is present of the IP payload.
        payload: &'a [u8],
    },
    /// A fragment other than the first: it has no transport header.
    LaterFragment {
        /// Length of its part of the payload by the IP length, in bytes.
        payload_len: u32,
    },
    /// Too little is there to tell ports or type.
    Cut,
    /// A header that contradicts itself or the IP length.
    Malformed(Malformed),
}

impl<'a> Transport<'a> {
    /// The bytes that it borrows: options of TCP, and what is present of the payload.
    #[inline]
    pub fn bytes(&self) -> (&'a [u8], &'a [u8]) {
        match *self {
            Self::Tcp(Tcp {
                options, payload, ..
            }) => (options, payload),
            Self::Udp(UdpDatagram { payload, .. })
            | Self::Sctp { payload, .. }
            | Self::Icmp { payload, .. }
            | Self::Icmp6 { payload, .. }
            | Self::Other { payload } => (&[], payload),
            Self::TcpPorts { .. } | Self::LaterFragment { .. } | Self::Cut | Self::Malformed(_) => {
                (&[], &[])
            }
        }
    }

    /// The same with other bytes in their place.
    #[inline(always)]
    #[must_use]
    pub fn with_bytes<'b>(&self, options: &'b [u8], payload: &'b [u8]) -> Transport<'b> {
        match *self {
            Self::Tcp(ref tcp) => Transport::Tcp(Tcp {
                source_port: tcp.source_port,
                destination_port: tcp.destination_port,
                sequence: tcp.sequence,
                acknowledgement: tcp.acknowledgement,
                flags: tcp.flags,
                window: tcp.window,
                options,
                payload,
                payload_len: tcp.payload_len,
            }),
            Self::TcpPorts {
                source_port,
                destination_port,
                sequence,
            } => Transport::TcpPorts {
                source_port,
                destination_port,
                sequence,
            },
            Self::Udp(ref udp) => Transport::Udp(UdpDatagram {
                source_port: udp.source_port,
                destination_port: udp.destination_port,
                payload_len: udp.payload_len,
                payload,
                overlong: udp.overlong,
            }),
            Self::Sctp {
                source_port,
                destination_port,
                ..
            } => Transport::Sctp {
                source_port,
                destination_port,
                payload,
            },
            Self::Icmp {
                kind,
                code,
                identifier,
                sequence,
                ..
            } => Transport::Icmp {
                kind,
                code,
                identifier,
                sequence,
                payload,
            },
            Self::Icmp6 {
                kind,
                code,
                identifier,
                sequence,
                ..
            } => Transport::Icmp6 {
                kind,
                code,
                identifier,
                sequence,
                payload,
            },
            Self::Other { .. } => Transport::Other { payload },
            Self::LaterFragment { payload_len } => Transport::LaterFragment { payload_len },
            Self::Cut => Transport::Cut,
            Self::Malformed(malformed) => Transport::Malformed(malformed),
        }
    }
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp<'a> {
    /// Port of the sender.
    pub source_port: u16,
    /// Port of the receiver.
    pub destination_port: u16,
    /// Sequence number of the first payload byte, or of SYN.
    pub sequence: u32,
    /// Next sequence number expected from the other side; only means something with ACK.
    pub acknowledgement: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Receive window as it was sent, unscaled.
    pub window: u16,
    /// Options, as far as they are there.
    pub options: &'a [u8],
    /// What is present of the payload.
    pub payload: &'a [u8],
    /// Length of the payload by the IP length, in bytes; more than is present if it was cut.
    pub payload_len: u32,
}

/// Control bits of TCP, 9 bits wide: AE, then CWR down to FIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    /// No more data from the sender.
    pub fn fin(self) -> bool {
        self.0 & 0x001 != 0
    }

    /// Opens a connection.
    pub fn syn(self) -> bool {
        self.0 & 0x002 != 0
    }

    /// Resets the connection.
    pub fn rst(self) -> bool {
        self.0 & 0x004 != 0
    }

    /// Data to be handed on at once.
    pub fn psh(self) -> bool {
        self.0 & 0x008 != 0
    }

    /// The acknowledgement number is valid.
    pub fn ack(self) -> bool {
        self.0 & 0x010 != 0
    }

    /// The urgent pointer is valid.
    pub fn urg(self) -> bool {
        self.0 & 0x020 != 0
    }

    /// Congestion was seen on the way (RFC 3168).
    pub fn ece(self) -> bool {
        self.0 & 0x040 != 0
    }

    /// The sender slowed down (RFC 3168).
    pub fn cwr(self) -> bool {
        self.0 & 0x080 != 0
    }

    /// Accurate ECN, once the nonce sum (RFC 9768).
    pub fn ae(self) -> bool {
        self.0 & 0x100 != 0
    }

    /// Those that are set, by name: `SYN ACK`.
    pub fn words(self) -> String {
        let all = [
            (self.syn(), "SYN"),
            (self.fin(), "FIN"),
            (self.rst(), "RST"),
            (self.psh(), "PSH"),
            (self.ack(), "ACK"),
            (self.urg(), "URG"),
            (self.ece(), "ECE"),
            (self.cwr(), "CWR"),
            (self.ae(), "AE"),
        ];
        let set: Vec<&str> = all
            .iter()
            .filter(|flag| flag.0)
            .map(|flag| flag.1)
            .collect();
        if set.is_empty() {
            return "no flags".to_owned();
        }
        set.join(" ")
    }
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpDatagram<'a> {
    /// Port of the sender.
    pub source_port: u16,
    /// Port of the receiver.
    pub destination_port: u16,
    /// Length of the payload by the UDP and IP lengths, in bytes; more than is present if it was cut.
    pub payload_len: u32,
    /// What is present of the payload.
    pub payload: &'a [u8],
    /// Its length claims more than the IP packet holds.
    pub overlong: bool,
}

/// An ICMP message of either version.
struct Message<'a> {
    kind: u8,
    code: u8,
    identifier: u16,
    sequence: u16,
    payload: &'a [u8],
}

/// The payload of an IP packet that is not a later fragment.
#[derive(Clone, Copy)]
pub(crate) struct Payload<'a> {
    pub(crate) protocol: u8,
    /// What is present.
    pub(crate) bytes: &'a [u8],
    /// Its length by the IP header; never less than is present.
    pub(crate) claimed: usize,
    /// It is the first of several fragments, so that headers may continue in the next.
    pub(crate) fragment: bool,
    /// Where it starts in the captured frame.
    pub(crate) offset: usize,
}

impl<'a> Payload<'a> {
    /// Source and destination port, if the protocol has them and they are there.
    #[inline(always)]
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        if !matches!(self.protocol, TCP | UDP | SCTP) {
            return None;
        }
        udp::ports(self.bytes)
    }

    /// Reads the transport header.
    #[inline(always)]
    pub(crate) fn describe(&self, transport: &mut Transport<'a>) {
        match self.protocol {
            TCP => self.describe_tcp(transport),
            UDP => self.describe_udp(transport),
            other => *transport = self.rarer(other).unwrap_or(Transport::Cut),
        }
    }

    #[inline(never)]
    fn rarer(self, protocol: u8) -> Option<Transport<'a>> {
        Some(match protocol {
            SCTP => {
                let (source_port, destination_port) = self.ports()?;
                Transport::Sctp {
                    source_port,
                    destination_port,
                    payload: self.bytes.get(4..).unwrap_or_default(),
                }
            }
            ICMP => {
                let message = self.message()?;
                Transport::Icmp {
                    kind: message.kind,
                    code: message.code,
                    identifier: message.identifier,
                    sequence: message.sequence,
                    payload: message.payload,
                }
            }
            ICMP6 => {
                let message = self.message()?;
                Transport::Icmp6 {
                    kind: message.kind,
                    code: message.code,
                    identifier: message.identifier,
                    sequence: message.sequence,
                    payload: message.payload,
                }
            }
            _ => Transport::Other {
                payload: self.bytes,
            },
        })
    }

    #[inline(always)]
    fn describe_tcp(&self, transport: &mut Transport<'a>) {
        let Ok((header, rest)) = TcpHeader::ref_from_prefix(self.bytes) else {
            *transport = self.cut_tcp();
            return;
        };
        let len_flags = header.len_flags.get();
        let header_len = usize::from(len_flags >> 12) << 2;
        // Mirrors that keep 64 bytes of each frame end among the options of nearly every segment.
        let cut = self.bytes.len() < header_len;
        if self.too_short_for(TCP_LEN)
            || header_len < TCP_LEN
            || cut && self.too_short_for(header_len)
        {
            *transport = self.malformed(
                Protocol::Tcp,
                if self.too_short_for(TCP_LEN) {
                    Reason::BadLength
                } else {
                    Reason::BadHeaderLength
                },
            );
            return;
        }
        *transport = Transport::Tcp(Tcp {
            source_port: header.source_port.get(),
            destination_port: header.destination_port.get(),
            sequence: header.sequence.get(),
            acknowledgement: header.acknowledgement.get(),
            flags: TcpFlags(len_flags & 0x01ff),
            window: header.window.get(),
            options: self.bytes.get(TCP_LEN..header_len).unwrap_or(rest),
            payload: self.bytes.get(header_len..).unwrap_or_default(),
            payload_len: self.claimed.saturating_sub(header_len) as u32,
        });
    }

    /// Reads what is left of a header that ends in front of its options.
    #[cold]
    fn cut_tcp(self) -> Transport<'a> {
        if self.too_short_for(TCP_LEN) {
            return self.malformed(Protocol::Tcp, Reason::BadLength);
        }
        let Some((source_port, destination_port)) = self.ports() else {
            return Transport::Cut;
        };
        let sequence = self.bytes.get(4..).and_then(|rest| rest.first_chunk());
        Transport::TcpPorts {
            source_port,
            destination_port,
            sequence: sequence.map(|&bytes| u32::from_be_bytes(bytes)),
        }
    }

    #[inline(always)]
    fn describe_udp(&self, transport: &mut Transport<'a>) {
        let Ok((header, rest)) = udp::Header::ref_from_prefix(self.bytes) else {
            *transport = self.cut_udp();
            return;
        };
        let (length, payload) = match usize::from(header.len.get()) {
            // A jumbogram, or a datagram that the network card was to split.
            0 => (self.claimed, rest),
            len => {
                let payload = rest.get(..len.saturating_sub(UDP_LEN));
                (len, payload.unwrap_or(rest))
            }
        };
        if self.too_short_for(UDP_LEN) || length < UDP_LEN && header.len.get() != 0 {
            *transport = self.malformed(Protocol::Udp, Reason::BadLength);
            return;
        }
        *transport = Transport::Udp(UdpDatagram {
            source_port: header.source_port.get(),
            destination_port: header.destination_port.get(),
            payload_len: self.claimed.min(length).saturating_sub(UDP_LEN) as u32,
            payload,
            overlong: length > self.claimed && !self.fragment,
        });
    }

    /// Reads what is left of a header that was cut.
    #[cold]
    fn cut_udp(self) -> Transport<'a> {
        if self.too_short_for(UDP_LEN) {
            return self.malformed(Protocol::Udp, Reason::BadLength);
        }
        let Some((source_port, destination_port)) = self.ports() else {
            return Transport::Cut;
        };
        Transport::Udp(UdpDatagram {
            source_port,
            destination_port,
            payload_len: self.claimed.saturating_sub(UDP_LEN) as u32,
            payload: &[],
            overlong: false,
        })
    }

    /// Reads an ICMP message.
    ///
    /// One cut before byte 8 still has its type.
    fn message(&self) -> Option<Message<'a>> {
        let [kind, code] = *self.bytes.first_chunk()?;
        let word = |at: usize| {
            let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |&bytes| u16::from_be_bytes(bytes))
        };
        Some(Message {
            kind,
            code,
            identifier: word(4),
            sequence: word(6),
            payload: self.bytes.get(8..).unwrap_or_default(),
        })
    }

    /// Even the whole packet cannot hold a header of this length.
    fn too_short_for(&self, header_len: usize) -> bool {
        self.claimed < header_len && !self.fragment
    }

    fn malformed(&self, protocol: Protocol, reason: Reason) -> Transport<'a> {
        Transport::Malformed(Malformed {
            protocol,
            reason,
            offset: self.offset,
        })
    }
}
