//! Tomorrow.

use pylightnix::prelude::*;

use crate::daily::Daily;
use crate::log;

/// Days to learn from, and days to be tested with.
#[derive(Config)]
pub struct Split {
    #[selfref("learn.json")]
    pub learn: SelfRef<Json<Vec<f64>>>,
    #[selfref("test.json")]
    pub test: SelfRef<Json<Vec<f64>>>,
    #[dref]
    pub daily: DRef<Daily>,
    pub held_out: u32,
}

#[stage]
fn split(b: &Build<Split>) -> Result<SplitOutputs> {
    let days: Vec<f64> = b.daily.days.load()?.into_values().collect();
    let at = days.len().saturating_sub(b.held_out as usize);
    Ok(SplitOutputs {
        learn: b.learn.save(&days[..at].to_vec())?,
        test: b.test.save(&days[at..].to_vec())?,
    })
}

/// How a day follows from the day before.
#[derive(Config)]
pub struct Train {
    #[selfref("model.json")]
    pub model: SelfRef<Json<Model>>,
    #[dref]
    pub split: DRef<Split>,
}

/// A day is so much of the day before, and so much more.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Model {
    pub keep: f64,
    pub add: f64,
}

impl Model {
    fn next(&self, today: f64) -> f64 {
        self.keep * today + self.add
    }
}

const STEPS: u32 = 200;
const RATE: f64 = 0.001;

#[stage(untracked(log::note))]
fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    let days = b.split.learn.load()?;
    let mut model = Model::default();
    for _ in 0..STEPS {
        descend(&mut model, &days);
    }
    log::note("trained");
    Ok(TrainOutputs {
        model: b.model.save(&model)?,
    })
}

fn descend(model: &mut Model, days: &[f64]) {
    for pair in days.windows(2) {
        let wrong = model.next(pair[0]) - pair[1];
        model.keep -= RATE * wrong * pair[0];
        model.add -= RATE * wrong;
    }
}

/// How wrong the model is on days that it has not seen.
#[derive(Config)]
pub struct Score {
    #[selfref("score.json")]
    pub score: SelfRef<Json<f64>>,
    #[dref]
    pub train: DRef<Train>,
}

#[stage]
fn score(b: &Build<Score>) -> Result<ScoreOutputs> {
    let days = b.train.split.test.load()?;
    let model = b.train.model.load()?;
    let wrong: Vec<f64> = days
        .windows(2)
        .map(|pair| model.next(pair[0]) - pair[1])
        .collect();
    Ok(ScoreOutputs {
        score: b.score.save(&stats::rms(&wrong))?,
    })
}
