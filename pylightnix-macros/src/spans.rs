//! Spans of generated code, which determine where compiler errors point.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};

/// Generates the path of an item of the trait `of` for the user's type. If the type does not implement the trait, the error
/// points at the whole type, always with the same text, which the compiler prints only once.
pub(crate) fn item_of(ty: impl ToTokens, of: &TokenStream, item: &str) -> TokenStream {
    let ty = ty.to_token_stream();
    let (start, end) = ends(&ty);
    let item = proc_macro2::Ident::new(item, end);
    let open = quote_spanned!(start=> <);
    let rest = quote_spanned!(end=> as #of>::#item);
    quote_spanned!(Span::mixed_site()=> #open #ty #rest)
}

/// Generates a call of an item of `item_of`, with the span of the type, so that errors about the result point there too.
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

/// Returns the spans of the first and the last token.
pub(crate) fn ends(tokens: &TokenStream) -> (Span, Span) {
    let mut spans = tokens.clone().into_iter();
    let first = spans.next();
    let last = spans.last().or_else(|| first.clone());
    let span = |token: Option<TokenTree>| token.map_or_else(Span::call_site, |token| token.span());
    (span(first), span(last))
}
