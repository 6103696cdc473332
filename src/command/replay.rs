//! One flow once more: its frames through an engine of their own, so that every packet can be told of by itself.

mod frames;
mod history;
mod ladder;
mod recorder;

use mirrorscope_engine::flow::FlowKey;
use mirrorscope_engine::one::OneFlow;
use mirrorscope_engine::point::InterfaceName;
use mirrorscope_engine::receive::{Frame, Mirrored};
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::stream::MirrorLosses;
use mirrorscope_engine::track::{Tracked, Tracker};
use mirrorscope_engine::{Config, Engine};

use frames::Frames;
pub use ladder::ladder;
pub use recorder::Recorder;

/// Frames that are taken once more for a question, the latest ones.
pub const MOST: usize = 200_000;

/// Frames, and how the run reads them.
pub struct Source {
    /// Those that are here.
    pub frames: Frames,
    /// Settings of the run.
    pub config: Config,
    /// Names of the interfaces.
    pub interfaces: Vec<InterfaceName>,
}

/// A flow, and all that is needed to take its packets once more.
pub struct Replay {
    /// What it is.
    pub flow: OneFlow,
    /// Its frames, among others.
    pub source: Source,
    /// What the mirrors lost, of all flows.
    pub losses: MirrorLosses,
}

impl Source {
    /// An engine with the settings of the run.
    pub fn engine(&self) -> Engine {
        let mut engine = Engine::new(self.config.clone(), Registry::default());
        for (index, name) in (0..).zip(&self.interfaces) {
            let receiver = engine.receiver();
            receiver.name_interface(index, &name.file, name.name.as_deref());
        }
        engine
    }
}

impl Replay {
    /// The numbers of its own frames.
    pub fn own(&self) -> Vec<u64> {
        latest(self.source.frames.of(&[self.flow.serial]))
    }

    /// Takes all packets that there are of the flow once more, and what firewalls must know of others. `sink` gets those of
    /// the flow, with the number of the frame that completed them. Returns the engine, which has noted what firewalls could
    /// not match.
    pub fn packets(
        &mut self,
        mut sink: impl FnMut(u64, &Mirrored<'_>, Tracked),
    ) -> Result<Engine, String> {
        let own = self.own();
        let mut flows = self.flow.related.clone();
        flows.push(self.flow.serial);
        let all = latest(self.source.frames.of(&flows));
        let key = self.flow.key;
        let mut engine = self.source.engine().logging_firewalls();
        let mut last = None;
        for number in all {
            let is_own = own.binary_search(&number).is_ok();
            let mut packet = |mirrored: &Mirrored<'_>, taken: Option<Tracked>, flows: &Tracker| {
                if let Some(taken) = taken
                    && is_own
                    && is_of(&key, flows, taken)
                {
                    sink(number, mirrored, taken);
                }
            };
            self.source.frames.fetch(number, |frame: &Frame<'_>| {
                engine.frame_with(frame, &mut packet);
            })?;
            last = Some(number).filter(|_| is_own).or(last);
        }
        engine.finish_with(|mirrored, taken, flows| {
            if let (Some(number), Some(taken)) = (last, taken)
                && is_of(&key, flows, taken)
            {
                sink(number, mirrored, taken);
            }
        });
        Ok(engine)
    }
}

/// Whether a packet is of a flow, whatever tells its addresses apart from equal ones: all frames are of the flow.
fn is_of(key: &FlowKey, flows: &Tracker, taken: Tracked) -> bool {
    let scope = key.scope;
    let flow = flows.flow(taken);
    flow.is_some_and(|flow| FlowKey { scope, ..flow.key } == *key)
}

/// The latest of many.
fn latest(mut numbers: Vec<u64>) -> Vec<u64> {
    let early = numbers.len().saturating_sub(MOST);
    numbers.drain(..early);
    numbers
}
