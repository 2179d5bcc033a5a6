//! What `--check-system` and `--test-memory` find out about the machine a server is to run on.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use slotmesh_engine::rng::Rng;

/// The report of `--check-system`, and whether everything is well.
pub fn check_system() -> (String, bool) {
    let checks = [
        ("slow-clocksource", slow_clock()),
        ("xen-clocksource", xen_clock()),
        ("overcommit", overcommit()),
        ("THP", huge_pages()),
    ];
    let mut report = String::new();
    let mut is_well = true;
    for (name, found) in checks {
        // Writing to a String cannot fail.
        let _ = match found {
            None => writeln!(report, "[{name}]...OK"),
            Some(warning) => {
                is_well = false;
                writeln!(report, "[{name}]...WARNING:\n{warning}")
            }
        };
    }
    (report, is_well)
}

fn slow_clock() -> Option<&'static str> {
    let began = Instant::now();
    for _ in 0..CLOCK_READS {
        std::hint::black_box(Instant::now());
    }
    (began.elapsed() > CLOCK_READ_MAX * CLOCK_READS).then_some(
        "Slow system clocksource detected. This can result in degraded performance. Consider changing the system's \
         clocksource: 'echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource'.",
    )
}

fn xen_clock() -> Option<&'static str> {
    let source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    (source.trim() == "xen").then_some(
        "Your system is configured to use the 'xen' clocksource which might lead to degraded performance. Consider \
         'tsc' instead: 'echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource'.",
    )
}

fn overcommit() -> Option<&'static str> {
    let mode = read("/proc/sys/vm/overcommit_memory");
    (!mode.is_empty() && mode.trim() != "1").then_some(
        "Memory overcommit is off: large allocations may fail while there is free memory. To change this add \
         'vm.overcommit_memory = 1' to /etc/sysctl.conf and then reboot or run the command 'sysctl \
         vm.overcommit_memory=1' for this to take effect.",
    )
}

fn huge_pages() -> Option<&'static str> {
    read("/sys/kernel/mm/transparent_hugepage/enabled").contains("[always]").then_some(
        "You have Transparent Huge Pages (THP) support enabled in your kernel. This will create latency and memory \
         usage issues. To fix this issue run the command 'echo madvise > \
         /sys/kernel/mm/transparent_hugepage/enabled' as root.",
    )
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Writes patterns into as many megabytes and reads them back; tells the first place where that failed.
///
/// # Errors
/// The text for whoever asked: memory that is not there, or does not keep what is written into it.
pub fn test_memory(megabytes: usize) -> Result<(), String> {
    let words = megabytes.saturating_mul(1 << 20) / size_of::<u64>();
    let mut memory: Vec<u64> = Vec::new();
    memory.try_reserve_exact(words).map_err(|_| format!("Unable to allocate {megabytes} megabytes"))?;
    memory.resize(words, 0);
    let mut random = Rng::new(words as u64);
    let seed = random.next_u64() | 1;
    let patterns: [fn(usize, u64) -> u64; 4] = [
        |at, _| at as u64,
        |at, seed| (at as u64).wrapping_mul(seed),
        |at, _| if at % 2 == 0 { 0 } else { u64::MAX },
        |at, _| if at % 2 == 0 { 0x5555_5555_5555_5555 } else { 0xaaaa_aaaa_aaaa_aaaa },
    ];
    for pattern in patterns {
        for (at, word) in memory.iter_mut().enumerate() {
            *word = std::hint::black_box(pattern(at, seed));
        }
        let wrong = std::hint::black_box(&memory).iter().enumerate().find(|(at, word)| **word != pattern(*at, seed));
        if let Some((at, _)) = wrong {
            return Err(format!("*** MEMORY ERROR DETECTED at word {at}"));
        }
    }
    Ok(())
}

/// How often the clock is read to find out how long that takes.
const CLOCK_READS: u32 = 100_000;

/// A clock that needs longer asks the kernel each time, or worse.
const CLOCK_READ_MAX: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests {
    use super::{check_system, test_memory};

    #[test]
    fn each_check_has_a_line() {
        let (report, _) = check_system();

        for name in ["[slow-clocksource]...", "[xen-clocksource]...", "[overcommit]...", "[THP]..."] {
            assert!(report.contains(name), "{report}");
        }
    }

    #[test]
    fn sound_memory_passes_and_more_than_there_is_cannot_be_had() {
        assert_eq!(test_memory(1), Ok(()));
        assert!(test_memory(usize::MAX).unwrap_err().starts_with("Unable to allocate"));
    }
}
