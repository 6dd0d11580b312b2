//! The colours of states, for light and dark pages.

use super::model::State;

/// The colours of a box.
pub(super) struct Colours {
    pub(super) fill: &'static str,
    pub(super) line: &'static str,
    pub(super) text: &'static str,
}

/// The colours of a state.
pub(super) struct Palette {
    pub(super) light: Colours,
    pub(super) dark: Colours,
}

/// Returns the colours of a state. Text on each fill has a contrast of at least 7 to 1, the WCAG grade AAA.
pub(super) fn palette(state: State) -> Palette {
    let (light, dark) = match state {
        State::Realized | State::Reused => (
            ["#dafbe1", "#2da44e", "#0b3d1c"],
            ["#12361f", "#3fb950", "#d2f5dc"],
        ),
        State::Undecided => (
            ["#ddf4ff", "#218bff", "#032f62"],
            ["#0f2d4d", "#58a6ff", "#d6ebff"],
        ),
        State::ToBuild => (
            ["#fff5c2", "#bf8700", "#3d2a00"],
            ["#3a2c05", "#d29922", "#fbeec2"],
        ),
        State::Stale => (
            ["#f5e6ff", "#8250df", "#371a6b"],
            ["#2f1e52", "#a371f7", "#eadcff"],
        ),
        State::Missing => (
            ["#eaeef2", "#6e7781", "#1f2328"],
            ["#262c36", "#8b949e", "#e6edf3"],
        ),
        State::Failed => (
            ["#ffe3e0", "#cf222e", "#5c0a10"],
            ["#4a1216", "#f85149", "#ffdcd9"],
        ),
    };
    let colours = |[fill, line, text]: [&'static str; 3]| Colours { fill, line, text };
    Palette {
        light: colours(light),
        dark: colours(dark),
    }
}
