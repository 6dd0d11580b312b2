use proc_macro2::{Delimiter, TokenStream};
use proptest::prelude::*;
use proptest::sample::select;

use super::text;
use super::token::walk;

fn of(code: &str) -> String {
    text(
        code.parse()
            .unwrap_or_else(|error| panic!("{code}: {error}")),
    )
}

/// A change to any of these texts would make the results in all stores stale.
#[test]
fn golden() {
    let code = r##"
        /// The best of several runs.
        #[allow(clippy::cast_precision_loss)]
        #[inline]
        fn anneal<R: Rng>(b: &Build<Anneal>, seeds: &[u64],) -> Result<AnnealOutputs> {
            // A comment.
            let params = b.ref_params.out.load()?;
            let mut best: Option<(f64, Vec<u8>,)> = None;
            for (i, seed) in seeds.iter().enumerate() {
                let x = if i % 2 == 0 && !seeds.is_empty() { -1.5e-3 } else { (1,).0 as f64 };
                match best { Some((e, _)) if e <= x => {}, _ => best = Some((x, vec![b'\n'; 3,],)) }
            }
            Ok(AnnealOutputs { out: b.out.save(&params)?, r#type: "é\"", ..Default::default() })
        }
    "##;
    let text = of(code);
    assert_eq!(text, include_str!("golden.txt").trim_end(), "\n{text}");
}

#[test]
fn what_does_not_count() {
    let same = [
        ("x=-1", "x = - 1"),
        ("a . b ( c )", "a.b(c)"),
        ("f(a, b,)", "f(a, b)"),
        ("f(a,)", "f(a)"),
        ("f::<A, B>(a,)", "f::<A, B,>(a)"),
        (
            "fn f<A: Into<Vec<B>>>(a: A,) {}",
            "fn f<A: Into<Vec<B>>>(a: A) {}",
        ),
        ("vec![1, 2,]", "vec![1, 2]"),
        ("assert!(a,)", "assert!(a)"),
        ("(a, b,)", "(a, b)"),
        ("S { a, }", "S { a }"),
        ("#[derive(A,)] struct S;", "#[derive(A)] struct S;"),
        ("/// doc\n fn f() {}", "fn f() {}"),
        ("fn f() { //! doc\n }", "fn f() {}"),
        (
            "#[doc(hidden)] #[must_use] #[allow(a, b)] #[expect(c, reason = \"d\")] fn f() {}",
            "fn f() {}",
        ),
        (
            "#[cfg_attr(test, allow(a), doc = \"b\")] fn f() {}",
            "fn f() {}",
        ),
        ("a /* why */ + b // how\n", "a + b"),
        ("x.0 .1", "x . 0 . 1"),
    ];
    for (one, two) in same {
        assert_eq!(of(one), of(two), "{one}  and  {two}");
    }
}

#[test]
fn what_counts() {
    let different = [
        ("a && b", "a & &b"),
        ("a || b", "a | | b"),
        ("a == b", "a = = b"),
        ("a >> b", "a > > b"),
        ("a <- b", "a < - b"),
        ("a..=b", "a.. =b"),
        ("(x,)", "(x)"),
        ("return (x,)", "return (x)"),
        ("break 'a (x,)", "break 'a (x)"),
        ("a > (x,)", "a > (x)"),
        ("let x: (HashMap<A, B>,)", "let x: (HashMap<A, B>)"),
        ("= (f::<A, B>(x),)", "= (f::<A, B>(x))"),
        ("= (a > f::<A, B>(x),)", "= (a > f::<A, B>(x))"),
        ("struct S(pub (u8,));", "struct S(pub (u8));"),
        ("struct S(pub(crate) (u8,));", "struct S(pub(crate) (u8));"),
        ("struct S(#[a] (u8,));", "struct S(#[a] (u8));"),
        ("x.0.1", "x.0 .1"),
        ("x.0.1", "x.0.2"),
        ("1. max", "1 .max"),
        ("'a b", "'b b"),
        ("'a'", "'a"),
        ("\"a b\"", "\"a  b\""),
        ("0x10", "16"),
        ("r#if", "if"),
        ("{ a }", "( a )"),
        ("ab", "a b"),
        ("f(a, b)", "f(b, a)"),
        ("#[inline] fn f() {}", "fn f() {}"),
        ("#[cfg_attr(test, inline)] fn f() {}", "fn f() {}"),
        ("#[cfg_attr(test, allow(a), inline)] fn f() {}", "fn f() {}"),
        ("a;", "a"),
        ("a(,)", "a()"),
        ("-1", "1"),
        ("b\"x\"", "b \"x\""),
    ];
    for (one, two) in different {
        assert_ne!(of(one), of(two), "{one}  and  {two}");
    }
}

/// An invisible group, which `macro_rules` makes, is not the same as its tokens.
#[test]
fn invisible_groups_count() {
    let sum: TokenStream = "b + c".parse().unwrap_or_default();
    let group = proc_macro2::Group::new(Delimiter::None, sum.clone());
    assert_ne!(
        text(quote::quote!(a * #group)),
        text(quote::quote!(a * #sum))
    );
}

fn word() -> impl Strategy<Value = String> {
    select(vec![
        "a", "B", "fn", "self", "Self", "return", "r#if", "impl", "in", "'a", "pub", "b", "r",
        "else",
    ])
    .prop_map(str::to_owned)
}

fn literal() -> impl Strategy<Value = String> {
    select(vec![
        "0", "1", "1.", "0.1", "1e3", "1u8", "\"s\"", "b\"s\"", "'c'", "r#\"s\"#",
    ])
    .prop_map(str::to_owned)
}

fn operator() -> impl Strategy<Value = String> {
    select(vec![
        "<<=", ">>=", "...", "..=", "::", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "+=",
        "-=", "<<", ">>", "..", "<-", "+", "-", "*", "/", "%", "^", "!", "&", "|", "=", ">", "<",
        "@", ".", ",", ";", ":", "#", "$", "?", "~",
    ])
    .prop_map(str::to_owned)
}

/// Generates tokens as separate texts, so that any whitespace may stand between them.
fn tokens() -> impl Strategy<Value = Vec<String>> {
    let one = prop_oneof![
        3 => word(),
        2 => literal(),
        4 => operator(),
    ]
    .prop_map(|token| vec![token]);
    let trees = one.prop_recursive(4, 40, 6, |inner| {
        let inside = prop::collection::vec(inner, 0..6).prop_map(|parts| parts.concat());
        (select(&[("(", ")"), ("[", "]"), ("{", "}")][..]), inside).prop_map(
            |((open, close), inner)| {
                let mut tokens = vec![open.to_owned()];
                tokens.extend(inner);
                tokens.push(close.to_owned());
                tokens
            },
        )
    });
    prop::collection::vec(trees, 0..8).prop_map(|parts| parts.concat())
}

/// Only the last comma of a list is ignored, and two commas do not end a list.
#[test]
fn two_commas_count() {
    for (two, one) in [
        ("[a,,]", "[a,]"),
        ("f(a,,)", "f(a,)"),
        ("{a,,}", "{a}"),
        ("f::<A,,>()", "f::<A,>()"),
    ] {
        assert_ne!(of(two), of(one), "{two}");
        let again: TokenStream = of(two).parse().unwrap();
        assert_eq!(text(again), of(two));
    }
}

proptest! {
    /// Parsing the text gives the same tokens: so different tokens have different texts.
    #[test]
    fn the_text_is_the_tokens(tokens in tokens()) {
        let code: TokenStream = tokens.join(" ").parse().unwrap();
        let again: TokenStream = text(code.clone()).parse().unwrap();
        prop_assert_eq!(walk(again.clone()), walk(code.clone()));
        prop_assert_eq!(text(again), text(code));
    }

    #[test]
    fn spacing_does_not_count(
        tokens in tokens(),
        spaces in prop::collection::vec(select(&[" ", "\n", "  ", "\t", " /* c */ ", " // c\n"][..]), 1..9),
    ) {
        let mut spaced = String::new();
        for (token, space) in tokens.iter().zip(spaces.iter().cycle()) {
            spaced.push_str(token);
            spaced.push_str(space);
        }
        prop_assert_eq!(of(&spaced), of(&tokens.join(" ")));
    }

    /// Replacing one token changes the text, unless it is a comma that is ignored.
    #[test]
    fn another_token_counts(tokens in tokens(), at: prop::sample::Index, other in prop_oneof![word(), literal()]) {
        prop_assume!(!tokens.is_empty());
        let at = at.index(tokens.len());
        let brackets = ["(", ")", "[", "]", "{", "}", ",", "#"];
        prop_assume!(!brackets.contains(&tokens[at].as_str()) && tokens[at] != other);
        let mut changed = tokens.clone();
        changed[at] = other;
        prop_assert_ne!(of(&changed.join(" ")), of(&tokens.join(" ")));
    }
}
