//! The addresses of pages.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::fmt;

use pylightnix::config::RRefId;

/// What has a meaning in the path of an address.
const SPECIAL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

fn encoded(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, SPECIAL)
}

pub(super) fn stage(name: &str) -> String {
    format!("/stage/{}", encoded(name))
}

pub(super) fn realization(rref: &RRefId) -> String {
    format!("/r/{}", encoded(&rref.to_string()))
}

/// Returns the address of what a reference names: a derivation or a realization.
pub(super) fn reference(reference: &str) -> String {
    match reference.starts_with("dref:") {
        true => format!("/d/{}", encoded(reference)),
        false => format!("/r/{}", encoded(reference)),
    }
}

pub(super) fn artifact(rref: &RRefId, path: &str) -> String {
    format!("{}/a/{}", realization(rref), encoded(path))
}

/// Returns the address of the bytes of an artifact.
pub(super) fn raw(rref: &RRefId, path: &str) -> String {
    format!("/raw/{}/{}", encoded(&rref.to_string()), encoded(path))
}

/// Returns the address of the log of a build.
pub(super) fn log(rref: &RRefId, build: impl fmt::Display) -> String {
    format!("/log/{}/{build}", encoded(&rref.to_string()))
}

pub(super) fn run(id: &str) -> String {
    format!("/run/{}", encoded(id))
}
