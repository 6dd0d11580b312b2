//! Locates the code blocks and their results in a Markdown document.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag};

/// The info string of a block of results.
const OUTPUT: &str = "output";

/// A fenced code block of a document.
#[derive(Debug, PartialEq)]
pub struct CodeBlock {
    /// The first word of its info string.
    pub language: String,
    /// The code.
    pub code: String,
    /// The line of its beginning, from 1.
    pub line: usize,
    /// Where its results belong: after it, or in place of existing results.
    place: Range<usize>,
}

/// Returns the code blocks of a document in order, without blocks of results. Blocks inside lists and quotes are skipped,
/// because inserted text would have to be indented.
pub fn code_blocks(document: &str) -> Vec<CodeBlock> {
    let mut blocks: Vec<CodeBlock> = Vec::new();
    let mut depth = 0;
    let mut inside = false;
    for (event, range) in Parser::new(document).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) if depth == 0 => {
                let language = info.split_whitespace().next().unwrap_or_default();
                // A block that is not closed at the end of the document may have no line break.
                let end = range.end;
                if language == OUTPUT {
                    if let Some(block) = blocks.last_mut()
                        && document[block.place.end..range.start].trim().is_empty()
                    {
                        block.place.end = end;
                    }
                } else {
                    inside = true;
                    blocks.push(CodeBlock {
                        language: language.to_owned(),
                        code: String::new(),
                        line: document[..range.start].matches('\n').count() + 1,
                        place: end..end,
                    });
                }
                depth += 1;
            }
            Event::Start(_) => depth += 1,
            Event::End(_) => {
                depth -= 1;
                inside = false;
            }
            Event::Text(text) if inside => {
                if let Some(block) = blocks.last_mut() {
                    block.code += &text;
                }
            }
            _ => {}
        }
    }
    blocks
}

/// Returns the document with these results, each for one of its blocks: below the block, in place of existing results. An
/// empty result has no block.
pub fn with_outputs(document: &str, outputs: &[(&CodeBlock, String)]) -> String {
    let mut text = String::new();
    let mut at = 0;
    for (block, output) in outputs {
        text += &document[at..block.place.start];
        at = block.place.end;
        if output.is_empty() {
            continue;
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let fence = fence_around(output);
        text += &format!("\n{fence}{OUTPUT}\n{output}");
        if !output.ends_with('\n') {
            text.push('\n');
        }
        text += &fence;
        if document[at..].is_empty() {
            text.push('\n');
        }
    }
    text + &document[at..]
}

/// Returns a fence of more backticks than occur in the text.
fn fence_around(text: &str) -> String {
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(document: &str, outputs: &[&str]) -> String {
        let blocks = code_blocks(document);
        assert_eq!(blocks.len(), outputs.len(), "{blocks:?}");
        let outputs = outputs.iter().map(|&output| output.to_owned());
        with_outputs(document, &blocks.iter().zip(outputs).collect::<Vec<_>>())
    }

    #[test]
    fn results_go_below_their_block_and_stay_there() {
        let plain = "# A\n\n```sh\necho a\n```\n\ntext\n\n~~~ python x\nprint(1)\n\n~~~";
        let first = run(plain, &["a\n", "1"]);
        assert_eq!(
            first,
            "# A\n\n```sh\necho a\n```\n\n```output\na\n```\n\ntext\n\n~~~ python x\nprint(1)\n\n~~~\n\n```output\n1\n```\n"
        );
        assert_eq!(run(&first, &["a\n", "1"]), first);
        assert_eq!(
            run(&first, &["b\n", ""]),
            "# A\n\n```sh\necho a\n```\n\n```output\nb\n```\n\ntext\n\n~~~ python x\nprint(1)\n\n~~~"
                .to_owned()
                + "\n"
        );
        let blocks = code_blocks(&first);
        assert_eq!(blocks[1].language, "python");
        assert_eq!(blocks[1].code, "print(1)\n\n");
        assert_eq!(blocks[1].line, 13);
    }

    #[test]
    fn results_with_fences_are_fenced_by_longer_ones() {
        let first = run("```sh\nx\n```\n", &["```\n````\n"]);
        assert_eq!(first, "```sh\nx\n```\n\n`````output\n```\n````\n`````\n");
        assert_eq!(
            run(&first, &["a\n"]),
            "```sh\nx\n```\n\n```output\na\n```\n"
        );
    }

    #[test]
    fn other_text_is_left_alone() {
        let nested = "- a\n\n  ```sh\n  echo\n  ```\n\n> ```sh\n> x\n> ```\n\n    indented\n\n```output\nalone\n```\n";
        assert_eq!(run(nested, &[]), nested);
        let far = "```sh\nx\n```\n\ntext\n\n```output\nfar\n```\n";
        assert_eq!(
            run(far, &["a\n"]),
            "```sh\nx\n```\n\n```output\na\n```\n\ntext\n\n```output\nfar\n```\n"
        );
    }
}
