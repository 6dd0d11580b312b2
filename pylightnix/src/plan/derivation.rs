//! What identifies a stage: its config, as it is in the plan and as its reference says it.

use once_cell::race::OnceBox;

use super::checks;
use super::revive::Revived;
use crate::config::{ConfigJson, ConfigWriter, FieldChange, Name};
use crate::lens::{Config, Omitted};
use crate::{Error, ErrorKind, Result};

/// What identifies a stage.
pub(crate) struct Derivation<C> {
    json: ConfigJson,
    config: C,
    omitted: Omitted,
    /// Whether the config was read from the JSON, and not given by the program.
    is_read: bool,
    /// What the JSON gives back, once somebody asked.
    back: OnceBox<Result<C, Unlike>>,
}

/// Why a config is not what its JSON gives back.
enum Unlike {
    /// It gives nothing back, for this reason.
    Unread(String),
    /// What it gives back is written in another way, at this place first if that is known.
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
            back: OnceBox::new(),
        })
    }

    /// A derivation that was read from `json`: its identity stays, whatever fields its type has got since.
    pub(crate) fn again(json: ConfigJson, config: C) -> Result<Self> {
        let mut omitted = Omitted::new();
        config.write(&mut ConfigWriter::new(json.id().name()), &mut omitted)?;
        Ok(Derivation {
            json,
            config,
            omitted,
            is_read: true,
            back: OnceBox::new(),
        })
    }

    pub(super) fn json(&self) -> &ConfigJson {
        &self.json
    }

    /// The fields that the JSON leaves out.
    pub(super) fn omitted(&self) -> &Omitted {
        &self.omitted
    }

    /// The config as the plan has it.
    pub(super) fn planned(&self) -> &C {
        &self.config
    }

    /// The config as its reference says it: each plain field is what the JSON gives back. One that gives nothing back is as
    /// the plan has it, and [`check`](Self::check) says so.
    pub(super) fn as_written(&self) -> &C {
        if self.is_read || C::is_exact() {
            return &self.config;
        }
        match self.back() {
            Ok(back) => back,
            Err(_) => &self.config,
        }
    }

    /// Fails if the JSON gives back another config: the reference of the stage would not say what it was made with.
    pub(super) fn check(&self) -> Result<()> {
        match C::is_exact() {
            true => Ok(()),
            false => match self.back() {
                Ok(_) => Ok(()),
                Err(unlike) => Err(unlike.error(&self.json)),
            },
        }
    }

    fn back(&self) -> &Result<C, Unlike> {
        self.back.get_or_init(|| Box::new(self.read_back()))
    }

    /// Reads the config from its JSON, and writes that again, as often as its lists ask.
    fn read_back(&self) -> Result<C, Unlike> {
        let mut count = 1;
        loop {
            let (back, times) = self.read_once()?;
            if count >= times {
                return Ok(back);
            }
            count += 1;
        }
    }

    fn read_once(&self) -> Result<(C, usize), Unlike> {
        let fields = self.json.fields().map_err(Unlike::unread)?;
        let back = C::revive(fields, &Revived::default(), Some(&self.config));
        let back = back.map_err(Unlike::unread)?;
        let mut out = ConfigWriter::new(self.json.id().name());
        let written = back.write(&mut out, &mut Omitted::new());
        written.map_err(Unlike::unread)?;
        let lists = out.lists();
        let again = out.finish();
        if self.json.text() != again.text() {
            let mut changes = self.json.diff(&again).map_err(Unlike::unread)?.into_iter();
            match self.is_read {
                false => return Err(Unlike::Changed(changes.next())),
                // Its type may have got and lost fields since.
                true => {
                    let other = |change: &FieldChange| change.old.is_some() && change.new.is_some();
                    if let Some(change) = changes.find(other) {
                        return Err(Unlike::Changed(Some(change)));
                    }
                }
            }
        }
        Ok((back, lists.times(again.text().len())))
    }
}

impl Unlike {
    fn unread(error: Error) -> Self {
        let parts: Vec<_> = error.parts().iter().map(ToString::to_string).collect();
        Unlike::Unread(match parts.is_empty() {
            true => error.to_string(),
            false => parts.join("; "),
        })
    }

    fn error(&self, json: &ConfigJson) -> Error {
        let stage = json.id().name();
        let message = match self {
            Unlike::Unread(why) => {
                format!("the config of stage `{stage}` cannot be read back from its JSON: {why}")
            }
            Unlike::Changed(None) => {
                format!(
                    "the config of stage `{stage}` is written in another way once it was read back"
                )
            }
            Unlike::Changed(Some(FieldChange { path, old, new })) => format!(
                "the field `{path}` of stage `{stage}` does not come back as it was written: it is {}, and {} once it was \
                 read back",
                shown(old),
                shown(new),
            ),
        };
        Error::new(ErrorKind::Config, message).help(format!(
            "a stage is found again by what its config says, so that has to be the same each time: use types that keep their \
             order, as `BTreeSet` in place of `HashSet`, and serde attributes that read what they write; a field that does not \
             tell results apart can be `#[config(unhashed)]`\nit is about {}",
            json.id()
        ))
    }
}

/// The JSON text of a value, shortened.
fn shown(value: &Option<String>) -> String {
    const MOST: usize = 60;
    match value {
        None => "not there".to_owned(),
        Some(text) => match text.char_indices().nth(MOST) {
            None => format!("`{text}`"),
            Some((end, _)) => format!("`{}`..", &text[..end]),
        },
    }
}
