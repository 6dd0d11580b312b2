//! Derivations: a config as the program gave it, its JSON, and the check that both agree.

use once_cell::race::OnceBox;

use super::checks;
use super::revive::Revived;
use crate::config::{ConfigJson, ConfigWriter, FieldChange, Name};
use crate::lens::{Config, Omitted};
use crate::{Error, ErrorKind, Result};

/// A config and its JSON, whose hash is the reference.
pub(crate) struct Derivation<C> {
    json: ConfigJson,
    config: C,
    omitted: Omitted,
    /// Whether the config was parsed from the JSON, not given by the program.
    is_read: bool,
    /// The config that the JSON deserializes to, computed on first use.
    round_trip: OnceBox<Result<C, Lossy>>,
}

/// The reason why a config does not survive the round trip through its JSON.
enum Lossy {
    /// The JSON cannot be deserialized, for this reason.
    Unreadable(String),
    /// The deserialized config has another JSON. The first difference is given, if known.
    Changed(Option<FieldChange>),
}

impl<C: Config> Derivation<C> {
    pub(crate) fn new(name: &Name, config: C) -> Result<Self> {
        checks::check(&config)?;
        let mut out = ConfigWriter::new(name);
        let mut omitted = Omitted::new();
        config.write(&mut out, &mut omitted)?;
        Ok(Derivation {
            json: out.finish(),
            config,
            omitted,
            is_read: false,
            round_trip: OnceBox::new(),
        })
    }

    /// Makes a derivation from a stored config. It keeps its reference, even if the type has got new fields since.
    pub(crate) fn from_stored(json: ConfigJson, config: C) -> Result<Self> {
        let mut omitted = Omitted::new();
        config.write(&mut ConfigWriter::new(json.id().name()), &mut omitted)?;
        Ok(Derivation {
            json,
            config,
            omitted,
            is_read: true,
            round_trip: OnceBox::new(),
        })
    }

    pub(super) fn json(&self) -> &ConfigJson {
        &self.json
    }

    /// Returns the fields that the JSON omits.
    pub(super) fn omitted(&self) -> &Omitted {
        &self.omitted
    }

    /// Returns the config as the program gave it.
    pub(super) fn planned(&self) -> &C {
        &self.config
    }

    /// Returns the config that the JSON deserializes to, which is the one that the reference identifies. If the JSON cannot
    /// be deserialized, returns the program's config; [`check`](Self::check) reports the error.
    pub(super) fn as_written(&self) -> &C {
        if self.is_read || C::is_exact() {
            return &self.config;
        }
        match self.round_trip() {
            Ok(round_trip) => round_trip,
            Err(_) => &self.config,
        }
    }

    /// Fails if the config does not survive a round trip through its JSON: then the reference would not identify it.
    pub(super) fn check(&self) -> Result<()> {
        match C::is_exact() {
            true => Ok(()),
            false => match self.round_trip() {
                Ok(_) => Ok(()),
                Err(lossy) => Err(lossy.error(&self.json)),
            },
        }
    }

    fn round_trip(&self) -> &Result<C, Lossy> {
        self.round_trip
            .get_or_init(|| Box::new(self.check_round_trips()))
    }

    /// Makes as many round trips through the JSON as the lists in the config require.
    fn check_round_trips(&self) -> Result<C, Lossy> {
        let mut count = 1;
        loop {
            let (round_trip, round_trips) = self.round_trip_once()?;
            if count >= round_trips {
                return Ok(round_trip);
            }
            count += 1;
        }
    }

    fn round_trip_once(&self) -> Result<(C, usize), Lossy> {
        let fields = self.json.fields().map_err(Lossy::unreadable)?;
        let round_trip = C::revive(fields, &Revived::default(), Some(&self.config));
        let round_trip = round_trip.map_err(Lossy::unreadable)?;
        let mut out = ConfigWriter::new(self.json.id().name());
        let result = round_trip.write(&mut out, &mut Omitted::new());
        result.map_err(Lossy::unreadable)?;
        let lists = out.lists();
        let written = out.finish();
        if self.json.text() != written.text() {
            let mut changes = self
                .json
                .diff(&written)
                .map_err(Lossy::unreadable)?
                .into_iter();
            match self.is_read {
                false => return Err(Lossy::Changed(changes.next())),
                // The type may have got or lost fields since: ignore those.
                true => {
                    let other = |change: &FieldChange| change.old.is_some() && change.new.is_some();
                    if let Some(change) = changes.find(other) {
                        return Err(Lossy::Changed(Some(change)));
                    }
                }
            }
        }
        Ok((round_trip, lists.round_trips(written.text().len())))
    }
}

impl Lossy {
    fn unreadable(error: Error) -> Self {
        let parts: Vec<_> = error.parts().iter().map(ToString::to_string).collect();
        Lossy::Unreadable(match parts.is_empty() {
            true => error.to_string(),
            false => parts.join("; "),
        })
    }

    fn error(&self, json: &ConfigJson) -> Error {
        let stage = json.id().name();
        let message = match self {
            Lossy::Unreadable(reason) => {
                format!("the config of stage `{stage}` cannot be read back from its JSON: {reason}")
            }
            Lossy::Changed(None) => {
                format!(
                    "the JSON of the config of stage `{stage}` changes when it is read and written again"
                )
            }
            Lossy::Changed(Some(FieldChange { path, old, new })) => format!(
                "the field `{path}` of stage `{stage}` changes when its JSON is read and written again: from {} to {}",
                shown(old),
                shown(new),
            ),
        };
        Error::new(ErrorKind::Config, message).with_help(format!(
            "the hash of its config identifies a stage, so the JSON must not change: use types with a fixed order, such as \
             `BTreeSet` instead of `HashSet`, and symmetric serde attributes; a field that does not influence results can be \
             `#[config(unhashed)]`\nthe derivation is {}",
            json.id()
        ))
    }
}

/// Returns the JSON text of a value, shortened.
fn shown(value: &Option<String>) -> String {
    const MOST: usize = 60;
    match value {
        None => "nothing".to_owned(),
        Some(text) => match text.char_indices().nth(MOST) {
            None => format!("`{text}`"),
            Some((end, _)) => format!("`{}`..", &text[..end]),
        },
    }
}
