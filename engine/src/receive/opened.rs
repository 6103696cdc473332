//! A frame taken apart, before anything that the engine knows is asked: all that its own bytes tell.

use mirrorscope_dissectors::{
    Carried, Familiar, Fragment, Mirror, Network, Options, Packet, Stop, Stripped,
};

use super::Frame;

/// A frame taken apart.
#[derive(Debug)]
pub struct Opened<'a> {
    /// As it arrived.
    pub(crate) frame: Frame<'a>,
    /// Its layers.
    pub(crate) stripped: Stripped<'a>,
    /// The innermost packet.
    pub(crate) packet: Packet<'a>,
    /// What the outermost encapsulation says of it; `None` for frames that came bare.
    pub(crate) mirror: Option<Mirror>,
    /// VLAN that the packet came with: of the innermost frame, else what the mirror says.
    pub(crate) vlan: Option<u16>,
    /// Segment (VNI, GRE key) of the innermost encapsulation that has one.
    pub(crate) segment: Option<u64>,
}

impl<'a> Opened<'a> {
    /// A frame that is not yet taken apart: [`Self::open`] does that where it is, because to move all its layers costs more
    /// than to read two headers.
    #[inline(always)]
    pub(crate) fn whole(frame: &Frame<'a>) -> Self {
        Self {
            frame: *frame,
            stripped: Stripped::whole(frame.link, frame.bytes),
            packet: Packet {
                macs: None,
                vlan: None,
                network: Network::Other(0),
            },
            mirror: None,
            vlan: None,
            segment: None,
        }
    }

    /// A frame taken apart, where there is one at a time.
    #[inline(always)]
    pub(super) fn of(frame: &Frame<'a>, options: &Options) -> Self {
        let mut opened = Self::whole(frame);
        opened.open(options);
        opened
    }

    /// Takes it apart.
    pub(super) fn open(&mut self, options: &Options) {
        self.stripped.decapsulate(options);
        self.stripped.mirror_into(&mut self.mirror);
        self.describe();
    }

    /// Takes it apart among others of the same mirrors.
    pub(super) fn open_familiar(&mut self, options: &Options, familiar: &mut Familiar) {
        familiar.decapsulate(&mut self.stripped, &mut self.mirror, options);
        self.describe();
    }

    #[inline(always)]
    fn describe(&mut self) {
        let stripped = &self.stripped;
        stripped.packet_into(&mut self.packet);
        let said = self.mirror.as_ref().and_then(|mirror| mirror.facts.vlan);
        self.vlan = self.packet.vlan.or(said);
        self.segment = match &self.mirror {
            Some(mirror) if !stripped.is_nested() => mirror.segment(),
            _ => stripped
                .encapsulations()
                .filter_map(Carried::segment)
                .last(),
        };
    }

    /// What must be joined with others first. A mirrored packet that is itself a fragment is complete as such.
    pub(super) fn outer_fragment(&self) -> Option<&Fragment<'a>> {
        match &self.stripped.stop {
            Stop::Fragment(fragment) if !fragment.encapsulated => Some(fragment),
            _ => None,
        }
    }
}
