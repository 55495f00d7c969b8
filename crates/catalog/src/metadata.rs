//! How a model inherits its provider's metadata.

use serde_json::{Map as JsonMap, Value as Json};

/// `over` laid on `base`: objects are merged member by member, anything else replaces.
pub(crate) fn overlay(base: &JsonMap<String, Json>, over: &JsonMap<String, Json>) -> JsonMap<String, Json> {
    let mut merged = base.clone();
    for (key, value) in over {
        let value = match (base.get(key), value) {
            (Some(Json::Object(below)), Json::Object(above)) => Json::Object(overlay(below, above)),
            _ => value.clone(),
        };
        merged.insert(key.clone(), value);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Json) -> JsonMap<String, Json> {
        match value {
            Json::Object(map) => map,
            _ => panic!("not an object"),
        }
    }

    #[test]
    fn objects_merge_and_the_rest_is_replaced() {
        let provider = map(json!({"region": "eu", "cost": {"tier": "gold", "unit": 1}, "tags": ["a"]}));
        let model = map(json!({"cost": {"unit": 2}, "tags": ["b"], "region": null}));
        assert_eq!(
            Json::Object(overlay(&provider, &model)),
            json!({"region": null, "cost": {"tier": "gold", "unit": 2}, "tags": ["b"]}),
        );
    }
}
