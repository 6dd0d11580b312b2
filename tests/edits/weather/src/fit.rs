//! Lines.

use pylightnix::prelude::*;

use crate::daily::Daily;

/// A line.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Line {
    pub start: f64,
    pub slope: f64,
}

/// The line that is nearest to the days.
#[derive(Config)]
pub struct Trend {
    #[selfref("line.json")]
    pub line: SelfRef<Json<Line>>,
    #[dref]
    pub daily: DRef<Daily>,
}

#[stage]
fn trend(b: &Build<Trend>) -> Result<TrendOutputs> {
    let days = b.daily.days.load()?;
    let points: Vec<(f64, f64)> = days
        .iter()
        .map(|(day, value)| (f64::from(*day), *value))
        .collect();
    Ok(TrendOutputs {
        line: b.line.save(&line(&points))?,
    })
}

fn line(points: &[(f64, f64)]) -> Line {
    let x = stats::mean(&points.iter().map(|point| point.0).collect::<Vec<_>>());
    let y = stats::mean(&points.iter().map(|point| point.1).collect::<Vec<_>>());
    let mut up = 0.;
    let mut along = 0.;
    for point in points {
        up += (point.0 - x) * (point.1 - y);
        along += (point.0 - x) * (point.0 - x);
    }
    let slope = up / along;
    Line {
        start: y - slope * x,
        slope,
    }
}
