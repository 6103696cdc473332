//! The points of a ladder, from the originator on the left to the responder on the right.

use mirrorscope_engine::point::Point;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_tui::data::Lane;

/// A lane for each point.
pub struct Lanes(Vec<Lane>);

impl Lanes {
    /// Those of a flow: as its requests pass them, and where only answers pass, in front of what these pass before.
    pub fn new(flow: &FlowReport) -> Self {
        let lane = |index: usize| {
            let at = flow.points.get(index)?;
            Some(Lane {
                point: at.point.clone(),
                site: at.site.clone(),
                role: at.role,
            })
        };
        let mut lanes: Vec<Lane> = flow.way(true).into_iter().filter_map(lane).collect();
        let mut answers: Vec<Lane> = flow.way(false).into_iter().filter_map(lane).collect();
        // Towards the originator is to the left.
        answers.reverse();
        for (index, answer) in answers.iter().enumerate() {
            if lanes.contains(answer) {
                continue;
            }
            let mut behind = answers.iter().skip(index + 1);
            let next = behind.find_map(|lane| lanes.iter().position(|known| known == lane));
            lanes.insert(next.unwrap_or(lanes.len()), answer.clone());
        }
        Self(lanes)
    }

    /// The lane of a point.
    pub fn of(&mut self, point: &Point) -> usize {
        let same = |lane: &Lane| lane.point == point.name && lane.site == point.site;
        self.0.iter().position(same).unwrap_or_else(|| {
            self.0.push(Lane {
                point: point.name.clone(),
                site: point.site.clone(),
                role: point.role.as_str(),
            });
            self.0.len() - 1
        })
    }

    /// All of them.
    pub fn finish(self) -> Vec<Lane> {
        self.0
    }
}
