//! x
#![allow(missing_docs, dead_code)]
use crate::config::RRefId;
use std::path::{Path, PathBuf};
#[derive(Debug, Clone)]
pub struct Realization {
    id: RRefId,
    out: PathBuf,
    builds: Vec<BuildRecord>,
}
impl Realization {
    pub fn id(&self) -> &RRefId {
        &self.id
    }
    pub fn out(&self) -> &Path {
        &self.out
    }
    pub fn builds(&self) -> &[BuildRecord] {
        &self.builds
    }
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildKind {
    Build,
}
#[derive(Debug, Clone)]
pub struct BuildRecord {
    pub kind: BuildKind,
    pub stop: jiff::Timestamp,
}
impl BuildRecord {
    pub fn seconds(&self) -> f64 {
        0.
    }
}
