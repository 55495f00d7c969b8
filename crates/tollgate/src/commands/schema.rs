//! `tollgate schema`: what editors complete and check with.

use crate::cli::SchemaArgs;
use crate::error::CliError;
use crate::output;
use std::process::ExitCode;
use tollgate_edge::actions::specs;
use tollgate_expr::nearest;
use tollgate_policy::{KNOWN_ACTIONS, document_action, json_schema};

/// Prints the schema, or the page of an action.
///
/// # Errors
/// There is no such action.
pub(crate) fn run(args: &SchemaArgs) -> Result<ExitCode, CliError> {
    match &args.action {
        None => output::say(&format!("{:#}", json_schema(specs()))),
        Some(name) => {
            let spec = specs().iter().find(|spec| spec.name == name).ok_or_else(|| unknown(name))?;
            output::print(&document_action(spec));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str) -> CliError {
    let names: Vec<&str> = specs().iter().map(|spec| spec.name).collect();
    let all = names.join(", ");
    if KNOWN_ACTIONS.contains(&name) {
        return CliError::failed(format!("the action `{name}` is not supported yet; these are: {all}"));
    }
    let help = match nearest(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the actions are {all}"),
    };
    CliError::failed(format!("there is no action `{name}`; {help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_actions_are_put_right() {
        assert!(unknown("ai_gatewya").to_string().contains("did you mean `ai-gateway`?"));
        assert!(unknown("oauth").to_string().contains("not supported yet"));
        assert!(unknown("frobnicate").to_string().contains("custom-response, deny"));
    }
}
