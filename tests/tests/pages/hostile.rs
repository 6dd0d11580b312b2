//! A store whose names, logs and artifacts try to run scripts in the pages that show them.

use pylightnix::config::RRefId;
use pylightnix::store::Store;

use super::publish;

/// What must never run.
pub(super) const EVIL: &str = "<script>alert(1)</script>";

/// Publishes a realization with it in its config, its artifacts and their names, its log and a note; and another one of the stage.
pub(super) fn hostile(store: &Store) -> (RRefId, RRefId) {
    let evil = EVIL;
    let name = "\"><img src=x onerror=alert(1)>";
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let json = format!("{{\"{evil}\": \"{evil}\"}}");
    let config = format!(r#"{{"name": "evil", "text": "{evil}"}}"#);
    let md = format!("# {evil}\n\n{evil}\n\n[x](javascript:alert(1)) ![y](x.svg) `a`");
    let files: [(&str, &[u8]); 7] = [
        ("x.md", md.as_bytes()),
        (name, evil.as_bytes()),
        ("x.svg", svg),
        ("x.html", evil.as_bytes()),
        ("x.json", json.as_bytes()),
        ("x.csv", evil.as_bytes()),
        ("x.xhtml", evil.as_bytes()),
    ];
    let rref = publish(store, &config, &[], &files, &format!("{evil}\n"));
    let other = publish(
        store,
        r#"{"name": "evil", "text": "fine"}"#,
        &[],
        &[("x.json", b"{}")],
        "",
    );
    store.note(&rref, evil).unwrap();
    (rref, other)
}
