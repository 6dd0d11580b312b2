//! Macros in crates that rename the library, or use it through another crate.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::prelude::*;
use pylightnix::realize::Realize;
use reexported::{Summary, Unit};
use renamed::Numbers;
use tests::store::store;

#[test]
fn stages_of_libraries_with_other_names_for_the_library() {
    let (_folder, store) = store();
    let numbers = instantiate(Numbers {
        count: 4,
        ..Numbers::new()
    })
    .unwrap();
    let summary = instantiate(Summary::new(numbers, 3_u64)).unwrap();
    let run = Realize::new(&store).arg(Unit("m"));
    let realized = run.run(&summary).unwrap();
    assert_eq!(realized.out.load().unwrap(), "6 m");
    assert_eq!(realized.numbers.out.load().unwrap(), [0, 2, 4, 6]);
}

/// As another process restores them: from the registry of stages.
#[test]
fn they_are_registered() {
    let (_folder, store) = store();
    let numbers = instantiate(Numbers::new()).unwrap();
    let summary = instantiate(Summary::new(numbers, 2_u64)).unwrap();
    let run = Realize::new(&store).arg(Unit("m"));
    run.run(&summary).unwrap();
    assert_eq!(store.derivation(&summary).unwrap().id(), summary.id());
}

/// One `use` imports the trait and its derive macro, from the root and from the module `lens`.
mod by_one_use {
    use pylightnix::lens::SelfRef;

    mod of_the_root {
        use pylightnix::{Config, Result, stage};

        #[derive(Config)]
        pub(super) struct Rooted {
            #[selfref("out")]
            pub(super) out: super::SelfRef,
        }

        #[stage]
        fn rooted(_: &pylightnix::lens::Build<Rooted>) -> Result<()> {
            Ok(())
        }

        pub(super) fn name_of<C: Config>(_: &C) -> &'static str {
            std::any::type_name::<C>()
        }
    }

    mod of_lenses {
        use pylightnix::lens::Config;

        #[derive(Config)]
        pub(super) struct Lensed {}

        pub(super) fn name_of<C: Config>(_: &C) -> &'static str {
            std::any::type_name::<C>()
        }
    }

    #[test]
    fn both_are_there() {
        let rooted = of_the_root::Rooted::new();
        let _ = &rooted.out;
        assert!(of_the_root::name_of(&rooted).ends_with("Rooted"));
        assert!(of_lenses::name_of(&of_lenses::Lensed::new()).ends_with("Lensed"));
    }
}
