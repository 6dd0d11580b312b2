//! Plain fields of configs.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::TypeId;

/// The type of a field without `#[selfref]` and `#[dref]`.
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

/// Returns whether all values of `T` are known to survive a round trip through JSON.
pub(crate) fn is_exact<T: 'static>() -> bool {
    macro_rules! is_one_of {
        ($($type:ty),*) => {
            [$(
                TypeId::of::<$type>(),
                TypeId::of::<Option<$type>>(),
                TypeId::of::<Vec<$type>>(),
                TypeId::of::<Option<Vec<$type>>>(),
                TypeId::of::<Vec<Option<$type>>>(),
                TypeId::of::<Vec<Vec<$type>>>()
            ),*]
            .contains(&TypeId::of::<T>())
        };
    }
    is_one_of!(
        bool, char, String, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128,
        usize
    )
}
