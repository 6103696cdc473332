//! The engine of mirrorscope: from captured frames to verdicts.
//!
//! Data goes one way: [`receive`] strips encapsulations and keeps session health, [`track`] follows every flow at
//! every observation point, [`correlate`] puts what the points saw of a flow side by side, [`finding`] groups what is
//! worth telling. The correlator sees [`observation::Observation`]s only, never packets, so that trackers may one day
//! run at each site and the correlator elsewhere. Time is an argument everywhere: the same frames give the same report.
//!
//! ```
//! use mirrorscope_engine::{Config, Engine};
//!
//! let engine = Engine::new(Config::default(), Default::default());
//! assert_eq!(engine.report().totals.frames, 0);
//! ```

pub mod activity;
mod advice;
pub mod clock;
pub mod correlate;
pub mod course;
pub mod decode;
mod engine;
pub mod filter;
pub mod finding;
pub mod firewall;
pub mod flow;
pub mod fragment;
pub mod hint;
pub mod inventory;
pub mod live;
pub mod lost_here;
pub mod matrix;
pub mod names;
pub mod observation;
pub mod observer;
mod pack;
mod pause;
pub mod point;
mod propose;
pub mod receive;
pub mod report;
pub mod sequence;
pub mod session;
pub mod site;
pub mod stream;
pub mod table;
pub mod tcp;
pub mod time;
pub mod track;
pub mod verdict;

pub use engine::{
    BATCH, Config, Endpoints, Engine, MOST_THREADS, Sink, Threaded, depart, list, look, one, page,
};
