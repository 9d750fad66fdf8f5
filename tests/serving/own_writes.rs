//! Read your writes: a client's append is in every answer that the client asks for afterwards.

use super::server::Server;

const CLIENTS: usize = 4;
const APPENDS: usize = 10_000;

#[test]
fn an_append_is_in_every_read_at_least_at_its_epoch() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "--data", data, "-w", "2"]);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || {
                for count in 1..=APPENDS / CLIENTS {
                    let line = format!("{{\"text\":\"w{client} all\"}}");
                    let epoch = server.append("lines", &line).expect("an append");
                    // Odd ones by another client's connection pool would be the same: the epoch
                    // is all that is needed.
                    let path = format!(
                        "/v1/dataflows/word_count/views/counts?key=w{client}&at_least={epoch}"
                    );
                    let answer = server.get(&path);
                    assert!(answer["epoch"].as_u64() >= Some(epoch), "{epoch}: {answer}");
                    assert_eq!(answer["rows"][0]["n"], count, "{epoch}: {answer}");
                }
            });
        }
    });
    let all = server.get("/v1/dataflows/word_count/views/counts?key=all");
    assert_eq!(all["rows"][0]["n"], APPENDS);
}
