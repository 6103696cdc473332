//! What a user may change: which numbers lead to which protocol, and how deep to look.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayVec;

use crate::protocol::Protocol;
use crate::protocol::ethernet::MIN_TYPE;

/// Numbers of one kind that may lead to a protocol, defaults included.
const MAX_NUMBERS: usize = 128;

/// What a user may change about decapsulation.
#[derive(Clone, Debug)]
pub struct Options {
    /// Encapsulations that are opened in one frame, 8 unless changed.
    pub max_encapsulations: usize,
    ip: [Option<Protocol>; 256],
    ether_types: Numbers,
    gre_types: Numbers,
    udp_ports: Numbers,
    tcp_ports: Numbers,
}

/// A field by which one header tells what follows it, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// `EtherType` of Ethernet, a VLAN tag or another header that has one.
    EtherType(u16),
    /// Protocol number of IP.
    IpProtocol(u8),
    /// Protocol type of GRE, where it means something else than the `EtherType`.
    GreType(u16),
    /// Destination port of UDP.
    UdpPort(u16),
    /// Destination port of TCP.
    TcpPort(u16),
}

impl Selector {
    /// The field in tshark's words, as [`Options::decode_as`] reads it.
    pub fn field(self) -> &'static str {
        match self {
            Self::EtherType(_) => "ethertype",
            Self::IpProtocol(_) => "ip.proto",
            Self::GreType(_) => "gre.proto",
            Self::UdpPort(_) => "udp.port",
            Self::TcpPort(_) => "tcp.port",
        }
    }

    /// Reads a rule: `FIELD==NUMBER,PROTOCOL`.
    pub fn rule(text: &str) -> Result<(Self, Protocol), DecodeAsError> {
        let (selector, name) = text.split_once(',').ok_or(DecodeAsError::Form)?;
        let protocol = Protocol::from_name(name.trim()).ok_or(DecodeAsError::Protocol)?;
        Ok((selector.parse()?, protocol))
    }

    /// Its value.
    pub fn number(self) -> u16 {
        match self {
            Self::IpProtocol(number) => number.into(),
            Self::EtherType(number)
            | Self::GreType(number)
            | Self::UdpPort(number)
            | Self::TcpPort(number) => number,
        }
    }
}

/// A rule as a user writes it: `udp.port==20000,vxlan`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EtherType(number) | Self::GreType(number) => {
                write!(f, "{}=={number:#06x}", self.field())
            }
            other => write!(f, "{}=={}", other.field(), other.number()),
        }
    }
}

impl FromStr for Selector {
    type Err = DecodeAsError;

    fn from_str(text: &str) -> Result<Self, DecodeAsError> {
        let (field, value) = text.split_once("==").ok_or(DecodeAsError::Form)?;
        let value = value.trim();
        let number = match value.strip_prefix("0x") {
            Some(hex) => u16::from_str_radix(hex, 16),
            None => value.parse(),
        }
        .map_err(|_| DecodeAsError::Number)?;
        match field.trim() {
            // Smaller ones are lengths.
            "ethertype" if number < MIN_TYPE => Err(DecodeAsError::Number),
            "ethertype" => Ok(Self::EtherType(number)),
            "ip.proto" => u8::try_from(number)
                .map(Self::IpProtocol)
                .map_err(|_| DecodeAsError::Number),
            "gre.proto" => Ok(Self::GreType(number)),
            "udp.port" => Ok(Self::UdpPort(number)),
            "tcp.port" => Ok(Self::TcpPort(number)),
            _ => Err(DecodeAsError::Field),
        }
    }
}

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeAsError {
    /// It has another form.
    Form,
    /// There is no such field.
    Field,
    /// The value is no number, or too large for the field.
    Number,
    /// There is no such protocol.
    Protocol,
    /// The protocol does not look like TCP.
    Stream,
    /// There are too many rules.
    TooMany,
}

impl fmt::Display for DecodeAsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("want FIELD==NUMBER,PROTOCOL such as udp.port==20000,vxlan"),
            Self::Field => f.write_str(
                "the field must be one of udp.port, tcp.port, ethertype, gre.proto, ip.proto",
            ),
            Self::Number => f.write_str("the number must fit the field; 0x for hexadecimal"),
            Self::Protocol => {
                f.write_str("unknown protocol; known are")?;
                for (index, protocol) in Protocol::ALL.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma} {protocol}")?;
                }
                Ok(())
            }
            Self::Stream => f.write_str(
                "a port of TCP can lead to stt only, whose header stands in place of TCP's",
            ),
            Self::TooMany => write!(f, "at most {MAX_NUMBERS} numbers of a kind"),
        }
    }
}

impl std::error::Error for DecodeAsError {}

impl Default for Options {
    fn default() -> Self {
        let mut options = Self {
            max_encapsulations: 8,
            ip: [None; 256],
            ether_types: Numbers::default(),
            gre_types: Numbers::default(),
            udp_ports: Numbers::default(),
            tcp_ports: Numbers::default(),
        };
        for &protocol in Protocol::ALL {
            for &selector in protocol.selectors() {
                // A test sees to it that there is room for all.
                let _ = options.lead(selector, protocol);
            }
        }
        options
    }
}

impl Options {
    /// The protocol that a field leads to, if it leads to one.
    #[inline(always)]
    pub fn protocol(&self, selector: Selector) -> Option<Protocol> {
        match selector {
            Selector::EtherType(number) => self.ether_types.find(number),
            Selector::IpProtocol(number) => self.ip.get(usize::from(number)).copied().flatten(),
            Selector::GreType(number) => self.gre_types.find(number),
            Selector::UdpPort(number) => self.udp_ports.find(number),
            Selector::TcpPort(number) => self.tcp_ports.find(number),
        }
    }

    /// Makes a field lead to a protocol, whatever it led to before.
    pub fn lead(&mut self, selector: Selector, protocol: Protocol) -> Result<(), DecodeAsError> {
        let (numbers, number) = match selector {
            Selector::IpProtocol(number) => {
                if let Some(place) = self.ip.get_mut(usize::from(number)) {
                    *place = Some(protocol);
                }
                return Ok(());
            }
            Selector::TcpPort(_) if !protocol.is_like_tcp() => return Err(DecodeAsError::Stream),
            Selector::EtherType(number) => (&mut self.ether_types, number),
            Selector::GreType(number) => (&mut self.gre_types, number),
            Selector::UdpPort(number) => (&mut self.udp_ports, number),
            Selector::TcpPort(number) => (&mut self.tcp_ports, number),
        };
        numbers.lead(number, protocol)
    }

    /// Adds a rule in tshark's form: `udp.port==20000,vxlan`.
    pub fn decode_as(&mut self, rule: &str) -> Result<(), DecodeAsError> {
        let (selector, protocol) = Selector::rule(rule)?;
        self.lead(selector, protocol)
    }

    /// Replaces the ports that lead to a protocol.
    pub fn set_ports(&mut self, protocol: Protocol, ports: &[u16]) -> Result<(), DecodeAsError> {
        let numbers = if protocol.is_like_tcp() {
            &mut self.tcp_ports
        } else {
            &mut self.udp_ports
        };
        numbers.forget(protocol);
        ports
            .iter()
            .try_for_each(|&port| numbers.lead(port, protocol))
    }

    /// Every number that leads somewhere, and where.
    pub fn selectors(&self) -> impl Iterator<Item = (Selector, Protocol)> {
        let ip = self.ip.iter().zip(0..=u8::MAX).filter_map(|(to, number)| {
            let selector = Selector::IpProtocol(number);
            to.map(|protocol| (selector, protocol))
        });
        ip.chain(self.ether_types.all(Selector::EtherType))
            .chain(self.gre_types.all(Selector::GreType))
            .chain(self.udp_ports.all(Selector::UdpPort))
            .chain(self.tcp_ports.all(Selector::TcpPort))
    }

    /// UDP or TCP ports that lead to a protocol.
    pub fn ports(&self, protocol: Protocol) -> impl Iterator<Item = u16> {
        let [udp, tcp] = [&self.udp_ports, &self.tcp_ports].map(|numbers| numbers.of(protocol));
        udp.chain(tcp)
    }
}

impl Protocol {
    /// The UDP and TCP ports that lead to the protocol unless a user says otherwise.
    pub fn default_ports(self) -> impl Iterator<Item = Selector> {
        let is_port =
            |selector: &Selector| matches!(selector, Selector::UdpPort(_) | Selector::TcpPort(_));
        self.selectors().iter().copied().filter(is_port)
    }

    /// Its header stands in place of TCP's.
    fn is_like_tcp(self) -> bool {
        let mut ports = self.default_ports();
        ports.any(|port| matches!(port, Selector::TcpPort(_)))
    }
}

/// Numbers and the protocols that they lead to, apart so that a search runs over numbers only.
#[derive(Clone, Debug, Default)]
struct Numbers {
    /// Which numbers may be there, by their low 10 bits. Nearly every port leads nowhere: one look tells.
    possible: [u64; 16],
    listed: ArrayVec<u16, MAX_NUMBERS>,
    protocols: ArrayVec<Protocol, MAX_NUMBERS>,
}

impl Numbers {
    #[inline(always)]
    fn find(&self, number: u16) -> Option<Protocol> {
        let (word, bit) = Self::place(number);
        if self.possible.get(word)? & bit == 0 {
            return None;
        }
        self.search(number)
    }

    #[inline(never)]
    fn search(&self, number: u16) -> Option<Protocol> {
        let index = self.listed.iter().position(|&other| other == number)?;
        self.protocols.get(index).copied()
    }

    fn lead(&mut self, number: u16, protocol: Protocol) -> Result<(), DecodeAsError> {
        let known = self.listed.iter().position(|&other| other == number);
        if let Some(place) = known.and_then(|index| self.protocols.get_mut(index)) {
            *place = protocol;
            return Ok(());
        }
        self.listed
            .try_push(number)
            .map_err(|_| DecodeAsError::TooMany)?;
        self.protocols
            .try_push(protocol)
            .map_err(|_| DecodeAsError::TooMany)?;
        let (word, bit) = Self::place(number);
        if let Some(word) = self.possible.get_mut(word) {
            *word |= bit;
        }
        Ok(())
    }

    /// Word and bit of [`Self::possible`] that stand for a number.
    #[inline(always)]
    fn place(number: u16) -> (usize, u64) {
        (usize::from(number >> 6) & 15, 1 << (number & 63))
    }

    fn forget(&mut self, protocol: Protocol) {
        let mut keep = self.protocols.iter().map(|&other| other != protocol);
        self.listed.retain(|_| keep.next().unwrap_or(true));
        self.protocols.retain(|other| *other != protocol);
    }

    fn all(&self, kind: fn(u16) -> Selector) -> impl Iterator<Item = (Selector, Protocol)> {
        let pairs = self.listed.iter().zip(&self.protocols);
        pairs.map(move |(&number, &protocol)| (kind(number), protocol))
    }

    fn of(&self, protocol: Protocol) -> impl Iterator<Item = u16> {
        let pairs = self.listed.iter().zip(&self.protocols);
        pairs.filter_map(move |(&number, &other)| (other == protocol).then_some(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_list_leads_to_its_protocol() {
        let options = Options::default();
        for &protocol in Protocol::ALL {
            for &selector in protocol.selectors() {
                assert_eq!(options.protocol(selector), Some(protocol), "{selector}");
                assert!(
                    options
                        .selectors()
                        .any(|known| known == (selector, protocol))
                );
            }
        }
        let numbers = Protocol::ALL.iter().flat_map(|p| p.selectors());
        assert_eq!(options.selectors().count(), numbers.count());
    }

    #[test]
    fn rules_are_those_of_tshark() {
        let mut options = Options::default();
        options.decode_as("udp.port==20000,vxlan").unwrap();
        options.decode_as("ethertype==0x88b7,vlan").unwrap();
        options.decode_as("ip.proto == 253, gre").unwrap();
        let found = |selector| options.protocol(selector);
        assert_eq!(found(Selector::UdpPort(20000)), Some(Protocol::Vxlan));
        assert_eq!(found(Selector::UdpPort(4789)), Some(Protocol::Vxlan));
        assert_eq!(found(Selector::EtherType(0x88b7)), Some(Protocol::Vlan));
        assert_eq!(found(Selector::IpProtocol(253)), Some(Protocol::Gre));
        for (rule, error) in [
            ("udp.port==20000", DecodeAsError::Form),
            ("udp.port=20000,vxlan", DecodeAsError::Form),
            ("frame.len==1,vxlan", DecodeAsError::Field),
            ("udp.port==65536,vxlan", DecodeAsError::Number),
            ("ip.proto==256,gre", DecodeAsError::Number),
            ("ethertype==0xfffff,vlan", DecodeAsError::Number),
            ("ethertype==0x05ff,vlan", DecodeAsError::Number),
            ("tcp.port==80,vxlan", DecodeAsError::Stream),
            ("udp.port==1,vxlans", DecodeAsError::Protocol),
        ] {
            assert_eq!(options.clone().decode_as(rule), Err(error), "{rule}");
        }
        assert_eq!(Selector::UdpPort(20000).to_string(), "udp.port==20000");
        assert_eq!(Selector::GreType(0x88b).to_string(), "gre.proto==0x088b");
    }

    #[test]
    fn ports_are_replaced_and_bounded() {
        let mut options = Options::default();
        options.set_ports(Protocol::Vxlan, &[20000, 6081]).unwrap();
        let ports = |protocol| options.ports(protocol).collect::<Vec<_>>();
        assert_eq!(ports(Protocol::Vxlan), [6081, 20000]);
        assert_eq!(ports(Protocol::Geneve), [0; 0]);
        assert_eq!(options.protocol(Selector::UdpPort(4789)), None);
        let many: Vec<u16> = (1..200).collect();
        assert_eq!(
            options.set_ports(Protocol::Vxlan, &many),
            Err(DecodeAsError::TooMany)
        );
    }
}
