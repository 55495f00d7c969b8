//! Rules that do not apply, as policies have them: what a request pays for reading past them.

/// Expressions of the kinds people write, none of them true for the request of the bench; `N` is the rule's number.
const EXPRESSIONS: [&str; 10] = [
    "req.url.path.startsWith('/internal-N/')",
    "req.method == 'DELETE' && req.host == 'N.example.com'",
    "req.headers['x-tenant'][0] == 'tenant-N'",
    "'x-debug-N' in req.headers",
    "inCidrRange(conn.client_ip, '10.N.0.0/16')",
    "req.user_agent.contains('bot-N')",
    "req.url.path.matches('^/v[0-9]+/users/N/?$')",
    "'N' in req.url.query_params && req.url.query_params['N'][0] == 'on'",
    "req.cookies.exists(name, name == 'session-N')",
    "size(req.headers['authorization'][0]) < 4 || req.content_length > 100000000 + N",
];

/// So many rules, as items of `on_http_request`.
pub(crate) fn false_rules(count: usize) -> String {
    EXPRESSIONS.iter().cycle().take(count).enumerate().map(|(at, text)| rule(at, text)).collect()
}

fn rule(at: usize, text: &str) -> String {
    let expression = text.replace('N', &at.to_string());
    format!("  - name: rule {at}\n    expressions: [\"{expression}\"]\n    actions: [{{type: deny}}]\n")
}
