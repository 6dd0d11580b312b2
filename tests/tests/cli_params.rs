//! The command line of a program with parameters.

use std::fs;
use tests::line::{Line, Said};

const TUNED: &str = env!("CARGO_BIN_EXE_tuned");

/// Runs the program in a folder of its own.
struct Tuned {
    line: Line,
}

impl Tuned {
    fn new() -> Self {
        let line = Line::empty(TUNED);
        Tuned { line }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.line.folder.path().join(name), text).expect("a file");
    }

    fn say(&self, words: &str) -> Said {
        self.line.say(words)
    }

    /// Runs the program with variables in its environment.
    fn say_with(&self, words: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = self.line.command(words);
        command.envs(variables.iter().copied());
        self.line.said(command.output().expect("a program"))
    }

    /// Returns the newest report.
    fn report(&self) -> String {
        self.say("cat report").out
    }
}

#[test]
fn what_is_stronger_counts() {
    let tuned = Tuned::new();
    let rate = |words: &str, variables: &[(&str, &str)]| {
        let said = tuned.say_with(&format!("run --quiet {words}"), variables);
        assert_eq!(said.code, 0, "{said:?}");
        tuned.report()
    };
    assert_eq!(rate("", &[]), "3 clusters at 0.1\n");
    tuned.write(
        "params.toml",
        "[train]\nrate = 0.2\n[profile.quick]\nclusters = 2\ntrain.rate = 0.3\n",
    );
    assert_eq!(rate("", &[]), "3 clusters at 0.2\n");
    assert_eq!(rate("--profile quick", &[]), "2 clusters at 0.3\n");
    let variable = [("PYLIGHTNIX_PARAM_TRAIN__RATE", "0.4")];
    assert_eq!(rate("--profile quick", &variable), "2 clusters at 0.4\n");
    let words = "--profile quick --set train.rate=0.5";
    assert_eq!(rate(words, &variable), "2 clusters at 0.5\n");
    tuned.write("other.json", "{\"train\": {\"rate\": 7}}");
    assert_eq!(rate("--params other.json", &[]), "3 clusters at 7\n");
    // Without a command, the program runs.
    assert_eq!(tuned.say("--quiet --set clusters=9").code, 0);
    assert_eq!(tuned.report(), "9 clusters at 0.2\n");
}

#[test]
fn params_says_what_a_run_would_be_given_and_by_what() {
    let tuned = Tuned::new();
    tuned.write(
        "params.toml",
        "\nclusters = 4\n[profile.quick.train]\nrate = 1\n",
    );
    let words = "params --profile quick --set train.title=x";
    let said = tuned.say_with(words, &[("PYLIGHTNIX_PARAM_DRY_RUN", "false")]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert_eq!(
        said.out,
        "PARAMETER    VALUE    FROM                          WHAT\n\
         clusters     4        params.toml:2                 How many clusters to look f…\n\
         train.rate   1.0      params.toml:4, profile quick  The learning rate\n\
         train.model  \"small\"  default                       The size of the model\n\
         train.title  \"x\"      --set                         in no identity\n\
         threads      1        default                       How many threads to use\n\
         dry-run      false    PYLIGHTNIX_PARAM_DRY_RUN      Used by nothing\n"
    );
    let json = tuned.line.json("params --set threads=2");
    assert_eq!(json[4]["values"], serde_json::json!([2]));
    assert_eq!(
        json[4]["origin"],
        serde_json::json!({"from": "set", "by": "--set"})
    );
    assert_eq!(json[4]["type"], "usize");
}

#[test]
fn a_plan_tells_what_is_not_default_and_what_it_changes() {
    let tuned = Tuned::new();
    assert!(!tuned.say("plan").out.contains("parameters"));
    tuned.write("params.toml", "threads = 2\n[train]\nrate = 0.1\n");
    let said = tuned.say("plan --set clusters=5 --set dry-run=true");
    assert_eq!(said.code, 0, "{said:?}");
    let told = said.out.split_once("parameters that do not").map(|it| it.1);
    assert_eq!(
        told.and_then(|told| told.rsplit_once("\n2 "))
            .map(|it| it.0),
        Some(
            " have their default:\n  \
             clusters = 5  (--set)\n  \
             threads = 2  (params.toml:1), unhashed: it is only in `threads` of `fit`\n  \
             dry-run = true  (--set), in no identity"
        ),
        "{said:?}"
    );
    let params = tuned
        .line
        .json("params --set clusters=5 --set dry-run=true");
    let all = params.as_array().expect("a list").iter();
    let changes: Vec<_> = all.map(|param| param["changes"].as_str()).collect();
    let (identity, unhashed) = (Some("identity"), Some("unhashed"));
    let none = Some("no_identity");
    assert_eq!(changes, [identity, None, None, None, unhashed, none]);
    // Another target does not have that parameter.
    let said = tuned.say("plan fit --set clusters=5");
    assert!(
        said.out.contains("clusters = 5  (--set), in no identity"),
        "{said:?}"
    );
}

#[test]
fn a_mistake_is_told_before_anything_runs() {
    let tuned = Tuned::new();
    let told = |words: &str, variables: &[(&str, &str)]| {
        let said = tuned.say_with(words, variables);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
        said.err
    };
    assert_eq!(
        told("run --set train.rat=1", &[]),
        "error: --set: there is no parameter `train.rat`\n  help: did you mean `train.rate`?\n"
    );
    assert_eq!(
        told("run", &[("PYLIGHTNIX_PARAM_TRAIN__RAT", "1")]),
        "error: the environment: there is no parameter `PYLIGHTNIX_PARAM_TRAIN__RAT`\n  \
         help: did you mean `PYLIGHTNIX_PARAM_TRAIN__RATE`?\n"
    );
    let fast = [("PYLIGHTNIX_PARAM_TRAIN__RATE", "fast")];
    assert!(told("plan", &fast).starts_with(
        "error: PYLIGHTNIX_PARAM_TRAIN__RATE: the value of `train.rate` does not fit its type `f64`\n  \
         caused by: invalid type: string \"fast\", expected f64"
    ));
    assert!(told("run --set clusters", &[]).contains("write `KEY=VALUE`"));
    assert!(told("run --profile quick", &[]).contains("there is no profile `quick`"));
    assert!(
        told("run --params none.toml", &[]).contains("cannot read the parameters in none.toml")
    );
    tuned.write("params.toml", "[train]\nmodel = \"smal\"\n");
    for command in ["run", "plan", "params", "graph", "accept --all"] {
        assert_eq!(
            told(command, &[]),
            "error: params.toml:2: `smal` is no value of `train.model`\n  \
             help: did you mean `small`? its values are `small`, `very-large`\n",
            "{command}"
        );
    }
    assert_eq!(tuned.say("list").out, "");
    tuned.write("params.json", "{}");
    assert!(told("run", &[]).contains("both params.toml and params.json are there"));
}

#[test]
fn a_program_without_parameters_has_no_options_for_them() {
    let line = Line::empty(env!("CARGO_BIN_EXE_asking"));
    let said = line.say("run --set a=1");
    assert_eq!(said.code, 2);
    assert!(said.err.contains("unexpected argument '--set'"), "{said:?}");
    let said = line.say("params");
    assert!(
        said.err.contains("this program declares no parameters"),
        "{said:?}"
    );
    let store = Line::empty(env!("CARGO_BIN_EXE_store-cli"));
    assert!(store.say("params").err.contains("this program has no plan"));
}

#[test]
fn the_help_lists_the_parameters() {
    let tuned = Tuned::new();
    let help = tuned.say("help params").out;
    for line in [
        "  clusters: usize; default 3\n          How many clusters to look for\n",
        "  train.model: Model, one of small, very-large; default small\n",
        "  train.title: Option<String>; default null\n",
    ] {
        assert!(help.contains(line), "{help}");
    }
    let help = tuned.say("run --help").out;
    assert!(
        help.contains("Parameters:\n      --set <KEY=VALUE>"),
        "{help}"
    );
    assert!(!tuned.say("list --help").out.contains("--set"));
}

#[test]
fn a_sweep_plans_a_target_for_each_point() {
    let tuned = Tuned::new();
    let words = "--sweep train.rate=0.1,0.5 --sweep clusters=2,4";
    let said = tuned.say(&format!("run --progress none {words}"));
    assert_eq!(said.code, 0, "{said:?}");
    let labels: Vec<_> = said.out.lines().step_by(2).collect();
    let labels: Vec<_> = labels.iter().filter_map(|it| it.split_once("  ")).collect();
    let labels: Vec<_> = labels.iter().map(|it| it.1).collect();
    assert_eq!(
        labels,
        [
            "clusters=2,rate=0.1",
            "clusters=4,rate=0.1",
            "clusters=2,rate=0.5",
            "clusters=4,rate=0.5"
        ],
        "{said:?}"
    );
    // Each point is a target of its own, which is kept.
    let roots = tuned.say("roots --json").out;
    for label in ["rate=0.1,clusters=2", "rate=0.5,clusters=4"] {
        let target = format!("\"target\": \"report {label}\"");
        assert!(roots.contains(&target), "{roots}");
    }
    let said = tuned.say(&format!("plan {words}"));
    assert!(
        said.out
            .contains("  clusters = 2, 4  (--sweep)\n  train.rate = 0.1, 0.5  (--sweep)\n"),
        "{said:?}"
    );
    assert!(
        said.out.contains("nothing to build: 6 stages reused"),
        "{said:?}"
    );
    let said = tuned.say("plan --sweep train.model=small,larg");
    assert_eq!(said.code, 2);
    assert!(
        said.err
            .starts_with("error: --sweep train.model: `larg` is no value"),
        "{said:?}"
    );
    let twice = tuned.say("plan --sweep train.rate=1,1.0");
    assert!(
        twice.err.contains("the value 1.0 is there twice"),
        "{twice:?}"
    );
    assert_eq!(tuned.say("plan --sweep train.rat=1,2").code, 2);
}

#[test]
fn results_tell_with_which_parameters_they_were_made() {
    let tuned = Tuned::new();
    let words = "run --quiet --set train.rate=0.5 --set train.title=x";
    assert_eq!(tuned.say("run --quiet").code, 0);
    assert_eq!(tuned.say(words).code, 0);
    let said = tuned.say("params diff report@2 report");
    assert_eq!(
        (said.code, said.out.as_str()),
        (1, "train.rate 0.1 -> 0.5\ntrain.title null -> \"x\"\n"),
        "{said:?}"
    );
    let same = tuned.say("params diff report fit");
    assert_eq!((same.code, same.out.as_str()), (0, ""), "{same:?}");
    let shown = tuned.say("show report").out;
    assert!(
        shown.contains("parameters clusters=3 dry-run=false threads=1 train.model=\"small\" "),
        "{shown}"
    );
    let json = tuned.line.json("show fit");
    assert_eq!(json["builds"][0]["params"]["train.rate"], 0.5);
    // They survive an archive.
    assert_eq!(tuned.say("pack report.zip report").code, 0);
    let unpacked = tuned.say("--store other unpack report.zip");
    assert_eq!(unpacked.code, 0, "{unpacked:?}");
    let other = tuned.say("--store other show report --json").out;
    assert!(other.contains("\"train.title\": \"x\""), "{other}");
    let said = tuned.say("--json params diff report@2 report");
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(json["params"][0]["old"], 0.1);
}

#[test]
fn a_long_value_is_told_by_its_digest() {
    let tuned = Tuned::new();
    let title = |length: usize| {
        let title = "x".repeat(length);
        // It reaches no config.
        let words = format!("run --quiet --force report --set train.title={title}");
        assert_eq!(tuned.say(&words).code, 0);
        let json = tuned.line.json("show report");
        let builds = json["builds"].as_array().expect("builds");
        builds.last().expect("a build")["params"]["train.title"].clone()
    };
    assert_eq!(title(3), "xxx");
    let long = title(5000);
    assert_eq!(long["size_bytes"], 5002);
    assert!(long["sha256"].is_string(), "{long}");
    assert_eq!(title(5000), long);
    assert_ne!(title(5001), long);
}

#[test]
fn stages_in_processes_have_the_same_parameters() {
    let tuned = Tuned::new();
    tuned.write(
        "params.yaml",
        "train:\n  rate: 0.2\nprofile:\n  quick:\n    clusters: 2\n",
    );
    let words = "run --quiet --on processes --profile quick --sweep train.rate=0.3,0.4";
    let variables = [("PYLIGHTNIX_PARAM_THREADS", "2")];
    let said = tuned.say_with(words, &variables);
    assert_eq!(said.code, 0, "{said:?}");
    // Either point may come to its end first.
    let mut reports = ["report", "report@2"].map(|name| tuned.say(&format!("cat {name}")).out);
    reports.sort();
    assert_eq!(reports, ["2 clusters at 0.3\n", "2 clusters at 0.4\n"]);
    let json = tuned.line.json("show fit");
    assert_eq!(json["builds"][0]["params"]["threads"], 2);
    // Threads find the same.
    let again = tuned.say_with(&words.replace("--on processes", "--json"), &variables);
    let report: serde_json::Value = serde_json::from_str(&again.out).expect("JSON");
    assert_eq!(report["report"]["built"], 0, "{report}");
}

#[test]
fn a_stage_of_several_points_tells_what_they_have_in_common() {
    let tuned = Tuned::new();
    let said = tuned.say("run --quiet --sweep clusters=2,4 --set train.title=x");
    assert_eq!(said.code, 0, "{said:?}");
    let of = |name: &str| {
        let json = tuned.line.json(&format!("show {name}"));
        json["builds"][0]["params"].clone()
    };
    // The model is made for both.
    let fit = of("fit");
    assert_eq!(
        (&fit["clusters"], &fit["train.title"]),
        (&serde_json::Value::Null, &"x".into())
    );
    let both = [of("report@2"), of("report")];
    let mut clusters: Vec<_> = both
        .iter()
        .map(|params| params["clusters"].as_u64())
        .collect();
    clusters.sort();
    assert_eq!(clusters, [Some(2), Some(4)]);
}

#[test]
fn a_run_is_made_again_with_the_parameters_that_it_had() {
    let tuned = Tuned::new();
    tuned.write("params.toml", "[train]\nrate = 0.2\ntitle = \"x y\"\n");
    let sweep = "--sweep clusters=2,4";
    assert_eq!(tuned.say(&format!("run --quiet {sweep}")).code, 0);
    let plan = tuned.say("replan -1");
    assert_eq!((plan.code, plan.out.lines().count()), (0, 3), "{plan:?}");
    tuned.write("params.toml", "[train]\nrate = 0.3\n");
    let again = tuned.say("run --again -1");
    assert!(
        again
            .err
            .contains("--set=train.rate=0.2 --set=train.title=\"x y\""),
        "{again:?}"
    );
    assert_eq!(tuned.say("list").out.lines().count(), 4, "{again:?}");
    // Its answers do not ask the file.
    tuned.write("params.toml", "rate = 0.3\n");
    assert_eq!(tuned.say("replan -1"), plan);
}
