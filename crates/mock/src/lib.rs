//! Scripted AI providers with real wire formats: demo, tests, benchmarks.
