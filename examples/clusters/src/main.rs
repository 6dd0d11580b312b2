//! Points that lie in clusters: how many there are is a result, and the plan depends on it.

use pylightnix::prelude::*;
use pylightnix::stages::Imported;
use std::path::Path;
use std::process::ExitCode;

type Point = [f64; 2];

// ANCHOR: count
/// How many clusters there are.
#[derive(Config)]
struct Count {
    #[selfref("k.json")]
    k: SelfRef<Json<usize>>,
    #[dref]
    points: DRef<Imported>,
}

#[stage]
fn count(b: &Build<Count>) -> Result<CountOutputs> {
    let mut xs: Vec<f64> = read(b.points.out.path())?
        .iter()
        .map(|point| point[0])
        .collect();
    xs.sort_by(f64::total_cmp);
    let gaps = xs.windows(2).filter(|two| two[1] - two[0] > 1.).count();
    Ok(CountOutputs {
        k: b.k.save(&(gaps + 1))?,
    })
}
// ANCHOR_END: count

// ANCHOR: fit
/// The centres of `k` clusters.
#[derive(Config)]
struct Fit {
    #[selfref("centres.json")]
    centres: SelfRef<Json<Vec<Point>>>,
    #[dref]
    points: DRef<Imported>,
    k: usize,
}

#[stage]
fn fit(b: &Build<Fit>) -> Result<FitOutputs> {
    let points = read(b.points.out.path())?;
    let mut centres: Vec<Point> = points.iter().step_by(points.len() / b.k).copied().collect();
    for step in 0..5 {
        let mut groups = vec![Vec::new(); centres.len()];
        for point in &points {
            groups[nearest(&centres, point)].push(*point);
        }
        let loss: f64 = points
            .iter()
            .map(|point| distance(&centres[nearest(&centres, point)], point))
            .sum();
        b.record("loss", step, loss)?;
        for (centre, group) in centres.iter_mut().zip(&groups) {
            *centre = mean(group);
        }
    }
    Ok(FitOutputs {
        centres: b.centres.save(&centres)?,
    })
}
// ANCHOR_END: fit

/// One of the clusters, in words.
#[derive(Config)]
struct Describe {
    #[selfref("cluster.txt")]
    text: SelfRef<Text>,
    #[dref]
    fit: DRef<Fit>,
    number: usize,
}

#[stage]
fn describe(b: &Build<Describe>) -> Result<DescribeOutputs> {
    let [x, y] = b.fit.centres.load()?[b.number];
    Ok(DescribeOutputs {
        text: b
            .text
            .save(&format!("cluster {} is around {x:.1}, {y:.1}\n", b.number))?,
    })
}

// ANCHOR: experiment
fn experiment(run: &Run<'_>) -> Result<Vec<DRef<Describe>>> {
    let points = run.file("points.csv")?;
    let count = instantiate(Count::new(points.clone()))?;
    let k = run.realize(&count)?.k.load()?;
    let fit = instantiate(Fit::new(points, k))?;
    (0..k)
        .map(|number| Ok(instantiate(Describe::new(fit.clone(), number))?))
        .collect()
}

fn main() -> ExitCode {
    pylightnix_cli::main_with(experiment)
}
// ANCHOR_END: experiment

fn read(path: impl AsRef<Path>) -> Result<Vec<Point>> {
    let text = std::fs::read_to_string(path)?;
    let point = |line: &str| {
        let (x, y) = line.split_once(',').ok_or("a point has two numbers")?;
        Ok([x.parse()?, y.parse()?])
    };
    text.lines().map(point).collect()
}

fn nearest(centres: &[Point], point: &Point) -> usize {
    let by_distance = |a: &usize, b: &usize| {
        distance(&centres[*a], point).total_cmp(&distance(&centres[*b], point))
    };
    (0..centres.len()).min_by(by_distance).unwrap_or_default()
}

fn distance(a: &Point, b: &Point) -> f64 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)
}

fn mean(points: &[Point]) -> Point {
    let sum = |at: usize| points.iter().map(|point| point[at]).sum::<f64>();
    let count = points.len().max(1) as f64;
    [sum(0) / count, sum(1) / count]
}
