//! Some lines at the bottom of a terminal, and what scrolls away above them.
//!
//! Between two drawings the cursor stands at the beginning of the first of the lines: when the terminal changes its width, it
//! may break lines anew, and the place of that one character is all that is sure to stay. Everything that is drawn is one
//! write, and lines are written over rather than cleared, so that nothing flickers.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{tcgetpgrp, tcgetwinsize};

/// Terminals that know these show what is between them at once; others pass them over.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";
/// Lines that are too wide are cut, and are broken again: a terminal that is made narrower may say so later than it is.
const CUT: &str = "\x1b[?7l";
const BREAK: &str = "\x1b[?7h";
/// To the end of the line, and of the screen.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// The same from the beginning of a line that is not the last one. In the upper left corner `CLEAR_BELOW` would make tmux keep
/// all that there is, as if it had scrolled away.
const CLEAR_FROM_HERE: &str = "\x1b[K\r\n\x1b[J\x1b[A";

/// The terminal.
pub(super) struct Screen {
    terminal: File,
    drawn: Mutex<Drawn>,
    /// Whether the cursor is to be left below the lines. Who says so does not wait for a terminal that is slow.
    stay_below: AtomicBool,
}

#[derive(Default)]
struct Drawn {
    rows: Vec<String>,
    /// The size of the terminal then.
    size: Size,
    /// Whether the cursor stands below the lines: where it would be left if the program ended at once.
    below: bool,
}

/// Columns and lines.
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

    /// The size of the terminal now.
    pub(super) fn size(&self) -> Size {
        match tcgetwinsize(&self.terminal) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size {
                width: size.ws_col,
                height: size.ws_row,
            },
            // One that does not know.
            _ => Size::default(),
        }
    }

    /// Draws the lines, which are narrower than the terminal and fewer than its. In the background nothing is drawn: the lines
    /// at the bottom are somebody else's.
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
            // Where lines were broken anew there may be more of them.
            text.push_str(CLEAR_FROM_HERE);
            drawn.size = size;
        }
        let less = rows.len() < drawn.rows.len();
        drawn.rows = rows;
        drawn.paint(&mut text, less, self.stay_below.load(Relaxed));
        self.write(&text);
    }

    /// Puts lines above the others.
    pub(super) fn above(&self, lines: &[String]) {
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

    /// From now on the cursor is left below the lines.
    pub(super) fn stay_below(&self) {
        self.stay_below.store(true, Relaxed);
    }

    /// Removes the lines.
    pub(super) fn clear(&self) {
        self.wipe(&mut self.drawn());
    }

    /// Does something while the lines are not there, and nobody draws any.
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

    /// Whether the terminal belongs to another program now, as after `bg` in a shell.
    fn is_behind(&self) -> bool {
        tcgetpgrp(&self.terminal).is_ok_and(|group| group != getpgrp())
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, text: &str) {
        // A terminal that is gone shows nothing.
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

    /// From the top; `less` than there were, and with the cursor `below` in the end.
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
