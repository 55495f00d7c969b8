//! How many files the process may have open.

/// The soft limit (`RLIMIT_NOFILE`), where the system says it in `/proc` (Linux).
pub(super) fn limit() -> Option<usize> {
    read(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

/// `Max open files            1024                 524288               files`
fn read(limits: &str) -> Option<usize> {
    let soft =
        limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    if soft == "unlimited" { Some(usize::MAX) } else { soft.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let line = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             unlimited            unlimited            processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(read(line), Some(1024));
        assert_eq!(
            read("Max open files            unlimited            unlimited            files\n"),
            Some(usize::MAX)
        );
        assert_eq!(read("Max processes 1 1 processes"), None);
    }
}
