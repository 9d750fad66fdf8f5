//! The live page in a real browser. Skipped where there is none.

#[path = "page/chromium.rs"]
mod chromium;
#[path = "serving/server.rs"]
mod server;

use std::path::Path;
use std::process::Command;

use chromium::Chromium;
use serde_json::{Value, json};
use server::Server;

/// A server of `word_count` with an empty log.
fn served(data: &Path, more: &[&str]) -> Server {
    let data = data.to_str().expect("a path of text");
    Server::start(&[&["word_count", "--data", data], more].concat())
}

/// Appends lines of text, waits until they are visible, and tells their epoch.
fn append(server: &Server, lines: &[&str]) -> u64 {
    let body: String =
        lines.iter().map(|line| json!({ "text": line }).to_string() + "\n").collect();
    let request = ureq::post(server.url("/v1/streams/lines?wait=visible&timeout=60s"));
    let answer = request.header("content-type", "application/x-ndjson").send(body);
    let text = answer.expect("an answer").body_mut().read_to_string().expect("a text");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    answer["epoch"].as_u64().expect("an epoch")
}

/// An expression for the number shown for a frontier.
fn frontier(name: &str) -> String {
    format!("Number(document.querySelector('[data-frontier={name}]').dataset.value)")
}

/// An expression that is true when the table of the view shows these cells.
fn shows(cells: &[&str]) -> String {
    let cells = json!(cells);
    format!(
        "[...document.querySelectorAll('#rows tbody tr')].some((row) => \
         JSON.stringify([...row.cells].map((one) => one.textContent)) === \
         JSON.stringify({cells}))"
    )
}

#[test]
fn the_page_shows_what_happens() {
    let Some(mut page) = Chromium::start() else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = served(data.path(), &[]);
    page.open(&server.url("/"), 1280);
    page.until("document.getElementById('health').textContent === 'live'");

    // Frontiers advance.
    let old = append(&server, &["to be or not to be"]);
    page.until(&format!("{} === {}", frontier("log"), old + 1));
    page.until(&format!("{} === {}", frontier("upper"), old + 1));
    page.until(&shows(&["be", "2"]));
    let new = append(&server, &["let it be", "beyond"]);
    page.until(&format!("{} === {}", frontier("upper"), new + 1));
    assert_eq!(page.eval(&frontier("boundary")), json!(0));
    page.until("document.querySelector('[data-chart=behind]').textContent === '0'");

    // Changes arrive.
    let changes = "document.getElementById('changes').textContent";
    page.until(&format!("{changes}.includes('word be  n 3')"));

    // Rows by prefix.
    page.press("/");
    page.write("be");
    page.until("document.querySelectorAll('#rows tbody tr').length === 2");
    page.until(&shows(&["be", "3"]));
    page.until(&shows(&["beyond", "1"]));
    page.press("Escape");

    // The past, by keyboard.
    page.press("a");
    page.press("Home");
    for _ in 0..old {
        page.press("ArrowRight");
    }
    page.until(&shows(&["be", "2"]));
    assert_eq!(page.eval("document.getElementById('rows').dataset.epoch"), json!(old.to_string()));
    page.press("l");
    page.until(&shows(&["be", "3"]));

    // The graph, in figures that grow.
    page.until("document.querySelectorAll('#graph .node').length > 2");
    assert_eq!(page.complaints, [""; 0]);

    // SQL, or why not.
    page.press("s");
    page.write("SELECT word, n FROM word_count.counts WHERE n = 3");
    page.eval("document.getElementById('sql-form').requestSubmit()");
    if cfg!(feature = "sql") {
        page.until("document.getElementById('sql-rows').textContent === 'wordnbe3'");
    } else {
        page.until("/no SQL/.test(document.getElementById('sql-status').textContent)");
    }

    // A server that goes away is noticed.
    server.kill();
    page.until("document.getElementById('health').dataset.state === 'bad'");
}

/// Every element that takes the focus, and can do so now.
const CONTROLS: &str = "[...document.querySelectorAll(
    'a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')]
    .filter((one) => !one.disabled && one.checkVisibility())";

#[test]
fn everything_is_reached_by_keyboard_in_both_themes_and_widths() {
    let Some(mut page) = Chromium::start() else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = served(data.path(), &[]);
    append(&server, &["to be or not to be"]);
    page.prefer("light");
    page.open(&server.url("/"), 1280);
    page.until(&shows(&["be", "2"]));
    page.until("document.querySelectorAll('#graph .node').length > 2");

    let controls = page.eval(&format!("window.controls = {CONTROLS}; controls.length"));
    let controls = controls.as_u64().expect("a number");
    assert!(controls >= 12, "{controls} controls");
    page.eval("window.reached = new Set(); window.unseen = []");
    for _ in 0..2 * controls {
        page.press("Tab");
        page.eval(
            "(() => { const one = document.activeElement; reached.add(one); \
             const style = getComputedStyle(one); \
             if (one !== document.body && style.outlineStyle === 'none') unseen.push(one.id) })()",
        );
    }
    let missed = "controls.filter((one) => !reached.has(one)).map((one) => one.outerHTML)";
    assert_eq!(page.eval(missed), json!([]), "not reached by Tab");
    assert_eq!(page.eval("unseen"), json!([]), "the focus is not visible");
    let unnamed = format!(
        "{CONTROLS}.filter((one) => !one.labels?.length && !one.ariaLabel && \
         !one.textContent.trim()).map((one) => one.outerHTML)"
    );
    assert_eq!(page.eval(&unnamed), json!([]), "without a name");

    page.eval("document.activeElement.blur()");
    page.press("?");
    page.until("document.getElementById('help').open");
    page.press("Escape");
    page.until("!document.getElementById('help').open");

    // The system's theme, then the chosen one whatever the system's.
    let color = "getComputedStyle(document.body).backgroundColor";
    let light = page.eval(color);
    page.prefer("dark");
    let dark = page.eval(color);
    assert_ne!(light, dark);
    page.press("t");
    assert_eq!(page.eval(color), light);
    page.prefer("light");
    page.press("t");
    assert_eq!(page.eval(color), dark);

    for width in [1280, 390] {
        page.resize(width);
        page.until(&format!("document.querySelector('#picture svg').clientWidth < {width}"));
        let over = page.eval("document.documentElement.scrollWidth - innerWidth");
        assert!(over.as_i64() <= Some(0), "{over} pixels too wide at {width}");
    }
    assert_eq!(page.complaints, [""; 0]);
}

#[test]
fn a_token_is_asked_for() {
    let Some(mut page) = Chromium::start() else { return };
    let data = tempfile::tempdir().expect("a directory");
    let token = Command::new(env!("CARGO_BIN_EXE_diptych"))
        .args(["token", "new", "--role", "read", "--name", "page"])
        .output()
        .expect("the binary starts");
    let secret = String::from_utf8(token.stdout).expect("text");
    let secret = secret.trim();
    let said = String::from_utf8(token.stderr).expect("text");
    let entry = said.split_once("[[token]]").expect("an entry").1;
    let entry = entry.split_once("\n\n").expect("an empty line").0;
    let file = data.path().join("credentials.toml");
    std::fs::write(&file, format!("[[token]]{entry}\n")).expect("a file");
    let dataset = data.path().join("data");
    let server = served(&dataset, &["--credentials", file.to_str().expect("a path of text")]);
    page.open(&server.url("/"), 1280);
    for token in ["wrong", secret] {
        page.until("document.getElementById('login').open");
        page.until("document.activeElement.id === 'token'");
        page.write(token);
        page.press("Enter");
        if token == "wrong" {
            page.until("!document.getElementById('login-wrong').hidden");
        }
    }
    page.until("document.getElementById('health').textContent === 'live'");
    assert_eq!(page.eval("document.getElementById('login').open"), json!(false));
    assert_eq!(page.eval("location.href.includes('token')"), json!(false));
    // It lives as long as the tab, and no longer.
    page.eval("window.before = true");
    page.call("Page.reload", &json!({}));
    page.until("window.before === undefined");
    page.until("document.getElementById('health').textContent === 'live'");
    assert_eq!(page.eval("Object.keys(localStorage).length"), json!(0));
}
