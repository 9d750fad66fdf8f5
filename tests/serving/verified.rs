//! Verified epochs stay and answer, while the view moves on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::server::Server;

#[test]
fn a_verified_epoch_answers_while_later_ones_come() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "--data", data, "-w", "2"]);
    let path = "/v1/dataflows/word_count/views/counts?key=a&mode=verified";
    let early = ureq::get(server.url(path)).config().http_status_as_error(false).build().call();
    assert_eq!(early.expect("an answer").status(), 404);
    let first = server.append("lines", "{\"text\":\"a b a\"}").expect("an append");
    server.get(&format!("/v1/dataflows/word_count/views/counts?at_least={first}"));
    let verify = || {
        let request = ureq::post(server.url("/v1/dataflows/word_count/verify"));
        let request = request.content_type("application/json");
        let text = request.send_empty().expect("a verdict").body_mut().read_to_string();
        serde_json::from_str::<serde_json::Value>(&text.expect("text")).expect("JSON")
    };
    let verdict = verify();
    assert_eq!((&verdict["verdict"], &verdict["epoch"]), (&"agrees".into(), &first.into()));
    let view = &verdict["views"][0];
    assert_eq!((&view["view"], &view["rows"]), (&"counts".into(), &2.into()));
    assert_eq!(view["served_digest"], view["recomputed_digest"]);
    let second = server.append("lines", "{\"text\":\"a\"}").expect("an append");
    let now = server.get(&format!("/v1/dataflows/word_count/views/counts?key=a&at_least={second}"));
    assert_eq!(now["rows"][0]["n"], 3);
    let proved = server.get(path);
    assert_eq!((&proved["epoch"], &proved["rows"][0]["n"]), (&first.into(), &2.into()));
    assert_eq!(verify()["epoch"], second);
    assert_eq!(server.get(path)["rows"][0]["n"], 3);
}

/// Verified in the background while events arrive: the verified frontier goes on, never back, and
/// its answers equal those computed from the events.
#[test]
fn verified_frontiers_are_published_under_load() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "--data", data, "--verify", "every=50ms"]);
    let stop = AtomicBool::new(false);
    let (mut seen, begun) = (Vec::new(), Instant::now());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Epoch n makes `a` n + 1 of them.
            while !stop.load(Ordering::Relaxed) {
                server.append("lines", "{\"text\":\"a\"}").expect("an append");
            }
        });
        while seen.len() < 5 && begun.elapsed() < Duration::from_mins(1) {
            let status = server.get("/v1/status");
            if let Some(epoch) = status["dataflows"][0]["verified"].as_u64()
                && seen.last() != Some(&epoch)
            {
                seen.push(epoch);
                let path = "/v1/dataflows/word_count/views/counts?key=a&mode=verified";
                let proved = server.get(path);
                let at = proved["epoch"].as_u64().expect("an epoch");
                assert!(at >= epoch, "{at} after {epoch}");
                assert_eq!(proved["rows"][0]["n"], at + 1);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(seen.len() >= 5 && seen.is_sorted(), "{seen:?}");
    let mut metrics = ureq::get(server.url("/metrics")).call().expect("metrics");
    let text = metrics.body_mut().read_to_string().expect("text");
    let value = |name: &str| -> f64 {
        let name = format!("{name}{{dataflow=\"word_count\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
    };
    assert!(value("diptych_verifications_total") >= 5.0);
    assert_eq!(value("diptych_verifications_differed_total").to_string(), "0");
    assert!(value("diptych_verification_seconds") > 0.0);
    assert!(value("diptych_verified_epoch") > seen[4] as f64);
    assert!(server.get("/v1/status")["dataflows"][0]["differs_at"].is_null());
    assert!(server.stop().success());
}
