//! The proxy: listeners, phase runner, actions, attempt loop. The only crate that names Pingora.
