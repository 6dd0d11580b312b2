//! Draws lines at the bottom of a terminal, and prints other lines above them.
//!
//! Between two drawings the cursor is at the beginning of the first line: a terminal that changes its width may rewrap the
//! lines, and only the position of that character is certain. Each drawing is a single
//! write, and lines are overwritten instead of cleared, to avoid flicker.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{tcgetpgrp, tcgetwinsize};

/// Synchronized output: terminals that support it show everything up to `END` at once; others ignore it.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";
/// Turns wrapping off, and `WRAP` turns it on again: a terminal may be narrower than the width that it last reported.
const CUT: &str = "\x1b[?7l";
const BREAK: &str = "\x1b[?7h";
/// Clears to the end of the line, and to the end of the screen.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// Clears below, from the beginning of a line that is not the last one. In the upper left corner, `CLEAR_BELOW` would make
/// tmux keep the whole screen in its history.
const CLEAR_FROM_HERE: &str = "\x1b[K\r\n\x1b[J\x1b[A";

/// The terminal of the display.
pub(super) struct Screen {
    terminal: File,
    drawn: Mutex<Drawn>,
    /// Whether to leave the cursor below the lines. Atomic, so that setting it does not wait for a slow terminal.
    stay_below: AtomicBool,
}

#[derive(Default)]
struct Drawn {
    rows: Vec<String>,
    /// The size of the terminal at the last drawing.
    size: Size,
    /// Whether the cursor is below the lines, where it stays if the program ends abruptly.
    below: bool,
}

/// A size in columns and lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u16,
    pub(super) height: u16,
}

impl Default for Size {
    fn default() -> Self {
        Size {
            width: 80,
            height: 24,
        }
    }
}

impl Screen {
    pub(super) fn on(terminal: OwnedFd) -> Self {
        Screen {
            terminal: File::from(terminal),
            drawn: Mutex::default(),
            stay_below: AtomicBool::new(false),
        }
    }

    /// Returns the current size of the terminal.
    pub(super) fn size(&self) -> Size {
        match tcgetwinsize(&self.terminal) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size {
                width: size.ws_col,
                height: size.ws_row,
            },
            // The terminal does not know its size.
            _ => Size::default(),
        }
    }

    /// Draws the lines, which must fit the terminal. Draws nothing in the background, where the screen belongs to
    /// another program.
    pub(super) fn draw(&self, rows: Vec<String>) {
        let mut drawn = self.drawn();
        if self.is_behind() {
            drawn.rows.clear();
            return;
        }
        let mut text = String::from(BEGIN);
        drawn.go_to_top(&mut text);
        let size = self.size();
        if size != drawn.size {
            // Rewrapped lines may take more rows than before.
            text.push_str(CLEAR_FROM_HERE);
            drawn.size = size;
        }
        let less = rows.len() < drawn.rows.len();
        drawn.rows = rows;
        drawn.paint(&mut text, less, self.stay_below.load(Relaxed));
        self.write(&text);
    }

    /// Prints lines above the display.
    pub(super) fn print_above(&self, lines: &[String]) {
        let mut drawn = self.drawn();
        let lines: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        if self.is_behind() {
            drawn.rows.clear();
            self.write(&lines);
            return;
        }
        let mut text = String::from(BEGIN);
        drawn.go_to_top(&mut text);
        text.push_str(CLEAR_FROM_HERE);
        text.push_str(&lines);
        drawn.paint(&mut text, false, self.stay_below.load(Relaxed));
        self.write(&text);
    }

    /// Leaves the cursor below the lines from now on.
    pub(super) fn stay_below(&self) {
        self.stay_below.store(true, Relaxed);
    }

    /// Removes the lines from the screen.
    pub(super) fn clear(&self) {
        self.wipe(&mut self.drawn());
    }

    /// Runs `work` while the lines are removed and drawing is locked.
    pub(super) fn without(&self, work: impl FnOnce()) {
        let mut drawn = self.drawn();
        self.wipe(&mut drawn);
        work();
    }

    fn wipe(&self, drawn: &mut Drawn) {
        if drawn.rows.is_empty() || self.is_behind() {
            return;
        }
        let mut text = String::new();
        drawn.go_to_top(&mut text);
        text.push_str(CLEAR_FROM_HERE);
        drawn.rows.clear();
        self.write(&text);
    }

    /// Returns whether another program has the terminal, as after `bg` in a shell.
    fn is_behind(&self) -> bool {
        tcgetpgrp(&self.terminal).is_ok_and(|group| group != getpgrp())
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, text: &str) {
        // Errors of a terminal that is gone are ignored.
        let _ = (&self.terminal).write_all(text.as_bytes());
    }
}

impl Drawn {
    fn go_to_top(&mut self, text: &mut String) {
        if self.below && !self.rows.is_empty() {
            text.push_str(&format!("\x1b[{}A", self.rows.len()));
        }
        text.push('\r');
        self.below = false;
    }

    /// Appends the drawing from the first line on; `less` if there are fewer lines than before, `below` to end below them.
    fn paint(&mut self, text: &mut String, less: bool, below: bool) {
        text.push_str(CUT);
        for row in &self.rows {
            text.push_str(row);
            text.push_str(CLEAR_LINE);
            text.push_str("\r\n");
        }
        text.push_str(BREAK);
        if less {
            text.push_str(CLEAR_BELOW);
        }
        self.below = below;
        if !self.below && !self.rows.is_empty() {
            text.push_str(&format!("\x1b[{}A", self.rows.len()));
        }
        text.push_str(END);
    }
}
