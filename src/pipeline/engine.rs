//! An engine that is lent to others, a moment at a time.

use anyhow::{Context as _, Result};
use mirrorscope_engine::depart::Lender;
use mirrorscope_engine::look::Desk;
use mirrorscope_engine::{Engine, Threaded};

use super::{Gone, Line, Moment, Owner};

/// What is said if a thread of the analysis fails; why, it has said itself.
pub const BROKEN: &str = "the thread that follows flows failed";

impl Owner<Engine> for Engine {
    fn frames(&mut self) -> u64 {
        self.receiver().counts().frames
    }

    fn lent(&mut self) -> Result<&mut Engine> {
        Ok(self)
    }
}

impl Owner<Engine> for Threaded {
    fn frames(&mut self) -> u64 {
        self.receiver()
            .map_or(0, |receiver| receiver.counts().frames)
    }

    fn lent(&mut self) -> Result<&mut Engine> {
        self.engine().context(BROKEN)
    }
}

/// Looks at an engine on another thread, and rests in between while packets come.
#[derive(Clone, Copy)]
pub struct Moments<'l>(pub &'l Line<Engine>);

impl Desk for Moments<'_> {
    type Gone = Gone;

    fn at<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        self.alter(|engine| work(engine))
    }
}

impl Lender for Moments<'_> {
    fn alter<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Engine) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        let work = move |moment: &mut Moment<'_, Engine>| work(moment.lent);
        let (done, spent) = self.0.at(work)?;
        if let Some(rest) = spent.rest() {
            self.0.wait(rest)?;
        }
        Ok(done)
    }
}
