//! Running one strategy, and taking back the entities it gives.

use tollgate_expr::{Entity, Program, Value};

/// Whether an expression may read `ai.request.input_tokens`, judged by its text: a wrong yes costs a count.
pub(crate) fn reads_tokens(program: &Program) -> bool {
    reads_request(program) && program.source().contains("tokens")
}

/// Whether an expression may read `ai.request`, judged by its text.
pub(crate) fn reads_request(program: &Program) -> bool {
    program.source().contains("request")
}

/// The entities of a result, as `index` knows them: one, a list, or none for null.
///
/// # Errors
/// The type of a result that is neither, or holds something else.
pub(crate) fn entities(
    value: &Value,
    index: impl Fn(&dyn Entity) -> Option<usize>,
) -> Result<Vec<usize>, String> {
    let one = |entity: &dyn Entity| index(entity).ok_or_else(|| entity.kind().type_name().to_owned());
    let listed = |result: Result<usize, String>| result.map_err(|actual| format!("list with {actual}"));
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Entity(entity) => Ok(vec![one(entity.as_ref())?]),
        Value::Entities(list) => list.iter().map(|entity| listed(one(entity.as_ref()))).collect(),
        Value::List(list) => {
            let element = |element: &Value| match element {
                Value::Entity(entity) => listed(one(entity.as_ref())),
                other => Err(format!("list with {}", other.type_name())),
            };
            list.iter().map(element).collect()
        }
        other => Err(other.type_name().to_owned()),
    }
}
