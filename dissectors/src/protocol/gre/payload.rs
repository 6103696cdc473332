//! What GRE carries, and the tunnels that are GRE with a key of their own layout.
//!
//! Specification: RFC 2637 §4.1 (PPTP), RFC 7637 §3.2 (NVGRE). MikroTik does not document EoIP; its
//! layout is what devices send.

use crate::dissect::{Dissect, Next, Opened, Place, carried, carried_protocol, led};
use crate::link::LinkType;
use crate::options::Selector;
use crate::protocol::ethernet::{BRIDGING, Ethernet, PPP, Plausibility, plausibility};
use crate::protocol::gre::{CHECKSUM, Gre, Header, KEY, ROUTING, SEQUENCE};
use crate::protocol::vlan::Vlan;
use crate::protocol::{Encapsulation, Protocol, erspan2, erspan3};
use crate::reason::Reason;

/// Protocol type of Ethernet over IP.
const EOIP: u16 = 0x6400;

/// Protocol types of what tunnel ends and routers tell each other: keepalive, OSI routing, CDP, NHRP.
const CONTROL: [u16; 4] = [0x0000, 0x00fe, 0x2000, 0x2001];

/// Subnets below are reserved (RFC 7637 §3.2).
const FIRST_SUBNET: u32 = 0x1000;

/// Key that vSphere's own mirrors send for one of the two directions, beside key 0.
const VSPHERE_KEY: u32 = 0x0200_0000;

impl Gre<'_> {
    /// Virtual subnet id (24 bits) of NVGRE.
    ///
    /// Nothing on the wire tells NVGRE from a bridged frame whose key an operator chose: where this
    /// errs, what is shown is the upper 24 bits of that key.
    pub fn virtual_subnet(&self) -> Option<u32> {
        let flags = self.header.flags_version.get();
        let key = self.key()?;
        let is_nvgre = self.protocol() == BRIDGING
            && self.version() == 0
            && flags & (CHECKSUM | ROUTING | SEQUENCE) == 0
            && key >> 8 >= FIRST_SUBNET
            && key != VSPHERE_KEY
            // An endpoint must take the tag off (RFC 7637 §3.2).
            && !Ethernet::parse(self.payload()).is_ok_and(|frame| Vlan::is_tag(frame.ether_type()));
        is_nvgre.then_some(key >> 8)
    }

    /// Call id that the receiver of a PPTP packet chose.
    pub fn call_id(&self) -> Option<u16> {
        let (_, id) = self.call()?;
        (self.protocol() == PPP).then_some(id)
    }

    /// Tunnel id of Ethernet over IP, the same at both ends.
    #[inline(always)]
    pub fn tunnel_id(&self) -> Option<u16> {
        let (_, id) = self.call()?;
        // Alone among all fields it is little-endian.
        (self.protocol() == EOIP).then_some(id.swap_bytes())
    }

    /// Length of the payload in bytes and id, which the key of a version 1 header is made of.
    #[inline(always)]
    pub(super) fn call(&self) -> Option<(u16, u16)> {
        if self.version() != 1 || !matches!(self.protocol(), PPP | EOIP) {
            return None;
        }
        let key = self.key()?;
        Some(((key >> 16) as u16, key as u16))
    }

    /// The type of ERSPAN behind the protocol type that I and II share.
    #[inline(always)]
    pub(crate) fn erspan(&self) -> Protocol {
        if self.present() & SEQUENCE == 0 {
            return Protocol::Erspan1;
        }
        let payload = self.payload();
        match payload.first().map(|byte| byte >> 4) {
            // Some devices send Type III content under the type of Type II.
            Some(erspan3::VERSION) => Protocol::Erspan3,
            // Others number the frames of Type I.
            Some(version)
                if version != erspan2::VERSION
                    && plausibility(payload) == Plausibility::Confirmed =>
            {
                Protocol::Erspan1
            }
            _ => Protocol::Erspan2,
        }
    }
}

impl<'a> Dissect<'a> for Gre<'a> {
    #[inline(always)]
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        let payload = self.payload();
        match place.options.protocol(Selector::GreType(self.protocol())) {
            Some(Protocol::Erspan2) => Next::Header(self.erspan(), payload),
            Some(protocol) if protocol.has_ether_type() => carried_protocol(protocol, payload),
            Some(protocol) => led(protocol, payload),
            None if CONTROL.contains(&self.protocol()) => Next::Opaque(Reason::ControlMessage),
            // A keepalive of EoIP, an acknowledgement of PPTP.
            None if self.call().is_some() && payload.is_empty() => {
                Next::Opaque(Reason::ControlMessage)
            }
            None if self.tunnel_id().is_some() => Next::Frame(LinkType::Ethernet, payload),
            None => match carried(self.protocol(), payload, place.options) {
                // Some switches let their operator choose the type of a mirror.
                Next::Opaque(_) if plausibility(payload) == Plausibility::Confirmed => {
                    Next::Frame(LinkType::Ethernet, payload)
                }
                next => next,
            },
        }
    }

    fn opened(&self, key: Option<u32>) -> Option<Opened<'a>> {
        let payload = self.payload();
        let opened = |encapsulation, id| Some(Opened::new(encapsulation, Some(id), payload));
        if let Some(id) = self.virtual_subnet() {
            return opened(Encapsulation::Nvgre, id.into());
        }
        if let Some(id) = self.tunnel_id() {
            return opened(Encapsulation::Eoip, id.into());
        }
        if let Some(id) = self.call_id() {
            return opened(Encapsulation::Pptp, id.into()).map(|opened| Opened {
                one_way_id: true,
                ..opened
            });
        }
        let id = key.map(u64::from);
        Some(Opened::new(Encapsulation::Gre, id, payload))
    }
}

/// Writes the header of Ethernet over IP in front of a frame of `len` bytes.
pub(crate) fn write_eoip(tunnel: u16, len: usize, out: &mut Vec<u8>) {
    use zerocopy::IntoBytes;

    let header = Header {
        flags_version: (KEY | 1).into(),
        protocol: EOIP.into(),
    };
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(&tunnel.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use hex_literal::hex;

    const UNTAGGED: [u8; 16] = hex!("02000000000b 02000000000a 88cc 0207");
    const TAGGED: [u8; 20] = hex!("02000000000b 02000000000a 8100 0064 88cc 0207");

    fn opened(header: &[u8], frame: &[u8]) -> (Encapsulation, Option<u64>, bool) {
        let bytes = [header, frame].concat();
        let gre = Gre::parse(&bytes).unwrap();
        let opened = gre.opened(gre.key()).unwrap();
        (opened.encapsulation, opened.id, opened.one_way_id)
    }

    fn next(bytes: &[u8]) -> String {
        let options = Options::default();
        let place = Place::new(&options);
        format!("{:?}", Gre::parse(bytes).unwrap().next(&place))
    }

    #[test]
    fn nvgre_is_told_from_a_key() {
        use Encapsulation::{Gre, Nvgre};
        let nvgre = (Nvgre, Some(0x12_3456), false);
        let plain = (Gre, Some(0x1234_56aa), false);
        for (header, frame, expected) in [
            (&hex!("20006558 123456aa")[..], &UNTAGGED[..], nvgre),
            (&hex!("20006558 123456aa"), &UNTAGGED[..5], nvgre),
            (&hex!("20006558 123456aa"), &TAGGED, plain),
            (&hex!("30006558 123456aa 00000001"), &UNTAGGED, plain),
            (&hex!("a0006558 00000000 123456aa"), &UNTAGGED, plain),
            (&hex!("20016558 123456aa"), &UNTAGGED, plain),
            (&hex!("20000800 123456aa"), &UNTAGGED, plain),
        ] {
            assert_eq!(opened(header, frame), expected, "{header:x?}");
        }
        let keyed = |key: u32| {
            opened(
                &[&hex!("20006558")[..], &key.to_be_bytes()].concat(),
                &UNTAGGED,
            )
        };
        assert_eq!(keyed(0x000f_ffff), (Gre, Some(0x000f_ffff), false));
        assert_eq!(keyed(0x0010_0000), (Nvgre, Some(0x1000), false));
        assert_eq!(keyed(0x0200_0000), (Gre, Some(0x0200_0000), false));
        assert_eq!(keyed(0x0200_0001), (Nvgre, Some(0x02_0000), false));
    }

    #[test]
    fn keys_of_version_1_hold_a_length_and_an_id() {
        let eoip = hex!("20016400 00100201");
        let expected = (Encapsulation::Eoip, Some(0x0102), false);
        assert_eq!(opened(&eoip, &UNTAGGED), expected);
        let bytes = [&eoip[..], &UNTAGGED, &[0xaa; 4]].concat();
        assert_eq!(Gre::parse(&bytes).unwrap().payload(), UNTAGGED);
        assert!(next(&bytes).starts_with("Frame(Ethernet"));
        let wrong = [&hex!("20016400 000a0201")[..], &UNTAGGED].concat();
        assert_eq!(Gre::parse(&wrong).unwrap().payload(), UNTAGGED);
        let keepalive = hex!("20016400 00000201");
        assert_eq!(next(&keepalive), "Opaque(ControlMessage)");

        let pptp = hex!("3001880b 00041234 00000005");
        let expected = (Encapsulation::Pptp, Some(0x1234), true);
        assert_eq!(opened(&pptp, &hex!("ff030021")), expected);
        let acknowledgement = hex!("2081880b 0000 1234 00000005");
        assert_eq!(next(&acknowledgement), "Opaque(ControlMessage)");
    }

    #[test]
    fn what_routers_tell_each_other_is_control_traffic() {
        for header in [
            hex!("00000000"),
            hex!("000000fe"),
            hex!("00002000"),
            hex!("00002001"),
        ] {
            let bytes = [&header[..], &UNTAGGED].concat();
            assert_eq!(next(&bytes), "Opaque(ControlMessage)");
        }
    }
}
