//! One captured frame, taken apart.

use std::sync::Arc;

use mirrorscope_dissectors::fields::layers;
use mirrorscope_engine::point::InterfaceName;
use mirrorscope_tui::data::{Packet, PacketRef};

use crate::command::replay::Source;

/// Takes the frame apart.
pub fn packet(source: Source, PacketRef(number): PacketRef) -> Result<Arc<Packet>, String> {
    let Source {
        mut frames,
        config,
        interfaces,
    } = source;
    frames.fetch(number, |frame| {
        let interface = interfaces.get(frame.interface as usize);
        Arc::new(Packet {
            number: frame.number,
            time: frame.time,
            origin: interface.map_or("?", InterfaceName::origin).to_owned(),
            wire_len: frame.wire_len,
            bytes: frame.bytes.to_vec(),
            layers: layers(frame.link, frame.bytes, &config.dissect),
        })
    })
}
