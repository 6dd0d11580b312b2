//! `roots`: what garbage collection keeps.

use serde::Serialize;
use std::path::Path;

use crate::cli::complete;
use crate::cli::exit::{Done, Exit};
use crate::cli::session::{Session, style};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::text::short_rref;
use crate::config::RRefId;
use crate::{Error, ErrorKind};

/// List the roots, which garbage collection keeps; add or remove one
///
/// When you want to know why something stays, or to keep a result under a name. A root keeps all that its realization was
/// made from; roots by links end when their links do.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: keep the newest `train` as `best`\n  pylightnix roots --add best train"
)]
pub(crate) struct Roots {
    /// Keep a realization under a name of its own
    #[arg(long, num_args = 2, value_names = ["NAME", "REF"], conflicts_with = "remove", add = complete::references())]
    add: Option<Vec<String>>,
    /// Keep it no more; may be repeated
    #[arg(long, value_name = "NAME")]
    remove: Vec<String>,
}

/// A root, for programs.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    rref: &'a RRefId,
    link: Option<&'a Path>,
    counts: bool,
}

impl Roots {
    pub(crate) fn run(self, session: &Session) -> Done {
        let store = session.store()?;
        if let Some([name, reference]) = self.add.as_deref() {
            let rref = session.realization(reference)?;
            store.add_root(name, &rref)?;
            session.say(format_args!("{name} keeps {rref}"));
            return Ok(Exit::Done);
        }
        for name in &self.remove {
            if !store.remove_root(name)? {
                let message = format!("no root is called {name:?}");
                return Err(Error::new(ErrorKind::Missing, message)
                    .help("`roots` lists them")
                    .into());
            }
        }
        if !self.remove.is_empty() {
            return Ok(Exit::Done);
        }
        let roots = store.roots()?;
        let rows: Vec<Row<'_>> = roots
            .iter()
            .map(|root| Row {
                name: &root.name,
                rref: &root.rref,
                link: root.link.as_deref(),
                counts: root.counts,
            })
            .collect();
        if rows.is_empty() {
            session.say("there are no roots: nothing is kept from `gc`");
        }
        session.print(&rows, |rows, out| {
            let columns = [
                Column::left("REFERENCE"),
                Column::left("STAGE").shrinks(),
                Column::left("KEPT BY").shrinks(),
            ];
            let mut table = Table::new(session, columns);
            for row in rows {
                let by = match row.link {
                    Some(link) => format!("link {}", link.display()),
                    None => row.name.to_owned(),
                };
                let by = match row.counts {
                    true => by.into(),
                    false => Cell::styled(format!("{by} (gone: keeps nothing)"), style::FAINT),
                };
                let rref = Cell::styled(short_rref(row.rref), style::REFERENCE);
                table.row([rref, row.rref.name().as_str().into(), by]);
            }
            Ok(table.write(out)?)
        })?;
        Ok(Exit::Done)
    }
}
