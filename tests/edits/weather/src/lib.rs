//! What the weather did, and what it will do.

mod clean;
mod convert;
mod daily;
mod fit;
mod forecast;
mod log;
mod readings;
mod report;
mod table;

use pylightnix::prelude::*;
use pylightnix::stages::node;

/// Twelve stages.
pub fn experiment(window: u32) -> Result<DRef<report::Report>> {
    let stations = node::<Text>("stations", &std::fs::read_to_string("data/stations.csv")?)?;
    let readings = instantiate(readings::Readings::new())?;
    let clean = instantiate(clean::Clean::new(readings, stations))?;
    let celsius = instantiate(convert::Celsius::new(clean))?;
    let daily = instantiate(daily::Daily::new(celsius))?;
    let smooth = instantiate(daily::Smooth::new(daily.clone(), window))?;
    let trend = instantiate(fit::Trend::new(daily.clone()))?;
    let anomalies = instantiate(daily::Anomalies::new(smooth))?;
    let split = instantiate(forecast::Split::new(daily, 3))?;
    let train = instantiate(forecast::Train::new(split))?;
    let score = instantiate(forecast::Score::new(train))?;
    Ok(instantiate(report::Report::new(trend, anomalies, score))?)
}
