//! The macro behind the list of protocols.

/// Makes everything that is kept by protocol from one list. `at a named port`: over UDP, at no port but those that a
/// user names.
macro_rules! protocols {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident($module:ident::$view:ident) = $text:literal
        $(from [$($selector:expr),+ $(,)?])?
        $(at a $named:ident port)?
        $(opens { $($(#[doc = $opened_doc:literal])+ $opened:ident = $opened_text:literal,)+ })?;
    )+) => {
        $crate::reason::named! {
            /// A protocol that this crate reads.
            Protocol {
                $($(#[doc = $doc])+ $name = $text,)+
                /// ARP and RARP; read where the innermost packet is described.
                Arp = "arp",
                /// TCP; read where the innermost packet is described.
                Tcp = "tcp",
            }
        }

        $crate::reason::named! {
            /// A kind of encapsulation.
            Encapsulation {
                $($($($(#[doc = $opened_doc])+ $opened = $opened_text,)+)?)+
            }
        }

        impl Protocol {
            /// The field's name for the protocol, as people write it.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii().trim_end_matches('.'),)+
                    Self::Arp => "ARP",
                    Self::Tcp => "TCP",
                }
            }

            /// Long option and settings name of the protocol's ports, if it has any: `vxlan-port`.
            pub fn port_option(self) -> Option<&'static str> {
                let name = match self {
                    $(Self::$name => concat!($text, "-port"),)+
                    Self::Arp | Self::Tcp => return None,
                };
                (self.has_named_port() || self.default_ports().next().is_some()).then_some(name)
            }

            /// The protocol has an `EtherType` of its own.
            pub(crate) fn has_ether_type(self) -> bool {
                let is_type = |selector: &_| matches!(selector, $crate::options::Selector::EtherType(_));
                self.selectors().iter().any(is_type)
            }

            /// The protocol has no well-known port: users name theirs.
            fn has_named_port(self) -> bool {
                match self {
                    $(Self::$name => !<[&str]>::is_empty(&[$(stringify!($named))?]),)+
                    Self::Arp | Self::Tcp => false,
                }
            }

            /// Whether a datagram from the protocol's port to any other is its answer; `claimed` is the
            /// length of the payload by the UDP header.
            pub(crate) fn answers(self, payload: &[u8], claimed: Option<usize>) -> bool {
                match self {
                    $(Self::$name => $module::$view::parse(payload)
                        .is_ok_and(|header| $crate::dissect::Dissect::answers(&header, claimed)),)+
                    Self::Arp | Self::Tcp => false,
                }
            }

            /// The numbers that lead to the protocol unless a user says otherwise.
            pub(crate) fn selectors(self) -> &'static [$crate::options::Selector] {
                match self {
                    $(Self::$name => &[$($($selector),+)?],)+
                    Self::Arp | Self::Tcp => &[],
                }
            }
        }

        /// One header of a frame.
        #[derive(Clone, Copy, Debug)]
        #[expect(missing_docs, reason = "each variant is its protocol, documented there")]
        pub enum Layer<'a> {
            $($name($module::$view<'a>),)+
        }

        impl<'a> Layer<'a> {
            /// Reads the header that starts with the first of `bytes`.
            pub(crate) fn read(
                protocol: Protocol,
                bytes: &'a [u8],
            ) -> Result<Self, $crate::reason::Reason> {
                match protocol {
                    $(Protocol::$name => $module::$view::parse(bytes).map(Self::$name),)+
                    // Nothing leads here.
                    Protocol::Arp | Protocol::Tcp => Err($crate::reason::Reason::UnsupportedType),
                }
            }
        }

        impl<'a> $crate::dissect::Dissect<'a> for Layer<'a> {
            fn next(&self, place: &$crate::dissect::Place<'a, '_>) -> $crate::dissect::Next<'a> {
                match self {
                    $(Self::$name(header) => header.next(place),)+
                }
            }

            fn opened(&self, key: Option<u32>) -> Option<$crate::dissect::Opened<'a>> {
                match self {
                    $(Self::$name(header) => header.opened(key),)+
                }
            }

            fn fragment(
                &self,
                place: &$crate::dissect::Place<'a, '_>,
            ) -> Option<$crate::fragment::Fragment<'a>> {
                match self {
                    $(Self::$name(header) => header.fragment(place),)+
                }
            }
        }
    };
}
pub(crate) use protocols;
