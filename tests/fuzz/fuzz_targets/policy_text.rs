//! Any text is a policy or gets diagnostics that point into it; both with the actions that really run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_policy::{Source, load};

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.yml", text);
    let loaded = load(&source, tollgate_edge::actions::specs());
    assert!(loaded.policy.is_some() || loaded.diagnostics.has_errors(), "neither a policy nor an error");
    // Rendering slices the source at the positions found.
    let _ = loaded.diagnostics.render_text(&source);
});
