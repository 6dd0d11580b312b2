//! An experiment with parameters.

use pylightnix::prelude::*;
use pylightnix_cli::App;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// What the experiment can be told.
#[derive(Params)]
struct Settings {
    /// How many clusters to look for
    #[param(default = 3)]
    clusters: usize,
    #[param(nested)]
    train: Train,
    /// How many threads to use
    #[param(default = 1)]
    threads: usize,
    /// Used by nothing
    #[param(rename = "dry-run", default)]
    dry_run: bool,
}

#[derive(Params)]
struct Train {
    /// The learning rate
    #[param(default = 0.1)]
    rate: f64,
    /// The size of the model
    #[param(default = Model::Small)]
    model: Model,
    title: Option<String>,
}

#[derive(ParamEnum, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Model {
    /// Fits in a second
    Small,
    VeryLarge,
}

/// A model.
#[derive(Config)]
pub struct Fit {
    #[selfref("fit.txt")]
    fit: SelfRef<Text>,
    rate: f64,
    model: Model,
    #[config(default = 1, unhashed)]
    threads: usize,
}

#[stage]
fn fit(b: &Build<Fit>) -> Result<FitOutputs> {
    Ok(FitOutputs {
        fit: b.fit.save(&format!("{}\n", b.rate))?,
    })
}

/// Its clusters.
#[derive(Config)]
pub struct Report {
    #[selfref("report.txt")]
    report: SelfRef<Text>,
    clusters: usize,
    #[dref]
    fit: DRef<Fit>,
}

#[stage]
fn report(b: &Build<Report>) -> Result<ReportOutputs> {
    let text = format!("{} clusters at {}", b.clusters, b.fit.fit.load()?);
    Ok(ReportOutputs {
        report: b.report.save(&text)?,
    })
}

fn model(settings: &Settings) -> Result<DRef<Fit>> {
    assert!(!settings.dry_run || settings.train.title.is_none());
    let Train { rate, model, .. } = settings.train;
    Ok(instantiate(Fit {
        threads: settings.threads,
        ..Fit::new(rate, model)
    })?)
}

fn main() -> ExitCode {
    App::new()
        .params::<Settings>()
        .target_with("report", |_, run| {
            let settings: Settings = run.params()?;
            Ok(instantiate(Report::new(
                settings.clusters,
                model(&settings)?,
            ))?)
        })
        .target_with("fit", |_, run| model(&run.params()?))
        .main()
}
