//! Where expressions differ from ngrok's, for the page that compares the two.

/// What, and how it is here.
pub const DIFFERENCES: &[(&str, &str)] = &[
    ("`conn.k8s.pod.*`", "Always empty: pods are known to ngrok's operator for Kubernetes only."),
    (
        "`conn.client_ip.*`, `conn.server_ip.*`, `conn.geo.*`",
        "Empty where the operator names no files with such facts: none are delivered.",
    ),
    (
        "`conn.tls.*` in `on_tcp_connect`",
        "`sni` and `ja4_fingerprint`, as the rules run before the handshake; all of it behind `terminate-tls`.",
    ),
    ("`conn.tls.session_resumed`", "Always false, as ngrok documents it."),
    ("`conn.ts.end`", "Does not exist: one example has it, the reference does not."),
    ("`req.id`, `req.path`", "The id of the request, and `req.url.path`: guides use both."),
    (
        "a header, parameter or cookie that is not there",
        "An empty list, and its `[0]` is an empty text: ngrok's examples need it, and a comparison with a secret then fails closed.",
    ),
    ("a name that is missing in `vars` or in decoded JSON", "An error: it is most likely misspelt."),
    ("header names", "In any case, in `[..]`, `in` and functions."),
    (
        "`req.url`",
        "Lower-case scheme and host, no dot segments, unreserved characters decoded, double slashes kept: ngrok says \"normalised\" only. The upstream gets the same path; the client's is in `req.url.raw` and `req.url.raw_path`.",
    ),
    (
        "requests that rules have changed",
        "Later expressions see them as they are now; `req.url.raw` stays the client's.",
    ),
    (
        "`vars` in `on_event_stream_message`",
        "Those of the response phase, then those of the request: `set-vars` cannot stand there, and a page of ngrok's reads one.",
    ),
    (
        "text of a value in `${}`",
        "Lines of a header are joined with `, `; other lists and maps are JSON with sorted keys; null is empty; a whole double has no `.0`; a duration is in seconds, as `90s`.",
    ),
    ("`\\\"` inside `${}`", "Read as `\"`: examples in JSON have it."),
    (
        "comparing a number with a text",
        "An error of `tollgate check`: three examples compare `res.status_code` with `'200'`, which is never true in CEL.",
    ),
    (
        "an expression of a rule that cannot be true or false",
        "Refused when that is known: `req.method` alone is a text. Else an error when it runs.",
    ),
    ("`list.flatten()`", "One level, as in the examples; `flatten(depth)` for more."),
    ("`text.split(separator, n)`", "The first `n` pieces; the rest is dropped, as ngrok documents it."),
    ("`url.escape(text)`", "A space becomes `%20`; `+` is left alone by `url.unescape`."),
    (
        "`url.parse(text)`",
        "A map with `scheme`, `user`, `host`, `hostname`, `port`, `path`, `raw_path`, `query`, `fragment`.",
    ),
    ("`secrets.get(name)`", "With one argument, of the vault `default`: guides use it."),
    (
        "`security.secret()`, `includes()`, `starts_with()`, `ends_with()`",
        "Other names of `secrets.get`, `contains`, `startsWith`, `endsWith`; the other functions of ngrok's price list do not exist.",
    ),
    (
        "Python's comprehensions, `{a: 1}`, `var x =`",
        "Refused: one page of ngrok's shows them, and they are no CEL.",
    ),
    ("length and cost", "A source of 8 KiB, a depth of 200, and a budget of steps for each evaluation."),
];
