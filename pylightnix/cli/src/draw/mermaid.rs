//! Writes a picture for Mermaid: <https://mermaid.js.org/syntax/flowchart.html>.

use super::colours::palette;
use super::model::Picture;

impl Picture {
    /// Writes the picture as a flowchart for Mermaid, which many sites draw in Markdown pages. Mermaid refuses more than 500
    /// connections unless the page allows them.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart TD\n");
        for (at, one) in self.boxes.iter().enumerate() {
            let lines: Vec<_> = one.lines().iter().map(|line| escaped(line)).collect();
            let state = one.state().key();
            text += &format!("  n{at}(\"{}\"):::{state}\n", lines.join("<br/>"));
        }
        for (from, into) in &self.edges {
            text += &format!("  n{from} --> n{into}\n");
        }
        for state in self.box_states() {
            let colours = palette(state).light;
            text += &format!(
                "  classDef {} fill:{},stroke:{},color:{}\n",
                state.key(),
                colours.fill,
                colours.line,
                colours.text
            );
        }
        text
    }
}

/// Replaces everything but letters, digits and safe punctuation by Mermaid's entities: quotes end a label, backticks
/// begin Markdown, tags are HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            ' ' | '-' | '_' | '.' | ',' | ':' | '×' | '…' | '+' => escaped.push(c),
            c if c.is_alphanumeric() => escaped.push(c),
            c => escaped += &format!("#{};", u32::from(c)),
        }
    }
    escaped
}
