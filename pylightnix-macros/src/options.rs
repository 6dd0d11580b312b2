//! Parses the options of all three macros: `flag`, `key = value`, `key(list)`, separated by commas.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseBuffer, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, LitBool, LitInt, LitStr, Path, Token, Type, parenthesized, token};

use crate::faults::Faults;
use crate::names;

/// The form of an option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OptionForm {
    /// `key`
    Flag,
    /// `key` or `key = expr`
    FlagOrExpr,
    /// `key = expr`
    Expr,
    /// `key = "text"`
    Text,
    /// `key = 1`
    Number,
    /// `key = a::path`
    Path,
    /// `key = true` or `key = false`
    Switch,
    /// `key(A, B)`
    List,
    /// `key(A, "pattern")`
    ListAndTexts,
    /// `key("a", "b")`
    Texts,
    /// `key(a = 1, b = 2)`
    Amounts,
    /// `key = word`
    Word,
    /// `key(a, b(c, d))`
    Words,
}

/// An option that a macro accepts, with an example.
pub(crate) struct OptionSpec {
    pub(crate) key: &'static str,
    pub(crate) form: OptionForm,
    pub(crate) example: &'static str,
}

/// A macro or attribute with options: its name in messages, and the options that it accepts.
pub(crate) struct OptionHost {
    pub(crate) name: &'static str,
    pub(crate) allows: &'static [OptionSpec],
    /// Options that belong elsewhere, and where.
    pub(crate) elsewhere: Option<(&'static [OptionSpec], &'static str)>,
}

/// An option that the user gave.
pub(crate) struct GivenOption<T> {
    pub(crate) key: Ident,
    pub(crate) value: T,
}

enum Value {
    Flag,
    Expr(Box<Expr>),
    Text(LitStr),
    Number(LitInt),
    Path(Path),
    Switch(bool),
    List(Vec<Type>),
    ListAndTexts(Vec<Type>, Vec<LitStr>),
    Texts(Vec<LitStr>),
    Amounts(Vec<(Ident, LitInt)>),
    Word(Ident),
    Words(Vec<Word>),
}

/// A word of an option, with words in parentheses or without.
pub(crate) struct Word {
    pub(crate) name: Ident,
    pub(crate) inside: Option<Vec<Ident>>,
}

impl Parse for Word {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = Ident::parse_any(input)?;
        let inside = match input.peek(token::Paren) {
            false => None,
            true => {
                let content;
                parenthesized!(content in input);
                let words = content.parse_terminated(Ident::parse_any, Token![,])?;
                Some(words.into_iter().collect())
            }
        };
        Ok(Word { name, inside })
    }
}

/// The options of one item or field.
#[derive(Default)]
pub(crate) struct Options(Vec<GivenOption<Value>>);

impl Options {
    /// Parses the options in `tokens`. Skips invalid ones and adds their errors to `faults`.
    pub(crate) fn read(&mut self, tokens: TokenStream, place: &OptionHost, faults: &mut Faults) {
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                match parse_option(input, place) {
                    Ok(option) => self.add(option, faults),
                    Err(error) => faults.add(error),
                }
                skip_rest(input)?;
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            faults.add(error);
        }
    }

    fn add(&mut self, option: GivenOption<Value>, faults: &mut Faults) {
        if self.0.iter().any(|other| other.key == option.key) {
            let key = &option.key;
            faults.of(key, format!("option `{key}` given twice: remove one"));
        } else {
            self.0.push(option);
        }
    }

    fn take(&mut self, key: &str) -> Option<GivenOption<Value>> {
        let at = self.0.iter().position(|option| option.key == key)?;
        Some(self.0.remove(at))
    }

    /// Takes an option without a value. Returns its key.
    pub(crate) fn flag(&mut self, key: &str) -> Option<Ident> {
        self.take(key).map(|option| option.key)
    }

    /// Takes an option with an optional value.
    pub(crate) fn flag_or_expr(&mut self, key: &str) -> Option<GivenOption<Option<Expr>>> {
        let GivenOption { key, value } = self.take(key)?;
        let value = match value {
            Value::Expr(expr) => Some(*expr),
            _ => None,
        };
        Some(GivenOption { key, value })
    }

    /// Takes the value of an option that is an expression.
    pub(crate) fn expr(&mut self, key: &str) -> Option<Expr> {
        self.flag_or_expr(key)?.value
    }

    /// Takes the value of an option that is a string.
    pub(crate) fn text(&mut self, key: &str) -> Option<LitStr> {
        match self.take(key)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Takes the value of an option that is a number.
    pub(crate) fn number(&mut self, key: &str) -> Option<LitInt> {
        match self.take(key)?.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Takes the value of an option that is a path.
    pub(crate) fn path(&mut self, key: &str) -> Option<Path> {
        match self.take(key)?.value {
            Value::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Takes the value of an option that is true or false.
    pub(crate) fn switch(&mut self, key: &str) -> Option<bool> {
        match self.take(key)?.value {
            Value::Switch(value) => Some(value),
            _ => None,
        }
    }

    /// Takes an option that is a list of named amounts.
    pub(crate) fn amounts(&mut self, key: &str) -> Vec<(Ident, LitInt)> {
        match self.take(key).map(|option| option.value) {
            Some(Value::Amounts(amounts)) => amounts,
            _ => Vec::new(),
        }
    }

    /// Takes an option that is a list of types and texts.
    pub(crate) fn list_and_texts(&mut self, key: &str) -> (Vec<Type>, Vec<LitStr>) {
        match self.take(key).map(|option| option.value) {
            Some(Value::ListAndTexts(types, texts)) => (types, texts),
            _ => (Vec::new(), Vec::new()),
        }
    }

    /// Takes an option that is a list of texts.
    pub(crate) fn texts(&mut self, key: &str) -> Option<GivenOption<Vec<LitStr>>> {
        let GivenOption { key, value } = self.take(key)?;
        match value {
            Value::Texts(value) => Some(GivenOption { key, value }),
            _ => None,
        }
    }

    /// Takes the value of an option that is a word.
    pub(crate) fn word(&mut self, key: &str) -> Option<Ident> {
        match self.take(key)?.value {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Takes an option that is a list of words.
    pub(crate) fn words(&mut self, key: &str) -> Option<GivenOption<Vec<Word>>> {
        let GivenOption { key, value } = self.take(key)?;
        match value {
            Value::Words(value) => Some(GivenOption { key, value }),
            _ => None,
        }
    }

    /// Takes an option that is a list.
    pub(crate) fn list(&mut self, key: &str) -> Option<GivenOption<Vec<Type>>> {
        let GivenOption { key, value } = self.take(key)?;
        match value {
            Value::List(value) => Some(GivenOption { key, value }),
            _ => None,
        }
    }
}

/// An element of a list that may have texts.
enum TypeOrText {
    Type(Box<Type>),
    Text(LitStr),
}

impl Parse for TypeOrText {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        match input.peek(LitStr) {
            true => input.parse().map(TypeOrText::Text),
            false => input.parse().map(TypeOrText::Type),
        }
    }
}

fn parse_option(input: ParseStream<'_>, place: &OptionHost) -> syn::Result<GivenOption<Value>> {
    let key = input.call(Ident::parse_any).map_err(|error| {
        let keys = names::list(place.allows.iter().map(|spec| spec.key));
        let message = format!("not an option of {}; the options are {keys}", place.name);
        syn::Error::new(error.span(), message)
    })?;
    let Some(spec) = place.allows.iter().find(|spec| key == spec.key) else {
        return Err(unknown(&key, place));
    };
    let wrong_form = || {
        let form = match spec.form {
            OptionForm::Flag => "no value",
            OptionForm::FlagOrExpr => "no value, or one after `=`",
            OptionForm::Expr => "a value after `=`",
            OptionForm::Text => "a text after `=`",
            OptionForm::Number => "a number after `=`",
            OptionForm::Path => "a path after `=`",
            OptionForm::Switch => "`true` or `false` after `=`",
            OptionForm::Word => "a word after `=`",
            OptionForm::List | OptionForm::ListAndTexts => "a list in parentheses",
            OptionForm::Texts => "texts in parentheses",
            OptionForm::Amounts => "names with their amounts in parentheses",
            OptionForm::Words => "names in parentheses",
        };
        let message = format!("option `{key}` takes {form}: write `{}`", spec.example);
        syn::Error::new(key.span(), message)
    };
    let value = parse_value(input, spec.form, wrong_form)?;
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(wrong_form());
    }
    Ok(GivenOption { key, value })
}

fn parse_value(
    input: ParseStream<'_>,
    form: OptionForm,
    wrong_form: impl Fn() -> syn::Error,
) -> syn::Result<Value> {
    let wrong = |_| wrong_form();
    match form {
        OptionForm::Flag => return Ok(Value::Flag),
        OptionForm::FlagOrExpr if !input.peek(Token![=]) => return Ok(Value::Flag),
        OptionForm::Amounts => {
            let content = in_parentheses(input, &wrong_form)?;
            let list = Punctuated::<_, Token![,]>::parse_terminated_with(&content, parse_amount);
            let list = list.map_err(wrong)?;
            return Ok(Value::Amounts(list.into_iter().collect()));
        }
        OptionForm::ListAndTexts => {
            let content = in_parentheses(input, &wrong_form)?;
            let list = Punctuated::<TypeOrText, Token![,]>::parse_terminated(&content)?;
            let (mut types, mut texts) = (Vec::new(), Vec::new());
            for element in list {
                match element {
                    TypeOrText::Type(ty) => types.push(*ty),
                    TypeOrText::Text(text) => texts.push(text),
                }
            }
            return Ok(Value::ListAndTexts(types, texts));
        }
        OptionForm::Texts => {
            let content = in_parentheses(input, &wrong_form)?;
            // Taken whole, so that what is left of a list with an error is no error of its own.
            let list: TokenStream = content.parse()?;
            let texts = Punctuated::<LitStr, Token![,]>::parse_terminated.parse2(list);
            return Ok(Value::Texts(texts.map_err(wrong)?.into_iter().collect()));
        }
        OptionForm::Words => {
            let content = in_parentheses(input, &wrong_form)?;
            let words = content.parse_terminated(Word::parse, Token![,]);
            return Ok(Value::Words(words.map_err(wrong)?.into_iter().collect()));
        }
        OptionForm::List => {
            let content = in_parentheses(input, &wrong_form)?;
            let list = Punctuated::<Type, Token![,]>::parse_terminated(&content)?;
            return Ok(Value::List(list.into_iter().collect()));
        }
        _ => {}
    }
    input.parse::<Token![=]>().map_err(wrong)?;
    Ok(match form {
        OptionForm::Text => Value::Text(input.parse().map_err(wrong)?),
        OptionForm::Number => Value::Number(input.parse().map_err(wrong)?),
        OptionForm::Word => Value::Word(input.call(Ident::parse_any).map_err(wrong)?),
        OptionForm::Path => Value::Path(input.call(Path::parse_mod_style).map_err(wrong)?),
        OptionForm::Switch => Value::Switch(input.parse::<LitBool>().map_err(wrong)?.value),
        _ => Value::Expr(input.parse()?),
    })
}

/// Returns what is in the parentheses that have to follow.
fn in_parentheses<'a>(
    input: ParseStream<'a>,
    wrong_form: &impl Fn() -> syn::Error,
) -> syn::Result<ParseBuffer<'a>> {
    if !input.peek(token::Paren) {
        return Err(wrong_form());
    }
    let content;
    parenthesized!(content in input);
    Ok(content)
}

fn parse_amount(input: ParseStream<'_>) -> syn::Result<(Ident, LitInt)> {
    let name = Ident::parse_any(input)?;
    input.parse::<Token![=]>()?;
    Ok((name, input.parse()?))
}

fn unknown(key: &Ident, place: &OptionHost) -> syn::Error {
    let written = key.to_string();
    if let Some((specs, place)) = place.elsewhere
        && specs.iter().any(|spec| key == spec.key)
    {
        let message = format!("option `{written}` goes {place}");
        return syn::Error::new(key.span(), message);
    }
    let keys = || place.allows.iter().map(|spec| spec.key);
    let suggestion = match names::suggestion(&written, keys()) {
        Some(suggestion) => format!("did you mean `{suggestion}`? "),
        None => String::new(),
    };
    let message = format!(
        "unknown option `{written}` of {}; {suggestion}the options are {}",
        place.name,
        names::list(keys())
    );
    syn::Error::new(key.span(), message)
}

/// Skips to the next option, after the comma.
fn skip_rest(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() {
        if input.parse::<Option<Token![,]>>()?.is_some() {
            break;
        }
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
