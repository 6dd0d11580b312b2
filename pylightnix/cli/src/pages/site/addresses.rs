//! The files of addresses, and pages with links to files in the place of addresses.

use base64::Engine as _;
use std::collections::BTreeSet;

use crate::pages::model::Query;
use crate::pages::views::SCRIPTS_OF_FILES;
use pylightnix::config::{Digest, RRefId};

/// Endings of artifacts that no host serves as a page or a script.
const HARMLESS: [&str; 14] = [
    "png", "jpg", "jpeg", "gif", "webp", "avif", "bmp", "txt", "log", "csv", "tsv", "json", "npy",
    "npz",
];

/// The most pages of a table, of 100 rows each.
const PAGES: usize = 100;

/// The path of a file in the site.
pub(super) type File = String;

/// The address of a page, without its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) path: String,
    pub(super) query: String,
}

/// The files of addresses.
pub(super) struct Names<'a> {
    /// The realizations that have pages.
    pub(super) shown: &'a BTreeSet<RRefId>,
}

impl Address {
    pub(super) fn parse(text: &str) -> Self {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
        Address {
            path: path.into_owned(),
            query: query.to_owned(),
        }
    }

    /// Returns whether this is a file of the pages themselves.
    pub(super) fn is_own(&self) -> bool {
        let name = self.path.trim_start_matches('/');
        let is_script = |(script, _): &(&str, &str)| *script == name;
        ["style.css", "page.js", "icon.svg"].contains(&name)
            || SCRIPTS_OF_FILES.iter().any(is_script)
    }

    /// Returns the realization and the path of an artifact, if this is the address of its bytes.
    pub(super) fn bytes(&self) -> Option<(RRefId, &str)> {
        let (rref, path) = self.path.strip_prefix("/raw/")?.split_once('/')?;
        Some((rref.parse().ok()?, path))
    }
}

impl Names<'_> {
    /// Returns the file of an address; `None` for what a site does not have.
    pub(super) fn file(&self, address: &Address) -> Option<File> {
        let parts: Vec<&str> = address
            .path
            .trim_start_matches('/')
            .splitn(4, '/')
            .collect();
        let is_shown = |rref: &str| {
            rref.parse::<RRefId>()
                .is_ok_and(|rref| self.shown.contains(&rref))
        };
        let query = Query::parse(&address.query);
        let is_plain = query.others(&["page"]).next().is_none();
        let page = match query.number("page", 1) {
            1 => String::new(),
            // Rows after the first 10,000 are for `serve`.
            page if page > PAGES => return None,
            // A dot is in no name, so that no stage has a name like a page of another one.
            page => format!(".{page}"),
        };
        Some(match parts.as_slice() {
            [name] if address.is_own() => (*name).to_owned(),
            _ if !is_plain => return None,
            [""] => "index.html".to_owned(),
            ["graph"] => "graph.html".to_owned(),
            ["runs"] => "runs.html".to_owned(),
            ["search"] => "search.html".to_owned(),
            ["run", id] => format!("run/{}.html", plain(id)?),
            // Scripts show the other rows.
            ["stage", _] if !page.is_empty() => return None,
            ["stage", name] => format!("stage/{}.html", plain(name)?),
            ["r", rref] if is_shown(rref) => format!("r/{}.html", plain(rref)?),
            ["r", rref, "a", path] if is_shown(rref) => {
                format!("a/{}{page}.html", digest(&format!("{rref}/{path}")))
            }
            ["raw", rref, ..] if is_shown(rref) => {
                let path = address.path.strip_prefix("/raw/")?;
                let name = path.rsplit('/').next().unwrap_or_default();
                let end = name
                    .rsplit_once('.')
                    .map(|(_, end)| end.to_ascii_lowercase());
                let end = end.filter(|end| HARMLESS.contains(&end.as_str()));
                format!("files/{}.{}", digest(path), end.as_deref().unwrap_or("bin"))
            }
            _ => return None,
        })
    }

    /// Returns a page with links to files. `take` says whether there is a file; a link to what is not there goes. `inline` gives
    /// the bytes of a picture that is in the page itself.
    pub(super) fn rewritten(
        &self,
        html: &str,
        file: &str,
        take: &mut dyn FnMut(Address, &str) -> bool,
        inline: &dyn Fn(&RRefId, &str) -> Option<Vec<u8>>,
    ) -> String {
        let up = "../".repeat(file.matches('/').count());
        let mut written = String::with_capacity(html.len());
        let mut rest = html;
        // Quotes are escaped in all text, so that these are attributes.
        while let Some((at, key)) = next_attribute(rest) {
            let begin = at + key.len() - 1;
            let end = rest[begin..]
                .find('"')
                .map_or(rest.len(), |end| begin + end);
            let text = rest[begin..end].replace("&amp;", "&");
            let address = Address::parse(&text);
            written += &rest[..at];
            let picture = address.bytes().filter(|_| key == SRC);
            let picture = picture.and_then(|(rref, path)| inline(&rref, path));
            if let Some(bytes) = picture {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                written += &format!("{SRC_OPEN}data:image/svg+xml;base64,{text}\"");
            } else if let Some(to) = self.file(&address)
                && take(address, &text)
            {
                written += &format!("{}{up}{to}\"", key.trim_end_matches('/'));
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        written + rest
    }
}

const SRC: &str = " src=\"/";
const SRC_OPEN: &str = " src=\"";

/// Returns the next attribute with an address of this server, and where it begins.
fn next_attribute(html: &str) -> Option<(usize, &'static str)> {
    let keys = [" href=\"/", SRC, " data-live=\"/", " action=\"/"];
    let found = keys.iter().filter_map(|key| Some((html.find(key)?, *key)));
    found.min()
}

/// Returns a name that is a name of a file on every system, with `:` as `-`.
pub(super) fn plain(name: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    let is_name = !name.starts_with('.') && name.chars().all(is_plain);
    is_name.then(|| name.replace(':', "-"))
}

/// Returns the beginning of the digest of a text.
fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()[..24].to_owned()
}
