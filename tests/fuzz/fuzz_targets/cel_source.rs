//! Any text is an expression or gets issues; what compiles runs to a value or an error, without any request.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::UNIX_EPOCH;
use tollgate_expr::{Activation, NoSecrets, Program, Scope, Template};

const SCOPES: [Scope; 8] = [
    Scope::Connect,
    Scope::Terminated,
    Scope::Request,
    Scope::Response,
    Scope::Event,
    Scope::ModelStrategy,
    Scope::KeyStrategy,
    Scope::Retry,
];

fuzz_target!(|text: &str| {
    let nothing = Activation::new(&NoSecrets, UNIX_EPOCH);
    for scope in SCOPES {
        match Program::compile(text, scope) {
            Ok(program) => drop(program.eval(&nothing)),
            Err(issues) => assert!(!issues.is_empty(), "refused without a reason"),
        }
    }
    match Template::compile(text, Scope::Request) {
        Ok(template) => drop(template.render(&nothing)),
        Err(issues) => assert!(!issues.is_empty(), "refused without a reason"),
    }
});
