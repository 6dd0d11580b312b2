//! What a person reads.

use pylightnix::prelude::*;

use crate::daily::Anomalies;
use crate::fit::Trend;
use crate::forecast::Score;

macro_rules! field {
    ($name:literal, $value:expr) => {
        format!("{}: {}\n", $name, $value)
    };
}

/// All of it, in a few lines.
#[derive(Config)]
pub struct Report {
    #[selfref("report.txt")]
    pub text: SelfRef<Text>,
    #[dref]
    pub trend: DRef<Trend>,
    #[dref]
    pub anomalies: DRef<Anomalies>,
    #[dref]
    pub score: DRef<Score>,
}

#[stage]
fn report(b: &Build<Report>) -> Result<ReportOutputs> {
    let mut text = include_str!("report.txt").to_owned();
    text += &field!("per day", b.trend.line.load()?.slope);
    text += &field!("wrong by", b.score.score.load()?);
    for anomaly in b.anomalies.found.load()? {
        text += &field!("strange", anomaly);
    }
    Ok(ReportOutputs {
        text: b.text.save(&text)?,
    })
}
