//! Markdown from outside: no HTML in it is HTML, no picture is loaded, and links lead to other sites alone.

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

pub(super) fn markdown(text: &str) -> Markup {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let events = Parser::new_ext(text, options).filter_map(|event| {
        Some(match event {
            Event::Html(text) | Event::InlineHtml(text) | Event::Text(text) => escaped(&text),
            Event::Code(text) => {
                let text = html! { code { (&*text) } }.into_string();
                Event::InlineHtml(text.into())
            }
            // What is said of a picture stays.
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => return None,
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }) => {
                let is_web = dest_url.starts_with("https://") || dest_url.starts_with("http://");
                Event::Start(Tag::Link {
                    link_type,
                    dest_url: if is_web {
                        dest_url
                    } else {
                        CowStr::from("#main")
                    },
                    title,
                    id,
                })
            }
            event => event,
        })
    });
    let mut written = String::new();
    pulldown_cmark::html::push_html(&mut written, events);
    html! { article.markdown { (PreEscaped(written)) } }
}

/// Returns a text with its quotes escaped, too: what looks like an attribute in a page has to be one.
fn escaped(text: &str) -> Event<'static> {
    Event::InlineHtml(html! { (text) }.into_string().into())
}
