//! A real PostgreSQL, started for the test.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; it ends with this.
pub(crate) struct PostgreSql {
    pub(crate) address: SocketAddr,
    server: Option<Child>,
    /// Where it was started with the script, which also stops it.
    script: Option<PathBuf>,
    directory: tempfile::TempDir,
}

impl PostgreSql {
    /// A server; none, with a printed reason, where there is no PostgreSQL.
    pub(crate) fn start() -> Option<PostgreSql> {
        let directory = tempfile::tempdir().expect("a directory");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/servers/postgres.sh");
        let found = if script.exists() {
            PostgreSql::of_script(script, directory)
        } else {
            PostgreSql::of_package(directory)
        };
        if found.is_none() {
            println!("skipped: no PostgreSQL (neither a script for it, nor Debian's package)");
        }
        found
    }

    fn of_script(script: PathBuf, directory: tempfile::TempDir) -> Option<PostgreSql> {
        let output = Command::new(&script).arg("start").arg(directory.path()).output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let address = said.lines().find_map(|line| line.strip_prefix("address "));
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            println!("{said}{}", String::from_utf8_lossy(&output.stderr));
            return None;
        };
        Some(PostgreSql { address, server: None, script: Some(script), directory })
    }

    fn of_package(directory: tempfile::TempDir) -> Option<PostgreSql> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let bin = versions.flatten().map(|version| version.path().join("bin")).max()?;
        let data = directory.path().join("data");
        let made = Command::new(bin.join("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .ok()?;
        if !made.status.success() {
            println!("{}", String::from_utf8_lossy(&made.stderr));
            return None;
        }
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let server = Command::new(bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", &format!("port={}", address.port())])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let server = Some(server);
        let real = PostgreSql { address, server, script: None, directory };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > Duration::from_secs(30) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(real)
    }
}

impl Drop for PostgreSql {
    fn drop(&mut self) {
        if let Some(script) = &self.script {
            let _ = Command::new(script).arg("stop").arg(self.directory.path()).output();
        }
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
