//! What is verified stays where it is, and answers, while the view moves on.

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
