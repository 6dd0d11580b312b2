//! Remotes in an object store: the commands against an S3 server on this machine.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tests::line::{Line, Said};
use tests::s3::{Asked, Fault, Proxy, S3};
use tests::store::{config, publish};
use tests::web::{Server, head};

/// A store with results, and the commands of its owner at a server.
struct Person {
    line: Line,
    variables: Vec<(String, String)>,
}

impl Person {
    fn at(server: &S3, line: Line) -> Self {
        let mut variables = server.variables();
        // Nothing of the machine on which the tests run.
        let home = line.folder.path().display().to_string();
        variables.push(("HOME".to_owned(), home));
        Person { line, variables }
    }

    fn with_results(server: &S3) -> Self {
        Person::at(server, Line::new(env!("CARGO_BIN_EXE_remote-cli")))
    }

    fn without(server: &S3) -> Self {
        Person::at(server, Line::empty(env!("CARGO_BIN_EXE_remote-cli")))
    }

    /// Has a result with a file of these bytes.
    fn has(&self, name: &str, bytes: &[u8]) {
        let config = config(name);
        let mut draft = self.line.store.plumbing().draft().expect("a draft");
        assert!(fs::write(draft.out().join("file"), bytes).is_ok());
        assert!(publish(&mut draft, &config).is_ok());
    }

    /// Returns the files in which the store notes the parts of uploads.
    fn upload_notes(&self) -> Vec<PathBuf> {
        let cache = fs::read_dir(self.line.store.root().join("cache/remote"));
        let all = cache.into_iter().flatten().flatten();
        let notes = all.filter(|entry| entry.file_name().to_string_lossy().starts_with("upload-"));
        notes.map(|entry| entry.path()).collect()
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = self.line.command(arguments);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().cloned());
        command
    }

    fn say(&self, arguments: &str) -> Said {
        let output = self.command(arguments).output();
        self.line.said(output.expect("a program"))
    }

    /// Runs the program, which must succeed. Returns its output.
    fn out(&self, arguments: &str) -> String {
        let said = self.say(arguments);
        assert_eq!(said.code, 0, "{arguments}: {said:?}");
        said.out
    }
}

#[test]
fn two_people_share_by_a_bucket() {
    let Some(server) = S3::shared() else { return };
    let (ada, ben) = (Person::with_results(server), Person::without(server));
    ada.out("remote add team s3://test/two/people");
    let said = ada.say("push plot --as best");
    assert!(
        said.code == 0
            && said
                .err
                .starts_with("sent 3 realizations to s3://test/two/people: "),
        "{said:?}"
    );
    let said = ada.say("push plot");
    assert!(said.err.starts_with("nothing to send: 3 "), "{said:?}");
    ben.out("remote add team s3://test/two/people/");
    let listed = ben.out("remote ls");
    assert_eq!(listed.lines().count(), 4, "{listed}");
    ben.out("pull best");
    ben.out("check --contents");
    assert_eq!(ben.line.newest("plot"), ada.line.newest("plot"));
    let verified = ben.out("remote verify");
    assert!(
        verified.starts_with("no faults in 3 realizations"),
        "{verified}"
    );
    assert!(ben.out("remote roots").starts_with("best  rref:"));
    ben.out("remote roots --remove best");
    assert_eq!(ada.out("remote roots"), "");
    // A remote beside it, whose folder begins with the same letters, is another one.
    let said = ben.say("remote ls --remote s3://test/two/peop");
    assert!(
        said.code == 1
            && said
                .err
                .contains("there is no remote at s3://test/two/peop"),
        "{said:?}"
    );
}

#[test]
fn four_push_at_once() {
    let Some(server) = S3::shared() else { return };
    let people: Vec<Person> = (0..4).map(|_| Person::with_results(server)).collect();
    let mut pushing: Vec<Child> = Vec::new();
    for (at, person) in people.iter().enumerate() {
        // The same results, and one that only this person has.
        person.has(&format!("own-{at}"), b"what nobody else has");
        let mut push = person.command("push --all --remote s3://test/four");
        pushing.extend(push.stderr(Stdio::piped()).stdout(Stdio::null()).spawn());
    }
    assert_eq!(pushing.len(), 4);
    for push in pushing {
        let ended = push.wait_with_output();
        let said = String::from_utf8_lossy(
            &ended
                .as_ref()
                .map(|ended| ended.stderr.clone())
                .unwrap_or_default(),
        )
        .into_owned();
        assert!(ended.is_ok_and(|ended| ended.status.success()), "{said}");
    }
    let reader = Person::without(server);
    reader.out("pull --all --remote s3://test/four");
    for at in 0..4 {
        reader.out(&format!("path own-{at}"));
    }
    reader.out("path plot");
    reader.out("check --contents");
    reader.out("remote verify --remote s3://test/four");
}

#[test]
fn what_is_wrong_with_keys_is_said_without_them() {
    let Some(server) = S3::shared() else { return };
    let mut ada = Person::with_results(server);
    ada.set("AWS_SECRET_ACCESS_KEY", "another-secret-word");
    let said = ada.say("push plot --remote s3://test/keys");
    assert!(
        said.code == 1
            && said.err.contains("403 Forbidden")
            && said
                .err
                .contains("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile"),
        "{said:?}"
    );
    assert!(!said.err.contains("another-secret-word"), "{said:?}");
    ada.unset("AWS_SECRET_ACCESS_KEY");
    let said = ada.say("push plot --remote s3://test/keys");
    assert!(
        said.code == 1 && said.err.contains("AWS_SECRET_ACCESS_KEY"),
        "{said:?}"
    );
    // Nowhere, and no machine of Amazon that would tell.
    ada.unset("AWS_ACCESS_KEY_ID");
    ada.set("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1");
    let said = ada.say("push plot --remote s3://test/keys");
    assert!(
        said.code == 1
            && said
                .err
                .contains("no credentials were found for s3://test/keys"),
        "{said:?}"
    );
}

#[test]
fn a_bucket_that_is_not_there_is_said() {
    let Some(server) = S3::shared() else { return };
    let ada = Person::with_results(server);
    for command in ["push plot", "pull plot", "remote ls", "remote verify"] {
        let said = ada.say(&format!("{command} --remote s3://nowhere/team"));
        assert!(
            said.code == 1
                && said
                    .err
                    .contains("there is no bucket or container at s3://nowhere/team"),
            "{command}: {said:?}"
        );
    }
}

#[test]
fn keys_come_from_profiles() {
    let Some(server) = S3::shared() else { return };
    let mut ada = Person::with_results(server);
    let keys: Vec<String> = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        .into_iter()
        .filter_map(|name| {
            let found = ada.variables.iter().find(|(known, _)| known == name);
            let value = found.map(|(_, value)| value.clone());
            ada.unset(name);
            value
        })
        .collect();
    ada.unset("AWS_REGION");
    let folder = ada.line.folder.path().join(".aws");
    let write = |name: &str, text: &str| {
        assert!(
            fs::create_dir_all(&folder)
                .and_then(|()| fs::write(folder.join(name), text))
                .is_ok()
        );
    };
    let [key, secret] = keys.as_slice() else {
        panic!("two keys")
    };
    let count = folder.join("count");
    let printed = format!(
        r#"{{"Version": 1, "AccessKeyId": "{key}", "SecretAccessKey": "{secret}", "Expiration": "2999-01-01T00:00:00Z"}}"#
    );
    write("printed", &printed);
    let command = format!(
        "echo asked >> {}; cat {}",
        count.display(),
        folder.join("printed").display()
    );
    write(
        "config",
        &format!(
            "[default]\nregion = us-east-1\n\n[profile lab]\nregion=us-east-1\ns3 =\n  aws_access_key_id = none\n\
             [profile asked]\ncredential_process = {command}\n\
             [profile broken]\ncredential_process = echo '{secret}'\n\
             [profile failing]\ncredential_process = exit 3\n\
             [profile elsewhere]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = lab\n"
        ),
    );
    write(
        "credentials",
        &format!(
            "[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n\
             # of the laboratory\n[lab]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        ),
    );
    let push = "push plot --remote s3://test/profiles";
    let said = ada.say(push);
    assert!(
        said.code == 1 && said.err.contains("403 Forbidden"),
        "{said:?}"
    );
    ada.set("AWS_PROFILE", "lab");
    ada.out(push);
    ada.set("AWS_PROFILE", "asked");
    ada.out("remote verify --remote s3://test/profiles");
    // Once, though there are many requests.
    assert_eq!(fs::read_to_string(&count).ok().as_deref(), Some("asked\n"));
    let cases = [
        ("broken", "did not print keys as JSON"),
        ("failing", "ended with exit status: 3"),
        (
            "elsewhere",
            "aws configure export-credentials --profile elsewhere",
        ),
        (
            "none",
            "there is no profile `none`, which `$AWS_PROFILE` names",
        ),
    ];
    for (profile, why) in cases {
        ada.set("AWS_PROFILE", profile);
        let said = ada.say(push);
        assert!(
            said.code == 1 && said.err.contains(why),
            "{profile}: {said:?}"
        );
        assert!(!said.err.contains(secret), "{profile}: {said:?}");
    }
    // Keys of the environment count before all profiles.
    ada.set("AWS_ACCESS_KEY_ID", key);
    ada.set("AWS_SECRET_ACCESS_KEY", secret);
    ada.set("AWS_PROFILE", "default");
    ada.out(push);
}

#[test]
fn addresses_hold_no_secrets() {
    let line = Line::empty(env!("CARGO_BIN_EXE_remote-cli"));
    for address in [
        "s3://ada:hunter2@bucket/x",
        "s3://hunter2@bucket/x",
        "gs://ada:hunter2@bucket",
        "abfss://container:hunter2@account.dfs.core.windows.net/x",
        "az://container/x?sig=hunter2",
    ] {
        for command in [
            format!("remote add team {address}"),
            format!("remote ls --remote {address}"),
        ] {
            let said = line.say(&command);
            assert!(
                said.code == 1 && !said.err.contains("hunter2"),
                "{command}: {said:?}"
            );
        }
    }
    assert!(!line.store.root().join("remotes.toml").exists());
    for address in [
        "s3://bucket",
        "gs://bucket/a/b",
        "az://container/a",
        "abfss://container@account.dfs.core.windows.net/a",
    ] {
        let mut add = line.command(&format!("remote add team {address}"));
        let added = add.env("AZURE_STORAGE_ACCOUNT_NAME", "account").output();
        assert!(
            added.as_ref().is_ok_and(|added| added.status.success()),
            "{address}: {added:?}"
        );
        assert!(line.out("remote list").contains(address));
    }
}

#[test]
fn a_server_that_is_down_is_said() {
    let Some(server) = S3::shared() else { return };
    let mut ada = Person::with_results(server);
    ada.set("AWS_ENDPOINT", "http://127.0.0.1:1");
    let said = ada.say("push plot --remote s3://test/down");
    assert!(
        said.code == 1
            && said.err.contains("Connection refused")
            && said.err.contains("check the address"),
        "{said:?}"
    );
}

#[test]
fn a_server_that_was_killed_goes_on() {
    let Some(server) = S3::start() else { return };
    let (ada, ben) = (Person::with_results(&server), Person::without(&server));
    ada.out("push mean --remote s3://test/killed");
    server.kill();
    let said = ada.say("push plot --remote s3://test/killed");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(server.up());
    ada.out("push plot --remote s3://test/killed");
    ben.out("pull plot --remote s3://test/killed");
    ben.out("check --contents");
}

/// Bytes that no compression makes small, the same in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

const PART: usize = 8 << 20;

impl Person {
    /// Has a file of this size, as the result `large`.
    fn with_large(server: &S3, size: usize) -> Self {
        let person = Person::without(server);
        person.has("large", &noise(size));
        person
    }
}

fn of_parts(asked: &[Asked]) -> Vec<&Asked> {
    let parts = asked
        .iter()
        .filter(|asked| asked.what.contains("partNumber="));
    parts.collect()
}

fn of_blob(asked: &[Asked]) -> Vec<&Asked> {
    let blobs = asked
        .iter()
        .filter(|asked| asked.what.starts_with("GET ") && asked.what.contains("/blob/"));
    blobs.collect()
}

#[test]
fn an_upload_that_was_killed_goes_on_with_the_parts_that_are_there() {
    let Some(server) = S3::shared() else { return };
    let proxy = Proxy::new(server.address());
    let mut ada = Person::with_large(server, 5 * PART + 7);
    ada.set("AWS_ENDPOINT", &proxy.endpoint());
    let push = "push large --remote s3://test/killed-upload";
    // Two parts arrive, and of the others nothing is heard.
    proxy.break_by(|_, what| {
        match ["partNumber=1&", "partNumber=2&"]
            .iter()
            .any(|part| what.contains(part))
        {
            false if what.contains("partNumber=") => Fault::Stalls(0),
            _ => Fault::None,
        }
    });
    let mut pushing = ada
        .command(push)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a program");
    let noted = || {
        let notes = ada.upload_notes().into_iter();
        let texts = notes.map(|note| fs::read_to_string(note).unwrap_or_default());
        texts.map(|text| text.lines().count()).sum::<usize>()
    };
    while noted() < 2 {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(pushing.kill().and_then(|()| pushing.wait()).is_ok());
    proxy.break_by(|_, _| Fault::None);
    let _ = proxy.asked();
    ada.out(push);
    let asked = proxy.asked();
    let parts = of_parts(&asked);
    assert_eq!(parts.len(), 4, "{asked:#?}");
    let sent: u64 = asked.iter().map(|asked| asked.sent).sum();
    assert!(sent < 3 * PART as u64 + 100_000, "{sent}");
    assert!(
        !asked.iter().any(|asked| asked.what.contains("?uploads")),
        "{asked:#?}"
    );
    assert_eq!(noted(), 0);
    let ben = Person::without(server);
    ben.out("pull large --remote s3://test/killed-upload");
    ben.out("check --contents");
}

#[test]
fn an_upload_that_the_server_does_not_know_is_made_anew() {
    let Some(server) = S3::shared() else { return };
    let proxy = Proxy::new(server.address());
    let mut ada = Person::with_large(server, 2 * PART + 7);
    ada.set("AWS_ENDPOINT", &proxy.endpoint());
    let push = "push large --remote s3://test/forgotten";
    proxy.break_by(|_, what| match what.contains("partNumber=3&") {
        true => Fault::Fails,
        false => Fault::None,
    });
    assert_eq!(ada.say(push).code, 1);
    let notes = ada.upload_notes();
    for note in &notes {
        let text = fs::read_to_string(note).unwrap_or_default();
        let upload = text.split('"').nth(3).unwrap_or_default();
        assert!(fs::write(note, text.replace(upload, "no-such-upload")).is_ok());
    }
    assert_eq!(notes.len(), 1);
    proxy.break_by(|_, _| Fault::None);
    let _ = proxy.asked();
    ada.out(push);
    let asked = proxy.asked();
    assert!(
        asked.iter().any(|asked| asked.what.contains("?uploads")),
        "{asked:#?}"
    );
    let ben = Person::without(server);
    ben.out("pull large --remote s3://test/forgotten");
    ben.out("check --contents");
}

#[test]
fn a_download_that_was_killed_goes_on_with_the_bytes_that_are_there() {
    let Some(server) = S3::shared() else { return };
    let proxy = Proxy::new(server.address());
    let ada = Person::with_large(server, 3 * PART);
    ada.out("push large --remote s3://test/killed-download");
    let mut ben = Person::without(server);
    ben.set("AWS_ENDPOINT", &proxy.endpoint());
    let pull = "pull large --remote s3://test/killed-download";
    proxy.break_by(|_, what| match what.contains("/blob/") {
        true => Fault::Stalls(2 * PART as u64),
        false => Fault::None,
    });
    let mut pulling = ben
        .command(pull)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a program");
    let here = || {
        let all = fs::read_dir(ben.line.store.root().join("cache/fetches"))
            .into_iter()
            .flatten()
            .flatten();
        all.filter_map(|entry| Some(entry.metadata().ok()?.len()))
            .max()
            .unwrap_or(0)
    };
    while here() < PART as u64 {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(pulling.kill().and_then(|()| pulling.wait()).is_ok());
    let there = here();
    // What is there is not believed: a byte that is wrong costs the whole.
    proxy.break_by(|_, _| Fault::None);
    let _ = proxy.asked();
    ben.out(pull);
    let asked = proxy.asked();
    let came: u64 = of_blob(&asked).iter().map(|asked| asked.answered).sum();
    assert!(
        came < 3 * PART as u64 - there + 10_000,
        "{came} after {there}"
    );
    assert_eq!(here(), 0);
    ben.out("check --contents");
}

#[test]
fn one_request_in_twenty_may_fail() {
    let Some(server) = S3::shared() else { return };
    let proxy = Proxy::new(server.address());
    let mut ada = Person::with_large(server, 6 * PART);
    ada.set("AWS_ENDPOINT", &proxy.endpoint());
    for at in 0..12 {
        ada.has(&format!("small-{at}"), &noise(100_000)[at..]);
    }
    // Not more than one in twenty, and the first ones early, so that few requests see all.
    proxy.break_by(|number, _| match (number % 20, number / 20 % 4) {
        (3, 0) => Fault::Fails,
        (3, 1) => Fault::CutsRequest,
        (3, 2) => Fault::CutsAnswer(100),
        (3, _) => Fault::Hides,
        _ => Fault::None,
    });
    ada.out("push --all --remote s3://test/twenty");
    let mut ben = Person::without(server);
    ben.set("AWS_ENDPOINT", &proxy.endpoint());
    ben.out("pull --all --remote s3://test/twenty");
    ben.out("check --contents");
    ben.out("remote verify --remote s3://test/twenty");
    for at in 0..12 {
        ben.out(&format!("path small-{at}"));
    }
    assert!(proxy.asked().len() > 60);
}

#[test]
fn an_object_that_is_made_though_nothing_is_heard_counts() {
    let Some(server) = S3::shared() else { return };
    let proxy = Proxy::new(server.address());
    let mut ada = Person::with_large(server, PART + 7);
    ada.set("AWS_ENDPOINT", &proxy.endpoint());
    let is_first = AtomicBool::new(true);
    proxy.break_by(move |_, what| {
        let completes = what.starts_with("POST ") && what.contains("uploadId=");
        match completes && is_first.swap(false, Ordering::Relaxed) {
            true => Fault::Hides,
            false => Fault::None,
        }
    });
    ada.out("push large --remote s3://test/hidden");
    let ben = Person::without(server);
    ben.out("pull large --remote s3://test/hidden");
}

#[test]
fn a_redirect_is_not_followed() {
    let other = Server::of(b"not asked");
    let places = [
        other.url("/elsewhere"),
        "file:///etc/passwd".to_owned(),
        "/test/another".to_owned(),
    ];
    for place in places {
        let server = Server::new(move |_, _, to| {
            let place = format!("Location: {place}");
            head(to, &["307 Temporary Redirect", &place, "Content-Length: 0"])
        });
        let line = Line::empty(env!("CARGO_BIN_EXE_remote-cli"));
        let endpoint = server.url("");
        let variables = [
            ("HOME", line.folder.path().to_str().expect("a path")),
            ("AWS_ENDPOINT", &endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "us-east-1"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let ben = Person {
            line,
            variables: variables.to_vec(),
        };
        let said = ben.say("remote ls --remote s3://test/led-away");
        assert_eq!(said.code, 1, "{said:?}");
        let (why, help) = ("`307 Temporary Redirect`", "redirects are not followed");
        assert!(said.err.contains(why), "{said:?}");
        assert!(said.err.contains(help), "{said:?}");
        assert_eq!(server.asked().len(), 1, "it is not asked again");
    }
    assert!(other.asked().is_empty());
}

/// Another object store: `PYLIGHTNIX_TEST_REMOTE=az://container/folder`, with the variables by which programs may use it.
#[test]
#[ignore = "by hand: see CONTRIBUTING.md"]
fn another_object_store_will_do() {
    let address = std::env::var("PYLIGHTNIX_TEST_REMOTE").expect("an address");
    let person = |line| Person {
        line,
        variables: Vec::new(),
    };
    let ada = person(Line::new(env!("CARGO_BIN_EXE_remote-cli")));
    ada.has("large", &noise(3 * PART + 7));
    ada.out(&format!("push --all --remote {address}"));
    ada.out(&format!("push plot --as best --remote {address}"));
    let ben = person(Line::empty(env!("CARGO_BIN_EXE_remote-cli")));
    ben.out(&format!("pull best large --remote {address}"));
    ben.out("check --contents");
    ben.out(&format!("remote verify --remote {address}"));
    ben.out(&format!("remote roots --remove best --remote {address}"));
    assert_eq!(ben.out(&format!("remote roots --remote {address}")), "");
    let said = ben.say(&format!("remote ls --remote {address}/nothing"));
    assert!(said.err.contains("there is no remote at"), "{said:?}");
}
