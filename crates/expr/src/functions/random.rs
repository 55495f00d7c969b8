//! Chance. The generator is [`fastrand`]'s for the thread, so a test can seed it.

use super::{Args, Def, chance, function};
use crate::error::EvalError;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Def] = &[
    chance(function("rand.double", 0, 0, |_| Ok(Value::Double(fastrand::f64())))),
    chance(function("rand.int", 0, 2, int)),
];

/// Both ends included; 0 or 1 without arguments.
fn int(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("rand.int", values);
    let (min, max) = match args.len() {
        0 => (0, 1),
        1 => return Err(args.fail("takes no argument or two")),
        _ => (args.int(0)?, args.int(1)?),
    };
    if min < 0 || min >= max {
        return Err(args.fail("the bounds must be non-negative, the first below the second"));
    }
    Ok(Value::Int(fastrand::i64(min..=max)))
}
