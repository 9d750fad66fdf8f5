//! The rivals: nginx with a static file, and Redis, on the second core and on free ports.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::load::{Figures, Running, has, pinned};
use crate::{CONNECTIONS, KEYS, PATH, quiet};

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn wait_for(port: u16) {
    for _ in 0..500 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("nothing listens at port {port}");
}

/// nginx that answers every read with `answer`, from a file; tuned as its own documentation says:
/// no access log, files kept open, connections kept for ever.
pub(crate) fn nginx(directory: &Path, answer: &str) -> Option<(Running, String)> {
    if !has("nginx") {
        return None;
    }
    let (root, port) = (directory.join("nginx"), free_port());
    let file = root.join(PATH.trim_start_matches('/'));
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
    std::fs::write(&file, answer).expect("a file written");
    let place = root.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {place}/{kind};"));
    let configuration = format!(
        "daemon off; master_process off; user root; pid {place}/pid; error_log {place}/log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; {} sendfile on; tcp_nopush on; tcp_nodelay on;\n\
         open_file_cache max=1000; keepalive_requests 1000000000; default_type application/json;\n\
         server {{ listen 127.0.0.1:{port}; root {place}; }} }}\n",
        temporary.join(" ")
    );
    std::fs::write(root.join("conf"), configuration).expect("a configuration written");
    let mut command = pinned(1, Path::new("nginx"));
    command.arg("-p").arg(&root).arg("-c").arg(root.join("conf"));
    let child = quiet(command).spawn().expect("nginx starts");
    wait_for(port);
    Some((Running(child), format!("http://127.0.0.1:{port}")))
}

/// Redis with the same keys and values of about the same length.
pub(crate) fn redis(directory: &Path) -> Option<(Running, u16)> {
    if !has("redis-server") || !has("redis-benchmark") || !has("redis-cli") {
        return None;
    }
    let port = free_port();
    let mut command = pinned(1, Path::new("redis-server"));
    command.args(["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--dir"]);
    command.arg(directory);
    let running = Running(quiet(command).spawn().expect("redis-server starts"));
    wait_for(port);
    let fill = format!(
        "for i = 0, {KEYS} - 1 do redis.call('set', string.format('key:%012d', i), i % 1000000) \
         end"
    );
    let mut command = Command::new("redis-cli");
    command.args(["-p", &port.to_string(), "eval", &fill, "0"]);
    assert!(quiet(command).status().expect("redis-cli runs").success(), "Redis is filled");
    Some((running, port))
}

/// Runs redis-benchmark with reads of random keys, for about so many seconds.
pub(crate) fn ask(server: &Running, port: u16, seconds: u32) -> Figures {
    let requests = u64::from(seconds) * 60_000;
    let mut command = pinned(0, Path::new("redis-benchmark"));
    command.args(["-p", &port.to_string(), "-c", &CONNECTIONS.to_string(), "--csv"]);
    command.args(["-n", &requests.to_string(), "-r", &KEYS.to_string()]);
    command.args(["get", "key:__rand_int__"]);
    let before = server.cpu_seconds();
    let output = command.output().expect("redis-benchmark runs");
    let cpu = server.cpu_seconds() - before;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let fields: Vec<f64> = said
        .lines()
        .next_back()
        .unwrap_or_default()
        .rsplit(',')
        .map_while(|field| field.trim_matches('"').parse().ok())
        .collect();
    // From the end: max, p99, p95, p50, min, average latency, requests per second.
    assert_eq!(fields.len(), 7, "{said}");
    Figures { per_second: fields[6], micros_each: cpu * 1e6 / requests as f64, p99_ms: fields[1] }
}
