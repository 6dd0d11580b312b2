//! Writes a picture as a self-contained SVG image.

use std::fmt::Write as _;

use super::colours::palette;
use super::layout::{Path, Rectangle};
use super::model::{Picture, PictureBox, State};
use super::page;
use super::text::{cut, width};
use pylightnix::internal::text::thousands;

/// The width of a character relative to the font size: 0.602 in the widest common monospace fonts, with a reserve.
const COLUMN: f64 = 0.62;
const TITLE: f64 = 13.;
const SMALL: f64 = 11.;
/// The padding between the text of a box and its border.
const PADDING: f64 = 14.;
const HEIGHT: f64 = 46.;
/// The maximum width of a title and of the line below it, in columns.
const LONGEST: usize = 36;
/// The height of a line of the legend.
const LEGEND: f64 = 24.;

impl Picture {
    /// Writes a self-contained SVG image, for light and dark pages.
    pub fn svg(&self) -> String {
        self.written("img", &self.styles(), &|_| None)
    }

    /// Writes an SVG image for a page that has the [`styles`], with links from boxes to the addresses that `link` gives.
    #[cfg(feature = "pages")]
    pub(crate) fn svg_with_links(&self, link: &dyn Fn(&PictureBox) -> Option<String>) -> String {
        self.written("group", "", link)
    }

    fn written(
        &self,
        role: &str,
        styles: &str,
        link: &dyn Fn(&PictureBox) -> Option<String>,
    ) -> String {
        let words: Vec<BoxText> = self.boxes.iter().map(BoxText::of).collect();
        let sizes: Vec<_> = words.iter().map(|words| (words.width(), HEIGHT)).collect();
        let layout = page::laid_out(self, &sizes);
        let legend = Legend::of(self);
        let wide = short(layout.width.max(legend.width));
        let high = short(layout.height + LEGEND);
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" height=\"{high}\" viewBox=\"0 0 {wide} {high}\" \
             role=\"{role}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\">\n"
        );
        text += &format!("<title>{}</title>\n", escaped(&self.summary()));
        text += styles;
        text += HEAD;
        text += "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n<g class=\"lines\">\n";
        for ((from, into), path) in self.edges.iter().zip(&layout.paths) {
            let _ = writeln!(text, "<path id=\"n{from}-n{into}\" d=\"{}\"/>", way(path));
        }
        text += "</g>\n<g class=\"boxes\">\n";
        for (at, (one, words)) in self.boxes.iter().zip(&words).enumerate() {
            let drawn = drawn(at, one, words, &layout.places[at]);
            text += &match link(one) {
                Some(to) => format!("<a href=\"{}\">{}</a>\n", escaped(&to), drawn.trim_end()),
                None => drawn,
            };
        }
        text += "</g>\n";
        text += &legend.drawn(short(layout.height));
        text + "</svg>\n"
    }

    fn styles(&self) -> String {
        let states: Vec<State> = self.states().into_keys().collect();
        format!("<style>{}</style>\n", styles(&states))
    }
}

/// The head of a line.
const HEAD: &str = "<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
                    orient=\"auto\"><path class=\"head\" d=\"M0,0 L8,4 L0,8 z\"/></marker></defs>\n";

/// Returns the style sheet for pictures with boxes in these states, for light and dark pages.
pub(crate) fn styles(states: &[State]) -> String {
    let scheme = |page: &str, line: &str, dark: bool| {
        let mut css = format!(
            ".page{{fill:{page}}}.lines path{{fill:none;stroke:{line};stroke-width:1.3}}.head{{fill:{line}}}.word{{fill:{line}}}"
        );
        for state in states {
            let palette = palette(*state);
            let colours = if dark { palette.dark } else { palette.light };
            let key = state.key();
            let _ = write!(
                css,
                ".{key} rect{{fill:{};stroke:{}}}.{key} text{{fill:{}}}rect.share.{key}{{fill:{};stroke:none}}",
                colours.fill, colours.line, colours.text, colours.line
            );
        }
        css
    };
    format!(
        "{}@media (prefers-color-scheme:dark){{{}}}",
        scheme("#ffffff", "#6e7781", false)
            + ".lines path{marker-end:url(#head)}.title{font-weight:bold}",
        scheme("#0d1117", "#8b949e", true),
    )
}

/// The text of a box.
struct BoxText {
    title: String,
    below: String,
}

impl BoxText {
    fn of(one: &PictureBox) -> Self {
        let standing = one.standing();
        let below = match one.detail.as_str() {
            "" => standing,
            detail => format!("{standing} · {detail}"),
        };
        BoxText {
            title: one.short_title(LONGEST),
            below: cut(&below, LONGEST),
        }
    }

    fn width(&self) -> f64 {
        let title = width(&self.title) as f64 * COLUMN * TITLE;
        let below = width(&self.below) as f64 * COLUMN * SMALL;
        (title.max(below) + 2. * PADDING).ceil()
    }
}

fn drawn(at: usize, one: &PictureBox, words: &BoxText, place: &Rectangle) -> String {
    let Rectangle {
        x,
        y,
        width,
        height,
    } = *place;
    let (left, top, middle) = (short(x), short(y), short(x + width / 2.));
    let mut text = format!("<g id=\"n{at}\" class=\"{}\">", one.state().key());
    let tooltip = match one.tooltip.as_str() {
        "" => format!("{}: {}", one.title(), one.standing()),
        tooltip => tooltip.to_owned(),
    };
    text += &format!("<title>{}</title>", escaped(&tooltip));
    text +=
        &format!("<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>");
    let line = |class: &str, size: f64, down: f64, words: &str| {
        format!(
            "<text class=\"{class}\" x=\"{middle}\" y=\"{}\" font-size=\"{size}\" text-anchor=\"middle\">{}</text>",
            short(y + down),
            escaped(words)
        )
    };
    text += &line("title", TITLE, 19., &words.title);
    text += &line("below", SMALL, 35., &words.below);
    if one.states.len() > 1 {
        text += &shares(one, place);
    }
    text + "</g>\n"
}

/// Formats a path in the syntax of SVG.
fn way(path: &Path) -> String {
    let mut text = String::new();
    let mut last = None;
    for (at, point) in path.iter().enumerate() {
        let word = match at {
            0 => "M",
            at => [" L", " C", " ", " ", " L"][(at - 1) % 5],
        };
        // A line to the current point is left out.
        if word != " L" || last != Some(point) {
            let _ = write!(text, "{word}{},{}", short(point.0), short(point.1));
        }
        last = Some(point);
    }
    text
}

/// Rounds to one decimal, the visible precision.
fn short(value: f64) -> f64 {
    // Adding 0 turns -0 into 0.
    (value * 10.).round() / 10. + 0.
}

/// Draws a bar at the bottom of a box with the share of each state.
fn shares(one: &PictureBox, place: &Rectangle) -> String {
    let full = place.width - 2. * PADDING;
    let mut text = String::new();
    let mut done = 0;
    for (state, count) in &one.states {
        let part = |count: usize| full * count as f64 / one.nodes.len() as f64;
        text += &format!(
            "<rect class=\"share {}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"3\"/>",
            state.key(),
            short(place.x + PADDING + part(done)),
            short(place.y + place.height - 6.),
            short(part(*count))
        );
        done += count;
    }
    text
}

/// The legend of the colours, with counts.
struct Legend {
    /// The states, each with the position of its word and the word.
    words: Vec<(State, f64, String)>,
    width: f64,
}

impl Legend {
    fn of(picture: &Picture) -> Self {
        let mut words = Vec::new();
        let mut at = PADDING;
        for (state, count) in picture.states() {
            let word = format!("{} {state}", thousands(count));
            let width = width(&word) as f64 * COLUMN * SMALL;
            words.push((state, at, word));
            at += width + 34.;
        }
        Legend { words, width: at }
    }

    fn drawn(&self, top: f64) -> String {
        let mut text = String::from("<g class=\"legend\">\n");
        for (state, at, word) in &self.words {
            let (left, word_at) = (short(*at), short(at + 16.));
            let (swatch, line) = (short(top), short(top + 9.));
            text += &format!(
                "<rect class=\"share {}\" x=\"{left}\" y=\"{swatch}\" width=\"10\" height=\"10\"/>\
                 <text class=\"word\" x=\"{word_at}\" y=\"{line}\" font-size=\"{SMALL}\">{}</text>\n",
                state.key(),
                escaped(word)
            );
        }
        text + "</g>\n"
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            c => escaped.push(c),
        }
    }
    escaped
}
