//! Files from servers.

mod answer;
mod download;
mod partial;

use ureq::http::Uri;

use crate::config::Digest;
use crate::lens::{Build, SelfRef};
use crate::plan::{DRef, instantiate};
use crate::{BoxError, Config, Error, ErrorKind, Result, stage};
use download::Download;

/// A file from a server: what [`fetch_url`] makes.
///
/// Its identity is the address and the sha256. How it is fetched does not count; say it by struct update:
///
/// ```
/// # use pylightnix::prelude::*;
/// use pylightnix::stages::Fetched;
///
/// # let sha256 = "8d99142afd92576f30b0cd7cb42a8dc6809998bc5d607d88761f512e26c7db20";
/// let hello = instantiate(Fetched {
///     mirrors: vec!["https://ftp.gnu.org/gnu/hello/hello-2.12.tar.gz".to_owned()],
///     patience: 10.0,
///     ..Fetched::new("https://ftpmirror.gnu.org/hello/hello-2.12.tar.gz".to_owned(), sha256.parse()?)
/// })?;
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[derive(Config)]
pub struct Fetched {
    /// The file.
    #[selfref("content")]
    pub out: SelfRef,
    /// Its address, `http://..` or `https://..`; the sha256 proves what comes, whoever sends it. When the file moves, let this
    /// stay, and give the new address as a mirror: then it is the same derivation.
    pub url: String,
    /// The sha256 that it must have.
    pub sha256: Digest,
    /// Other addresses of the same file: nearer or quicker ones, which are asked in order before `url` is.
    #[config(default, unhashed)]
    pub mirrors: Vec<String>,
    /// How often all addresses are tried; those tries that bring the file further are not counted.
    #[config(default = 5, unhashed)]
    pub tries: u32,
    /// The seconds to wait before the second try. It doubles with each, up to a minute; a server may ask for more, up to
    /// that.
    #[config(default = 1.0, unhashed)]
    pub wait: f64,
    /// For how many seconds a server may send nothing before it is given up.
    #[config(default = 30.0, unhashed)]
    pub patience: f64,
    /// The most bytes that the file may have.
    #[config(default = 1 << 40, unhashed)]
    pub limit: u64,
}

/// A file from a server as a derivation. `sha256` is 64 hex digits, as `sha256sum` prints them: what comes must have it.
///
/// What a broken connection left is kept in the store's `cache/`, and the next try, or the next run, goes on from there if
/// the server can do that. [`Fetched`] has more to say: mirrors, tries, waits.
///
/// ```no_run
/// use pylightnix::prelude::*;
/// use pylightnix::stages::{Fetched, fetch_url};
///
/// #[derive(Config)]
/// struct Train {
///     #[selfref("model.json")]
///     out: SelfRef<Json<Vec<f64>>>,
///     #[dref]
///     data: DRef<Fetched>,
/// }
///
/// # #[stage]
/// # fn train(b: &Build<Train>) -> Result<TrainOutputs> {
/// #     Ok(TrainOutputs { out: b.out.save(&vec![std::fs::metadata(b.data.out.path())?.len() as f64])? })
/// # }
/// # fn main() -> Result<()> {
/// let data = fetch_url(
///     "https://example.org/data.csv",
///     "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
/// )?;
/// let model = Store::open_default()?.realize(&instantiate(Train::new(data))?)?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// An address that is none, or of another protocol; a `sha256` that is none.
pub fn fetch_url(url: &str, sha256: &str) -> Result<DRef<Fetched>> {
    checked(url)?;
    instantiate(Fetched::new(url.to_owned(), sha256.parse()?))
}

/// Checks that this is an address from which something can be fetched.
fn checked(url: &str) -> Result<Uri> {
    let fault = |why: &str| {
        Error::new(
            ErrorKind::Config,
            format!("cannot fetch from {url:?}: {why}"),
        )
        .help("give an address that begins with `https://` or `http://`")
    };
    let uri: Uri = url
        .parse()
        .map_err(|error| fault("it is no address").because(BoxError::from(error)))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        (Some(other), _) if other != "http" && other != "https" => Err(fault(&format!(
            "`{other}` is a protocol that is not known here"
        ))),
        _ => Err(fault("it names no server")),
    }
}

#[stage(name = "fetch-url", version = 1)]
fn fetch(b: &Build<Fetched>) -> Result<()> {
    Download::new(b)?.run()
}
