//! The server of PostgreSQL: an instance of the benchmark's own, in a temporary directory.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{ROWS, Server, free_port};

/// The user id for PostgreSQL when root runs the benchmark, because it refuses root.
const NOBODY: u32 = 65_534;

pub(crate) struct Postgres {
    child: Child,
    port: u16,
}

impl Postgres {
    pub(crate) fn start(bin: &Path, place: &Path) -> Postgres {
        let data = place.join("postgres");
        std::fs::create_dir(&data).expect("a directory");
        let is_root = rustix::process::getuid().is_root();
        if is_root {
            chown(&data, Some(NOBODY), None).expect("its directory");
            chown(place, Some(NOBODY), None).expect("its directory");
        }
        let program = |name: &str| {
            let mut command = Command::new(bin.join(name));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if is_root {
                command.uid(NOBODY).current_dir("/");
            }
            command
        };
        let made =
            program("initdb").args(["-A", "trust", "-U", "postgres", "-D"]).arg(&data).status();
        assert!(made.expect("initdb runs").success(), "initdb failed");
        let port = free_port();
        let mut command = program("postgres");
        command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
        // All rows stay in memory, and no socket file is needed.
        command.args(["-c", "shared_buffers=512MB", "-c", "unix_socket_directories="]);
        let postgres = Postgres { child: command.spawn().expect("postgres starts"), port };
        postgres.load(&bin.join("psql"));
        postgres
    }

    fn load(&self, psql: &PathBuf) {
        let sql = format!(
            "CREATE SCHEMA bank; \
             CREATE TABLE bank.credits (account bigint PRIMARY KEY, credits bigint NOT NULL); \
             INSERT INTO bank.credits SELECT n, n % 1000 + 1 FROM generate_series(0, {}) n;",
            ROWS - 1
        );
        let begun = Instant::now();
        for sql in ["SELECT 1", &sql, "VACUUM ANALYZE bank.credits"] {
            loop {
                let mut command = Command::new(psql);
                command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
                command.args(["-U", "postgres", "-v", "ON_ERROR_STOP=1", "-q", "-c", sql]);
                let command = command.stdout(Stdio::null()).stderr(Stdio::null());
                if command.status().expect("psql runs").success() {
                    break;
                }
                assert!(begun.elapsed() < Duration::from_mins(2), "PostgreSQL does not answer");
                std::thread::sleep(Duration::from_millis(250));
            }
        }
    }
}

impl Server for Postgres {
    fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            // A fast shutdown.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::INT);
        }
        let _ = self.child.wait();
    }
}
