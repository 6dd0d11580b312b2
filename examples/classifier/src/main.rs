//! A nondeterministic classifier, trained ten times: the best run is chosen and evaluated.
//!
//! The data is the Breast Cancer Wisconsin (Diagnostic) data set of the UCI repository, from the crate `smartcore`.

use pylightnix::prelude::*;
use serde::{Deserialize, Serialize};
use smartcore::dataset::breast_cancer;
use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::metrics::accuracy;

type Forest = RandomForestClassifier<f32, u32, DenseMatrix<f32>, Vec<u32>>;

/// Cases: their features, and whether they were benign.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cases {
    features: Vec<Vec<f32>>,
    classes: Vec<u32>,
}

impl Cases {
    fn matrix(&self) -> Result<DenseMatrix<f32>> {
        Ok(DenseMatrix::from_2d_vec(&self.features)?)
    }

    /// The fraction of the cases that a forest classifies correctly.
    fn accuracy(&self, forest: &Forest) -> Result<f64> {
        Ok(accuracy(&self.classes, &forest.predict(&self.matrix()?)?))
    }
}

// ANCHOR: data
/// The cases in three parts: for training, for selection and for testing.
#[derive(Config)]
struct Data {
    #[selfref("train.json")]
    train: SelfRef<Json<Cases>>,
    #[selfref("choose.json")]
    choose: SelfRef<Json<Cases>>,
    #[selfref("test.json")]
    test: SelfRef<Json<Cases>>,
}

#[stage]
fn data(b: &Build<Data>) -> Result<DataOutputs> {
    let all = breast_cancer::load_dataset();
    let mut order: Vec<usize> = (0..all.num_samples).collect();
    fastrand::Rng::with_seed(b.seed()).shuffle(&mut order);
    let cases = |part: &[usize]| Cases {
        features: part
            .iter()
            .map(|at| all.data[at * all.num_features..][..all.num_features].to_vec())
            .collect(),
        classes: part.iter().map(|at| all.target[*at]).collect(),
    };
    let (train, rest) = order.split_at(order.len() / 2);
    let (choose, test) = rest.split_at(rest.len() / 2);
    Ok(DataOutputs {
        train: b.train.save(&cases(train))?,
        choose: b.choose.save(&cases(choose))?,
        test: b.test.save(&cases(test))?,
    })
}
// ANCHOR_END: data

// ANCHOR: train
/// A random forest, and its accuracy on the selection cases.
#[derive(Config)]
struct Train {
    #[selfref("forest.json")]
    forest: SelfRef<Json<Forest>>,
    #[selfref("accuracy.json")]
    accuracy: SelfRef<Json<f64>>,
    #[dref]
    data: DRef<Data>,
    trees: u16,
    depth: u16,
}

#[stage(nouts = 10, matcher = highest(accuracy_of))]
fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    let train = b.data.train.load()?;
    let parameters = RandomForestClassifierParameters::default()
        .with_n_trees(b.trees)
        .with_max_depth(b.depth)
        .with_seed(b.seed());
    let forest = Forest::fit(&train.matrix()?, &train.classes, parameters)?;
    let accuracy = b.data.choose.load()?.accuracy(&forest)?;
    Ok(TrainOutputs {
        forest: b.forest.save(&forest)?,
        accuracy: b.accuracy.save(&accuracy)?,
    })
}

fn accuracy_of(run: &RRef<Train>) -> Result<f64> {
    Ok(run.accuracy.load()?)
}
// ANCHOR_END: train

// ANCHOR: judge
/// The accuracy of the best forest on the test cases, which no selection used.
#[derive(Config)]
struct Judge {
    #[selfref("accuracy.json")]
    accuracy: SelfRef<Json<f64>>,
    #[dref]
    best: DRef<Train>,
}

#[stage]
fn judge(b: &Build<Judge>) -> Result<JudgeOutputs> {
    let test = b.best.data.test.load()?;
    let accuracy = test.accuracy(&b.best.forest.load()?)?;
    Ok(JudgeOutputs {
        accuracy: b.accuracy.save(&accuracy)?,
    })
}
// ANCHOR_END: judge

// ANCHOR: main
fn main() -> Result<()> {
    let store = Store::open("_store")?;
    let best = instantiate(Train::new(instantiate(Data::new())?, 3, 4))?;
    let judge = instantiate(Judge::new(best.clone()))?;
    let (judge, report) = Realize::new(&store).run_reporting(&judge)?;
    println!("{report}");

    // The same derivation with another matcher: the other nine results exist too.
    for run in store.realize(&best.highest_n(10, accuracy_of))? {
        let chosen = if run == judge.best { " <- chosen" } else { "" };
        println!("{:.3}{chosen}", run.accuracy.load()?);
    }
    println!(
        "with cases that it never saw: {:.3}",
        judge.accuracy.load()?
    );
    Ok(())
}
// ANCHOR_END: main
