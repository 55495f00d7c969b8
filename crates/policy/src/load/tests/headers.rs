use crate::testing::positions;

fn of(headers: &str) -> Vec<String> {
    positions(&format!("on_http_request:\n  - type: ai-gateway\n    config:\n      headers: {headers}\n"))
}

#[test]
fn names_and_values_of_headers_are_checked() {
    let long = "v".repeat(8193);
    for (headers, expected) in [
        ("{'a b': x}", "4:17 2210"),
        ("{x-a: b, X-A: c}", "4:25 375"),
        (r#"{x-a: "b\r\nx-b: c"}"#, "4:22 2211"),
        (r#"{x-a: "${req.method}\n"}"#, "4:22 2211"),
        (r#"{x-a: "b\0"}"#, "4:22 2211"),
        (&format!("{{x-a: {long}}}"), "4:22 2209"),
        ("{a: x, b: x, c: x, d: x, e: x, f: x, g: x, h: x, i: x, j: x, k: x}", "4:16 2212"),
    ] {
        let found = of(headers);
        assert!(found.iter().any(|found| found.contains(expected)), "{headers:.40}: {found:?}");
    }
    for fine in [r#"{x-a: "b\tc é"}"#, "{x-a: b, x-b: b}", r#"{x-a: "${'\\n'}"}"#, "{x-a: ''}"] {
        assert!(of(fine).is_empty(), "{fine}: {:?}", of(fine));
    }
}
