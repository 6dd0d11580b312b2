//! Downloads as derivations.

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
use crate::store::check_path;
use crate::{Config, Error, ErrorKind, Result, stage};
use address::Place;
use download::Download;

/// The config of a downloaded file, made by [`fetch_url`].
///
/// Its identity is the URL and the SHA-256 digest. Options of the download are not part of it; set them by struct update:
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
/// # Servers with authentication
///
/// A user or a password in a URL is an error, because URLs are written into configs, messages and archives. Users and
/// passwords of servers come from `~/.netrc`, or from the file that `$NETRC` names; tokens come from the environment by
/// [`headers`](Self::headers):
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
#[derive(Config, Debug)]
pub struct Fetched {
    /// The file, or the folder with it, if it has a [`file_name`](Self::file_name).
    #[selfref("content")]
    pub out: SelfRef,
    /// The URL, `http://..`, `https://..`, or `file:///..` for a file of this machine. The digest authenticates the file, even over `http`. If the file moves, keep
    /// this URL and add the new one as a mirror, so that the derivation stays the same.
    pub url: String,
    /// The expected SHA-256 digest.
    pub sha256: Digest,
    /// The name that the file keeps: the artifact `out` is then a folder with this file in it, for programs that go by names. It is part of
    /// the identity, if there is one.
    #[config(default, omit_default)]
    pub file_name: Option<String>,
    /// Other URLs of the same file, which are tried in order before `url`.
    #[config(default, unhashed)]
    pub mirrors: Vec<String>,
    /// The number of rounds in which all URLs are tried. Rounds that make progress are not counted.
    #[config(default = 5, unhashed)]
    pub tries: u32,
    /// The seconds to wait before the second round. The wait doubles with each round, up to a minute; a server may ask for a
    /// longer wait, up to a minute too.
    #[config(default = 1.0, unhashed)]
    pub wait: f64,
    /// The seconds without any data after which a request fails.
    #[config(default = 30.0, unhashed)]
    pub patience: f64,
    /// The maximal size of the file in bytes, 10 GiB by default. If a server announces more, nothing is downloaded.
    #[config(default = 10 << 30, unhashed)]
    pub limit: u64,
    /// The minimal speed in bytes per second, on average over five seconds, or over `patience` if that is longer. Slower
    /// requests fail, and do not count as progress.
    #[config(default = 100, unhashed)]
    pub pace: u64,
    /// The time limit of the whole download in seconds, including waits, a day by default. The next run resumes the
    /// download.
    #[config(default = 86_400.0, unhashed)]
    pub within: f64,
    /// Headers for requests to the server of `url`. In values, `$NAME` and `${NAME}` stand for environment variables, which
    /// are read at run time and written nowhere; `$$` is a dollar sign. The headers are not sent to mirrors on other
    /// servers, and not after redirects to other servers.
    #[config(default, unhashed)]
    pub headers: BTreeMap<String, String>,
}

/// Makes a derivation from the URL of a file and its SHA-256 digest: 64 hex digits, as `sha256sum` prints them.
///
/// An interrupted download is kept in the store's `cache/`, and the next attempt or the next run resumes it if the server
/// supports that. For options such as mirrors, see [`Fetched`].
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
/// The URL is not valid, has another protocol, or contains a user or a password; or `sha256` is not a valid digest.
pub fn fetch_url(url: &str, sha256: &str) -> Result<DRef<Fetched>> {
    Place::of(url)?;
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
        if let Some(name) = &self.file_name
            && (name.contains('/') || check_path(name).is_err())
        {
            let message = format!("a fetched file cannot have the name {name:?}");
            return Err(Error::new(ErrorKind::Config, message).with_help(
                "give a name without `/`, as `words.txt`: it becomes that of the file in the artifact",
            ));
        }
        let all = self.mirrors.iter().chain([&self.url]);
        all.map(|url| Place::of(url))
            .try_for_each(|place| place.map(drop))
    }
}

#[stage(name = "fetch-url", version = 1)]
fn fetch(b: &Build<Fetched>) -> Result<()> {
    Download::new(b)?.run()
}
