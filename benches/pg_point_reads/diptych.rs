//! The server of Diptych: the same rows as a view, each account paid once.

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{ROWS, Server};

pub(crate) struct Diptych {
    child: Child,
    port: u16,
}

impl Diptych {
    pub(crate) fn start(place: &Path) -> Diptych {
        let binary = env!("CARGO_BIN_EXE_diptych");
        let (file, data) = (place.join("transfers.csv"), place.join("data"));
        let mut text = String::from("id,from_account,to_account,amount,ts\n");
        for n in 0..ROWS {
            // Writing into memory does not fail.
            let _ = writeln!(text, "{n},-1,{n},{},{n}", n % 1000 + 1);
        }
        std::fs::write(&file, text).expect("a file");
        let mut ingest = Command::new(binary);
        let ingest = ingest.args(["ingest", "bank"]).arg(&file).arg("--data").arg(&data);
        let ingest = ingest.stderr(Stdio::null()).stdout(Stdio::null());
        assert!(ingest.status().expect("ingest runs").success(), "ingest failed");
        let mut serve = Command::new(binary);
        serve.args(["serve", "bank", "--pg-listen", "127.0.0.1:0", "--data"]).arg(&data);
        let serve = serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = serve.spawn().expect("serve starts");
        let mut said = BufReader::new(child.stderr.take().expect("standard error")).lines();
        let (mut port, mut is_ready) = (None, false);
        while port.is_none() || !is_ready {
            let line = said.next().expect("serve says where it listens").expect("text");
            if let Some(address) = line.split("Postgres at ").nth(1) {
                port = address.rsplit(':').next().and_then(|port| port.trim().parse().ok());
            }
            is_ready |= line.contains("caught up");
        }
        // The child's further output is read, so that it does not block.
        std::thread::spawn(move || said.for_each(drop));
        Diptych { child, port: port.expect("a port") }
    }
}

impl Server for Diptych {
    fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Diptych {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
