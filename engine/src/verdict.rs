//! What can be said of a flow, how sure that is, and why sometimes nothing can be said.

use serde::{Deserialize, Serialize};

/// How a flow went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every place on the path that saw it, and can see both directions, saw both.
    Symmetric,
    /// A place on the path saw one direction, and the other went elsewhere.
    Asymmetric,
    /// Only one direction exists, though others would have been seen.
    OneWay,
    /// Requests that nobody answered.
    Unanswered,
    /// It changed its way while it lived.
    Moved,
    /// Nothing can be concluded, and [`Cause`] says why.
    Unknown,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Symmetric,
        Self::Asymmetric,
        Self::OneWay,
        Self::Unanswered,
        Self::Moved,
        Self::Unknown,
    ];

    /// The name in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Symmetric => "symmetric",
            Self::Asymmetric => "asymmetric",
            Self::OneWay => "one-way",
            Self::Unanswered => "unanswered",
            Self::Moved => "moved",
            Self::Unknown => "unknown",
        }
    }
}

/// Why nothing can be concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The mirror lost packets meanwhile: enough to explain what is missing.
    MirrorLoss,
    /// A session of the place did not run at that time.
    MirrorSilent,
    /// The mirror takes one packet of several.
    Sampled,
    /// The session carries one direction only, as far as can be told.
    BlindSpot,
    /// Packets were cut before what would tell.
    Truncated,
    /// Packets passed in an encapsulation that cannot be opened; what is missing may be in them.
    Unopened,
    /// Nobody looks where the answer would pass.
    NoPoint,
    /// The same connection goes on under other addresses: a firewall translates them.
    NatSuspected,
    /// The capture ended before an answer could be expected; or, while packets still come, it is too early to tell.
    CaptureEnd,
    /// What is missing may have passed before the capture began.
    CaptureStart,
    /// The table of connections was full, and forgot some.
    TableFull,
    /// All that a place saw are copies of what had passed a place that saw both directions: frames that a switch
    /// floods. Says only that this place is no evidence; never why a verdict is unknown.
    Flooded,
}

impl Cause {
    /// The name in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MirrorLoss => "mirror-loss",
            Self::MirrorSilent => "mirror-silent",
            Self::Sampled => "sampled",
            Self::BlindSpot => "blind-spot",
            Self::Truncated => "truncated",
            Self::Unopened => "unopened",
            Self::NoPoint => "no-point",
            Self::NatSuspected => "nat-suspected",
            Self::CaptureEnd => "capture-end",
            Self::CaptureStart => "capture-start",
            Self::TableFull => "table-full",
            Self::Flooded => "flooded",
        }
    }

    /// The reason in a clause.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::MirrorLoss => {
                "the mirror itself lost enough packets meanwhile to explain what is missing"
            }
            Self::MirrorSilent => "a mirror session of the place was silent at that time",
            Self::Sampled => "the mirror takes only some of the packets",
            Self::BlindSpot => "the mirror session may carry one direction only",
            Self::Truncated => "the mirror cuts packets before their ports",
            Self::Unopened => {
                "packets passed in an encapsulation that cannot be opened yet, and may hold what is missing"
            }
            Self::NoPoint => "no mirrored place lies where the other direction would pass",
            Self::NatSuspected => "the connection goes on under other addresses",
            Self::CaptureEnd => {
                "too early to tell: what is missing may come yet, or came after the capture ended"
            }
            Self::CaptureStart => "the connection may be older than the capture",
            Self::TableFull => "the table of connections was full, and forgot some",
            Self::Flooded => "all packets are copies of what passed elsewhere",
        }
    }
}

/// How sure something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A guess.
    Low,
    /// Likely.
    Medium,
    /// Certain, as far as captures can be.
    High,
}

impl Confidence {
    /// The name in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}
