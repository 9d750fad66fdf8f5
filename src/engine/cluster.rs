//! The cluster: numbers of workers and processes, from which timely's `Config` is built.
//!
//! First multi-process scheme: process 0 owns the index and the batch view's manifest; all
//! processes read the same data directory. The mesh between processes is plain TCP between
//! trusted peers: keep it on loopback or a private network.

use std::net::{TcpListener, ToSocketAddrs};
use std::path::Path;

use timely::{CommunicationConfig, Config, WorkerConfig};

use diptych_base::error::{Error, Kind, Result};

/// Workers and processes of one computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Worker threads in each process, at least 1.
    pub workers: usize,
    /// This process's number, from 0.
    pub process: usize,
    /// One `host:port` per process; empty when there is only one process.
    pub addresses: Vec<String>,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster::local(1)
    }
}

impl Cluster {
    /// A cluster of `workers` threads in this process.
    pub fn local(workers: usize) -> Self {
        Cluster { workers: workers.max(1), process: 0, addresses: Vec::new() }
    }

    /// Process `process` of those in `hostfile`, one `host:port` a line.
    ///
    /// # Errors
    /// When the file is unreadable, has fewer than `processes` lines, or names no address.
    pub fn from_hostfile(
        workers: usize,
        processes: usize,
        process: usize,
        hostfile: &Path,
    ) -> Result<Self> {
        let name = hostfile.display();
        let text = diptych_base::io::read_text(hostfile)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let addresses: Vec<String> = lines.take(processes).map(str::to_owned).collect();
        if addresses.len() < processes {
            let message = format!("{name} names {} of {processes} hosts", addresses.len());
            return Err(Error::new(Kind::Input, message).remedy("write one host:port a line"));
        }
        for (line, address) in addresses.iter().enumerate() {
            address.to_socket_addrs().map_err(|error| {
                Error::new(Kind::Input, format!("{name}:{}: {address:?}: {error}", line + 1))
                    .remedy("write host:port")
            })?;
        }
        if process >= processes {
            let message = format!("process {process} of {processes}: they count from 0");
            return Err(Error::new(Kind::Input, message).remedy("give -p a smaller number"));
        }
        Ok(Cluster { workers: workers.max(1), process, addresses })
    }

    /// The number of processes.
    pub fn processes(&self) -> usize {
        self.addresses.len().max(1)
    }

    /// The number of workers in all processes together.
    pub fn peers(&self) -> usize {
        self.workers * self.processes()
    }

    /// Is this process 0, which owns the index and the manifests?
    pub fn is_first(&self) -> bool {
        self.process == 0
    }

    /// Addresses on loopback that are free right now, for processes started by this one.
    pub fn free_addresses(processes: usize) -> Result<Vec<String>> {
        let listeners = (0..processes)
            .map(|_| TcpListener::bind(("127.0.0.1", 0)))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(|error| Error::io("looking for free ports on 127.0.0.1", error))?;
        listeners
            .iter()
            .map(|listener| listener.local_addr().map(|address| address.to_string()))
            .collect::<std::io::Result<_>>()
            .map_err(|error| Error::io("looking for free ports on 127.0.0.1", error))
    }

    /// The timely configuration of this process.
    pub fn config(&self) -> Config {
        let communication = if self.processes() > 1 {
            CommunicationConfig::Cluster {
                threads: self.workers,
                process: self.process,
                addresses: self.addresses.clone(),
                report: false,
                zerocopy: false,
            }
        } else {
            CommunicationConfig::Process(self.workers)
        };
        Config { communication, worker: WorkerConfig::default() }
    }
}
