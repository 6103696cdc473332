//! TCP streams, put together from what all observation points saw.
//!
//! [`Streams`] takes segments in any order, repeated, overlapping or cut, from as many points as there are, and gives the
//! bytes of each direction in order, with the gaps that nobody can fill. Who prints, stores or searches them is elsewhere.
//!
//! The rules, where RFC 9293 leaves room or a mirror is not an end:
//!
//! * Bytes that arrived first count ([`Overlap`]); others at the same place are counted and told.
//! * A stream begins behind its SYN. Where none was seen, the first data waits a moment for what may have been sent before it
//!   and arrives later; then offset 0 is the lowest number, or that which the other side named first.
//! * FIN ends a stream, whatever comes behind it. An RST ends it where its number fits (RFC 5961); late data in front of it
//!   is still used, and if the other side acknowledges more, the RST was not believed.
//! * A hole that the other side has acknowledged is not filled any more. Selective acknowledgements count too (RFC 2018),
//!   later: blocks behind their own acknowledgement, among the bytes that were seen to be sent. What somebody still asks
//!   for, by an acknowledgement with such blocks, is waited for.
//! * Urgent data is data (RFC 6093 §3.1). Probes for life are not. An RST's payload is not (RFC 9293 §3.5.3).
//! * Positions have 64 bits. A segment more than 1 GiB away from all others is not of the stream, until four in a row are.

mod event;
mod half;
mod history;
mod loss;
mod pending;
mod policy;
mod ranges;
mod streams;
#[cfg(test)]
mod tests;

pub use event::{Cause, Counts, Event, Gap, Note, Segment};
pub use loss::MirrorLosses;
pub use policy::{Overlap, Policy};
pub use streams::{Sink, Streams};
