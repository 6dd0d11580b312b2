//! Days.

use std::collections::BTreeMap;

use pylightnix::prelude::*;
use stats::{Kernel, Triangle};

use crate::convert::Celsius;

/// A value for each day.
pub type Days = BTreeMap<u32, f64>;

/// The mean of each day.
#[derive(Config)]
pub struct Daily {
    #[selfref("days.json")]
    pub days: SelfRef<Json<Days>>,
    #[dref]
    pub celsius: DRef<Celsius>,
}

#[stage]
fn daily(b: &Build<Daily>) -> Result<DailyOutputs> {
    let mut values: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for row in b.celsius.table.load()? {
        values.entry(to_day(row.hour)).or_default().push(row.value);
    }
    let mut days = Days::new();
    for (day, values) in &values {
        days.insert(*day, stats::mean(values));
    }
    Ok(DailyOutputs {
        days: b.days.save(&days)?,
    })
}

fn to_day(hour: u32) -> u32 {
    hour / 24
}

/// Days as those around them suggest.
#[derive(Config)]
pub struct Smooth {
    #[selfref("days.json")]
    pub days: SelfRef<Json<Days>>,
    #[dref]
    pub daily: DRef<Daily>,
    pub window: u32,
}

#[stage]
fn smooth(b: &Build<Smooth>) -> Result<SmoothOutputs> {
    let days = b.daily.days.load()?;
    let kernel = Triangle;
    let smooth = |(day, _): (&u32, &f64)| (*day, smoothed(&days, *day, b.window, &kernel));
    Ok(SmoothOutputs {
        days: b.days.save(&days.iter().map(smooth).collect())?,
    })
}

fn smoothed(days: &Days, day: u32, window: u32, kernel: &impl Kernel) -> f64 {
    let mut sum = 0.;
    let mut weights = 0.;
    for (other, value) in days.range(day.saturating_sub(window)..=day + window) {
        let weight = kernel.weight(day.abs_diff(*other), window);
        sum += weight * value;
        weights += weight;
    }
    sum / weights
}

/// Days that are far from what those around them suggest.
#[derive(Config)]
pub struct Anomalies {
    #[selfref("anomalies.json")]
    pub found: SelfRef<Json<Vec<Anomaly>>>,
    #[dref]
    pub smooth: DRef<Smooth>,
}

/// A day that is another.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Anomaly {
    pub day: u32,
    pub by: f64,
}

impl std::fmt::Display for Anomaly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "day {}: {:+.1}", self.day, self.by)
    }
}

/// How far is far.
const FAR: f64 = 1.5;

#[stage]
fn anomalies(b: &Build<Anomalies>) -> Result<AnomaliesOutputs> {
    let days = b.smooth.daily.days.load()?;
    let smooth = b.smooth.days.load()?;
    let differences = days.iter().map(|(day, value)| Anomaly {
        day: *day,
        by: value - smooth[day],
    });
    let found = differences.filter(|found| found.by.abs() > FAR).collect();
    Ok(AnomaliesOutputs {
        found: b.found.save(&found)?,
    })
}
