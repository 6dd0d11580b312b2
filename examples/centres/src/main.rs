//! Points that fall into clusters: the data decides how many, and a stage finds the centre of each.

use pylightnix::prelude::*;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

// ANCHOR: settings
/// What the experiment can be told.
#[derive(Params)]
struct Settings {
    /// How many points there are
    #[param(default = 90)]
    points: u32,
    /// How wide the gap between two clusters is
    #[param(default = 1.0)]
    gap: f64,
    #[param(nested)]
    descent: Descent,
}

/// How a centre is found.
#[derive(Params)]
struct Descent {
    /// The share of the way to go in each step
    #[param(default = 0.5)]
    rate: f64,
    /// How many steps there are
    #[param(default = 8)]
    steps: u64,
    /// Where to begin
    #[param(default = Start::Zero)]
    start: Start,
    /// How many threads to use
    #[param(default = 1)]
    threads: usize,
}

#[derive(ParamEnum, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Start {
    /// At zero
    Zero,
    /// At a point of the cluster
    FirstPoint,
}
// ANCHOR_END: settings

/// Points on a line.
#[derive(Config)]
struct Points {
    #[selfref("points.json")]
    points: SelfRef<Json<Vec<f64>>>,
    count: u32,
}

#[stage]
fn points(b: &Build<Points>) -> Result<PointsOutputs> {
    // Three heaps, at 10, 20 and 30.
    let place = |at: u32| f64::from(10 * (1 + at % 3)) + f64::from(at * 37 % 10) / 10.0;
    let mut points: Vec<f64> = (0..b.count).map(place).collect();
    points.sort_by(f64::total_cmp);
    Ok(PointsOutputs {
        points: b.points.save(&points)?,
    })
}

// ANCHOR: clusters
/// The points, cut where a gap is.
#[derive(Config)]
struct Clusters {
    #[selfref("clusters.json")]
    clusters: SelfRef<Json<Vec<Vec<f64>>>>,
    gap: f64,
    #[dref]
    points: DRef<Points>,
}

#[stage]
fn clusters(b: &Build<Clusters>) -> Result<ClustersOutputs> {
    let points = b.points.points.load()?;
    let clusters: Vec<Vec<f64>> = points
        .chunk_by(|one, next| next - one < b.gap)
        .map(<[f64]>::to_vec)
        .collect();
    Ok(ClustersOutputs {
        clusters: b.clusters.save(&clusters)?,
    })
}
// ANCHOR_END: clusters

// ANCHOR: centre
/// The centre of one cluster.
#[derive(Config)]
struct Centre {
    #[selfref("centre.json")]
    centre: SelfRef<Json<f64>>,
    cluster: usize,
    rate: f64,
    steps: u64,
    start: Start,
    #[config(default = 1, unhashed)]
    threads: usize,
    #[dref]
    clusters: DRef<Clusters>,
}

#[stage]
fn centre(b: &Build<Centre>) -> Result<CentreOutputs> {
    let clusters = b.clusters.clusters.load()?;
    let points = clusters.get(b.cluster).ok_or("no such cluster")?;
    let mean = points.iter().sum::<f64>() / points.len() as f64;
    let mut x = match b.start {
        Start::Zero => 0.0,
        Start::FirstPoint => points[0],
    };
    for step in 0..b.steps {
        x += b.rate * (mean - x);
        b.record("loss", step, (mean - x).powi(2))?;
    }
    Ok(CentreOutputs {
        centre: b.centre.save(&x)?,
    })
}
// ANCHOR_END: centre

// ANCHOR: experiment
fn experiment(run: &Run<'_>, settings: Settings) -> Result<Vec<DRef<Centre>>> {
    let points = instantiate(Points::new(settings.points))?;
    let clusters = instantiate(Clusters::new(settings.gap, points))?;
    let count = run.realize(&clusters)?.clusters.load()?.len(); // the data decides
    let Descent {
        rate,
        steps,
        start,
        threads,
    } = settings.descent;
    let centre = |cluster| {
        let centre = Centre::new(cluster, rate, steps, start, clusters.clone());
        Ok(instantiate(Centre { threads, ..centre })?)
    };
    (0..count).map(centre).collect()
}

fn main() -> ExitCode {
    pylightnix_cli::main_with_params(experiment)
}
// ANCHOR_END: experiment
