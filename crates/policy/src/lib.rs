//! YAML traffic policies: spanned tree, diagnostics with exact positions, shapes, JSON Schema. Pure.
