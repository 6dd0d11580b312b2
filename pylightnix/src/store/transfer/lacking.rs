//! What a store lacks of an offer.

use std::collections::HashSet;
use std::io::{Read, Write};

use super::offer::{Offer, closed};
use crate::config::RRefId;
use crate::store::Store;
use crate::store::known::signatures::files_of_builds;
use crate::{Error, Result};

/// What a store lacks of an [`Offer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// For each realization of the offer.
    pub(super) each: Vec<Lack>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    Nothing,
    /// Build records or signatures.
    Builds,
    All,
}

impl Lack {
    fn letter(self) -> char {
        match self {
            Lack::Nothing => '-',
            Lack::Builds => 'b',
            Lack::All => 'a',
        }
    }
}

impl Store {
    /// Returns what this store lacks of an offer. From now on, what it has of it is kept from garbage collection.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn lacking(&self, offer: &Offer) -> Result<Lacking> {
        self.use_derivations(offer.rrefs().map(RRefId::dref))?;
        let mut each = Vec::with_capacity(offer.all.len());
        for offered in &offer.all {
            let rref = &offered.rref;
            if !self.is_whole(rref)? {
                each.push(Lack::All);
                continue;
            }
            let here: HashSet<String> = files_of_builds(self, rref)?.into_iter().collect();
            let has_all = offered.builds.iter().all(|build| here.contains(build));
            each.push(if has_all { Lack::Nothing } else { Lack::Builds });
        }
        Ok(Lacking { each })
    }
}

impl Lacking {
    /// Returns whether nothing is lacking.
    pub fn is_empty(&self) -> bool {
        self.each.iter().all(|lack| *lack == Lack::Nothing)
    }

    /// Writes it to a connection.
    ///
    /// # Errors
    /// Fails if the connection does.
    pub fn write_to(&self, to: &mut impl Write) -> Result<()> {
        let text: String = self.each.iter().map(|lack| lack.letter()).collect();
        super::write(&text, to).map_err(|error| closed(error, "lacking"))
    }

    /// Reads what is lacking of `offer` from a connection.
    ///
    /// # Errors
    /// Fails if the connection does, or if what comes does not answer the offer.
    pub fn read_from(offer: &Offer, from: &mut impl Read) -> Result<Self> {
        let text = super::read(from)?;
        let all = [Lack::Nothing, Lack::Builds, Lack::All];
        let lack = |letter| all.into_iter().find(|lack| lack.letter() == letter);
        let each: Option<Vec<Lack>> = text.chars().map(lack).collect();
        let each = each.filter(|each| each.len() == offer.all.len());
        let no_answer =
            || -> Error { super::not_understood("it does not answer what was offered") };
        Ok(Lacking {
            each: each.ok_or_else(no_answer)?,
        })
    }

    /// Returns the realizations of `offer` that are lacking as a whole, and those of which build records are.
    pub(in crate::store) fn of<'o>(&self, offer: &'o Offer) -> (Vec<&'o RRefId>, Vec<&'o RRefId>) {
        let of = |wanted: Lack| {
            let all = offer.rrefs().zip(&self.each);
            all.filter(|(_, lack)| **lack == wanted)
                .map(|(rref, _)| rref)
                .collect()
        };
        (of(Lack::All), of(Lack::Builds))
    }
}
