//! The seam to the expression language: all that this crate asks of it.

pub use tollgate_expr::{EvalError, Issue, Program, Scope, Template};

/// Vault and name of the secrets an expression names literally.
pub(crate) fn secrets_of(program: &Program) -> Vec<(String, String)> {
    program.facts().secrets.clone()
}

/// The same for the expressions of a template.
pub(crate) fn secrets_of_template(template: &Template) -> Vec<(String, String)> {
    template.programs().flat_map(secrets_of).collect()
}
