//! A chain of many config types: the compiler does not traverse it.
#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::prelude::*;

/// Defines a module for each name, with a config that depends on that of another module, and its stage.
macro_rules! chain {
    ($($name:ident after $before:ident,)*) => {$(
        mod $name {
            use pylightnix::prelude::*;

            #[derive(Config)]
            pub struct Next {
                #[dref]
                pub before: DRef<super::$before::Next>,
            }

            #[stage]
            fn $name(b: &Build<Next>) -> Result<()> {
                assert!(b.before.path().exists());
                Ok(())
            }

            pub fn plan() -> Result<DRef<Next>> {
                Ok(instantiate(Next::new(super::$before::plan()?))?)
            }
        }
    )*};
}

mod c0 {
    use pylightnix::prelude::*;

    #[derive(Config)]
    pub struct Next {}

    #[stage]
    fn c0(_: &Build<Next>) -> Result<()> {
        Ok(())
    }

    pub fn plan() -> Result<DRef<Next>> {
        Ok(instantiate(Next::new())?)
    }
}

chain! {
    c1 after c0, c2 after c1, c3 after c2, c4 after c3, c5 after c4, c6 after c5, c7 after c6,
    c8 after c7, c9 after c8, c10 after c9, c11 after c10, c12 after c11, c13 after c12, c14
    after c13, c15 after c14, c16 after c15, c17 after c16, c18 after c17, c19 after c18, c20
    after c19, c21 after c20, c22 after c21, c23 after c22, c24 after c23, c25 after c24, c26
    after c25, c27 after c26, c28 after c27, c29 after c28, c30 after c29, c31 after c30, c32
    after c31, c33 after c32, c34 after c33, c35 after c34, c36 after c35, c37 after c36, c38
    after c37, c39 after c38, c40 after c39, c41 after c40, c42 after c41, c43 after c42, c44
    after c43, c45 after c44, c46 after c45, c47 after c46, c48 after c47, c49 after c48, c50
    after c49, c51 after c50, c52 after c51, c53 after c52, c54 after c53, c55 after c54, c56
    after c55, c57 after c56, c58 after c57, c59 after c58, c60 after c59, c61 after c60, c62
    after c61, c63 after c62, c64 after c63, c65 after c64, c66 after c65, c67 after c66, c68
    after c67, c69 after c68, c70 after c69, c71 after c70, c72 after c71, c73 after c72, c74
    after c73, c75 after c74, c76 after c75, c77 after c76, c78 after c77, c79 after c78, c80
    after c79, c81 after c80, c82 after c81, c83 after c82, c84 after c83, c85 after c84, c86
    after c85, c87 after c86, c88 after c87, c89 after c88, c90 after c89, c91 after c90, c92
    after c91, c93 after c92, c94 after c93, c95 after c94, c96 after c95, c97 after c96, c98
    after c97, c99 after c98, c100 after c99, c101 after c100, c102 after c101, c103 after c102,
    c104 after c103, c105 after c104, c106 after c105, c107 after c106, c108 after c107, c109
    after c108, c110 after c109, c111 after c110, c112 after c111, c113 after c112, c114 after
    c113, c115 after c114, c116 after c115, c117 after c116, c118 after c117, c119 after c118,
}

#[test]
fn is_realized() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let last = store.realize(&c119::plan().unwrap()).unwrap();
    assert_eq!(last.before.before.before.id().name().as_str(), "c116");
    assert_eq!(store.rrefs().unwrap().len(), 120);
}
