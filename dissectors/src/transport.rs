//! The transport header of the innermost packet, as far as it is there.
//!
//! Specification: RFC 9293 §3.1, RFC 768, RFC 792, RFC 4443, RFC 9260 §3.1. Checksums are not
//! verified: mirrors of locally made packets have unfinished ones.

use etherparse::err::tcp::HeaderSliceError;
use etherparse::{TcpSlice, UdpSlice};

use crate::protocol::Protocol;
use crate::reason::{Malformed, Reason};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const SCTP: u8 = 132;

/// Length of a TCP header without options.
const TCP_LEN: usize = 20;
/// Length of a UDP header.
const UDP_LEN: usize = 8;

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
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        if !matches!(self.protocol, TCP | UDP | SCTP) {
            return None;
        }
        let [a, b, c, d] = *self.bytes.first_chunk()?;
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// Reads the transport header.
    pub(crate) fn transport(&self) -> Transport<'a> {
        let transport = match self.protocol {
            TCP => self.tcp(),
            UDP => self.udp(),
            SCTP => self
                .ports()
                .map(|(source_port, destination_port)| Transport::Sctp {
                    source_port,
                    destination_port,
                    payload: self.bytes.get(4..).unwrap_or_default(),
                }),
            ICMP => self.message().map(|message| Transport::Icmp {
                kind: message.kind,
                code: message.code,
                identifier: message.identifier,
                sequence: message.sequence,
                payload: message.payload,
            }),
            ICMP6 => self.message().map(|message| Transport::Icmp6 {
                kind: message.kind,
                code: message.code,
                identifier: message.identifier,
                sequence: message.sequence,
                payload: message.payload,
            }),
            _ => {
                return Transport::Other {
                    payload: self.bytes,
                };
            }
        };
        transport.unwrap_or(Transport::Cut)
    }

    fn tcp(&self) -> Option<Transport<'a>> {
        if self.too_short_for(TCP_LEN) {
            return Some(self.malformed(Protocol::Tcp, Reason::BadLength));
        }
        match TcpSlice::from_slice(self.bytes) {
            Ok(tcp) => {
                let header_len = tcp.header_slice().len();
                let options = tcp.header_slice().get(TCP_LEN..).unwrap_or_default();
                Some(self.segment(&tcp, header_len, options))
            }
            Err(HeaderSliceError::Content(_)) => {
                Some(self.malformed(Protocol::Tcp, Reason::BadHeaderLength))
            }
            Err(HeaderSliceError::Len(_)) => self.cut_tcp(),
        }
    }

    fn segment(&self, tcp: &TcpSlice<'_>, header_len: usize, options: &'a [u8]) -> Transport<'a> {
        let flags = match *tcp.slice() {
            [_, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] => {
                u16::from_be_bytes([high, low]) & 0x01ff
            }
            _ => 0,
        };
        Transport::Tcp(Tcp {
            source_port: tcp.source_port(),
            destination_port: tcp.destination_port(),
            sequence: tcp.sequence_number(),
            acknowledgement: tcp.acknowledgment_number(),
            flags: TcpFlags(flags),
            window: tcp.window_size(),
            options,
            payload: self.bytes.get(header_len..).unwrap_or_default(),
            payload_len: self.claimed.saturating_sub(header_len) as u32,
        })
    }

    /// Reads what is left of a header that the capture cut.
    fn cut_tcp(&self) -> Option<Transport<'a>> {
        // Mirrors that keep 64 bytes of each frame end among the options of nearly every segment.
        if let Some((fixed, options)) = self.bytes.split_first_chunk::<TCP_LEN>() {
            let mut bare = *fixed;
            let offset = bare.get_mut(12)?;
            let header_len = usize::from(*offset >> 4) << 2;
            if self.too_short_for(header_len) {
                return Some(self.malformed(Protocol::Tcp, Reason::BadHeaderLength));
            }
            *offset = 5 << 4 | *offset & 0x0f;
            let tcp = TcpSlice::from_slice(&bare).ok()?;
            return Some(self.segment(&tcp, header_len, options));
        }
        let (source_port, destination_port) = self.ports()?;
        let sequence = self.bytes.get(4..).and_then(|rest| rest.first_chunk());
        Some(Transport::TcpPorts {
            source_port,
            destination_port,
            sequence: sequence.map(|&bytes| u32::from_be_bytes(bytes)),
        })
    }

    fn udp(&self) -> Option<Transport<'a>> {
        if self.too_short_for(UDP_LEN) {
            return Some(self.malformed(Protocol::Udp, Reason::BadLength));
        }
        let (source_port, destination_port) = self.ports()?;
        let (length, payload) = match UdpSlice::from_slice_lax(self.bytes) {
            Ok(udp) => match usize::from(udp.length()) {
                // A jumbogram, or a datagram that the network card was to split.
                0 => (self.claimed, udp.payload()),
                len if len < UDP_LEN => {
                    return Some(self.malformed(Protocol::Udp, Reason::BadLength));
                }
                len => (len, udp.payload()),
            },
            Err(_) => (self.claimed, Default::default()),
        };
        let claimed = self.claimed.min(length);
        Some(Transport::Udp(UdpDatagram {
            source_port,
            destination_port,
            payload_len: claimed.saturating_sub(UDP_LEN) as u32,
            payload,
            overlong: length > self.claimed && !self.fragment,
        }))
    }

    /// Reads an ICMP message.
    ///
    /// Not by etherparse, which refuses messages cut before byte 8 and time stamps of any other
    /// length than 20.
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
