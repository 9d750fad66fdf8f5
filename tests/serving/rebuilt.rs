//! A rebuild over HTTP makes a batch view from all events, while serving goes on.

use serde_json::Value;

use super::server::Server;

fn rebuild(server: &Server, query: &str) -> (u16, Value) {
    let request = ureq::post(server.url(&format!("/v1/admin/rebuild{query}")));
    let request = request.content_type("application/json");
    let mut answer =
        request.config().http_status_as_error(false).build().send_empty().expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    (answer.status().as_u16(), serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn a_rebuild_becomes_the_base_of_what_is_served() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "--data", data, "-w", "2"]);
    let asked = "?dataflow=word_count";
    assert_eq!(rebuild(&server, asked).0, 409, "there is no epoch");
    for round in 1..4 {
        let last = server.append("lines", "{\"text\":\"a b a\"}").expect("an append");
        let counts = "/v1/dataflows/word_count/views/counts?key=a";
        server.get(&format!("{counts}&at_least={last}"));
        let (status, answer) = rebuild(&server, asked);
        assert_eq!((status, &answer["outcome"]), (200, &"swapped".into()), "{answer}");
        assert_eq!(answer["boundary"], last + 1);
        assert_eq!(answer["differing"], serde_json::json!([]));
        let now = server.get(counts);
        assert_eq!(
            (&now["boundary"], &now["rows"][0]["n"]),
            (&(last + 1).into(), &(2 * round).into())
        );
    }
    let (status, again) = rebuild(&server, asked);
    assert_eq!(status, 409);
    assert!(
        again["detail"].as_str().is_some_and(|text| text.contains("no epoch since")),
        "{again}"
    );
    assert_eq!(rebuild(&server, "").0, 400);
    assert_eq!(rebuild(&server, "?dataflow=bank").0, 404);
    assert!(server.stop().success());
}
