//! L2TP in UDP: PPP of a subscriber (version 2), or the header in front of [`l2tpv3`] (version 3).
//!
//! Specification: RFC 2661 §3.1, RFC 3931 §4.1.2. The attributes of control messages are not read.
//!
//! [`l2tpv3`]: super::l2tpv3

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place, carried};
use crate::protocol::{Encapsulation, Protocol, ethernet};
use crate::reason::Reason;

const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const PRIORITY: u16 = 0x0100;

/// The first field as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Control, length present (2 bits), reserved (2), sequence present (1), reserved (1), offset
    /// present, priority (2), reserved (4), version (4).
    flags_version: U16,
}

/// What names a session of version 2, as it is on the wire.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
struct Session {
    tunnel: U16,
    session: U16,
}

/// A checked header and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct L2tp<'a> {
    header: &'a Header,
    /// Only in version 2.
    session: Option<&'a Session>,
    sequence: Option<u16>,
    payload: &'a [u8],
}

impl<'a> L2tp<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let flags = header.flags_version.get();
        match flags & 0x000f {
            2 => Self::version_2(header, bytes, rest),
            3 => {
                // Control messages have their length there, data messages nothing.
                let (_, payload) = take_u16(rest)?;
                Ok(Self {
                    header,
                    session: None,
                    sequence: None,
                    payload,
                })
            }
            // Version 1 is L2F.
            _ => Err(Reason::BadVersion),
        }
    }

    fn version_2(header: &'a Header, bytes: &'a [u8], mut rest: &'a [u8]) -> Result<Self, Reason> {
        let flags = header.flags_version.get();
        if flags & LENGTH != 0 {
            let (len, _) = take_u16(rest)?;
            let message = bytes.get(..len.into()).unwrap_or(bytes);
            rest = message.get(4..).ok_or(if bytes.len() < 4 {
                Reason::Truncated
            } else {
                Reason::BadLength
            })?;
        }
        let (session, mut rest) = Session::ref_from_prefix(rest).map_err(|_| Reason::Truncated)?;
        let mut sequence = None;
        if flags & SEQUENCE != 0 {
            let (sent, after) = take_u16(rest)?;
            let (_, after) = take_u16(after)?;
            sequence = Some(sent);
            rest = after;
        }
        if flags & OFFSET != 0 {
            let (padding, after) = take_u16(rest)?;
            rest = after.get(padding.into()..).ok_or(Reason::Truncated)?;
        }
        Ok(Self {
            header,
            session: Some(session),
            sequence,
            payload: rest,
        })
    }

    /// Version (4 bits): 2 or 3.
    pub fn version(&self) -> u8 {
        (self.header.flags_version.get() & 0x000f) as u8
    }

    /// The message is one between the tunnel's ends (T bit).
    pub fn is_control(&self) -> bool {
        self.header.flags_version.get() & CONTROL != 0
    }

    /// The message should be preferred in queues (P bit).
    pub fn has_priority(&self) -> bool {
        self.header.flags_version.get() & PRIORITY != 0
    }

    /// Tunnel id of version 2, which the receiver chose.
    pub fn tunnel(&self) -> Option<u16> {
        self.session.map(|session| session.tunnel.get())
    }

    /// Session id of version 2 within its tunnel, which the receiver chose.
    pub fn session(&self) -> Option<u16> {
        self.session.map(|session| session.session.get())
    }

    /// Sequence number of version 2 (Ns), if present.
    pub fn sequence(&self) -> Option<u16> {
        self.sequence
    }

    /// What follows: PPP in version 2, the session header in version 3.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for L2tp<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        if self.is_control() {
            return Next::Opaque(Reason::ControlMessage);
        }
        match self.session {
            Some(_) => carried(ethernet::PPP, self.payload, place.options),
            None => Next::Header(Protocol::L2tpv3, self.payload),
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let session = self.session.filter(|_| !self.is_control())?;
        let id = u64::from(session.tunnel.get()) << 16 | u64::from(session.session.get());
        Some(Opened {
            one_way_id: true,
            ..Opened::new(Encapsulation::L2tp, Some(id), self.payload)
        })
    }
}

fn take_u16(bytes: &[u8]) -> Result<(u16, &[u8]), Reason> {
    let (value, rest) = U16::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
    Ok((value.get(), rest))
}

/// Writes the header of a data message of version 3.
pub(crate) fn write_version_3(out: &mut Vec<u8>) {
    let header = Header {
        flags_version: 3.into(),
    };
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(&[0; 2]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_of_version_2_is_read() {
        let bytes = hex!("4b02 0012 fedc ba98 8001 7fff 0003 aaaaaa ff bb");
        let l2tp = L2tp::parse(&bytes).unwrap();
        assert_eq!((l2tp.version(), l2tp.is_control()), (2, false));
        assert!(l2tp.has_priority());
        assert_eq!(l2tp.tunnel(), Some(0xfedc));
        assert_eq!(l2tp.session(), Some(0xba98));
        assert_eq!(l2tp.sequence(), Some(0x8001));
        // What lies beyond the length is not part of the message.
        assert_eq!(l2tp.payload(), [0xff]);
        let opened = l2tp.opened(None).unwrap();
        assert_eq!((opened.id, opened.one_way_id), (Some(0xfedc_ba98), true));
        for len in 0..17 {
            assert_eq!(L2tp::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn parts_that_are_not_announced_are_not_read() {
        let l2tp = hex!("0002 0001 0002 ff03");
        let l2tp = L2tp::parse(&l2tp).unwrap();
        assert_eq!((l2tp.tunnel(), l2tp.session()), (Some(1), Some(2)));
        assert_eq!((l2tp.sequence(), l2tp.has_priority()), (None, false));
        assert_eq!(l2tp.payload(), hex!("ff03"));
    }

    #[test]
    fn lengths_and_versions_are_checked() {
        let parse = |bytes: [u8; 8]| L2tp::parse(&bytes).map(|l2tp| l2tp.payload().len());
        assert_eq!(parse(hex!("4002 0003 0001 0002")), Err(Reason::BadLength));
        assert_eq!(parse(hex!("4002 0007 0001 0002")), Err(Reason::Truncated));
        assert_eq!(parse(hex!("4002 0008 0001 0002")), Ok(0));
        assert_eq!(parse(hex!("0001 0008 0001 0002")), Err(Reason::BadVersion));
    }

    #[test]
    fn control_messages_open_nothing() {
        let control = hex!("c802 000c 0001 0000 0000 0001");
        let l2tp = L2tp::parse(&control).unwrap();
        assert!(l2tp.is_control());
        assert!(l2tp.opened(None).is_none());
        let control = hex!("c803 000c 00000001 0000 0001");
        let l2tp = L2tp::parse(&control).unwrap();
        assert_eq!((l2tp.version(), l2tp.is_control()), (3, true));
        assert_eq!(l2tp.tunnel(), None);
        assert_eq!(L2tp::parse(&control[..3]).unwrap_err(), Reason::Truncated);
    }
}
