//! Helpers shared by the whole-system tests.

pub mod away;
pub mod crafted;
pub mod dying;
pub mod forbidden;
pub mod kills;
pub mod library;
pub mod line;
pub mod packages;
pub mod pages;
pub mod picture;
pub mod python;
pub mod remotes;
pub mod runs;
pub mod s3;
pub mod services;
pub mod slurm;
pub mod ssh;
pub mod store;
pub mod terminal;
pub mod web;
