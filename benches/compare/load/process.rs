//! What another process uses, by the kernel's own count.

use std::fs;
use std::time::Duration;

use crate::Error;

pub struct Process(pub u32);

impl Process {
    /// The processor time of all its threads so far, user and system.
    pub fn cpu(&self) -> Result<Duration, Error> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.0))? {
            // In nanoseconds; `/proc/PID/stat` counts hundredths of a second.
            let statistics = fs::read_to_string(task?.path().join("schedstat"))?;
            let running = statistics.split(' ').next().unwrap_or_default();
            total += running.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// Its resident memory, in KiB.
    pub fn resident(&self) -> Result<u64, Error> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let value = line.and_then(|line| line.split_whitespace().next());
        Ok(value.ok_or("the server is gone")?.parse()?)
    }
}
