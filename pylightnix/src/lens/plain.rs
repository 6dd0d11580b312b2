//! Fields that are plain data.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a config's field without `#[selfref]` and `#[dref]` can be.
///
/// Implemented for every type that is `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a plain field of a config",
    label = "not plain data",
    note = "plain fields are `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`: \
            `#[derive(Clone, Serialize, Deserialize)]` on the type makes it one",
    note = "a dependency takes `#[dref]`, an artifact that the stage makes takes `#[selfref(\"path\")]`"
)]
pub trait Plain: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Plain for T {}
