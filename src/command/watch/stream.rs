//! What the two ends of a flow said to each other.

use std::sync::Arc;

use mirrorscope_engine::flow::protocol;
use mirrorscope_engine::stream::{Note, Policy};
use mirrorscope_tui::data::{Content, Piece, Stream};

use crate::command::choice::Choice;
use crate::command::follow::Explained;
use crate::command::follow::collect::Collector;
use crate::command::follow::spool::Spools;
use crate::command::replay::Replay;
use crate::output::error_text;
use crate::output::follow::{Item, Replay as _};
use crate::pipeline::Consumer;

/// Bytes of one direction that a view holds.
const LIMIT: u64 = 4 << 20;

/// Puts the stream of a flow together.
pub fn stream(mut replay: Replay) -> Result<Arc<Stream>, String> {
    if !matches!(replay.flow.key.protocol, protocol::TCP | protocol::UDP) {
        return Err("only TCP and UDP flows have a stream".to_owned());
    }
    let policy = Policy {
        limit: Some(LIMIT),
        ..Policy::default()
    };
    let store = Spools::default();
    let mut collector = Collector::new(replay.source.engine(), (None, Choice::All), policy, store);
    for number in replay.own() {
        let taken = replay
            .source
            .frames
            .fetch(number, |frame| collector.frames(&[*frame]))?;
        taken.map_err(|error| error_text(&error))?;
    }
    let mut collected = collector.finish().map_err(|error| error_text(&error))?;
    let mut pieces = Vec::new();
    let mut left_out = 0;
    for flow in &collected.flows {
        let counts = [0, 1].map(|side| flow.counts(side).of(Note::Limit));
        left_out += counts.iter().sum::<u64>();
        let told = collected
            .store
            .replay(flow.serial(), replay.flow.originator);
        let mut told = Explained {
            stream: told.map_err(|error| error_text(&error))?,
            losses: &replay.losses,
            points: replay.flow.points.clone(),
            only: None,
        };
        told.replay(&mut |item| {
            pieces.extend(piece(item));
            Ok(())
        })
        .map_err(|error| error_text(&error))?;
    }
    Ok(Arc::new(Stream {
        flow: replay.flow.report,
        pieces,
        left_out,
    }))
}

/// A piece of the view; what is beyond it is told apart.
fn piece(item: Item<'_>) -> Option<Piece> {
    let from_originator = item.side() == 0;
    let (time, offset, content) = match item {
        Item::Data {
            time,
            offset,
            bytes,
            ..
        } => (Some(time), offset, Content::Data(bytes.to_vec())),
        Item::Gap(gap) => {
            let time = gap.to.or(gap.from);
            (time, gap.offset, Content::Gap(gap.len, gap.cause))
        }
        Item::Note {
            note: Note::Limit, ..
        } => return None,
        Item::Note { offset, note, .. } => (None, offset, Content::Note(note)),
    };
    Some(Piece {
        from_originator,
        time,
        offset,
        content,
    })
}
