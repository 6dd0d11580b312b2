//! Where the compiler points when it does not like generated code.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};

/// Code that names an item of the trait `of` for the user's type. A type that does not implement the trait is pointed at,
/// the whole of it, and each time in the same words, which the compiler says once.
pub(crate) fn item_of(ty: impl ToTokens, of: &TokenStream, item: &str) -> TokenStream {
    let ty = ty.to_token_stream();
    let (start, end) = ends(&ty);
    let item = proc_macro2::Ident::new(item, end);
    let open = quote_spanned!(start=> <);
    let rest = quote_spanned!(end=> as #of>::#item);
    quote_spanned!(Span::mixed_site()=> #open #ty #rest)
}

/// A call of such an item: the whole of it is in the type's place, as is what the compiler says of its result.
pub(crate) fn call_of(
    ty: impl ToTokens,
    callee: TokenStream,
    arguments: TokenStream,
) -> TokenStream {
    let (_, end) = ends(&ty.to_token_stream());
    let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
    arguments.set_span(end);
    quote!(#callee #arguments)
}

/// The first token's place, and the last one's.
pub(crate) fn ends(tokens: &TokenStream) -> (Span, Span) {
    let mut spans = tokens.clone().into_iter();
    let first = spans.next();
    let last = spans.last().or_else(|| first.clone());
    let span = |token: Option<TokenTree>| token.map_or_else(Span::call_site, |token| token.span());
    (span(first), span(last))
}
