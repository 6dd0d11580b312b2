//! Parameters by another name of the library, with raw identifiers, generic, and beside a config.

mod lab {
    pub use pylightnix as nix;
}

use lab::nix::experiment::ParamList;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(lab::nix::Params, Clone)]
#[param(crate = lab::nix)]
struct Settings<T>
where
    T: Serialize + DeserializeOwned + Default + 'static,
{
    /** A type */
    #[param(default)]
    r#type: T,
    #[param(nested)]
    none: Nothing,
    #[param(default = Kind::One)]
    kind: Kind,
    #[param(rename = "dry-run")]
    list: Option<Vec<String>>,
}

#[derive(lab::nix::Params, Clone)]
#[param(crate = lab::nix)]
struct Nothing;

#[derive(lab::nix::ParamEnum, Clone, Serialize, Deserialize)]
#[param(crate = lab::nix)]
enum Kind {
    One,
}

fn main() {
    let list = ParamList::of::<Settings<u64>>();
    assert_eq!(list.get("type").map(|param| &param.doc[..]), Some("A type"));
    let Settings {
        r#type,
        none: Nothing,
        kind: Kind::One,
        list,
    } = pylightnix::experiment::ParamSources::new()
        .resolve::<Settings<u64>>()
        .and_then(|resolved| resolved.read::<Settings<u64>>())
        .expect("defaults");
    assert_eq!((r#type, list), (0, None));
}
