//! Stages at all possible places, and matchers as they are written there.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

// Without the prelude: a matcher in `#[stage(..)]` needs no import.
use pylightnix::lens::{Build, One, RRef, SelfRef, format::Json};
use pylightnix::plan::matcher::{Choice, Matcher};
use pylightnix::plan::{DRef, Stage, instantiate, registered};
use pylightnix::realize::Realize;
use pylightnix::{BoxError, Config, Result, stage};
use tests::doubles;
use tests::library::Shared;
use tests::runs::scratch;

doubles!(Double by double, latest());
doubles!(Twice by twice, only());

fn of(number: u32) -> DRef<Shared> {
    instantiate(Shared::new(number)).unwrap()
}

fn number_of<C: Stage<Card = One>>(
    config: impl Fn() -> C,
    number: impl Fn(&RRef<C>) -> Result<u32>,
) -> u32 {
    let (_folder, store) = scratch();
    let run = |built| {
        let plan = instantiate(config()).unwrap();
        let (run, report) = Realize::new(&store).run_reporting(&plan).unwrap();
        assert_eq!(report.built, built);
        (number(&run).unwrap(), plan.id().clone())
    };
    let (first, id) = run(instantiate(config()).unwrap().config_json().deps().len() + 1);
    assert_eq!(run(0).0, first);
    // As another process restores it.
    let again = store.derivation(&id).unwrap();
    assert!(store.plan(&again).unwrap().is_done());
    first
}

/// Returns the text of a stage's matcher, and whether it always takes a single candidate.
fn written<C: Stage>() -> (&'static str, bool) {
    (C::MATCHER, C::matcher().takes_the_only())
}

#[test]
fn made_by_a_macro_of_a_library() {
    assert_eq!(number_of(|| Double::new(of(3)), |run| run.out.load()), 6);
    assert_eq!(number_of(|| Twice::new(of(4)), |run| run.out.load()), 8);
    // Written explicitly, the default matcher is as cheap.
    assert_eq!(written::<Double>(), ("latest()", true));
    assert_eq!(written::<Twice>(), ("only()", true));
}

/// A matcher of the library, written differently.
#[derive(Config)]
struct Other {}

#[stage(matcher = pylightnix::plan::matcher::latest())]
fn other(_: &Build<Other>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct Some1 {}

#[stage(many, matcher = some(1))]
fn some1(_: &Build<Some1>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct Filtered {}

#[stage(matcher = latest().filter(|_| Ok(true)))]
fn filtered(_: &Build<Filtered>) -> Result<()> {
    Ok(())
}

#[test]
fn however_it_is_written() {
    assert!(written::<Other>().1);
    assert!(written::<Some1>().1);
    assert!(!written::<Filtered>().1);
}

#[test]
fn of_a_library() {
    assert_eq!(number_of(|| Shared::new(5), |run| run.out.load()), 5);
    assert!(registered().any(|stage| stage.name() == "shared"));
}

#[test]
fn in_a_function() {
    #[derive(Config)]
    struct Local {
        #[selfref("number.json")]
        out: SelfRef<Json<u32>>,
        number: u32,
    }

    fn key(run: &RRef<Local>) -> Result<u32, BoxError> {
        Ok(run.number)
    }

    #[stage(matcher = lowest(key))]
    fn local(b: &Build<Local>) -> Result<LocalOutputs> {
        Ok(LocalOutputs {
            out: b.out.save(&b.number)?,
        })
    }

    assert_eq!(number_of(|| Local::new(7), |run| run.out.load()), 7);
    assert_eq!(written::<Local>(), ("lowest(key)", false));
}

#[test]
fn in_a_block_made_by_a_macro() {
    macro_rules! number {
        ($($stage:ident of $config:ident is $number:expr;)*) => {$({
            #[derive(Config)]
            struct $config {
                #[selfref("number.json")]
                out: SelfRef<Json<u32>>,
            }

            #[stage]
            fn $stage(b: &Build<$config>) -> Result<()> {
                b.out.save(&$number).map(drop)
            }

            assert_eq!(number_of($config::new, |run| run.out.load()), $number);
            assert_eq!(written::<$config>(), ("latest()", true));
        })*};
    }
    number! {
        eight of Eight is 8;
        nine of Nine is 9;
    }
}

/// User-defined matchers with names of the library.
mod own_names {
    use super::*;

    #[derive(Config)]
    pub(super) struct Named {
        #[selfref("number.json")]
        pub(super) out: SelfRef<Json<u32>>,
        #[config(default = 0, unhashed)]
        number: u32,
    }

    /// Another matcher with a name of the library.
    pub(super) struct Latest;

    impl<C: Config> Matcher<C> for Latest {
        type Card = One;

        fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
            Ok(candidates.last().cloned().into())
        }
    }

    use pylightnix::lens::Config;

    fn latest() -> Latest {
        Latest
    }

    fn all(_: &RRef<Named>) -> Result<bool, BoxError> {
        Ok(true)
    }

    #[stage(matcher = self::latest().filter(self::all))]
    fn named(b: &Build<Named>) -> Result<NamedOutputs> {
        let _ = b.number;
        Ok(NamedOutputs {
            out: b.out.save(&1)?,
        })
    }
}

#[test]
fn beside_names_that_are_those_of_the_library() {
    use own_names::Named;
    assert_eq!(number_of(Named::new, |run| run.out.load()), 1);
    let text = "self::latest().filter(self::all)";
    assert_eq!(written::<Named>(), (text, false));
}

/// Names of another crate's prelude.
mod other {
    pub(super) enum Text {}

    pub(super) fn all() -> u32 {
        1
    }

    pub(super) fn latest(number: u32) -> u32 {
        number
    }
}

/// Two preludes in one module.
mod beside_another_prelude {
    use super::other::*;
    use pylightnix::prelude::*;
    // Both preludes have a type with this name: an explicit import decides.
    use pylightnix::prelude::Text;

    #[derive(Config)]
    struct Beside {
        #[selfref("number.txt")]
        out: SelfRef<Text>,
        number: u32,
    }

    #[stage(many, matcher = all())]
    fn beside(b: &Build<Beside>) -> Result<BesideOutputs> {
        Ok(BesideOutputs {
            out: b.out.save(&latest(b.number + all()).to_string())?,
        })
    }

    #[test]
    fn works() {
        let _: Option<super::other::Text> = None;
        let (_folder, store) = tests::runs::scratch();
        let plan = instantiate(Beside::new(1)).unwrap();
        let one = plan.clone().with_matcher(matcher::latest());
        assert_eq!(store.realize(&plan).unwrap().len(), 1);
        assert_eq!(store.realize(&one).unwrap().out.load().unwrap(), "2");
    }
}

/// Dependencies with type aliases.
mod aliases {
    use super::*;
    use std::collections::BTreeMap;

    type Number = DRef<Shared>;
    type Numbers = Vec<Number>;

    #[derive(Config)]
    struct Sum {
        #[selfref("number.json")]
        out: SelfRef<Json<u32>>,
        #[dref]
        one: Number,
        #[dref]
        optional: Option<Number>,
        #[dref]
        #[config(default)]
        listed: Numbers,
        #[dref]
        named: BTreeMap<String, Numbers>,
    }

    #[stage]
    fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
        let all = [&b.one].into_iter().chain(&b.optional);
        let all = all.chain(&b.listed).chain(b.named.values().flatten());
        let numbers = all.map(|run| run.out.load());
        Ok(SumOutputs {
            out: b.out.save(&numbers.sum::<Result<u32>>()?)?,
        })
    }

    #[test]
    fn are_dependencies() {
        let sum = || Sum {
            listed: vec![of(3), of(4)],
            ..Sum::new(of(1), Some(of(2)), [("a".to_owned(), vec![of(5)])].into())
        };
        assert_eq!(number_of(sum, |run| run.out.load()), 15);
        let deps = |sum: Sum| instantiate(sum).unwrap().config_json().deps().len();
        assert_eq!(deps(sum()), 5);
        assert_eq!(deps(Sum::new(of(1), None, BTreeMap::new())), 1);
    }
}
