//! The progress line of long work: on standard error, only where that is a terminal, gone when the work is done.

use std::io::{IsTerminal, Write as _, stderr};
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{LineGauge, Widget};

/// Shorter work shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two drawings.
const INTERVAL: Duration = Duration::from_millis(100);

/// How far the work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// What of the work is done.
    pub done: Done,
    /// Frames read.
    pub frames: u64,
    /// Mirror sessions met.
    pub sessions: usize,
    /// Flows met.
    pub flows: usize,
}

/// What of the work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Files are read.
    Files {
        /// Bytes read.
        read: u64,
        /// Bytes of all files, if known.
        total: Option<u64>,
    },
    /// Packets come live.
    Live {
        /// Seconds since the start.
        seconds: u64,
        /// Frames in the last second.
        rate: u64,
        /// Frames that this host dropped.
        dropped: u64,
    },
}

/// A line that redraws itself.
#[derive(Debug)]
pub struct ProgressBar {
    enabled: bool,
    next: Instant,
    drawn: bool,
}

impl Default for ProgressBar {
    fn default() -> Self {
        Self::new()
    }
}

impl ProgressBar {
    /// Shows nothing yet, and nothing at all where standard error is no terminal.
    pub fn new() -> Self {
        Self {
            enabled: stderr().is_terminal(),
            next: Instant::now() + PATIENCE,
            drawn: false,
        }
    }

    /// Whether it is time to draw.
    pub fn is_due(&self) -> bool {
        self.enabled && Instant::now() >= self.next
    }

    /// Draws the line over the last one.
    pub fn draw(&mut self, state: &State) {
        let width = crossterm::terminal::size().map_or(80, |(columns, _)| columns);
        // A terminal that cannot be written to must not end the work.
        let _ = write!(
            stderr(),
            "\r\u{1b}[K{}",
            line(state, width.saturating_sub(1))
        );
        let _ = stderr().flush();
        self.drawn = true;
        self.next = Instant::now() + INTERVAL;
    }

    /// Takes the line away, so that something else can be told.
    pub fn clear(&mut self) {
        if self.drawn {
            let _ = write!(stderr(), "\r\u{1b}[K");
            let _ = stderr().flush();
            self.drawn = false;
        }
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The line as text of at most `width` columns.
pub fn line(state: &State, width: u16) -> String {
    let area = Rect::new(0, 0, width, 1);
    let mut buffer = Buffer::empty(area);
    let counts = format!(
        "{} frames  {} sessions  {} flows",
        state.frames, state.sessions, state.flows
    );
    match state.done {
        Done::Files {
            read,
            total: Some(total @ 1..),
        } => {
            let ratio = (read as f64 / total as f64).clamp(0.0, 1.0);
            let label = format!("{:3.0} %  {counts} ", ratio * 100.0);
            // The line has no colours, so its two parts differ in weight.
            LineGauge::default()
                .filled_symbol("━")
                .unfilled_symbol("─")
                .label(label)
                .ratio(ratio)
                .render(area, &mut buffer);
        }
        Done::Files { read, .. } => {
            Line::from(format!("{:.1} MB  {counts}", read as f64 / 1e6)).render(area, &mut buffer);
        }
        Done::Live {
            seconds,
            rate,
            dropped,
        } => {
            let (minutes, seconds) = (seconds / 60, seconds % 60);
            let dropped = match dropped {
                0 => "none dropped".to_owned(),
                dropped => format!("▲ {dropped} dropped"),
            };
            Line::from(format!(
                "{minutes}:{seconds:02}  {rate}/s  {dropped}  {counts}"
            ))
            .render(area, &mut buffer);
        }
    }
    let text: String = buffer
        .content()
        .iter()
        .map(ratatui::buffer::Cell::symbol)
        .collect();
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: State = State {
        done: Done::Files {
            read: 50,
            total: Some(200),
        },
        frames: 1234,
        sessions: 3,
        flows: 56,
    };

    #[test]
    fn shows_the_share_and_the_counts() {
        let text = line(&STATE, 79);
        assert!(
            text.starts_with(" 25 %  1234 frames  3 sessions  56 flows"),
            "{text:?}"
        );
        assert_eq!(text.chars().count(), 79);
        let (done, left) = (text.matches('━').count(), text.matches('─').count());
        assert!(done > 5 && left > 2 * done, "a quarter is done: {text:?}");
    }

    #[test]
    fn without_a_total_it_shows_what_was_read() {
        let text = line(
            &State {
                done: Done::Files {
                    read: 5_000_000,
                    total: None,
                },
                ..STATE
            },
            79,
        );
        assert_eq!(text, "5.0 MB  1234 frames  3 sessions  56 flows");
    }

    #[test]
    fn live_it_shows_time_rate_and_drops() {
        let live = |dropped| State {
            done: Done::Live {
                seconds: 65,
                rate: 80_000,
                dropped,
            },
            ..STATE
        };
        assert_eq!(
            line(&live(0), 79),
            "1:05  80000/s  none dropped  1234 frames  3 sessions  56 flows"
        );
        assert!(line(&live(7), 79).contains("▲ 7 dropped"));
    }

    #[test]
    fn a_narrow_terminal_cuts_it() {
        for width in 0..20 {
            assert!(line(&STATE, width).chars().count() <= usize::from(width));
        }
    }
}
