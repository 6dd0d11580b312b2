//! The frame of every page.

use maud::{DOCTYPE, Markup, html};

use super::SCRIPTS_OF_FILES;

/// A page without its frame.
pub(crate) struct Page {
    pub(crate) title: String,
    /// The part of the pages to which it belongs, as in the menu.
    pub(crate) part: &'static str,
    pub(crate) body: Markup,
}

const MENU: [(&str, &str); 3] = [("Stages", "/"), ("Graph", "/graph"), ("Runs", "/runs")];

/// What a page of a site may load: files beside it, and images that are in it. In a file, `'self'` means nothing to some browsers.
const POLICY: &str = "default-src 'none'; style-src 'self' file:; script-src 'self' file:; img-src 'self' file: data:; base-uri 'none'; \
                      form-action 'none'";

/// Writes a page that a server sends. `store` is the path of the store.
pub(crate) fn framed(store: &str, page: &Page) -> String {
    let name = store.rsplit('/').next().unwrap_or(store);
    let foot = html! { "Read from " code { (store) } ", which these pages never change." };
    whole(name, page, &[], &foot)
}

/// Writes a page of a site. `store` is the name of the store.
pub(crate) fn framed_as_file(store: &str, page: &Page) -> String {
    let foot = html! {
        "Written by " code { "pylightnix site" } ". What these files cannot do, " code { "pylightnix serve" }
        " does with the store: files side by side, graphs of any result, and runs as they go on."
        noscript { " Without scripts, tables have the newest rows alone, and there is no search." }
    };
    let scripts: Vec<&str> = SCRIPTS_OF_FILES.iter().map(|(name, _)| *name).collect();
    whole(store, page, &scripts, &foot)
}

/// Writes a page; `scripts` are those that a page in a file has beside that of all pages.
fn whole(name: &str, page: &Page, scripts: &[&str], foot: &Markup) -> String {
    let Page { title, part, body } = page;
    let is_file = !scripts.is_empty();
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                @if is_file { meta http-equiv="Content-Security-Policy" content=(POLICY); }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (name) }
                link rel="icon" href="/icon.svg";
                link rel="stylesheet" href="/style.css";
                script src="/page.js" defer {}
                @for script in scripts { script src={ "/" (script) } defer {} }
            }
            body .file[is_file] {
                a.skip href="#main" { "Skip to the content" }
                header {
                    a.home href="/" { span.mark aria-hidden="true" {} (name) }
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
                footer { (foot) }
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
