//! Bounds on what one expression may cost: in memory, in steps, and of the stack.

use crate::error::EvalError;
use crate::issue::Issue;
use std::cell::Cell;
use std::thread;

/// The longest expression, in bytes (8 KiB).
pub const MAX_SOURCE: usize = 8 << 10;
/// The deepest expression: operators, calls and brackets inside each other.
pub const MAX_DEPTH: usize = 200;
/// The longest text an expression may make, in bytes (4 MiB).
pub const MAX_TEXT: usize = 4 << 20;
/// The longest list an expression may make.
pub const MAX_LIST: usize = 100_000;
/// The steps of one evaluation: one for each element a comprehension visits, more for bulk functions.
pub const MAX_STEPS: usize = 1_000_000;

/// Trees up to this depth are parsed and run on the caller's stack.
///
/// The interpreter takes up to 28 KiB a level when it is built without optimisation, a thread has 2 MiB,
/// and the caller's frames need a part of them.
const SHALLOW: usize = 28;
/// The stack of the thread that deeper trees are parsed and run on, in bytes (64 MiB, reserved, not used).
const ROOMY: usize = 64 << 20;

/// Runs `work` where a tree of this depth fits on the stack.
pub(crate) fn with_stack<T: Send>(depth: usize, work: impl FnOnce() -> T + Send) -> Option<T> {
    if depth <= SHALLOW {
        return Some(work());
    }
    let builder = || thread::Builder::new().name("deep-expression".into()).stack_size(ROOMY);
    thread::scope(|scope| builder().spawn_scoped(scope, work).ok()?.join().ok())
}

thread_local! {
    /// What is left of the budget of the evaluation that runs on this thread.
    static STEPS: Cell<usize> = const { Cell::new(MAX_STEPS) };
    static SPENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` with a budget of its own; the error when it was spent, whatever the work made of that.
pub(crate) fn with_budget<T>(work: impl FnOnce() -> Result<T, EvalError>) -> Result<T, EvalError> {
    STEPS.set(MAX_STEPS);
    SPENT.set(false);
    let result = work();
    if SPENT.get() { Err(steps()) } else { result }
}

/// Takes one step; `false` when none is left.
pub(crate) fn step() -> bool {
    charge(1).is_ok()
}

/// Takes many steps at once.
pub(crate) fn charge(cost: usize) -> Result<(), EvalError> {
    match STEPS.get().checked_sub(cost) {
        Some(left) => {
            STEPS.set(left);
            Ok(())
        }
        None => {
            STEPS.set(0);
            SPENT.set(true);
            Err(steps())
        }
    }
}

fn steps() -> EvalError {
    EvalError::Limit(format!("{MAX_STEPS} steps").into())
}

/// Refuses a text that is too long.
pub(crate) fn check_length(source: &str) -> Result<(), Issue> {
    if source.len() <= MAX_SOURCE {
        return Ok(());
    }
    let message = format!("the expression has {} bytes, more than the limit of {MAX_SOURCE}", source.len());
    Err(Issue::at(source, 0, message).help("split it with `set-vars`, or move long lists into `vars`"))
}
