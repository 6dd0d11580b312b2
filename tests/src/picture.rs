//! SVG pictures of terminal sessions.

use crate::terminal::Terminal;
use anstyle_svg::Term;
use portable_pty::CommandBuilder;
use std::path::{Path, PathBuf};

/// The size of the terminal, larger than any output.
const COLUMNS: u16 = 92;
const LINES: u16 = 60;

/// A terminal session with one program, and the resulting screen.
pub struct Session {
    name: String,
    program: PathBuf,
    folder: PathBuf,
    /// The screen as text, with escape sequences for colours only.
    text: String,
}

impl Session {
    /// Begins a session in a folder; the program is displayed as `name`.
    #[must_use]
    pub fn new(name: &str, program: &str, folder: &Path) -> Self {
        Session {
            name: name.to_owned(),
            program: program.into(),
            folder: folder.to_owned(),
            text: String::new(),
        }
    }

    /// Runs the program with these arguments, and waits for its end.
    ///
    /// # Panics
    /// Panics if the program fails.
    pub fn enter(&mut self, words: &str) -> &mut Self {
        let mut program = CommandBuilder::new(&self.program);
        program.args(words.split(' '));
        program.cwd(&self.folder);
        program.env("PYLIGHTNIX_ROOT", self.folder.join("_pylightnix"));
        program.env("TERM", "xterm-256color");
        for variable in ["NO_COLOR", "COLUMNS", "RUST_BACKTRACE"] {
            program.env_remove(variable);
        }
        let mut terminal = Terminal::start(program, COLUMNS, LINES);
        let (status, screen) = terminal.end();
        assert_eq!(status, 0, "{words}: {screen}");
        let shown = terminal.in_colours();
        let shown = shown.replace(&*self.folder.to_string_lossy(), "/home/you");
        let prompt = format!("\x1b[1;32m$\x1b[0m {} {words}", self.name);
        if !self.text.is_empty() {
            self.text += "\n\n";
        }
        self.text += &format!("{prompt}\n{}\x1b[0m", shown.trim_end());
        self
    }

    /// Returns the SVG picture of the screen.
    #[must_use]
    pub fn svg(&self) -> String {
        let terminal = Term::new()
            .fg_color(anstyle::RgbColor(230, 230, 230).into())
            .bg_color(anstyle::RgbColor(24, 26, 31).into())
            .palette(anstyle_svg::WIN10_CONSOLE);
        let svg = terminal.render_svg(&self.text);
        // Make faint text more opaque, so that it stays readable; the opacity of a text element is `fill-opacity`.
        let svg = svg.replace("opacity: 0.4", "fill-opacity: 0.65");
        let svg = scalable(&svg).unwrap_or(svg);
        let lines: Vec<_> = svg.lines().map(str::trim_end).collect();
        lines.join("\n") + "\n"
    }

    /// Compares the picture with the file. With `SHOWN=write` in the environment, writes the file instead.
    ///
    /// # Panics
    /// Panics if they differ.
    pub fn shows(&self, file: &Path) {
        let svg = self.svg();
        if std::env::var("SHOWN").is_ok_and(|what| what == "write") {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("the folder");
            std::fs::write(file, &svg).expect("the picture can be written");
        }
        let there = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            there == svg,
            "{} is not what the terminal shows; if that is right, run again with SHOWN=write\n{}",
            file.display(),
            self.text
        );
    }
}

/// Adds a `viewBox`, so that the picture scales down on a narrow page.
fn scalable(svg: &str) -> Option<String> {
    let (width, rest) = svg
        .strip_prefix("<svg width=\"")?
        .split_once("px\" height=\"")?;
    let (height, rest) = rest.split_once("px\"")?;
    Some(format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\"{rest}"
    ))
}
