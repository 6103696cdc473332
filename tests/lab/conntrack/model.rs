//! The same packets for the model of a firewall.

use std::sync::Arc;

use mirrorscope_dissectors::{LinkType, Options};
use mirrorscope_engine::firewall::{Firewalls, Standing};
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::{Limits, Scope, Sight, Timeouts, Tracker};

use super::Judged;

/// What the model makes of each packet, in the kernel's words; `rule` is the firewall's in the sites file.
pub fn judge(rule: &str, packets: &[Judged]) -> Vec<&'static str> {
    let sites = format!(
        "[[site]]\nname = 'lab'\n[[site.point]]\nname = 'fw'\nrole = 'firewall'\nmatch = {{ file = 'lab' }}\n\
         firewall = {{ policy = 'accept', {rule} }}"
    );
    let sites = Sites::parse(&sites).unwrap();
    let mut receiver = Receiver::new(Options::default(), sites, Arc::default());
    receiver.name_interface(0, "lab", None);
    let mut tracker = Tracker::new(Scope::None, Limits::default(), Timeouts::default());
    let mut firewalls = Firewalls::new(1 << 20);
    let mut states = Vec::with_capacity(packets.len());
    for (number, packet) in (1..).zip(packets) {
        let frame = Frame {
            time: Timestamp(packet.time),
            wire_len: packet.frame.len() as u32,
            link: LinkType::Ethernet,
            interface: 0,
            number,
            bytes: &packet.frame,
        };
        let mut state = "not judged";
        receiver.receive(&frame, |mirrored| {
            let mut taken = tracker.track(&mirrored.shown);
            if let Some(taken) = &mut taken {
                // Each of them was sent, however equal.
                taken.sight = Sight::Fresh;
            }
            state = match firewalls.judge(&mirrored.shown, taken, &tracker) {
                Some(Standing::New) => "new",
                Some(Standing::Established) => "established",
                Some(Standing::Related) => "related",
                Some(Standing::Invalid(_)) => "invalid",
                Some(Standing::Untracked) => "untracked",
                None => "not judged",
            };
        });
        states.push(state);
    }
    states
}
