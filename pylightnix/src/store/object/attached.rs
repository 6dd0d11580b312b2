//! What is attached to a realization: the notes and tags of people, and the series of numbers that a build recorded.
//!
//! Each is a build record with the key `attached`. All else in it that decisions look at repeats a record that is there, and it is
//! an acceptance, which is no build: so programs of earlier versions, which ignore the key, decide as if it were not there, and
//! copy, pack and collect it with the others. It is never among the builds of a realization.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeSet, HashSet};
use uuid::Uuid;

use crate::store::disk::bytes::{Reader, put_text};
use crate::store::object::build_record::{BuildKind, BuildRecord, as_text};

/// The value of the key `attached`: one of the first four keys, and the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::store) struct Attached {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) tag: Option<String>,
    /// The records with these identifiers do not count any more. So a tag that is set on one machine is not removed by another
    /// machine that did not know of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::store) retracts: Vec<Uuid>,
    /// The log of this record is the series that the build with this identifier recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) series: Option<Uuid>,
    #[serde(with = "as_text")]
    pub(in crate::store) time: Timestamp,
}

/// A note or a tag of a realization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Remark {
    /// The identifier, by which it is [retracted](crate::store::Store::retract). Newer ones have greater ones.
    pub id: Uuid,
    /// Whether it is a note or a tag.
    pub kind: RemarkKind,
    /// The text of the note, or the name of the tag.
    pub text: String,
    /// When it was made, by the clock of its machine.
    #[serde(with = "as_text")]
    pub time: Timestamp,
    /// Who made it.
    pub user: String,
    /// On which machine.
    pub host: String,
}

/// What a remark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RemarkKind {
    /// A text of any length.
    Note,
    /// A short name, by which results are found.
    Tag,
}

impl Attached {
    pub(in crate::store) fn note(text: &str) -> Self {
        let note = Some(text.to_owned());
        Attached {
            note,
            ..Attached::nothing()
        }
    }

    pub(in crate::store) fn tag(name: &str) -> Self {
        let tag = Some(name.to_owned());
        Attached {
            tag,
            ..Attached::nothing()
        }
    }

    pub(in crate::store) fn retracting(retracts: Vec<Uuid>) -> Self {
        Attached {
            retracts,
            ..Attached::nothing()
        }
    }

    /// The series of a build.
    pub(in crate::store) fn series(build: Uuid) -> Self {
        let series = Some(build);
        Attached {
            series,
            ..Attached::nothing()
        }
    }

    /// What a newer version attached, which this one does not understand.
    fn nothing() -> Self {
        Attached {
            note: None,
            tag: None,
            retracts: Vec::new(),
            series: None,
            time: Timestamp::now(),
        }
    }

    /// Makes the record that attaches this to a realization whose newest record is `newest`.
    pub(in crate::store) fn into_record(self, newest: Option<&BuildRecord>) -> BuildRecord {
        let now = BuildRecord::now(BuildKind::Accept);
        let record = match newest {
            None => now,
            Some(newest) => BuildRecord {
                fingerprint: newest.fingerprint.clone(),
                omitted: newest.omitted.clone(),
                index: newest.index,
                of: newest.of,
                start: newest.start,
                stop: newest.stop,
                ..now
            },
        };
        BuildRecord {
            commit: None,
            attached: Some(self),
            ..record
        }
    }
}

/// Deserializes the value of the key. One that is not understood is still no build.
pub(in crate::store) fn understood<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Attached>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(Some(
        serde_json::from_value(value).unwrap_or_else(|_| Attached::nothing()),
    ))
}

/// What a realization's list in the index has of a record.
#[derive(Serialize, Deserialize)]
struct Packed {
    id: Uuid,
    attached: Attached,
    user: String,
    host: String,
}

/// Appends these records in packed form.
pub(in crate::store) fn pack(to: &mut Vec<u8>, records: &[BuildRecord]) {
    for record in records {
        if let Some(attached) = &record.attached {
            let packed = Packed {
                id: record.id,
                attached: attached.clone(),
                user: record.user.clone(),
                host: record.host.clone(),
            };
            // Cannot fail: it has no map with other keys than strings.
            put_text(to, &serde_json::to_vec(&packed).unwrap_or_default());
        }
    }
}

fn unpacked(packed: &[u8]) -> Vec<Packed> {
    let mut reader = Reader(packed);
    let mut all = Vec::new();
    while let Some(text) = reader.text() {
        all.extend(serde_json::from_str::<Packed>(text));
    }
    all
}

/// Returns the identifiers of the records with series that [`pack`] wrote, and of the builds that recorded them.
pub(in crate::store) fn series(packed: &[u8]) -> impl Iterator<Item = (Uuid, Uuid)> {
    let all = unpacked(packed).into_iter();
    all.filter_map(|packed| Some((packed.id, packed.attached.series?)))
}

/// Returns the notes and tags that count, oldest first, of records that [`pack`] wrote.
pub(in crate::store) fn remarks(packed: &[u8]) -> Vec<Remark> {
    let all = unpacked(packed);
    let retracted = all
        .iter()
        .flat_map(|packed| packed.attached.retracts.iter());
    let retracted: HashSet<Uuid> = retracted.copied().collect();
    let mut remarks = Vec::new();
    for Packed {
        id,
        attached,
        user,
        host,
    } in all
    {
        let (kind, text) = match (attached.note, attached.tag) {
            (Some(note), _) => (RemarkKind::Note, note),
            (None, Some(tag)) => (RemarkKind::Tag, tag),
            (None, None) => continue,
        };
        if !retracted.contains(&id) {
            remarks.push(Remark {
                id,
                kind,
                text,
                time: attached.time,
                user,
                host,
            });
        }
    }
    remarks.sort_by_key(|remark| remark.id);
    remarks
}

/// Returns the names of the tags among remarks, sorted, each once.
pub(in crate::store) fn tags(remarks: &[Remark]) -> Vec<String> {
    let tags = remarks.iter().filter(|one| one.kind == RemarkKind::Tag);
    let tags: BTreeSet<&String> = tags.map(|tag| &tag.text).collect();
    tags.into_iter().cloned().collect()
}
