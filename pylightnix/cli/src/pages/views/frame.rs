//! The frame of every page.

use maud::{DOCTYPE, Markup, html};

/// A page without its frame.
pub(crate) struct Page {
    pub(crate) title: String,
    /// The part of the pages to which it belongs, as in the menu.
    pub(crate) part: &'static str,
    pub(crate) body: Markup,
}

const MENU: [(&str, &str); 3] = [("Stages", "/"), ("Graph", "/graph"), ("Runs", "/runs")];

/// Writes a page. `store` is the name of the store.
pub(crate) fn framed(store: &str, page: &Page) -> String {
    let Page { title, part, body } = page;
    let name = store.rsplit('/').next().unwrap_or(store);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (name) }
                link rel="icon" href="/icon.svg";
                link rel="stylesheet" href="/style.css";
                script src="/page.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    a.home href="/" title=(store) { span.mark aria-hidden="true" {} (name) }
                    nav aria-label="Pages" {
                        @for (word, to) in MENU {
                            a href=(to) aria-current=[(word == *part).then_some("page")] { (word) }
                        }
                    }
                    form.search role="search" action="/search" {
                        label.hidden for="q" { "Search" }
                        input #q type="search" name="q" placeholder="Search: a name, a reference, rate < 0.1, tag:best";
                    }
                }
                main #main tabindex="-1" { (body) }
                footer { "Read from " code { (store) } ", which these pages never change." }
            }
        }
    };
    markup.into_string()
}

/// A page that says what went wrong.
pub(crate) fn fault(title: &str, text: &str) -> Page {
    Page {
        title: title.to_owned(),
        part: "",
        body: html! {
            h1 { (title) }
            pre.fault { (text) }
            p { a href="/" { "All stages of the store" } }
        },
    }
}
