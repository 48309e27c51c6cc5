//! What a figure was measured on.

use std::fs;

/// Processor and how many there are.
pub fn machine() -> String {
    let info = read("/proc/cpuinfo");
    let name = info.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown");
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{name}, {count} processors")
}

/// The load of the last one, five and fifteen minutes.
pub fn load() -> String {
    read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Processor time of the calling thread so far, in seconds.
pub fn processor_seconds() -> f64 {
    let exact = read("/proc/thread-self/schedstat");
    let nanoseconds = exact.split(' ').next().and_then(|field| field.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e9
}

/// A pseudo file, without blanks around it; empty if it is not there.
pub fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
