//! The model of a stage.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Expr, Generics, LitInt, LitStr, Signature, Type, Visibility};

use crate::library::Library;
use crate::options::{GivenOption, Word};

/// A function with `#[stage]`.
pub(super) struct Stage {
    pub(super) function: Function,
    /// The `C` of its argument `&Build<C>`, if it has one.
    pub(super) config: Option<Type>,
    /// Whether the signature is invalid, so that only a stub can be generated.
    pub(super) is_invalid: bool,
    pub(super) name: Option<LitStr>,
    pub(super) matcher: Option<Expr>,
    pub(super) many: Option<Ident>,
    pub(super) fallible: Option<Ident>,
    pub(super) nouts: Option<LitInt>,
    pub(super) version: Option<LitInt>,
    pub(super) uses: Vec<Type>,
    /// The patterns of the files that count.
    pub(super) data: Vec<LitStr>,
    /// Where following what the function names stops.
    pub(super) untracked: Vec<Type>,
    /// Whether the code that the function names counts.
    pub(super) follow: bool,
    /// What counts of the environment.
    pub(super) counts: Option<GivenOption<Vec<Word>>>,
    /// What counts as read, if the stage says it.
    pub(super) reads: Option<Ident>,
    pub(super) args: Option<GivenOption<Vec<Type>>>,
    pub(super) register: Option<GivenOption<Vec<Type>>>,
    pub(super) limits: Limits,
    pub(super) sealing: Sealing,
    pub(super) library: Library,
}

/// The limits of a stage: resources, time and retries.
pub(super) struct Limits {
    pub(super) retries: Option<LitInt>,
    pub(super) timeout: Option<LitStr>,
    pub(super) threads: Option<LitInt>,
    pub(super) memory: Option<LitStr>,
    pub(super) resources: Vec<(Ident, LitInt)>,
}

/// What a stage says of what it may reach.
pub(super) struct Sealing {
    pub(super) sealed: Option<Ident>,
    pub(super) network: Option<Ident>,
    pub(super) read: Option<GivenOption<Vec<LitStr>>>,
}

/// A function whose body is kept as tokens, without parsing.
pub(super) struct Function {
    pub(super) attrs: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) signature: Signature,
    pub(super) body: TokenStream,
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.attrs.iter().for_each(|attr| attr.to_tokens(tokens));
        self.vis.to_tokens(tokens);
        self.signature.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

/// Returns whether a function has no generic parameters except lifetimes.
pub(super) fn is_concrete(generics: &Generics) -> bool {
    generics.type_params().next().is_none() && generics.const_params().next().is_none()
}
