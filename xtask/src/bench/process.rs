//! A server in a process of its own, and what Linux says of it.

use crate::failure::{Result, said};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// `/proc/PID/stat` counts in hundredths of a second: `USER_HZ`, fixed in Linux's interface.
const TICK: Duration = Duration::from_millis(10);
/// A server must listen after so long; one in Python imports for many seconds first.
const START: Duration = Duration::from_secs(90);

/// A running server; ends with this value.
pub(crate) struct Process(Child);

/// Memory of a server's processes together, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

impl Process {
    /// Starts it and waits until it takes connections.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> Result<Self> {
        let mut process = Self(command.spawn().map_err(|why| said(format!("{command:?}: {why}")))?);
        let until = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.0.try_wait()? {
                return Err(said(format!("{command:?} ended at once: {status}")));
            }
            if Instant::now() > until {
                return Err(said(format!("{command:?} does not listen on {address}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// A process that says itself when it is ready.
    pub(crate) fn running(child: Child) -> Self {
        Self(child)
    }

    /// Processor time of it and its children so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut ticks = 0;
        for pid in self.pids() {
            ticks += cpu_ticks(&fs::read_to_string(format!("/proc/{pid}/stat"))?).unwrap_or(0);
        }
        Ok(TICK * ticks)
    }

    /// Memory of it and its children.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let mut memory = Memory::default();
        for pid in self.pids() {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            memory.resident += number(&status, "VmRSS:");
            memory.peak += number(&status, "VmHWM:");
        }
        Ok(memory)
    }

    /// Open file descriptors of it and its children.
    pub(crate) fn descriptors(&self) -> Result<u64> {
        let open = |pid: u32| Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count());
        let open: Vec<usize> = self.pids().into_iter().map(open).collect::<std::io::Result<_>>()?;
        Ok(u64::try_from(open.iter().sum::<usize>()).unwrap_or(u64::MAX))
    }

    /// Threads of it and its children.
    pub(crate) fn threads(&self) -> Result<u64> {
        let mut threads = 0;
        for pid in self.pids() {
            threads += number(&fs::read_to_string(format!("/proc/{pid}/status"))?, "Threads:");
        }
        Ok(threads)
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// It and everything it has started.
    fn pids(&self) -> Vec<u32> {
        let mut found = vec![self.0.id()];
        let mut at = 0;
        while let Some(pid) = found.get(at).copied() {
            found.extend(children(pid));
            at += 1;
        }
        found
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked first: nginx's master takes its worker along only then.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port of the loopback interface nobody uses.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Fields 14 and 15 of proc_pid_stat(5). The name in field 2 may hold anything, also blanks and brackets.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    Some(fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?)
}

/// What all threads of a process have started.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// A line of proc_pid_status(5): a number, in KiB where it has a unit.
fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 3 4 20 0 1 0 9 1 2";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(number("VmHWM:\t   2048 kB\nVmRSS:\t 1024 kB\n", "VmRSS:"), 1024);
    }
}
