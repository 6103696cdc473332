//! Information elements, and the templates that are made of them.
//!
//! Numbers are IANA's (<https://www.iana.org/assignments/ipfix>); reverse ones are those of RFC 5103, §6.1.

/// Sets of templates and of options templates (RFC 7011 §3.3.2).
pub const TEMPLATES: u16 = 2;
pub const OPTIONS_TEMPLATES: u16 = 3;
/// The template of what a point is called. Those of flows are below it.
pub const POINT: u16 = 260;

/// Enterprise number of reverse elements (RFC 5103).
const REVERSE: u32 = 29_305;
/// A length that stands in front of each value.
const VARIABLE: u16 = 0xffff;

/// An element: number, length, whether it is of the reverse direction.
#[derive(Clone, Copy, Debug)]
struct Element(u16, u16, bool);

const fn element(number: u16, length: u16) -> Element {
    Element(number, length, false)
}

const fn reverse(number: u16, length: u16) -> Element {
    Element(number, length, true)
}

const OCTETS: u16 = 1;
const PACKETS: u16 = 2;
const PROTOCOL: u16 = 4;
const TCP_FLAGS: u16 = 6;
const SOURCE_PORT: u16 = 7;
const SOURCE_IPV4: u16 = 8;
const DESTINATION_PORT: u16 = 11;
const DESTINATION_IPV4: u16 = 12;
const SOURCE_IPV6: u16 = 27;
const DESTINATION_IPV6: u16 = 28;
const ICMP_IPV4: u16 = 32;
const VLAN: u16 = 58;
const INTERFACE_NAME: u16 = 82;
const INTERFACE_DESCRIPTION: u16 = 83;
const END_REASON: u16 = 136;
const OBSERVATION_POINT: u16 = 138;
const ICMP_IPV6: u16 = 139;
const FLOW_ID: u16 = 148;
const START: u16 = 152;
const END: u16 = 153;
const BIFLOW_DIRECTION: u16 = 239;
const DOMAIN_NAME: u16 = 300;

/// Which template a flow is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Addresses of IPv6.
    pub v6: bool,
    /// Both directions were seen.
    pub both: bool,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self {
            v6: false,
            both: true,
        },
        Self {
            v6: false,
            both: false,
        },
        Self {
            v6: true,
            both: true,
        },
        Self {
            v6: true,
            both: false,
        },
    ];

    /// The template's number, which is that of its sets, too.
    pub fn id(self) -> u16 {
        256 + 2 * u16::from(self.v6) + u16::from(!self.both)
    }

    /// The elements, in the order in which [`super::record`] writes their values.
    fn elements(self) -> Vec<Element> {
        let (source, destination, length, icmp) = if self.v6 {
            (SOURCE_IPV6, DESTINATION_IPV6, 16, ICMP_IPV6)
        } else {
            (SOURCE_IPV4, DESTINATION_IPV4, 4, ICMP_IPV4)
        };
        let mut elements = vec![
            element(START, 8),
            element(END, 8),
            element(source, length),
            element(destination, length),
            element(SOURCE_PORT, 2),
            element(DESTINATION_PORT, 2),
            element(PROTOCOL, 1),
            element(icmp, 2),
            element(VLAN, 2),
            element(END_REASON, 1),
            element(BIFLOW_DIRECTION, 1),
            element(OBSERVATION_POINT, 8),
            element(FLOW_ID, 8),
            element(OCTETS, 8),
            element(PACKETS, 8),
            element(TCP_FLAGS, 1),
        ];
        if self.both {
            elements.extend([
                reverse(OCTETS, 8),
                reverse(PACKETS, 8),
                reverse(TCP_FLAGS, 1),
            ]);
        }
        elements
    }
}

/// The sets that tell all templates.
pub fn sets() -> Vec<u8> {
    let mut flows = Vec::new();
    for kind in Kind::ALL {
        let elements = kind.elements();
        flows.extend(kind.id().to_be_bytes());
        flows.extend((elements.len() as u16).to_be_bytes());
        specify(&elements, &mut flows);
    }
    let names = [
        element(OBSERVATION_POINT, 8),
        element(DOMAIN_NAME, VARIABLE),
        element(INTERFACE_NAME, VARIABLE),
        element(INTERFACE_DESCRIPTION, VARIABLE),
    ];
    let mut point = Vec::new();
    point.extend(POINT.to_be_bytes());
    point.extend((names.len() as u16).to_be_bytes());
    // The first of them says what the others are about.
    point.extend(1_u16.to_be_bytes());
    specify(&names, &mut point);
    let mut sets = set(TEMPLATES, &flows);
    sets.extend(set(OPTIONS_TEMPLATES, &point));
    sets
}

fn specify(elements: &[Element], to: &mut Vec<u8>) {
    for Element(number, length, reversed) in elements {
        let enterprise = if *reversed { 0x8000 } else { 0 };
        to.extend((number | enterprise).to_be_bytes());
        to.extend(length.to_be_bytes());
        if *reversed {
            to.extend(REVERSE.to_be_bytes());
        }
    }
}

/// A set: its number and length, and what is in it.
pub fn set(id: u16, content: &[u8]) -> Vec<u8> {
    let mut set = Vec::with_capacity(content.len() + 4);
    set.extend(id.to_be_bytes());
    set.extend((content.len() as u16 + 4).to_be_bytes());
    set.extend(content);
    set
}
