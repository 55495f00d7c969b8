//! `${}` works in the fields that ngrok documents as CEL, and in no others.

use super::ALL;
use std::collections::BTreeSet;
use tollgate_policy::{Field, Shape};

/// Fields by action. `.*` are the values of a mapping, `[]` the items of a list, `**` whatever is inside.
/// <https://ngrok.com/docs/traffic-policy/concepts/cel-interpolation/>, and the pages of the actions.
const DOCUMENTED: &[(&str, &[&str])] = &[
    ("add-headers", &["headers.*"]),
    ("ai-gateway", &["body.**", "headers.*", "providers[].api_keys[].value", "query_params.*"]),
    ("basic-auth", &["credentials[]"]),
    ("custom-response", &["body", "headers.*"]),
    ("forward-internal", &["url"]),
    ("http-request", &["body", "headers.*", "query_params[].key", "query_params[].value", "url"]),
    (
        "jwt-validation",
        &[
            "http.tokens[].name",
            "http.tokens[].prefix",
            "issuer.allow_list[].value",
            "jws.keys.sources.additional_jkus[]",
        ],
    ),
    ("log", &["metadata.**"]),
    ("oauth", &["client_id", "client_secret"]),
    ("openid-connect", &["client_id", "client_secret"]),
    ("redirect", &["from", "headers.*", "to"]),
    ("request-body-find-replace", &["replacements[].from", "replacements[].to"]),
    ("response-body-find-replace", &["replacements[].from", "replacements[].to"]),
    ("restrict-ips", &["allow[]", "deny[]"]),
    ("set-vars", &["vars[].**"]),
    ("sse-find-replace", &["replacements[].field", "replacements[].from", "replacements[].to"]),
    ("terminate-tls", &["mutual_tls_certificate_authorities[]", "server_certificate", "server_private_key"]),
    ("url-rewrite", &["from", "to"]),
    ("verify-webhook", &["secret"]),
];

/// Other forms of documented fields, and fields that are Tollgate's own.
fn is_ours(action: &str, path: &str) -> bool {
    match action {
        "basic-auth" => path.starts_with("credentials[]."),
        "redirect" => path == "location",
        "set-vars" => path == "vars.**",
        "jwt-validation" => path.contains("keys[]") || path.contains("sources[]"),
        _ => false,
    }
}

fn templates(path: &str, shape: &Shape, found: &mut BTreeSet<String>) {
    match shape {
        Shape::Template => {
            found.insert(path.to_owned());
        }
        Shape::Json => {
            found.insert(format!("{}.**", path.trim_end_matches(".*")));
        }
        Shape::List { item, .. } => templates(&format!("{path}[]"), item, found),
        Shape::Map { value, .. } => templates(&format!("{path}.*"), value, found),
        Shape::Object(fields) => of_fields(&format!("{path}."), fields, found),
        Shape::OneOf(shapes) => shapes.iter().for_each(|shape| templates(path, shape, found)),
        _ => {}
    }
}

fn of_fields(prefix: &str, fields: &[Field], found: &mut BTreeSet<String>) {
    let public = fields.iter().filter(|field| !field.extension);
    public.for_each(|field| templates(&format!("{prefix}{}", field.name), &field.shape, found));
}

#[test]
fn expressions_stand_where_they_are_documented() {
    for action in ALL {
        let spec = action.spec;
        let mut found = BTreeSet::new();
        of_fields("", spec.fields, &mut found);
        found.retain(|path| !is_ours(spec.name, path));
        let documented = DOCUMENTED.iter().find(|(name, _)| *name == spec.name);
        let documented: BTreeSet<String> = documented
            .into_iter()
            .flat_map(|(_, paths)| paths.iter().map(|path| (*path).to_owned()))
            .collect();
        assert_eq!(found, documented, "{}", spec.name);
    }
}
