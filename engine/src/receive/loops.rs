//! Mirrored packets that are the output of a mirror themselves.

use mirrorscope_dissectors::{Encapsulation, Mirror, Network, Packet, Stripped};

use crate::session::{Loop, SessionKey};

/// Whether a mirrored packet was on its way to the collector already, mirrored by this session or another one.
///
/// An overlay inside a mirror has other ends. Where the outer encapsulation is made for mirrors, nothing but a mirror goes
/// to the same receiver. Others carry tunnels too, and one may lead through another between two hosts: there it must be
/// the very same session once more, by its id, or twice where it has none.
#[inline]
pub(super) fn loops(
    stripped: &Stripped<'_>,
    packet: &Packet<'_>,
    mirror: Option<&Mirror>,
    key: &SessionKey,
) -> Option<Loop> {
    let part = matches!(&packet.network, Network::Ip(ip) if ip.fragment.is_some());
    if part || stripped.is_nested() {
        looped(stripped, packet, mirror?, key, part)
    } else {
        None
    }
}

/// The same of one that is a fragment, or in more than one encapsulation.
fn looped(
    stripped: &Stripped<'_>,
    packet: &Packet<'_>,
    mirror: &Mirror,
    key: &SessionKey,
    part: bool,
) -> Option<Loop> {
    use Encapsulation::{Erspan1, Erspan2, Erspan3, HpErm, Tzsp};
    let made_to_mirror = matches!(
        mirror.encapsulation,
        Erspan1 | Erspan2 | Erspan3 | HpErm | Tzsp
    );
    let same = |inner: &Mirror| {
        (inner.encapsulation, inner.source, inner.id)
            == (mirror.encapsulation, mirror.source, mirror.id)
    };
    // A part of a datagram that a mirror sent is not opened, and yet its output.
    let ends = (mirror.source, mirror.destination);
    let part = part
        && made_to_mirror
        && matches!(&packet.network, Network::Ip(ip) if (ip.source, ip.destination) == ends);
    let mut again = stripped
        .mirrors()
        .skip(1)
        .filter(|inner| inner.destination == mirror.destination && (made_to_mirror || same(inner)));
    let Some(first) = again.next() else {
        return part.then_some(Loop {
            depth: 1,
            of: *key,
            own: true,
        });
    };
    let depth = 1 + again.count() as u8 + u8::from(part);
    (made_to_mirror || mirror.id.is_some() || depth > 1).then(|| Loop {
        depth,
        of: SessionKey::new(Some(&first), 0, false),
        own: same(&first),
    })
}
