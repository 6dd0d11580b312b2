//! The commands with which a group shares results.

use pylightnix::config::RRefId;
use snapbox::{assert_data_eq, str};
use std::fs;
use tests::line::{Line, Said};

fn line() -> Line {
    Line::new(env!("CARGO_BIN_EXE_store-cli"))
}

/// Returns the exit code, standard output, and after a separator standard error.
fn shown(line: &Line, arguments: &str) -> String {
    let Said { code, out, err } = line.say(arguments);
    format!("{out}---\n{err}= {code}\n")
}

#[test]
fn two_people_share_by_a_folder() {
    let ada = line();
    assert_data_eq!(
        shown(&ada, "push plot"),
        str![[r#"
---
error: this store knows no remote
  help: `remote add NAME ADDRESS` adds one; or set `$PYLIGHTNIX_REMOTE`
= 1

"#]]
    );
    assert_eq!(ada.say("remote add team ./shared").code, 0);
    let said = ada.say("push plot --dry-run");
    assert!(
        said.err.starts_with("would send 3 realizations to "),
        "{said:?}"
    );
    assert!(!ada.folder.path().join("shared").exists());
    let said = ada.say("push plot --as best");
    assert!(said.err.starts_with("sent 3 realizations to "), "{said:?}");
    assert_data_eq!(
        shown(&ada, "push plot"),
        str![[r#"
---
nothing to send: 3 realizations are there already
= 0

"#]]
    );
    assert_data_eq!(
        shown(&ada, "remote ls"),
        str![[r#"
REALIZATION        MADE              SIZE  RESULT
[..]
...
= 0

"#]]
    );
    let said = ada.say("pull best --remote ./shared --store ben --dry-run");
    assert!(
        said.err.starts_with("would fetch 3 realizations from "),
        "{said:?}"
    );
    let said = ada.say("pull best --remote ./shared --store ben");
    assert!(
        said.err.starts_with("fetched 3 realizations from "),
        "{said:?}"
    );
    let plot: RRefId = ada.newest("plot");
    assert_eq!(said.out.lines().last(), Some(plot.to_string().as_str()));
    assert_data_eq!(
        shown(&ada, "pull plot --remote ./shared --store ben"),
        str![[r#"
---
nothing was fetched: 3 realizations are here already
= 0

"#]]
    );
    assert_eq!(ada.say("check --contents --store ben").code, 0);
    assert_eq!(ada.say("remote roots").out.split("  ").next(), Some("best"));
}

#[test]
fn what_is_broken_is_said_found_and_mended() {
    let ada = line();
    assert_eq!(ada.say("push plot --remote ./shared").code, 0);
    let verified = ada.say("remote verify --remote ./shared");
    assert!(
        verified.code == 0 && verified.out.starts_with("no faults in 3 realizations"),
        "{verified:?}"
    );
    for pack in fs::read_dir(ada.folder.path().join("shared/pack"))
        .into_iter()
        .flatten()
        .flatten()
    {
        assert!(fs::remove_file(pack.path()).is_ok());
    }
    let said = ada.say("pull plot --remote ./shared --store ben");
    assert!(
        said.code == 1 && said.err.contains("left out: "),
        "{said:?}"
    );
    let verified = ada.say("remote verify --remote ./shared");
    assert!(
        verified.code == 1 && verified.out.contains("is not there"),
        "{verified:?}"
    );
    assert!(
        verified
            .out
            .contains("is lost until somebody pushes it again"),
        "{verified:?}"
    );
    assert_eq!(ada.say("push plot --remote ./shared").code, 0);
    assert_eq!(ada.say("remote verify --remote ./shared").code, 0);
    assert_eq!(ada.say("pull plot --remote ./shared --store ben").code, 0);
}

#[test]
fn remotes_have_names() {
    let line = line();
    assert_eq!(line.say("remote add team ./shared").code, 0);
    assert_eq!(line.say("remote add web https://one.org/results").code, 0);
    let list = line.out("remote list");
    let names: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split("  ").next())
        .collect();
    assert_eq!(names, ["team", "web"]);
    let said = line.say("remote ls");
    assert!(
        said.code == 1 && said.err.contains("several remotes: team, web"),
        "{said:?}"
    );
    let said = line.say("remote ls --remote other");
    assert!(
        said.code == 1 && said.err.contains("knows no remote `other`"),
        "{said:?}"
    );
    let said = line.say("remote ls --remote team");
    assert!(
        said.code == 1 && said.err.contains("there is no remote at "),
        "{said:?}"
    );
    assert_eq!(line.say("remote remove web").code, 0);
    assert_eq!(line.say("remote remove web").code, 1);
    let said = line.say("remote add team https://ada:secret@one.org/x");
    assert!(said.code == 1 && !said.err.contains("secret"), "{said:?}");
    assert_eq!(line.say("check").code, 0);
}
