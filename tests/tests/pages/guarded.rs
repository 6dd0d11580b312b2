//! Who may read pages, and what a store from outside can do: nothing.

use std::process::Command;
use tests::pages::Served;
use tests::store::store;

use super::hostile::{EVIL, hostile};
use super::{STORE, publish, serve};

#[test]
fn only_reading_is_answered_and_only_for_this_host() {
    let (_folder, store) = store();
    let rref = publish(
        &store,
        r#"{"name": "data"}"#,
        &[],
        &[("x.txt", b"text")],
        "",
    );
    let served = serve(&store);
    let host = format!("Host: {}", served.host);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(
            served.send(&format!("{method} /"), &[&host]).status,
            405,
            "{method}"
        );
    }
    let port = served.host.rsplit(':').next().unwrap();
    for other in [
        "Host: example.org".to_owned(),
        format!("Host: example.org:{port}"),
        "Host: 127.0.0.1:1".to_owned(),
    ] {
        assert_eq!(served.send("GET /", &[&other]).status, 403, "{other}");
    }
    assert_eq!(served.send("GET /", &[]).status, 403, "no host");
    assert_eq!(
        served
            .send("GET /", &[&format!("Host: localhost:{port}")])
            .status,
        200
    );
    for origin in ["Origin: http://example.org", "Origin: null"] {
        assert_eq!(
            served.send("GET /", &[&host, origin]).status,
            403,
            "{origin}"
        );
    }
    assert_eq!(
        served
            .send(
                "GET /",
                &[&host, &format!("Origin: http://{}", served.host)]
            )
            .status,
        200
    );

    assert_eq!(served.get(&format!("/raw/{rref}/x.txt")).status, 200);
    for way in [
        "../record",
        "%2e%2e/record",
        "..%2frecord",
        "x.txt/../../record",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        ".",
        "",
    ] {
        let answer = served.get(&format!("/raw/{rref}/{way}"));
        assert!([400, 404].contains(&answer.status), "{way}: {answer:?}");
        assert!(!answer.body.contains("pylightnix-realization"), "{way}");
    }
}

#[test]
fn elsewhere_a_token_is_needed() {
    let (_folder, store) = store();
    let mut command = Command::new(STORE);
    command
        .args(["serve", "--address", "0.0.0.0:0", "--store"])
        .arg(store.root());
    let served = Served::start(command);
    let token = served.url.split_once("?token=").unwrap().1;
    assert_eq!(token.len(), 32);
    assert_eq!(served.get("/").status, 403);
    assert_eq!(
        served
            .get("/?token=0123456789abcdef0123456789abcdef")
            .status,
        403
    );
    let host = format!("Host: {}", served.host);
    assert!(!served.host.starts_with("0.0.0.0"), "{}", served.url);
    let port = served.host.rsplit(':').next().unwrap();
    let wrong = &format!("Cookie: token-{port}=0123456789abcdef0123456789abcdef");
    assert_eq!(served.send("GET /style.css", &[&host, wrong]).status, 403);

    let answer = served.get(&format!("/runs?token={token}"));
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/runs"))
    );
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    assert!(cookie.starts_with(&format!("token-{port}=")), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(served.send("GET /runs", &[&host, &cookie]).status, 200);
}

#[test]
fn what_a_store_says_stays_text() {
    let (_folder, store) = store();
    let (rref, other) = hostile(&store);
    let evil = EVIL;
    let served = serve(&store);
    let encoded = "%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E";
    let paths = [
        "/".to_owned(),
        "/stage/evil".to_owned(),
        format!("/stage/evil?where={evil}&sort={evil}")
            .replace('<', "%3C")
            .replace('>', "%3E"),
        format!("/r/{rref}"),
        format!("/r/{rref}/a/{encoded}"),
        format!("/r/{rref}/a/x.json"),
        format!("/r/{rref}/a/x.csv"),
        format!("/r/{rref}/a/x.md"),
        format!("/r/{rref}/a/x.html"),
        format!("/r/{rref}/a/x.svg"),
        format!("/compare?r={rref}&r={other}"),
        "/search?q=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
        "/%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
        format!("/run/{encoded}"),
    ];
    for path in paths {
        let answer = served.get(&path);
        assert!(
            !answer.body.contains("<script>alert"),
            "{path}: {}",
            answer.body
        );
        assert!(
            !answer.body.contains("<img src=x"),
            "{path}: {}",
            answer.body
        );
        assert!(
            !answer.body.contains("javascript:"),
            "{path}: {}",
            answer.body
        );
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }

    let raw = |path: &str| {
        let answer = served.get(&format!("/raw/{rref}/{path}"));
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        (
            header("content-type"),
            header("content-security-policy"),
            header("content-disposition"),
        )
    };
    let (kind, policy, _) = raw("x.svg");
    assert_eq!(kind, "image/svg+xml");
    assert!(
        policy.starts_with("sandbox; default-src 'none'"),
        "{policy}"
    );
    let (kind, policy, _) = raw("x.html");
    assert!(kind.starts_with("text/html"));
    assert!(
        policy.starts_with("sandbox allow-scripts; default-src 'unsafe-inline'"),
        "{policy}"
    );
    assert!(
        !policy.contains("allow-same-origin") && !policy.contains("http"),
        "{policy}"
    );
    assert_eq!(raw("x.xhtml").2, "attachment");
    assert_eq!(raw(encoded).2, "attachment");
    let log = served.page(&format!("/r/{rref}"));
    let log = log
        .split("href=\"/log/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let log = served.get(&format!("/log/{log}"));
    assert!(
        log.header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    assert_eq!(log.body, format!("{evil}\n"));
}
