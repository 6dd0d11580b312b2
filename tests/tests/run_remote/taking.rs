//! What runs take from remotes, and what they say of them.

use pylightnix::config::RRefId;
use pylightnix::keys::{Keys, Trust};
use pylightnix::plan::matcher::{all, some};
use pylightnix::prelude::*;
use pylightnix::store::Realization;
use pylightnix::store::remote::{Backend, Object, ObjectReader, Push, Remote};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use tests::line::Line;
use tests::remotes::{Answer, Watched};
use tests::web::Server;

use crate::group::{Group, Said, Throw, Told, plan, thrown, thrown_anew};

/// Six throws.
#[derive(Config)]
struct Six {
    #[selfref("number.txt")]
    number: SelfRef<Text>,
}

/// The number of runs that succeed.
struct Until(usize);

#[stage(nouts = 6, args(Until), matcher = lowest(|run: &RRef<Six>| Ok(run.number.load()?)))]
fn six(b: &Build<Six>) -> Result<SixOutputs> {
    if b.index() >= b.arg::<Until>().0 {
        return Err("it is interrupted".into());
    }
    Ok(SixOutputs {
        number: b.number.save(&format!("{:020}", b.seed()))?,
    })
}

/// A stage that needs what no machine here has.
#[derive(Config)]
struct Costly {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
}

/// How hard to try.
struct Effort;

#[stage(resources(gpu = 1), args(Effort))]
fn costly(b: &Build<Costly>) -> Result<CostlyOutputs> {
    Ok(CostlyOutputs {
        out: b.out.save("done")?,
    })
}

/// A stage that may fail.
#[derive(Config)]
struct Fickle {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    fails_if: String,
}

#[stage(fallible)]
fn fickle(b: &Build<Fickle>) -> Result<FickleOutputs> {
    match fs::exists(&b.fails_if)? {
        true => Err("it fails here".into()),
        false => Ok(FickleOutputs {
            out: b.out.save("done")?,
        }),
    }
}

#[test]
fn what_is_there_is_taken_and_a_run_with_nothing_to_build_asks_nothing() {
    let group = Group::new();
    let made = group.ada.realize(&plan()).unwrap();
    group.push([&made]);
    let watched = Watched::new(&group.place());
    let (taken, report, said) = group.ben(&plan(), &watched);
    assert_eq!(taken.id(), made.id());
    assert_eq!((report.built, report.fetched, report.reused), (0, 2, 0));
    assert_eq!(
        report.to_string(),
        "nothing to build: 2 of 2 stages fetched, 0 reused"
    );
    assert_eq!(
        said,
        [
            "fetched throw 1",
            "chosen throw false",
            "fetched told 1",
            "chosen told false"
        ]
    );
    assert_eq!(taken.told.load().unwrap(), made.told.load().unwrap());
    assert!(group.ben.check().contents().run().unwrap().is_sound());
    // The index is read once for both stages.
    let asked = watched.asked();
    assert_eq!(
        asked
            .iter()
            .filter(|asked| asked.starts_with("list"))
            .count(),
        1,
        "{asked:?}"
    );
    assert!(asked.len() <= 6, "{asked:?}");
    let (_, report, said) = group.ben(&plan(), &watched);
    assert_eq!((report.reused, said.len()), (2, 0));
    assert_eq!(watched.asked(), [""; 0], "nothing is to be built");
    // A stage that is forced runs.
    let run = Realize::new(&group.ben).remote(&Remote::over(watched.clone()));
    let (_, report) = run.force_all().run_reporting(&plan()).unwrap();
    assert_eq!((report.built, report.fetched), (2, 0));
    assert_eq!(watched.asked(), [""; 0]);
}

#[test]
fn what_remotes_have_of_a_plan_is_said_by_one_request_before_anything_runs() {
    let group = Group::new();
    let made = group.ada.realize(&plan()).unwrap();
    group.push([&made]);
    let watched = Watched::new(&group.place());
    let there = || {
        let run = Realize::new(&group.ben).remote(&Remote::over(watched.clone()));
        let planned = run.explain_remote(&plan()).unwrap();
        let of = planned.steps.iter().map(|step| {
            let there = step.at_remotes.first();
            there.map(|there| (there.results, there.of_other_contexts))
        });
        (of.collect::<Vec<_>>(), planned.to_string())
    };
    let (counts, text) = there();
    assert_eq!(counts, [Some((1, 0)), Some((1, 0))], "{text}");
    assert!(text.ends_with("2 with results at remotes"), "{text}");
    assert!(group.ben.rrefs().unwrap().is_empty(), "nothing is fetched");
    let asked = watched.asked();
    let lists = |asked: &str| asked.starts_with("list");
    assert_eq!(asked.iter().filter(|asked| lists(asked)).count(), 1);
    assert!(asked.iter().all(|asked| !asked.contains("pack/")));
    // Of a throw that is another one, what was told there is of another context.
    thrown_anew(&group.ben, 3);
    let (counts, text) = there();
    assert_eq!(counts, [None, Some((0, 1))], "{text}");
    assert!(
        text.contains("has 1 result of other dependencies"),
        "{text}"
    );
    // With nothing to do, nothing is asked.
    watched.asked();
    group.ben.realize(&plan()).unwrap();
    assert_eq!(there().0, [None, None]);
    assert_eq!(watched.asked(), [""; 0]);
}

#[test]
fn many_stages_are_few_requests() {
    let group = Group::new();
    let plan: Vec<_> = (0..300).map(thrown).collect();
    let made = group.ada.realize(&plan).unwrap();
    group.push(&made);
    let watched = Watched::new(&group.place());
    let (taken, report, _) = group.ben(&plan, &watched);
    assert_eq!((report.fetched, report.built), (300, 0));
    let asked = watched.asked();
    assert!(asked.len() <= 12, "{asked:?}");
    let ids = |all: &[RRef<Throw>]| all.iter().map(|rref| rref.id().clone()).collect::<Vec<_>>();
    assert_eq!(ids(&taken), ids(&made));
    assert!(group.ben.check().contents().run().unwrap().is_sound());
}

#[test]
fn what_is_here_and_what_is_there_count_together() {
    let group = Group::new();
    let six = instantiate(Six::new()).unwrap();
    Realize::new(&group.ada).arg(Until(6)).run(&six).unwrap();
    let all = group.ada.realizations_of(six.id()).unwrap();
    let of_run = |index: usize| {
        let is_of = |one: &&Realization| one.builds()[0].index == Some(index);
        all.iter().find(is_of).unwrap().id.clone()
    };
    // What is there, and how many runs are missing then.
    for (there, runs) in [(vec![4, 5], 0), (vec![5], 1), (vec![0, 1], 2), (vec![], 2)] {
        let group = Group {
            ada: group.ada.clone(),
            ..Group::new()
        };
        let failed = Realize::new(&group.ben).arg(Until(4)).run(&six);
        assert!(failed.is_err(), "four of six are made");
        let four = group.ben.rrefs_of(six.id()).unwrap();
        let there: Vec<_> = there.into_iter().map(of_run).collect();
        group.push(&there);
        let run = Realize::new(&group.ben)
            .remote(&group.remote())
            .arg(Until(6));
        let (taken, report) = run.run_reporting(&six).unwrap();
        assert_eq!(
            (report.runs, report.built),
            (runs, runs.min(1)),
            "{there:?}"
        );
        assert_eq!(report.fetched, usize::from(runs == 0));
        // Equal runs have equal seeds, so the first four are here already.
        let new = there.iter().filter(|rref| !four.contains(rref)).count();
        let here = group.ben.rrefs_of(six.id()).unwrap().len();
        assert_eq!(here, 4 + new + runs, "{there:?}");
        let again = group.ben.realize(&six).unwrap();
        assert_eq!(
            again.id(),
            taken.id(),
            "nothing is missing without the remote"
        );
    }
}

#[test]
fn a_run_chooses_as_if_all_had_been_pulled_before() {
    let group = Group::new();
    let all_of = group.throws(9, 7);
    group.push(&all_of[2..]);
    let key = |run: &RRef<Throw>| Ok(run.number.load()?);
    let ids = |rrefs: Vec<RRef<Throw>>| rrefs.iter().map(|rref| rref.id().clone()).collect();
    let mut at = 0;
    // With some of them here, and none; of what is here, one is at the remote, too.
    for (here, always) in [
        (&all_of[..0], false),
        (&all_of[..3], true),
        (&all_of[..0], true),
    ] {
        let mut same = |choose: &dyn Fn(&Realize<'_>) -> Vec<RRefId>| {
            at += 1;
            let pulled = group.pulled(&format!("pulled-{at}"), here);
            let there = group.with(&format!("there-{at}"), here);
            let run = Realize::new(&there).remote(&group.remote());
            let run = if always { run.remote_always() } else { run };
            let chosen = choose(&run);
            assert_eq!(chosen, choose(&Realize::new(&pulled)), "{at}");
            // The next run chooses the same without the remote.
            assert_eq!(chosen, choose(&Realize::new(&there)), "{at}");
            assert!(there.check().contents().run().unwrap().is_sound());
        };
        same(&|run| vec![run.run(&thrown(9)).unwrap().id().clone()]);
        same(&|run| vec![run.run(&thrown(9).lowest(key)).unwrap().id().clone()]);
        same(&|run| vec![run.run(&thrown(9).highest(key)).unwrap().id().clone()]);
        same(&|run| ids(run.run(&thrown(9).lowest_n(2, key)).unwrap()));
        same(&|run| ids(run.run(&thrown(9).latest_n(3)).unwrap()));
        same(&|run| ids(run.run(&thrown(9).with_matcher(some(4))).unwrap()));
        // Two or more are built, by the seeds of runs that nobody made.
        same(&|run| ids(run.run(&thrown(9).with_matcher(some(9))).unwrap()));
        same(&|run| ids(run.run(&thrown(9).with_matcher(all())).unwrap()));
    }
}

#[test]
fn a_thousand_candidates_are_few_requests() {
    let group = Group::new();
    let made = group.throws(5, 1000);
    group.push(&made);
    let lowest = || thrown(5).lowest(|run| Ok(run.number.load()?));
    let watched = Watched::new(&group.place());
    let (best, report, _) = group.ben(&lowest(), &watched);
    let asked = watched.asked();
    assert!(asked.len() <= 10, "{asked:?}");
    assert_eq!((report.built, report.fetched), (0, 1));
    assert_eq!(best.id(), group.ada.realize(&lowest()).unwrap().id());
    assert_eq!(
        group.ben.realizations_of(best.id().dref()).unwrap().len(),
        1
    );
}

#[test]
fn only_fails_with_two_results_and_names_both() {
    let group = Group::new();
    let made = group.throws(2, 2);
    group.push(&made);
    let run = Realize::new(&group.ben).remote(&group.remote());
    let error = run.run(&thrown(2).only()).unwrap_err();
    let text = format!("{error:?}");
    assert!(
        made.iter().all(|rref| text.contains(&rref.to_string())),
        "{text}"
    );
    assert_eq!(group.ben.rrefs().unwrap(), [], "none of them is taken");
}

#[test]
fn a_matcher_says_what_it_reads() {
    let group = Group::new();
    const LARGE: usize = 30 << 20;
    let made = group.throws(LARGE, 3);
    group.push(&made);
    let key = |run: &RRef<Throw>| Ok(run.number.load()?);
    let watched = Watched::new(&group.place());
    let run = || Realize::new(&group.ben).remote(&Remote::over(watched.clone()));
    let error = run().run(&thrown(LARGE).lowest(key)).unwrap_err();
    let text = format!("{error:?}");
    assert!(
        text.contains("3 candidates") && text.contains("reads("),
        "{text}"
    );
    let blobs = |asked: Vec<String>| asked.iter().filter(|asked| asked.contains("blob/")).count();
    assert_eq!(blobs(watched.asked()), 0);

    // ANCHOR: reads
    let lowest = matcher::lowest(key).reads("number.txt");
    // ANCHOR_END: reads
    let best = run().run(&thrown(LARGE).with_matcher(lowest)).unwrap();
    assert_eq!(
        best.id(),
        group.ada.realize(&thrown(LARGE).lowest(key)).unwrap().id()
    );
    assert_eq!(best.rest.load().unwrap().len(), LARGE);
    assert_eq!(blobs(watched.asked()), 1, "only the best is fetched whole");
}

#[test]
fn what_a_matcher_does_not_name_is_not_there_and_the_error_says_so() {
    let group = Group::new();
    let made = group.throws(100_000, 2);
    group.push(&made);
    let key = |run: &RRef<Throw>| Ok(run.rest.load()?);
    let plan = thrown(100_000).with_matcher(matcher::lowest(key).reads("number.txt"));
    let run = Realize::new(&group.ben).remote(&group.remote());
    let text = format!("{:?}", run.run(&plan).unwrap_err());
    assert!(
        text.contains("only what its `reads` names was fetched: number.txt"),
        "{text}"
    );
    let right = thrown(100_000).with_matcher(matcher::lowest(key).reads("rest.bin"));
    let run = Realize::new(&group.ben).remote(&group.remote());
    assert_eq!(run.run_reporting(&right).unwrap().1.fetched, 1);
}

#[test]
fn what_this_machine_lacks_is_asked_for_only_if_it_builds() {
    let group = Group::new();
    let costly = instantiate(Costly::new()).unwrap();
    let run = Realize::new(&group.ben).remote(&group.remote());
    let error = run.run(&costly).unwrap_err().to_string();
    assert!(error.contains("it needs 1 `gpu`"), "{error}");
    let run = Realize::new(&group.ada).resource("gpu", 1).arg(Effort);
    group.push([run.run(&costly).unwrap()]);
    let (_, report, _) = group.ben(&costly, &Watched::new(&group.place()));
    assert_eq!((report.built, report.fetched), (0, 1));
}

#[test]
fn a_failure_is_not_taken() {
    let group = Group::new();
    let flag = group.folder.path().join("flag");
    fs::write(&flag, "").unwrap();
    let fickle = instantiate(Fickle::new(flag.to_string_lossy().into_owned())).unwrap();
    assert!(group.ada.realize(&fickle).unwrap().is_err());
    group.push(group.ada.rrefs().unwrap());
    fs::remove_file(&flag).unwrap();
    let (_, report, _) = group.ben(&fickle, &Watched::new(&group.place()));
    assert_eq!((report.built, report.fetched), (1, 0));
}

#[test]
fn signatures_are_asked_of_what_a_remote_has() {
    let group = Group::new();
    let keys = |name: &str| Keys::at(group.folder.path().join(name));
    let (alice, ben) = (keys("alice"), keys("ben-keys"));
    let unsigned = group.ada.realize(&plan()).unwrap();
    group.push([&unsigned]);
    alice.generate("alice").unwrap();
    ben.trust("alice", &alice.named("alice").unwrap().key.to_pem())
        .unwrap();
    let trust = || Trust::new(&ben, 1, ["alice"]).unwrap();
    let run = || {
        let run = Realize::new(&group.ben).remote(&group.remote());
        run.trust(trust()).run_reporting(&plan())
    };
    let error = run().unwrap_err().to_string();
    assert!(
        error.contains("takes only results that are signed by"),
        "{error}"
    );
    assert_eq!(group.ben.rrefs().unwrap(), [], "nothing unsigned is taken");

    let store = Store::open(group.folder.path().join("alice-store")).unwrap();
    let store = store.with_keys(alice);
    let signed = store.realize(&plan()).unwrap();
    Push::new(&store, &group.remote()).run([&signed]).unwrap();
    let (taken, report) = run().unwrap();
    assert_eq!((taken.id(), report.fetched), (signed.id(), 2));
    assert!(group.ben.signatures(&taken).unwrap()[0].is_valid);
    assert_eq!(run().unwrap().1.reused, 2);
}

#[test]
fn a_remote_that_is_down_is_a_miss_and_is_left_alone_after_three() {
    let group = Group::new();
    let watched = Watched::with(&group.place(), |_, _| Answer::Failed);
    let plans: Vec<_> = (0..5).map(thrown).collect();
    let said = Said::default();
    let run = Realize::new(&group.ben)
        .jobs(1)
        .remote(&Remote::over(watched.clone()));
    let (_, report) = run.observer(&said).run_reporting(&plans).unwrap();
    assert_eq!((report.built, report.fetched), (5, 0));
    let failed: Vec<String> = (said.lines().into_iter())
        .filter(|line| line.starts_with("failed"))
        .collect();
    assert_eq!(failed.len(), 3, "{failed:?}");
    assert!(failed[2].starts_with("failed true"), "{failed:?}");
    // What was missing is asked for again: nothing is remembered.
    let (_, report, said) = group.ben(&thrown(77), &Watched::new(&group.place()));
    assert_eq!(report.built, 1);
    assert!(said[0].contains("there is no remote at"), "{said:?}");
    group.push(group.throws(78, 1));
    let (_, report, _) = group.ben(&thrown(78), &Watched::new(&group.place()));
    assert_eq!(report.fetched, 1);
}

/// A backend that never answers.
#[derive(Debug)]
struct Silent;

impl Backend for Silent {
    fn url(&self) -> String {
        "silent".to_owned()
    }

    fn list(&self, _: &str) -> Result<Option<Vec<Object>>, pylightnix::Error> {
        std::thread::sleep(Duration::from_secs(3600));
        Ok(None)
    }

    fn get(
        &self,
        _: &str,
        _: Option<Range<u64>>,
    ) -> Result<Option<ObjectReader>, pylightnix::Error> {
        Ok(None)
    }

    fn size(&self, _: &str) -> Result<Option<u64>, pylightnix::Error> {
        Ok(None)
    }

    fn put(&self, _: &str, _: &[u8]) -> Result<(), pylightnix::Error> {
        Ok(())
    }

    fn put_file(&self, _: &str, _: &Path) -> Result<(), pylightnix::Error> {
        Ok(())
    }

    fn delete(&self, _: &str) -> Result<(), pylightnix::Error> {
        Ok(())
    }

    fn time(&self) -> Result<pylightnix::jiff::Timestamp, pylightnix::Error> {
        Ok(pylightnix::jiff::Timestamp::now())
    }
}

#[test]
fn a_remote_that_does_not_answer_does_not_stop_a_run() {
    let group = Group::new();
    let said = Said::default();
    let run = Realize::new(&group.ben).remote(&Remote::over(Silent));
    let (_, report) = run.observer(&said).run_reporting(&plan()).unwrap();
    assert_eq!(report.built, 2);
    assert!(
        said.lines()[0].starts_with("failed false"),
        "{:?}",
        said.lines()
    );
}

#[test]
fn what_is_broken_there_is_built_here() {
    for what in ["pack", "blob"] {
        for damage in ["gone", "flipped", "short"] {
            let group = Group::new();
            let made = group.throws(200_000, 1);
            group.push(&made);
            for entry in fs::read_dir(group.place().join(what)).unwrap() {
                let path = entry.unwrap().path();
                let mut bytes = fs::read(&path).unwrap();
                fs::remove_file(&path).unwrap();
                match damage {
                    "gone" => continue,
                    "flipped" => {
                        let middle = bytes.len() / 2;
                        bytes[middle] ^= 1;
                    }
                    _ => bytes.truncate(20),
                }
                fs::write(&path, bytes).unwrap();
            }
            let (taken, report, said) = group.ben(&thrown(200_000), &Watched::new(&group.place()));
            assert_eq!((report.built, report.fetched), (1, 0), "{what} {damage}");
            assert!(
                said[0].starts_with("failed false: "),
                "{what} {damage}: {said:?}"
            );
            assert_eq!(group.ben.rrefs().unwrap(), [taken.id().clone()]);
            assert!(group.ben.check().contents().run().unwrap().is_sound());
        }
    }
}

#[test]
fn what_can_be_carried_here_is_not_asked_for() {
    let group = Group::new();
    let two = group.throws(3, 2);
    let told = |of: &RRefId| {
        let throw = thrown(3).with_matcher(matcher::exact(of));
        instantiate(Told::new(throw)).unwrap()
    };
    let made: Vec<_> = two
        .iter()
        .map(|of| group.ada.realize(&told(of)).unwrap())
        .collect();
    group.push(&made);
    // One of them is here, and the other one is to be made of another throw.
    group.ben.copy_from(&group.ada, [&made[0]]).unwrap();
    let watched = Watched::new(&group.place());
    let (taken, report, _) = group.ben(&told(&two[1]), &watched);
    assert_eq!(
        (report.built, report.fetched),
        (0, 2),
        "it read another number"
    );
    assert_eq!(taken.id(), made[1].id());
}

#[test]
fn a_web_server_and_a_name() {
    let group = Group::new();
    let made = group.ada.realize(&plan()).unwrap();
    group.push([&made]);
    let root = group.place();
    let server = Server::new(move |_, request, to| {
        use std::io::Write as _;
        match fs::read(root.join(request.path.trim_start_matches('/'))) {
            Ok(body) => {
                write!(
                    to,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                )?;
                to.write_all(&body)
            }
            Err(_) => write!(to, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        }
    });
    group.ben.add_remote("team", &server.url("")).unwrap();
    let run = || Realize::new(&group.ben).remote(&group.ben.remote(Some("team")).unwrap());
    let (taken, report) = run().run_reporting(&plan()).unwrap();
    assert_eq!((taken.id(), report.fetched), (made.id(), 2));
    let asked = server.asked().len();
    assert_eq!(run().run_reporting(&plan()).unwrap().1.reused, 2);
    assert_eq!(server.asked().len(), asked, "no connection without a build");
}

#[test]
fn on_the_command_line() {
    let ada = Line::empty(env!("CARGO_BIN_EXE_experiment"));
    let shared = ada.folder.path().join("shared");
    assert_eq!(ada.say("run -q").code, 0);
    assert_eq!(ada.say("remote add team ./shared").code, 0);
    assert_eq!(ada.say("push mean").code, 0);

    let ben = Line::empty(env!("CARGO_BIN_EXE_experiment"));
    assert_eq!(
        ben.say(&format!("remote add team {}", shared.display()))
            .code,
        0
    );
    // What is there is said without taking it.
    let said = ben.say("plan --remote team");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("`team` has 1 result\n"), "{said:?}");
    assert!(
        said.out
            .contains("2 of 2 stages to do, 0 reused, 2 with results at remotes"),
        "{said:?}"
    );
    let planned = ben.json("plan --remote team");
    assert_eq!(planned[0]["at_remotes"][0]["results"], 1, "{planned}");
    assert_eq!(ben.json("list").as_array().unwrap().len(), 0);
    // A remote that the store knows is not asked unless it is named.
    let said = ben.say("run --remote team --progress lines");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.err.contains("fetch   numbers: from team, "),
        "{said:?}"
    );
    assert!(
        said.err
            .contains("nothing to build: 2 of 2 stages fetched, 0 reused"),
        "{said:?}"
    );
    assert_eq!(ben.json("runs")[0]["fetched"], 2);
    // Whence it came is known afterwards.
    let address = shared.display().to_string();
    let said = ben.say("show mean");
    let line = format!("taken from the remote team, {address}\n");
    assert!(said.out.contains(&line), "{said:?}");
    let said = ben.say("why mean");
    let line = format!("it was taken from the remote {address}\n");
    assert!(said.out.contains(&line), "{said:?}");
    assert_eq!(ben.json("show mean")["taken_from"], address);
    assert!(ada.json("show mean").get("taken_from").is_none());

    let carol = Line::empty(env!("CARGO_BIN_EXE_experiment")).with("PYLIGHTNIX_REMOTE", shared);
    let said = carol.say("run --no-remote --count 4");
    assert!(said.err.contains("2 of 2 stages built"), "{said:?}");
    let json = carol.json("run -q");
    assert_eq!(
        (&json["report"]["built"], &json["report"]["fetched"]),
        (&0.into(), &2.into())
    );
}

#[test]
fn two_remotes_count_together() {
    let group = Group::new();
    let all_of = group.throws(9, 4);
    let other = Remote::open(&group.folder.path().join("other").to_string_lossy()).unwrap();
    group.push(&all_of[..2]);
    Push::new(&group.ada, &other).run(&all_of[1..]).unwrap();
    let run = Realize::new(&group.ben)
        .remote(&group.remote())
        .remote(&other);
    let (taken, report) = run.run_reporting(&thrown(9).with_matcher(all())).unwrap();
    assert_eq!((taken.len(), report.built), (4, 0));
    // The newest is at the other one.
    let carol = Store::open(group.folder.path().join("carol")).unwrap();
    let run = Realize::new(&carol).remote(&group.remote()).remote(&other);
    let theirs = group.ada.realize(&thrown(9)).unwrap();
    assert_eq!(run.run(&thrown(9)).unwrap().id(), theirs.id());
    assert_eq!(
        carol.rrefs().unwrap().len(),
        1,
        "only what is taken is published"
    );
    // One that is gone is a miss, and the other one gives what it has.
    fs::remove_dir_all(group.place()).unwrap();
    let dave = Store::open(group.folder.path().join("dave")).unwrap();
    let run = Realize::new(&dave).remote(&group.remote()).remote(&other);
    let (taken, report) = run.run_reporting(&thrown(9).with_matcher(all())).unwrap();
    assert_eq!((taken.len(), report.built), (3, 0));
}

#[test]
fn what_other_code_made_is_not_taken_and_the_run_says_so_once() {
    let ada = Line::empty(env!("CARGO_BIN_EXE_edited"));
    assert_eq!(ada.say("run -q --code first").code, 0);
    assert_eq!(ada.say("remote add team ./shared").code, 0);
    assert_eq!(ada.say("push --all").code, 0);
    let ben = Line::empty(env!("CARGO_BIN_EXE_edited"));
    let shared = ada.folder.path().join("shared");
    let said = ben.say(&format!(
        "run --code other --progress lines --remote {}",
        shared.display()
    ));
    assert_eq!(said.code, 0, "{said:?}");
    let told: Vec<&str> = said
        .err
        .lines()
        .filter(|line| line.contains("by other code"))
        .collect();
    assert!(!told.is_empty(), "{said:?}");
    assert!(
        told.iter().all(|line| line.contains("changed, theirs of ")),
        "{told:#?}"
    );
    // What differs is shown on demand.
    let said = ben.say(&format!(
        "why scaled --code other --remote {}",
        shared.display()
    ));
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains(" by other code, the newest of "),
        "{said:?}"
    );
    assert!(
        said.out
            .contains("-     number * 2\n    +     number * 3\n"),
        "{said:?}"
    );
    let theirs = ada.json(&format!(
        "why scaled --code first --remote {}",
        shared.display()
    ));
    assert_eq!(theirs[0]["is_current"], true, "{theirs}");
    // The same code takes all.
    let carol = Line::empty(env!("CARGO_BIN_EXE_edited"));
    let said = carol.say(&format!("run --code first --remote {}", shared.display()));
    assert!(said.err.contains("nothing to build"), "{said:?}");
}
