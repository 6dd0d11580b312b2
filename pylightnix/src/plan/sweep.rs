//! Sweeps: many derivations of a stage with different parameters, and labels for them.

use std::collections::{BTreeMap, HashMap};

use super::dref::{DRef, instantiate};
use super::node::AnyDRef;
use super::stage::Stage;
use super::target::Target;
use crate::config::{DRefId, Labelled, labels_of};
use crate::lens::{Cardinality, Config};
use crate::{Error, ErrorKind, Result};

/// Instantiates a stage for each of `points`; `config` makes a config from a point. See [`grid`] for points that are
/// all combinations of several parameters.
///
/// The result is a target, so one `realize` makes all of it, and a dependency for a field `Vec<DRef<C>>`, so one stage can
/// collect all results. [`labels`] names the derivations, and [`labelled`] makes a map of them, for a field
/// `BTreeMap<String, DRef<C>>`.
///
/// ```standalone_crate
/// use pylightnix::plan::{grid, labelled, sweep};
/// use pylightnix::prelude::*;
/// use std::collections::BTreeMap;
///
/// #[derive(Config)]
/// struct Train {
///     #[selfref("loss.json")]
///     loss: SelfRef<Json<f64>>,
///     rate: f64,
///     epochs: u32,
/// }
///
/// #[stage]
/// fn train(b: &Build<Train>) -> Result<TrainOutputs> {
///     Ok(TrainOutputs { loss: b.loss.save(&(b.rate / f64::from(b.epochs)))? })
/// }
///
/// /// The best run.
/// #[derive(Config)]
/// struct Best {
///     #[selfref("best.txt")]
///     best: SelfRef<Text>,
///     #[dref]
///     runs: BTreeMap<String, DRef<Train>>,
/// }
///
/// #[stage]
/// fn best(b: &Build<Best>) -> Result<BestOutputs> {
///     let mut best: Option<(f64, &String)> = None;
///     for (label, run) in &b.runs {
///         let loss = run.loss.load()?;
///         if best.is_none_or(|(lowest, _)| loss < lowest) {
///             best = Some((loss, label));
///         }
///     }
///     let (_, label) = best.ok_or("no runs")?;
///     Ok(BestOutputs { best: b.best.save(label)? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("store"))?;
/// let points = grid(([0.1, 0.5], [10, 20]));
/// let runs = sweep(points, |(rate, epochs)| Train::new(rate, epochs))?;
/// let best = store.realize(&instantiate(Best::new(labelled(&runs)?))?)?;
/// assert_eq!(best.best.load()?, "rate=0.1,epochs=20");
/// # Ok(()) }
/// ```
///
/// # Errors
/// The first error of [`instantiate`].
pub fn sweep<P, C, Q>(
    points: impl IntoIterator<Item = P>,
    config: impl FnMut(P) -> C,
) -> Result<Vec<DRef<C, Q>>>
where
    C: Stage<Card = Q>,
    Q: Cardinality,
{
    points.into_iter().map(config).map(instantiate).collect()
}

/// Returns all combinations of several parameters; the last one varies fastest: `grid(([0.1, 0.5], 1..=3))` begins with
/// `(0.1, 1), (0.1, 2)`.
///
/// ```
/// use pylightnix::plan::grid;
/// let points = grid((["sgd", "adam"], vec![0.1, 0.5], 1..=2));
/// assert_eq!(points.len(), 8);
/// assert_eq!(points[..3], [("sgd", 0.1, 1), ("sgd", 0.1, 2), ("sgd", 0.5, 1)]);
/// ```
pub fn grid<A: Axes>(axes: A) -> Vec<A::Point> {
    axes.points()
}

/// The parameters of a [`grid`]: a tuple of lists, arrays, ranges or other iterables.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the axes of a grid",
    label = "not a tuple of lists",
    note = "give a tuple with the values of each parameter: `grid(([0.1, 0.5], 1..=3))`; one alone is `([0.1, 0.5],)`"
)]
pub trait Axes {
    /// A tuple of one value of each parameter.
    type Point;

    #[doc(hidden)]
    fn points(self) -> Vec<Self::Point>;
}

macro_rules! tuple_axes {
    ($(($($axis:ident $at:tt),*))*) => {$(
        impl<$($axis: IntoIterator<Item: Clone>),*> Axes for ($($axis,)*) {
            type Point = ($($axis::Item,)*);

            fn points(self) -> Vec<Self::Point> {
                let axes = ($(self.$at.into_iter().collect::<Vec<_>>(),)*);
                let sizes = [$(axes.$at.len()),*];
                (0..sizes.iter().product())
                    .map(|number| {
                        let at = digits(number, sizes);
                        ($(axes.$at[at[$at]].clone(),)*)
                    })
                    .collect()
            }
        }
    )*};
}

tuple_axes! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

/// Converts a number to digits in a mixed radix: each digit is less than its size.
fn digits<const N: usize>(number: usize, sizes: [usize; N]) -> [usize; N] {
    let mut rest = number;
    let mut digits = sizes;
    for digit in digits.iter_mut().rev() {
        let size = *digit;
        *digit = rest % size;
        rest /= size;
    }
    digits
}

/// Returns a distinct label for each derivation of a target, in its order, made of the fields in which the configs differ,
/// as in `rate=0.1,epochs=10`. Fields that the JSON omits because they have their default are included. For a dependency
/// that differs, its own fields are shown. Labels that are still equal end with a part of the hash.
///
/// ```standalone_crate
/// # use pylightnix::plan::{labels, sweep};
/// # use pylightnix::prelude::*;
/// # #[derive(Config)] struct Data { size: u32 }
/// # #[stage] fn data(b: &Build<Data>) -> Result<()> { Ok(()) }
/// # #[derive(Config)] struct Plot { #[dref] data: DRef<Data>, color: String }
/// # #[stage] fn plot(b: &Build<Plot>) -> Result<()> { Ok(()) }
/// # fn main() -> Result<()> {
/// let data = sweep([10, 20], Data::new)?;
/// let plots = sweep(data, |data| Plot::new(data, "red".to_owned()))?;
/// assert_eq!(labels(&plots), ["size=10", "size=20"]); // and not: data=dref:..
/// # Ok(()) }
/// ```
pub fn labels<T: Target + ?Sized>(target: &T) -> Vec<String> {
    let mut all = Vec::new();
    target.visit(&mut |dref| all.push(dref.clone()));
    labels_among(&all)
}

/// Implements [`labels`].
pub(super) fn labels_among(all: &[AnyDRef]) -> Vec<String> {
    let mut known: HashMap<DRefId, AnyDRef> = HashMap::new();
    let labelled = |dref: &AnyDRef, known: &mut HashMap<DRefId, AnyDRef>| {
        dref.node().visit_deps(&mut |dep| {
            known.insert(dep.id().clone(), dep.clone());
        });
        Labelled {
            config: dref.config_json().clone(),
            omitted: dref.node().omitted().clone(),
        }
    };
    let configs: Vec<_> = all.iter().map(|dref| labelled(dref, &mut known)).collect();
    let ids: Vec<_> = all.iter().map(ToString::to_string).collect();
    labels_of(&configs, &ids, |dref| {
        let dref = known.get(dref)?.clone();
        Some(labelled(&dref, &mut known))
    })
}

/// Makes a map of derivations by their [`labels`]: a target, and a dependency for a field `BTreeMap<String, DRef<C>>`.
///
/// # Errors
/// The list contains a derivation twice, so that labels are not unique.
pub fn labelled<C: Config, Q: Cardinality>(
    drefs: &[DRef<C, Q>],
) -> Result<BTreeMap<String, DRef<C, Q>>> {
    let mut map = BTreeMap::new();
    for (label, dref) in labels(drefs).into_iter().zip(drefs) {
        if map.insert(label, dref.clone()).is_some() {
            return Err(
                Error::new(ErrorKind::Plan, format!("{dref} is in this list twice"))
                    .with_help("two points give the same config: remove one of them"),
            );
        }
    }
    Ok(map)
}
