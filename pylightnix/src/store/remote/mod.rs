//! Remotes: places outside of this machine where a group keeps results. See [`Remote`].
//!
//! A remote is a set of objects that never change: segments of an index, packs and blobs. Everything but a root is named by the digest of
//! its bytes, and nothing is believed: what arrives is compared with the references that were asked for before any of it is published.
//! Putting a segment is the commit of a push. What a push that died has put before that is named by nothing.
//!
//! Data flows one way: `line` and `segment` know texts, `pack` knows bytes, `backend` and its kinds know objects, `objects` asks them,
//! `index` reads what a remote has, and `push`, `pull`, `verify` and `gc` are what is done with it. `gone` is how those who push and those who collect
//! garbage come to terms.

mod ahead;
#[cfg(feature = "remote")]
mod asynchronous;
#[cfg(feature = "remote")]
mod aws_profile;
mod backend;
mod blobs;
#[cfg(feature = "remote")]
mod cloud;
mod code;
#[cfg(feature = "remote")]
mod connector;
mod content;
mod escape;
mod fetch;
mod folder;
mod gather;
mod gc;
mod gone;
mod has;
#[cfg(feature = "fetch")]
mod http;
mod impatient;
mod index;
mod line;
mod objects;
mod offers;
mod pack;
mod partial;
mod pull;
mod push;
mod ranges;
mod records;
mod segment;
mod settings;
mod stage;
#[cfg(feature = "remote")]
mod upload;
mod verify;

pub use backend::{Backend, Object, ObjectReader};
#[cfg(feature = "remote")]
pub use cloud::CloudBackend;
pub use content::{RemoteRealization, RemoteRoot};
pub(crate) use fetch::use_in_runs;
pub use folder::FolderBackend;
pub use gc::{ObjectCount, RemoteCollected, RemoteGc};
#[cfg(feature = "fetch")]
pub use http::HttpBackend;
pub use objects::Remote;
pub(crate) use offers::{Listed, ListedBuild, Offers, Published, RemoteView, is_here};
pub use pull::{Pull, Pulled};
pub use push::{Push, Pushed, Transfer};
pub use verify::{Hole, Verified};
