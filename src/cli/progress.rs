//! What is shown on standard error while a play or a down works: on a terminal a line for each pod in work, drawn over as it
//! goes on; elsewhere only what is worth a line of its own.

use super::output::{Style, notice, stderr_is_live, warn};
use super::transfer::{ProgressFormat, TransferView};
use crate::engine::{Progress, StepState};
use crate::graph::StepKind;
use crate::image::transfer::TransferEvent;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Lines drawn at most; the rest is counted.
const MOST_LINES: usize = 12;
/// Least time between two drawings.
const FRAME: Duration = Duration::from_millis(40);

/// Shows the progress of one operation.
pub struct ProgressView {
    mode: Mode,
    style: Style,
    started: Instant,
    /// What is being worked on, in the order it was first heard of: its name and its latest step.
    work: Vec<(String, String)>,
    /// Lines on the screen that may be drawn over.
    drawn: usize,
    last_frame: Option<Instant>,
    /// While images come.
    transfers: Option<TransferView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Quiet,
    Plain,
    Live,
}

impl ProgressView {
    pub fn new(quiet: bool) -> Self {
        let mode = match (quiet, stderr_is_live()) {
            (true, _) => Mode::Quiet,
            (false, true) => Mode::Live,
            (false, false) => Mode::Plain,
        };
        let style = Style::stderr();
        Self { mode, style, started: Instant::now(), work: Vec::new(), drawn: 0, last_frame: None, transfers: None }
    }

    /// Takes one thing that happened.
    pub fn show(&mut self, progress: Progress) {
        if !matches!(progress, Progress::Transfer(_)) {
            self.transfers = None;
        }
        match progress {
            Progress::Transfer(event) => self.transfer(event),
            Progress::Notice(text) => self.permanent(|| warn(text)),
            Progress::Undo { what } if self.mode != Mode::Quiet => {
                self.permanent(|| notice(format!("taking back: {what}")))
            }
            Progress::Undo { .. } => {}
            Progress::Waiting { pod, container, reason } => {
                let text = format!("{container} waits: {reason}");
                match self.mode {
                    Mode::Live => self.working_on(pod, text),
                    Mode::Plain => notice(format!("pod {pod}: {text}")),
                    Mode::Quiet => {}
                }
            }
            Progress::Step { kind, state } => self.step(&kind, &state),
        }
    }

    /// Images come before anything else is worked on, and have a form of their own.
    fn transfer(&mut self, event: TransferEvent) {
        let quiet = self.mode == Mode::Quiet;
        self.transfers.get_or_insert_with(|| TransferView::new("pulling", ProgressFormat::Auto, quiet)).show(event);
    }

    fn step(&mut self, kind: &StepKind, state: &StepState) {
        if self.mode != Mode::Live {
            // Only what may take long is worth a line where lines stay.
            if let (Mode::Plain, StepKind::InitContainer { pod, container }, StepState::Started) =
                (self.mode, kind, state)
            {
                notice(format!("pod {pod}: running init container {container}"));
            }
            return;
        }
        let subject = kind.pod().map_or_else(|| kind.subject(), str::to_owned);
        let text = match state {
            StepState::Started => format!("{kind}").replace('`', ""),
            StepState::Done => format!("{} {}", kind.verb(), self.style.good("done")),
            StepState::Failed { .. } => format!("{} {}", kind.verb(), self.style.error("failed")),
        };
        self.working_on(subject, text);
    }

    fn working_on(&mut self, subject: String, text: String) {
        match self.work.iter().position(|(name, _)| *name == subject) {
            Some(at) => self.work[at].1 = text,
            None => self.work.push((subject, text)),
        }
        if self.last_frame.is_none_or(|then| then.elapsed() >= FRAME) {
            self.draw();
        }
    }

    /// Draws the lines of what is being worked on over those drawn before.
    fn draw(&mut self) {
        let mut text = self.erased();
        let hidden = self.work.len().saturating_sub(MOST_LINES);
        if hidden > 0 {
            let _ = writeln!(text, "{}", self.style.dim(&format!("({hidden} more)")));
        }
        for (subject, step) in &self.work[hidden..] {
            let _ = writeln!(text, "{subject:<20} {step}");
        }
        self.drawn = self.work.len().min(MOST_LINES) + usize::from(hidden > 0);
        self.last_frame = Some(Instant::now());
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    /// The text that takes the drawn lines away.
    fn erased(&self) -> String {
        if self.drawn == 0 { String::new() } else { format!("\x1b[{}A\x1b[J", self.drawn) }
    }

    /// Says something that stays, above the lines that are drawn over.
    fn permanent(&mut self, say: impl FnOnce()) {
        let _ = std::io::stderr().lock().write_all(self.erased().as_bytes());
        self.drawn = 0;
        say();
        if self.mode == Mode::Live && !self.work.is_empty() {
            self.draw();
        }
    }

    /// Takes the drawn lines away and leaves one with the time it took.
    pub fn finish(&mut self) {
        if self.mode == Mode::Live && !self.work.is_empty() {
            let took = self.started.elapsed().as_secs_f64();
            let line = self.style.dim(&format!("took {took:.2} s"));
            let text = format!("{}{line}\n", self.erased());
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
        self.drawn = 0;
        self.work.clear();
    }
}
