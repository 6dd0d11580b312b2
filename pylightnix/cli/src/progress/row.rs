//! The lines of the display, rendered by progress bars.

use std::io;
use std::iter;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use unicode_width::UnicodeWidthChar as _;

/// One line of the display.
pub(super) struct Row {
    bar: ProgressBar,
    line: Arc<BarLine>,
    shape: Shape,
}

/// The layout of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The summary of the whole run.
    Whole,
    /// A stage without known progress.
    Stage,
    /// A stage that reports its progress.
    Measured,
}

impl Shape {
    fn style(self, colors: bool) -> ProgressStyle {
        let template = match (self, colors) {
            (Shape::Whole, false) => "{spinner} {wide_msg}",
            (Shape::Whole, true) => "\x1b[36m{spinner}\x1b[0m \x1b[1m{wide_msg}\x1b[0m",
            (Shape::Stage, false) => "  {prefix} {wide_msg}",
            (Shape::Stage, true) => "  {prefix} \x1b[2m{wide_msg}\x1b[0m",
            (Shape::Measured, false) => "  {prefix} {bar:14} {percent:>3}% {wide_msg}",
            (Shape::Measured, true) => {
                "  {prefix} \x1b[36m{bar:14}\x1b[0m {percent:>3}% \x1b[2m{wide_msg}\x1b[0m"
            }
        };
        match ProgressStyle::with_template(template) {
            Ok(style) => style.progress_chars("━╸─"),
            Err(_) => unreachable!("these templates are sound"),
        }
    }
}

/// The target of a progress bar: one line in memory.
#[derive(Debug, Default)]
struct BarLine {
    text: Mutex<String>,
    width: AtomicU16,
}

/// The handle of a [`BarLine`] that a progress bar draws to.
#[derive(Debug)]
struct BarTarget(Arc<BarLine>);

impl Row {
    pub(super) fn new(shape: Shape, colors: bool) -> Self {
        let line = Arc::new(BarLine::default());
        let target = ProgressDrawTarget::term_like(Box::new(BarTarget(line.clone())));
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(shape.style(colors));
        Row { bar, line, shape }
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Renders the line, at most `width` columns wide.
    pub(super) fn text(
        &self,
        prefix: String,
        message: String,
        measure: Option<(u64, u64)>,
        width: u16,
    ) -> String {
        self.line.width.store(width, Relaxed);
        if let Some((done, total)) = measure {
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
        self.bar.set_prefix(prefix);
        self.bar.set_message(message);
        self.bar.tick();
        let text = self
            .line
            .text
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        clipped(&text, width.into())
    }
}

impl TermLike for BarTarget {
    fn width(&self) -> u16 {
        self.0.width.load(Relaxed)
    }

    fn height(&self) -> u16 {
        // `indicatif` counts a wrapped line as several: render it unlimited, and clip it later.
        u16::MAX
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut line = self.0.text.lock().unwrap_or_else(PoisonError::into_inner);
        line.push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        let mut line = self.0.text.lock().unwrap_or_else(PoisonError::into_inner);
        line.clear();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Clips a line to `width` columns, keeps all its colours, and trims spaces at its end, since a terminal that rewraps lines
/// when it becomes narrower would put them on a line of their own.
fn clipped(text: &str, width: usize) -> String {
    let mut clipped = String::with_capacity(text.len());
    let mut columns = 0;
    let mut spaces = 0;
    let mut in_sequence = false;
    for c in text.chars() {
        if in_sequence || c == '\x1b' {
            in_sequence = c == '\x1b' || c == '[' || !('@'..='~').contains(&c);
            clipped.push(c);
            continue;
        }
        columns += c.width().unwrap_or(0);
        if c == ' ' {
            spaces += 1;
        } else if columns <= width {
            clipped.extend(iter::repeat_n(' ', spaces));
            clipped.push(c);
            spaces = 0;
        }
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_no_spaces_at_their_ends() {
        let row = Row::new(Shape::Stage, true);
        let text = row.text("name".to_owned(), "a  b".to_owned(), None, 80);
        let shown = crate::progress::clean::visible(&text, false);
        assert_eq!(shown, "  name a  b");
    }

    #[test]
    fn lines_fit() {
        let row = Row::new(Shape::Measured, true);
        for width in [10_u16, 30, 80] {
            let name = "a_stage".to_owned();
            let text = row.text(name, "said 日本語".repeat(20), Some((1, 4)), width);
            let shown = crate::progress::clean::visible(&text, false);
            let columns: usize = shown.chars().map(|c| c.width().unwrap_or(0)).sum();
            assert!(columns <= width.into(), "{width}: {shown}");
            assert!(shown.starts_with("  a_stage"), "{shown}");
            assert!(!shown.ends_with(' '), "{shown:?}");
            assert_eq!(width >= 40, shown.contains(" 25% said"), "{shown}");
        }
    }
}
