//! Which gaps the mirrors themselves explain.

use super::event::{Cause, Gap};
use crate::point::PointId;
use crate::time::Timestamp;

/// When the mirror of each point lost packets, by its own sequence numbers.
#[derive(Clone, Debug, Default)]
pub struct MirrorLosses(Vec<Vec<(Timestamp, Timestamp)>>);

impl MirrorLosses {
    /// Periods of loss, for each point in the order of [`PointId`]: arrival of the packet before, and of that after.
    pub fn new(points: impl Iterator<Item = Vec<(Timestamp, Timestamp)>>) -> Self {
        Self(points.collect())
    }

    /// Why the bytes of a gap are missing, with what the mirrors of the flow's points say.
    pub fn cause(&self, gap: &Gap, points: impl Iterator<Item = PointId>) -> Cause {
        // What a packet shows of its own cut is certain. Between two packets of the capture it is the mirror that counts.
        let open = match gap.cause {
            Cause::NeverSeen => true,
            Cause::OutsideTheCapture => gap.from.is_some() && gap.to.is_some(),
            Cause::Truncated | Cause::MirrorLoss => false,
        };
        if !open {
            return gap.cause;
        }
        let (Timestamp(from), Timestamp(to)) = (
            gap.from.unwrap_or(Timestamp(i64::MIN)),
            gap.to.unwrap_or(Timestamp(i64::MAX)),
        );
        let mut periods = points
            .filter_map(|PointId(index)| self.0.get(index as usize))
            .flatten();
        if periods.any(|(start, end)| start.0 <= to && end.0 >= from) {
            Cause::MirrorLoss
        } else {
            gap.cause
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loss_of_the_own_points_at_that_time_explains_a_gap() {
        let losses = MirrorLosses::new(
            [
                vec![],
                vec![
                    (Timestamp(10), Timestamp(20)),
                    (Timestamp(50), Timestamp(60)),
                ],
            ]
            .into_iter(),
        );
        let cause = |from, to, point| {
            let gap = Gap {
                side: 0,
                offset: 0,
                len: 1,
                from,
                to,
                cause: Cause::NeverSeen,
            };
            losses.cause(&gap, [PointId(point)].into_iter())
        };
        let at = |time| Some(Timestamp(time));
        assert_eq!(cause(at(12), at(13), 1), Cause::MirrorLoss);
        assert_eq!(cause(at(20), at(49), 1), Cause::MirrorLoss);
        assert_eq!(cause(at(21), at(49), 1), Cause::NeverSeen);
        assert_eq!(cause(at(12), at(13), 0), Cause::NeverSeen);
        assert_eq!(cause(None, at(9), 1), Cause::NeverSeen);
        assert_eq!(cause(at(61), None, 1), Cause::NeverSeen);
        assert_eq!(cause(None, None, 1), Cause::MirrorLoss);
    }
}
