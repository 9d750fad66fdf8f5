//! Events are taken back over HTTP: dataflows that can undo them go on, others are recomputed
//! beside their readers.

use serde_json::Value;

use super::server::Server;

fn retract(server: &Server, query: &str) -> (u16, Value) {
    let request = ureq::post(server.url(&format!("/v1/streams/customers/retract{query}")));
    let request = request.content_type("application/json");
    let mut answer =
        request.config().http_status_as_error(false).build().send_empty().expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    (answer.status().as_u16(), serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn a_retraction_is_visible_when_it_is_undone_or_recomputed() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("a path");
    let server = Server::start(&["orders", "word_count", "--data", data, "-w", "2"]);
    let customer = |country: &str, year: u32| {
        let at = format!("{year}-01-01T00:00:00Z");
        format!("{{\"id\":1,\"name\":\"Ann\",\"country\":\"{country}\",\"at\":\"{at}\"}}")
    };
    server.append("customers", &customer("DE", 2020)).expect("an append");
    server.append("customers", &customer("FR", 2021)).expect("an append");
    let order = "{\"id\":7,\"customer\":1,\"amount\":\"5.00\",\"at\":\"2022-01-01T00:00:00Z\"}";
    let last = server.append("orders", order).expect("an append");
    let revenue = "/v1/dataflows/orders/views/revenue";
    let country = |at: u64| {
        let answer = server.get(&format!("{revenue}?at_least={at}&timeout=30s"));
        (answer["rows"][0]["country"].clone(), answer["epoch"].as_u64())
    };
    assert_eq!(country(last), ("FR".into(), Some(last)));

    assert_eq!(retract(&server, "?where=country=FR").0, 400, "no reason");
    assert_eq!(retract(&server, "?reason=wrong").0, 400, "no condition");
    assert_eq!(retract(&server, "?reason=wrong&where=land=FR").0, 400, "no such column");
    assert_eq!(retract(&server, "?reason=wrong&where=country=IT").0, 404, "no such event");
    assert_eq!(retract(&server, "?reason=wrong&where=country:=null").0, 400, "never null");
    let (status, dry) = retract(&server, "?reason=wrong&where=country:=%22FR%22&dry_run=true");
    assert_eq!((status, &dry["events"]), (200, &1.into()), "{dry}");
    let (status, dry) = retract(&server, "?reason=wrong&where=country=FR&dry_run=true");
    assert_eq!((status, &dry["epoch"], &dry["events"]), (200, &Value::Null, &1.into()), "{dry}");
    let (status, done) = retract(&server, "?reason=wrong&where=country=FR&where=id=1&epoch=1");
    assert_eq!((status, &done["events"]), (200, &1.into()), "{done}");
    assert_eq!(done["first"][0]["event"]["country"], "FR");
    let epoch = done["epoch"].as_u64().expect("an epoch");
    // Never a wrong answer: the epoch before, until it is recomputed.
    assert_eq!(country(epoch), ("DE".into(), Some(epoch)));
    assert_eq!(retract(&server, "?reason=wrong&where=country=FR").0, 404, "twice");
    let status = server.get("/v1/status");
    let flows = status["dataflows"].as_array().expect("dataflows");
    assert!(flows.iter().all(|flow| flow["rebuilding"].is_null()), "{status}");
    // It goes on live, and followers of the time before get a fresh copy.
    let next = server.append("customers", &customer("IT", 2023)).expect("an append");
    assert_eq!(country(next), ("IT".into(), Some(next)));
    let changes = server.url(&format!("{revenue}/changes?from={last}"));
    let changes = ureq::get(changes).call().expect("changes").into_body().into_reader();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(changes));
    let reset = lines.map_while(Result::ok).find(|line| line == "event: reset");
    assert!(reset.is_some(), "no fresh copy");
    assert!(server.stop().success());
}
