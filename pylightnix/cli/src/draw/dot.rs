//! Writes a picture for Graphviz: <https://graphviz.org/doc/info/lang.html>.

use super::colours::palette;
use super::model::Picture;

impl Picture {
    /// Writes the picture in DOT, the language of Graphviz.
    pub fn dot(&self) -> String {
        let mut text = String::from(
            "digraph pylightnix {\n  node [shape=box, style=\"rounded,filled\", fontname=\"monospace\", fontsize=11];\n  \
             edge [color=\"#7d8590\", arrowsize=0.7];\n",
        );
        for (at, one) in self.boxes.iter().enumerate() {
            let colours = palette(one.state()).light;
            text += &format!("  n{at} [label=\"{}\"", quoted(&one.lines().join("\n")));
            text += &format!(
                ", fillcolor=\"{}\", color=\"{}\", fontcolor=\"{}\"",
                colours.fill, colours.line, colours.text
            );
            // Graphviz unescapes tooltips twice, so that a backslash cannot be written.
            if !one.tooltip.is_empty() {
                text += &format!(", tooltip=\"{}\"", quoted(&one.tooltip.replace('\\', "⧵")));
            }
            text += "];\n";
        }
        for (from, into) in &self.edges {
            text += &format!("  n{from} -> n{into};\n");
        }
        text + "}\n"
    }
}

/// Escapes text for quotes, where a backslash begins an escape and an ampersand an entity.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        match c {
            '"' => quoted += "\\\"",
            '\\' => quoted += "\\\\",
            '\n' => quoted += "\\n",
            '&' => quoted += "&amp;",
            c => quoted.push(c),
        }
    }
    quoted
}
