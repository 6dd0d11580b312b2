//! Whose signatures a run asks for.

use serde::{Deserialize, Serialize};

use super::{KeyId, KeyStanding, Keys, PublicKey};
use crate::{Error, ErrorKind, Result};

/// Whose signatures a result has to have before a run takes it: a number of some keys, as in "2 of `alice`, `bob`, `carol`".
///
/// What the own key signed is enough by itself, unless it is [strict](Self::strict).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    needed: usize,
    of: Vec<(String, PublicKey)>,
    own: Option<(String, PublicKey)>,
    is_strict: bool,
}

impl Trust {
    /// Asks for signatures of `needed` of the keys with these names in `keys`.
    ///
    /// ```
    /// use pylightnix::keys::{Keys, Trust};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let keys = Keys::at(folder.path());
    /// # let (alice, bob) = (Keys::at(folder.path().join("alice")), Keys::at(folder.path().join("bob")));
    /// # keys.trust("alice", &alice.generate("a")?.to_pem())?;
    /// # keys.trust("bob", &bob.generate("b")?.to_pem())?;
    /// let one_of_two = Trust::new(&keys, 1, ["alice", "bob"])?;
    /// assert_eq!(one_of_two.to_string(), "1 of alice, bob");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails if a key is not known or was revoked, if one is named twice, or if there are fewer than `needed`, or `needed` is 0.
    pub fn new<N: AsRef<str>>(
        keys: &Keys,
        needed: usize,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self> {
        let mut of: Vec<(String, PublicKey)> = Vec::new();
        for name in names {
            let known = keys.named(name.as_ref())?;
            let refused = |why: &str| {
                let message = format!("the key `{}` {why}", known.name);
                Err(Error::new(ErrorKind::Key, message).at(keys.folder()))
            };
            if known.standing == KeyStanding::Revoked {
                return refused("was revoked: nothing of it counts");
            }
            if of.iter().any(|(_, key)| *key == known.key) {
                return refused("is named twice: a signature counts once");
            }
            of.push((known.name, known.key));
        }
        if needed == 0 || of.len() < needed {
            let message = format!("{needed} of {} keys cannot be asked for", of.len());
            return Err(Error::new(ErrorKind::Key, message)
                .with_help("ask for at least one signature, and for no more than there are keys"));
        }
        let own = keys.own()?.map(|own| (own.name, own.key));
        Ok(Trust {
            needed,
            of,
            own,
            is_strict: false,
        })
    }

    /// Asks for them of what the own key signed, too. A stage whose results lack signatures is built and signed, and ends the run,
    /// which names who must still confirm the result.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// Returns whether the signatures by these keys are enough.
    pub(crate) fn is_enough(&self, signed: &[KeyId]) -> bool {
        let by_own = !self.is_strict && self.is_by_own(signed);
        by_own || self.counted(signed) >= self.needed
    }

    /// Returns whether the own key is among these.
    pub(crate) fn is_by_own(&self, signed: &[KeyId]) -> bool {
        let own = self.own.as_ref();
        own.is_some_and(|(_, own)| signed.contains(&own.id()))
    }

    fn counted(&self, signed: &[KeyId]) -> usize {
        let signed = self.of.iter().filter(|(_, key)| signed.contains(&key.id()));
        signed.count()
    }

    /// Returns the keys whose signatures matter.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        let own = self
            .own
            .iter()
            .filter(|(_, own)| !self.of.iter().any(|(_, key)| key == own));
        self.of.iter().chain(own).map(|(_, key)| key)
    }

    /// Returns whether what this machine builds can be taken.
    pub(crate) fn has_own(&self) -> bool {
        self.own.is_some()
    }

    /// Returns what signatures are missing beside those by these keys: `1 more of bob, carol`.
    pub(crate) fn missing(&self, signed: &[KeyId]) -> String {
        let names = self
            .of
            .iter()
            .filter(|(_, key)| !signed.contains(&key.id()));
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        let more = self.needed.saturating_sub(self.counted(signed));
        format!("{more} more of {}", names.join(", "))
    }
}

impl std::fmt::Display for Trust {
    /// Formats it as `2 of alice, bob, carol`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.of.iter().map(|(name, _)| name.as_str()).collect();
        write!(f, "{} of {}", self.needed, names.join(", "))
    }
}
