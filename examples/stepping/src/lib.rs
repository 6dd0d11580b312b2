//! The plan to step through: measurements, their mean, and a report.

use pylightnix::prelude::*;

// ANCHOR: stages
/// Measured lengths.
#[derive(Config)]
pub struct Samples {
    /// The lengths, in millimetres.
    #[selfref("samples.json")]
    pub out: SelfRef<Json<Vec<f64>>>,
}

#[stage]
fn samples(b: &Build<Samples>) -> Result<SamplesOutputs> {
    let samples = vec![4.1, 3.9, 4.0, 40.2, 4.2];
    Ok(SamplesOutputs {
        out: b.out.save(&samples)?,
    })
}

/// Their mean.
#[derive(Config)]
pub struct Mean {
    /// The mean.
    #[selfref("mean.json")]
    pub out: SelfRef<Json<f64>>,
    /// The measurements.
    #[dref]
    pub samples: DRef<Samples>,
}

#[stage]
fn mean(b: &Build<Mean>) -> Result<MeanOutputs> {
    let samples = b.samples.out.load()?;
    let mean = samples.iter().sum::<f64>() / samples.len() as f64;
    Ok(MeanOutputs {
        out: b.out.save(&mean)?,
    })
}

/// A report on the mean.
#[derive(Config)]
pub struct Report {
    /// A sentence.
    #[selfref("report.txt")]
    pub out: SelfRef<Text>,
    /// The mean.
    #[dref]
    pub mean: DRef<Mean>,
}

#[stage]
fn report(b: &Build<Report>) -> Result<ReportOutputs> {
    let text = format!("They are {:.2} mm long.", b.mean.out.load()?);
    Ok(ReportOutputs {
        out: b.out.save(&text)?,
    })
}

/// Returns the whole plan.
///
/// # Errors
/// Never fails as written.
pub fn experiment() -> Result<DRef<Report>> {
    let samples = instantiate(Samples::new())?;
    let mean = instantiate(Mean::new(samples))?;
    Ok(instantiate(Report::new(mean))?)
}
// ANCHOR_END: stages
