//! A page of another site in a real browser, which tries every way that a page has. Skipped where
//! there is no browser.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};

use super::chromium::Chromium;
use super::server::Server;
use super::{address, append, served, state};

/// Tries everything at `TARGET`; in the end `results` has a word for each way.
const PAGE: &str = r#"<!doctype html><title>elsewhere</title><body><script>
const target = 'TARGET';
const results = {};
const after = (name, how) => { results[name] = how; };
const row = '/v1/dataflows/word_count/views/counts';
const changing = [
  '/v1/streams/lines/retract?where=text%3Dsecret&reason=x',
  '/v1/admin/rebuild?dataflow=word_count',
  '/v1/dataflows/word_count/verify',
  '/v1/dataflows/word_count/deploy',
  '/v1/streams/lines',
];
async function tried(name, trial) {
  try { after(name, await trial()); } catch (error) { after(name, 'refused'); }
}
async function all() {
  for (const path of changing) {
    const ways = [undefined, '{"text":"evil"}', new URLSearchParams({ text: 'evil' })];
    for (const [number, body] of ways.entries()) {
      // An answer that may not be read is what a page gets for any that comes.
      await tried(`no-cors ${number} ${path}`, async () => {
        return (await fetch(target + path, { method: 'POST', mode: 'no-cors', body })).type;
      });
    }
    await tried(`cors ${path}`, async () => {
      const headers = { 'content-type': 'application/json', authorization: 'Bearer x' };
      await fetch(target + path, { method: 'POST', headers, body: '{"text":"evil"}' });
      return 'read';
    });
    navigator.sendBeacon(target + path, 'evil');
    const frame = document.createElement('iframe');
    frame.name = path;
    document.body.append(frame);
    const form = document.createElement('form');
    Object.assign(form, { action: target + path, method: 'post', target: path });
    form.enctype = 'text/plain';
    const input = document.createElement('input');
    Object.assign(input, { name: '{"text":"evil', value: '"}' });
    form.append(input);
    document.body.append(form);
    form.submit();
  }
  await tried('get', async () => (await (await fetch(target + row)).text()) && 'read');
  const loads = (name, make) => new Promise((done) => {
    const one = make();
    one.onload = one.onopen = one.onmessage = () => done(after(name, 'read'));
    one.onerror = () => done(after(name, 'refused'));
    if (one instanceof Element) document.body.append(one);
  });
  await loads('img', () => Object.assign(new Image(), { src: target + '/page/icon.svg' }));
  await loads('script', () => {
    return Object.assign(document.createElement('script'), { src: target + '/page/theme.js' });
  });
  await loads('events', () => new EventSource(target + row + '/changes'));
  await loads('socket', () => new WebSocket(target.replace('http', 'ws') + row + '/changes'));
  results.over = true;
}
all();
</script>"#;

/// Serves the page from a port of its own, for ever.
fn elsewhere(target: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let page = PAGE.replace("TARGET", target);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let page = page.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(&stream);
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n";
                // A browser that goes on elsewhere does not read it.
                let _ = write!(&stream, "{head}content-length: {}\r\n\r\n{page}", page.len());
            });
        }
    });
    port
}

/// A browser that resolves a foreign name to this machine; none where there is no browser.
fn browser() -> Option<Chromium> {
    Chromium::start_with(&["--host-resolver-rules=MAP evil.example 127.0.0.1"])
}

/// A server with data that could be read and retracted.
fn with_a_secret(data: &Path) -> Server {
    let server = served(data, &[]);
    append(&server, "secret");
    server
}

#[test]
fn a_page_of_another_site_reads_and_changes_nothing() {
    let Some(mut browser) = browser() else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = with_a_secret(data.path());
    let before = state(&server);
    let address = address(&server);
    let port = address.rsplit_once(':').expect("a port").1;
    let local = format!("http://localhost:{port}");
    // Another site; another port of the same one; another name of the same machine.
    for (page, target) in [
        ("evil.example", &server.url("")),
        ("127.0.0.1", &server.url("")),
        ("localhost", &server.url("")),
        ("evil.example", &local),
    ] {
        let from = elsewhere(target);
        browser.open(&format!("http://{page}:{from}/"), 1280);
        browser.until("results.over === true");
        let results = browser.eval("results");
        for (name, how) in results.as_object().expect("results") {
            assert_ne!(how, "read", "{page} to {target}: {name}");
        }
        println!("{page} to {target}: {results}");
        // What was sent last has been answered when this is.
        browser.eval("new Promise((done) => setTimeout(done, 500))");
        assert_eq!(state(&server), before, "{page} to {target}");
    }
}

/// DNS rebinding: a name that first pointed to a foreign server now points here, so that the
/// browser takes both for one site.
#[test]
fn a_name_that_is_bound_again_reads_and_changes_nothing() {
    let Some(mut browser) = browser() else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = with_a_secret(data.path());
    let before = state(&server);
    let port = address(&server).rsplit_once(':').expect("a port").1.to_owned();
    browser.open(&format!("http://evil.example:{port}/"), 1280);
    browser.until("location.host.startsWith('evil.example:') && document.body.innerText !== ''");
    let asked = |method: &str, path: &str| {
        format!(
            "fetch('{path}', {{ method: '{method}', headers: {{'content-type': \
             'application/json'}}, body: {} }}).then((answer) => answer.status)",
            if method == "POST" { "'{\"text\":\"evil\"}'" } else { "undefined" }
        )
    };
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v1/status"),
        ("GET", "/v1/dataflows/word_count/views/counts?key=secret"),
        ("GET", "/v1/dataflows/word_count/views/counts/changes"),
        ("GET", "/openapi.json"),
        ("POST", "/v1/streams/lines"),
        ("POST", "/v1/sql"),
        ("POST", "/v1/streams/lines/retract?where=text%3Dsecret&reason=x"),
        ("POST", "/v1/admin/rebuild?dataflow=word_count"),
    ] {
        assert_eq!(browser.eval(&asked(method, path)), json!(403), "{method} {path}");
    }
    assert_eq!(state(&server), before);
    // Under a name of its own the page works, in the same browser.
    browser.open(&format!("http://localhost:{port}/"), 1280);
    browser.until("document.getElementById('health').textContent === 'live'");
    let status: Value = browser.eval(&asked("GET", "/v1/status"));
    assert_eq!(status, json!(200));
}
