//! What keeps the process's memory, which has keys and prompts in it, to itself.

/// Set to `true`, it leaves core dumps and debuggers as the system has them.
const VARIABLE: &str = "TOLLGATE_CORE_DUMPS";

/// Switches core dumps off, and has the system refuse debuggers and readers of `/proc/PID/environ` and `/proc/PID/mem`
/// of the same user. Without it one crash leaves every key in a file, or with whoever collects dumps.
#[cfg(target_os = "linux")]
pub(crate) fn keep_memory() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    if std::env::var(VARIABLE).is_ok_and(|value| value == "true") {
        return;
    }
    // The limit alone would not hold where the system pipes dumps to a program (core(5)); where a sandbox forbids to
    // set it, the other is enough.
    let limited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let closed = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if limited.is_err() && closed.is_err() {
        crate::output::complain("warning: core dumps could not be switched off");
    }
}

/// Elsewhere the system's own setting holds.
#[cfg(not(target_os = "linux"))]
pub(crate) fn keep_memory() {
    let _ = VARIABLE;
}
