//! Every function outside `ai`.

use super::world::{eval, json_of};
use serde_json::json;

#[test]
fn encodings_and_hashes() {
    for (source, expected) in [
        ("base64.decode('aGVsbG8=') == b'hello'", json!(true)),
        ("base64.encode(b'hello')", json!("aGVsbG8=")),
        ("'hello'.encodeBase64() + 'aGVsbG8='.decodeBase64()", json!("aGVsbG8=hello")),
        ("basic_auth.encode('u','p')", json!("Basic dTpw")),
        ("hash.crc32('hello')", json!("3610a686")),
        ("hash.crc32('hello', 'base64')", json!("NhCmhg==")),
        ("hash.crc64('hello')", json!("3c3eeee2d8100000")),
        ("'hello'.crc64('base64')", json!("PD7u4tgQAAA=")),
        ("hash.md5('hello')", json!("5d41402abc4b2a76b9719d911017c592")),
        ("'hello'.md5('hex')", json!("5d41402abc4b2a76b9719d911017c592")),
        ("hash.sha1('hello')", json!("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")),
        ("'hello'.sha256()", json!("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")),
        ("'hello'.sha512().substring(0, 16)", json!("9b71d224bd62f378")),
        ("hash.xxhash64('hello')", json!("26c7827d889f6da3")),
        ("'hello'.xxhash64('base64')", json!("JseCfYifbaM=")),
        ("json.decode('{\"a\":1}').a", json!(1)),
        ("json.decode('[1, 2.5, \"x\", null, true]')", json!([1, 2.5, "x", null, true])),
        ("json.encode({'a':'b', 'A': [1]})", json!(r#"{"A":[1],"a":"b"}"#)),
        ("{'a': '<'}.encodeJson() + [1].encodeJson()", json!(r#"{"a":"<"}[1]"#)),
        ("'{\"a\": 1}'.decodeJson().a == 1 && '[]'.isJson() && !'x'.isJson()", json!(true)),
        ("queryString.decode('a=1&b=2&a=3&c=x+y%21')", json!({"a": "1", "b": "2", "c": "x y!"})),
        ("queryString.encode({'q':'x y', 'l': ['1', '2']})", json!("l=1&l=2&q=x%20y")),
        ("{'a': 1}.encodeQueryString() + 'a=1'.decodeQueryString().a", json!("a=11")),
        ("'not a query string'.isQueryString()", json!(false)),
        ("'a=b&c=d'.isQueryString()", json!(true)),
        ("url.escape('a/b;$ é')", json!("a%2Fb%3B%24%20%C3%A9")),
        ("url.unescape('a%2Fb+c') + 'a%20b'.unescapeUrl() + 'a b'.escapeUrl()", json!("a/b+ca ba%20b")),
        ("url.parse('https://u:p@h:8080/a%20b?q=1#f').map(k, k).size()", json!(9)),
        ("url.parse('https://h/p').host", json!("h")),
        ("'https://u@h:8080/a%20b?q=1#f'.parseUrl().path", json!("/a b")),
        ("url.parse('https://u@h:8080/p').hostname + url.parse('https://h:8080').port", json!("h8080")),
        ("'https://h/p'.isURL() && !'h/p'.isURL() && !'a b'.isURL()", json!(true)),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
    for source in [
        "base64.decode('aGVsbG8')",
        "'/w=='.decodeBase64()",
        "hash.md5('a', 'b')",
        "json.decode('{')",
        "url.unescape('%zz')",
        "url.parse('a b')",
    ] {
        assert!(eval(source).is_err(), "{source}");
    }
}

#[test]
fn text() {
    for (source, expected) in [
        ("'abc'.matches('b.') && matches('abc', '^a') && !'abc'.matches('^b')", json!(true)),
        ("'abc'.matches('^' + vars.name) || 'xyz'.matches('^' + vars.name)", json!(true)),
        ("'a1'.matches(r'^\\w\\d$') && !'é'.matches(r'\\w')", json!(true)),
        ("'abc'.startsWith('') && 'abc'.endsWith('bc') && 'abc'.contains('b')", json!(true)),
        ("'abc'.starts_with('a') && 'abc'.ends_with('c') && 'abc'.includes('b')", json!(true)),
        ("'né'.charAt(1) + 'né'.charAt(2)", json!("é")),
        (
            "['né'.indexOf('é'), 'a'.indexOf('x'), 'aa'.indexOf('a', 1), 'ab'.indexOf(''), 'ab'.indexOf('', 1)]",
            json!([1, -1, 1, 0, 1]),
        ),
        (
            "['éaa'.lastIndexOf('a'), 'aa'.lastIndexOf('a', 0), 'ab'.lastIndexOf(''), 'ab'.lastIndexOf('', 1)]",
            json!([2, 0, 2, 1]),
        ),
        ("['héllo'.substring(1), 'héllo'.substring(1, 2), 'ab'.substring(2)]", json!(["éllo", "é", ""])),
        ("'a,b,c'.split(',')", json!(["a", "b", "c"])),
        ("'a,b,c'.split(',',2)", json!(["a", "b"])),
        ("' a  b '.split()", json!(["a", "b"])),
        ("'é1'.split('')", json!(["é", "1"])),
        ("'aaa'.replace('a', 'b') + 'aaa'.replace('a', 'b', 2)", json!("bbbbba")),
        (
            "'%s %d %f %.2f %e %b %x %X %o %%'.format(['a', 1, 1.5, 2, 1500.0, true, 255, 255, 8])",
            json!("a 1 1.500000 2.00 1.500000e+03 1 ff FF 10 %"),
        ),
        ("'%x %s %s'.format(['hi', [1], null])", json!("6869 [1] null")),
        ("'İÉ'.lower() + 'éß'.upper() + 'ÉA'.lowerAscii() + 'éa'.upperAscii()", json!("iéÉßÉaéA")),
        ("' \u{a0}a\u{200b} '.trim()", json!("a\u{200b}")),
        ("'né'.reverse()", json!("én")),
        (r#"strings.quote("a\"\n\u0001")"#, json!(r#""a\"\n\u0001""#)),
        ("'10.1.2.3'.isPrivateIp() && !'8.8.8.8'.isPrivateIp() && !'x'.isPrivateIp()", json!(true)),
        ("inCidrRange('10.1.2.3','10.0.0.0/8')", json!(true)),
        ("inCidrRange('10.1.2.3','10.9.9.9/8') && inCidrRange('2001:db8::1', '2001:db8::/32')", json!(true)),
        (
            "inCidrRange('10.1.2.3','x') || inCidrRange('x','10.0.0.0/8') || inCidrRange('10.1.2.3', '10.0.0.0/99')",
            json!(false),
        ),
        ("inCidrRange('1.2.3.4', '0.0.0.0/0') && inCidrRange('::1', '::/0')", json!(true)),
        ("inCidrRanges(conn.client_ip, ['bad', '10.0.0.0/8'])", json!(true)),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
    for source in [
        "'ab'.charAt(3)",
        "'ab'.charAt(-1)",
        "'ab'.substring(3)",
        "'ab'.substring(2, 1)",
        "'ab'.substring(-1)",
        "'ab'.lastIndexOf('a', 3)",
        "'ab'.indexOf('a', 3)",
        "'ab'.indexOf('a', -1)",
        "'%d'.format(['a'])",
        "'%s'.format([])",
        "'%q'.format([1])",
        "'%.999f'.format([1.0])",
        "'a'.matches('(' + vars.name)",
    ] {
        assert!(eval(source).is_err(), "{source}");
    }
}

#[test]
fn lists() {
    for (source, expected) in [
        ("lists.range(3)", json!([0, 1, 2])),
        ("['a','b'].join('-') + ['a','b'].join() + [].join()", json!("a-bab")),
        ("[1,2,3].slice(1,3)", json!([2, 3])),
        ("[1,[2,[3]]].flatten()", json!([1, 2, [3]])),
        ("[1,[2,[3]]].flatten(2)", json!([1, 2, 3])),
        ("[1,[2]].flatten(0)", json!([1, [2]])),
        ("[3, 1, 2].sort() + [2.5, 1].sort()", json!([1, 2, 3, 1, 2.5])),
        ("['b', 'a'].sort()", json!(["a", "b"])),
        (
            "[true, false].sort() + [2u, 1u].sort() + [b'b', b'a'].sort()",
            json!([false, true, 1, 2, "a", "b"]),
        ),
        (
            "[duration('2s'), duration('1s')].sort() + [timestamp(1), timestamp(0)].sort()",
            json!(["1s", "2s", "1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"]),
        ),
        ("[1, 2, 1.0, 'a', 'a'].distinct()", json!([1, 2, "a"])),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
    for source in [
        "lists.range(-1)",
        "lists.range(1000000)",
        "[1].join()",
        "[1].slice(1, 3)",
        "[1].slice(1, 0)",
        "[1].flatten(-1)",
        "[1, 'a'].sort()",
        "[[1], [2]].sort()",
    ] {
        assert!(eval(source).is_err(), "{source}");
    }
}

#[test]
fn times() {
    for (source, expected) in [
        ("timestamp('2023-12-25T00:00:00Z').getDate('America/Los_Angeles')", json!(24)),
        ("timestamp('2023-12-25T00:00:00Z').getDate('-08:00')", json!(24)),
        ("timestamp('2023-12-25T00:00:00Z').getDate()", json!(25)),
        ("timestamp('2023-12-25T00:00:00Z').getDayOfMonth()", json!(24)),
        ("timestamp('2023-12-25T00:00:00Z').getDayOfWeek()", json!(1)),
        ("timestamp('2023-12-25T00:00:00Z').getDayOfYear()", json!(358)),
        ("timestamp('2023-12-25T00:00:00Z').getFullYear()", json!(2023)),
        ("timestamp('2023-12-25T00:00:00Z').getMonth()", json!(11)),
        ("timestamp('2023-12-25T01:02:03.456Z').getHours('Asia/Kolkata')", json!(6)),
        ("timestamp('2023-12-25T01:02:03.456Z').getMinutes()", json!(2)),
        ("timestamp('2023-12-25T01:02:03.456Z').getSeconds()", json!(3)),
        ("timestamp('2023-12-25T01:02:03.456Z').getMilliseconds()", json!(456)),
        ("duration('1.234s').getMilliseconds()", json!(234)),
        ("duration('1h30m').getMinutes()", json!(90)),
        ("duration('1h30m').getHours()", json!(1)),
        ("duration('90s').getSeconds()", json!(90)),
        ("string(timestamp('2023-12-25T01:00:00+01:00'))", json!("2023-12-25T00:00:00Z")),
        ("string(duration('1m30s')) + string(duration('1ms'))", json!("90s0.001s")),
        (
            "timestamp('2023-12-25T00:00:00Z') + duration('1h') > timestamp('2023-12-25T00:59:59Z')",
            json!(true),
        ),
        (
            "timestamp('2023-12-25T01:00:00Z') - timestamp('2023-12-25T00:00:00Z') == duration('1h')",
            json!(true),
        ),
        (
            "timestamp(time.now) == timestamp('2023-12-25T00:00:00Z') && time.now == '2023-12-25T00:00:00Z'",
            json!(true),
        ),
        ("timestamp(0) < req.ts.header_received && req.ts.body_received == null", json!(true)),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
    for source in [
        "timestamp('2023-12-25T00:00:00Z').getDate('Nowhere/Else')",
        "timestamp('2023-12-25')",
        "timestamp(8210266876799).getDate('Pacific/Kiritimati')",
        "timestamp(9223372036854775807)",
        "timestamp('9999-12-31T23:59:59Z') + duration('1s')",
        "timestamp('0001-01-01T00:00:00Z') - duration('1s')",
        "duration('1')",
        "duration('1 h')",
        "duration('99999999h')",
        "1.getHours()",
    ] {
        assert!(
            crate::Program::compile(source, crate::Scope::Request).is_err() || eval(source).is_err(),
            "{source}"
        );
    }
}

#[test]
fn conversions() {
    for (source, expected) in [
        ("int(50.5) + int('-3') + int(2u) + int(timestamp('1970-01-01T00:00:07Z'))", json!(50 - 3 + 2 + 7)),
        ("uint(3) == 3u && uint('4') == 4u && double('1.5') == 1.5 && double(2) == 2.0", json!(true)),
        (
            "string(1) + string(1.5) + string(2.0) + string(true) + string(b'x') + string('y')",
            json!("11.52truexy"),
        ),
        ("bytes('é').size()", json!(2)),
        ("bool('true') && !bool('0') && bool(true)", json!(true)),
        ("dyn(1) == 1", json!(true)),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
    for source in [
        "int('x')",
        "int(1e30)",
        "uint(-1)",
        "double('x')",
        "bool('maybe')",
        "string([1])",
        "string(b'\\xff')",
    ] {
        assert!(eval(source).is_err(), "{source}");
    }
}

#[test]
fn chance_can_be_seeded() {
    let draw = || {
        fastrand::seed(7);
        (eval("rand.double()"), eval("rand.int(0, 1000000)"), eval("lists.range(9).randomize()"))
    };
    assert_eq!(draw(), draw());
    assert_eq!(
        json_of("rand.int() in [0, 1] && rand.double() < 1.0 && rand.int(3, 4) in [3, 4]"),
        json!(true)
    );
    for source in ["rand.int(1, 1)", "rand.int(-1, 1)", "rand.int(1)"] {
        assert!(eval(source).is_err(), "{source}");
    }
}
