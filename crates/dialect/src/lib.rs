//! Wire formats of AI providers: routes, JSON peek and splice, SSE framing, usage, error shapes. Pure.

mod surface;

pub use surface::{Format, Surface};
