//! Files from servers.

mod address;
mod answer;
mod download;
mod forward;
mod netrc;
mod pace;
mod partial;
mod secrets;

use std::collections::BTreeMap;

use crate::config::Digest;
use crate::lens::{Build, SelfRef};
use crate::plan::{ConfigCheck, DRef, instantiate};
use crate::{Config, Result, stage};
use address::checked;
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
///
/// # Servers that ask who you are
///
/// A user or a password in an address is an error: addresses are written into configs, messages and archives. A server gets
/// the user and the password that `~/.netrc`, or the file that `$NETRC` names, has for it; or [`headers`](Self::headers), whose
/// values come from the environment:
///
/// ```
/// # use pylightnix::prelude::*;
/// # use pylightnix::stages::Fetched;
/// # let sha256 = "8d99142afd92576f30b0cd7cb42a8dc6809998bc5d607d88761f512e26c7db20";
/// let weights = instantiate(Fetched {
///     headers: [("Authorization".to_owned(), "Bearer $HF_TOKEN".to_owned())].into(),
///     ..Fetched::new("https://huggingface.co/ada/model/resolve/main/weights.bin".to_owned(), sha256.parse()?)
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
    /// The most bytes that the file may have: 10 GiB, unless it is said. A server that states more is not read at all.
    #[config(default = 10 << 30, unhashed)]
    pub limit: u64,
    /// How many bytes a second a server has to send, on average over five seconds, or over `patience` if that is longer. One
    /// that is slower is given up, and a try that brought less does not count as one that brought the file further.
    #[config(default = 100, unhashed)]
    pub pace: u64,
    /// For how many seconds all of it may go on, waits and tries included: a day, unless it is said. What has arrived by then
    /// is kept for the next run.
    #[config(default = 86_400.0, unhashed)]
    pub within: f64,
    /// Headers for requests to the server of `url`, by their names. `$NAME` and `${NAME}` in a value stand for variables of
    /// the environment, which are read when it is fetched and written nowhere; `$$` is a dollar. Mirrors on other servers
    /// do not get them, and neither does whom a server sends this to.
    #[config(default, unhashed)]
    pub headers: BTreeMap<String, String>,
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
/// An address that is none, is of another protocol, or has a user or a password in it; a `sha256` that is none.
pub fn fetch_url(url: &str, sha256: &str) -> Result<DRef<Fetched>> {
    checked(url)?;
    instantiate(Fetched::new(url.to_owned(), sha256.parse()?))
}

inventory::submit! {
    ConfigCheck(|config| match config.downcast_ref::<Fetched>() {
        Some(fetched) => fetched.check(),
        None => Ok(()),
    })
}

impl Fetched {
    fn check(&self) -> Result<()> {
        let all = self.mirrors.iter().chain([&self.url]);
        all.map(|url| checked(url))
            .try_for_each(|uri| uri.map(drop))
    }
}

#[stage(name = "fetch-url", version = 1)]
fn fetch(b: &Build<Fetched>) -> Result<()> {
    Download::new(b)?.run()
}
