//! Whether results have the signatures that a run asks for.

use uuid::Uuid;

use crate::config::RRefId;
use crate::keys::{KeyId, PublicKey, Trust};
use crate::plan::{AnyNode, Code};
use crate::realize::decide::runs::CurrentCode;
use crate::realize::decide::staleness::{is_current, is_unknown};
use crate::realize::report::reason::Stale;
use crate::store::{BuildHead, Realization, Store, Vouchers};

/// What a run asks of signatures, and what it knows of them.
pub(in crate::realize) struct Trusting {
    pub(in crate::realize) trust: Trust,
    keys: Vec<PublicKey>,
    vouchers: Vouchers,
}

impl Trusting {
    pub(in crate::realize) fn new(store: &Store, trust: Trust) -> Self {
        Trusting {
            keys: trust.keys().copied().collect(),
            vouchers: store.vouchers(),
            trust,
        }
    }

    /// Returns whether the realization with this hash is remembered to have the signatures. Only builds of today's code count.
    pub(in crate::realize) fn is_remembered<'a>(
        &self,
        rref: &[u8; 16],
        builds: impl Iterator<Item = (Uuid, BuildHead<'a>)>,
        code: CurrentCode<'_>,
    ) -> bool {
        let counting = builds.filter(|(_, build)| is_current(build, code.code, code.omitted));
        let signed = self.vouchers.remembered(rref, counting, &self.keys);
        self.trust.is_enough(&signed)
    }

    /// Returns which signatures a realization lacks, of builds and acceptances by today's code; with `trust_unknown`, of builds whose
    /// code is not known, too. `None` if it has enough.
    pub(in crate::realize) fn lack(
        &self,
        realization: &Realization,
        node: &dyn AnyNode,
        code: &Code,
        trust_unknown: bool,
    ) -> Option<Stale> {
        let counts = |build: &BuildHead<'_>| {
            is_current(build, code, node.omitted()) || (trust_unknown && is_unknown(build, code))
        };
        let signed = self.signers(realization, |_, build| counts(build));
        (!self.trust.is_enough(&signed)).then(|| Stale::Untrusted {
            missing: self.trust.missing(&signed),
            is_signed_here: self.trust.is_by_own(&signed),
        })
    }

    /// Returns whether a realization lacks signatures, of the builds with these identifiers.
    pub(in crate::realize) fn lacks_of(
        &self,
        realization: &Realization,
        counts: impl Fn(&Uuid) -> bool,
    ) -> bool {
        let signed = self.signers(realization, |id, _| counts(id));
        !self.trust.is_enough(&signed)
    }

    /// Returns who signed the builds that `counts`. Signatures are read only if those that are remembered are not enough.
    fn signers(
        &self,
        realization: &Realization,
        counts: impl Fn(&Uuid, &BuildHead<'_>) -> bool,
    ) -> Vec<KeyId> {
        let (id, vouchers) = (&realization.id, &self.vouchers);
        let counting = || {
            let builds = realization.builds.identified();
            builds.filter(|(id, build)| counts(id, build))
        };
        let remembered = vouchers.remembered(id.hash(), counting(), &self.keys);
        match self.trust.is_enough(&remembered) {
            true => remembered,
            false => vouchers.verified(realization, counting(), &self.keys),
        }
    }

    /// Returns why nothing can be built, if what this machine builds would never be taken.
    pub(in crate::realize) fn refusal(&self) -> Option<String> {
        (!self.trust.has_own()).then(|| {
            format!(
                "the run takes only results that are signed by {}, and has none; what is built here would have no signature at all: \
                 make a key with `key generate`",
                self.trust
            )
        })
    }

    /// Remembers what was verified. The next run verifies what cannot be remembered.
    pub(in crate::realize) fn end(&self) {
        let _ = self.vouchers.save();
    }
}

/// Returns what a run says of a result that was signed here, and that lacks signatures of others.
pub(in crate::realize) fn waits(rref: &RRefId, missing: &str) -> String {
    format!(
        "it waits for {missing} to sign its result, which is signed with the key here: let them build {rref} too, or look at it and \
         `key sign` it, and take their signatures by `unpack` or `copy`"
    )
}
