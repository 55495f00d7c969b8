use super::*;
use proptest::prelude::*;
use std::time::{Duration, UNIX_EPOCH};

/// The credentials of the test suite.
const CREDENTIALS: &str = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// 2015-08-30T12:36:00Z, the time of the test suite.
fn then() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn request<'r>(method: &'r Method, url: &'r str) -> AwsRequest<'r> {
    AwsRequest {
        method,
        url,
        headers: &[],
        body: AwsBody::Chunks(&[]),
        region: "us-east-1",
        service: "service",
    }
}

fn signed(request: &AwsRequest<'_>, credentials: &str) -> Vec<(HeaderName, HeaderValue)> {
    sign_aws(request, &AwsCredentials::parse(credentials).unwrap(), then()).unwrap()
}

fn header(headers: &[(HeaderName, HeaderValue)], name: &str) -> String {
    let found = headers.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}"));
    found.1.to_str().unwrap().to_owned()
}

fn signature(headers: &[(HeaderName, HeaderValue)]) -> String {
    header(headers, "authorization").rsplit_once("Signature=").unwrap().1.to_owned()
}

/// A case: its name, method, path, headers, signature.
type Case = (&'static str, Method, &'static str, &'static [(&'static str, &'static str)], &'static str);

/// AWS's test suite of Signature Version 4 (`awslabs/aws-c-auth`, `tests/aws-signing-test-suite/v4`).
const SUITE: [Case; 8] = [
    (
        "get-vanilla",
        Method::GET,
        "/",
        &[],
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "get-vanilla-query-order-key-case",
        Method::GET,
        "/?Param2=value2&Param1=value1",
        &[],
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "get-vanilla-empty-query-key",
        Method::GET,
        "/?Param1=value1",
        &[],
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    ),
    (
        "get-unreserved",
        Method::GET,
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        &[],
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    (
        "get-slash-dot-slash-normalized",
        Method::GET,
        "/./",
        &[],
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "get-relative-normalized",
        Method::GET,
        "/example/..",
        &[],
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "get-header-value-trim",
        Method::GET,
        "/",
        &[("my-header1", " value1"), ("my-header2", "\"a   b   c\"")],
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    (
        "post-header-key-sort",
        Method::POST,
        "/",
        &[("my-header1", "value1")],
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
];

#[test]
fn published_vectors() {
    for (case, method, path, headers, want) in SUITE {
        let url = format!("https://example.amazonaws.com{path}");
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let got = signed(&AwsRequest { headers: &headers, ..request(&method, &url) }, CREDENTIALS);
        assert_eq!(signature(&got), want, "{case}");
        assert_eq!(header(&got, "x-amz-date"), "20150830T123600Z");
        assert_eq!(got.len(), 2);
    }
}

#[test]
fn a_session_token_is_signed_and_sent() {
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    let got =
        signed(&request(&Method::GET, "https://example.amazonaws.com/"), &format!("{CREDENTIALS}:{token}"));
    assert_eq!(
        signature(&got),
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        "get-vanilla-with-session-token"
    );
    assert_eq!(header(&got, "x-amz-security-token"), token);
    for (name, value) in &got {
        assert_eq!(value.is_sensitive(), name != "x-amz-date", "{name}");
    }
}

/// The canonical request, by the rules of "Create a signed AWS API request" (AWS IAM user guide), signed by hand.
fn by_hand(path: &str, body: &[u8]) -> String {
    use ring::hmac::{HMAC_SHA256, Key, sign};
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sha = |text: &[u8]| hex(ring::digest::digest(&SHA256, text).as_ref());
    let canonical = format!(
        "POST\n{path}\n\ncontent-type:application/json\nhost:bedrock-runtime.us-east-1.amazonaws.com\n\
         x-amz-date:20150830T123600Z\n\ncontent-type;host;x-amz-date\n{}",
        sha(body)
    );
    let scope = "20150830/us-east-1/bedrock/aws4_request";
    let to_sign = format!("AWS4-HMAC-SHA256\n20150830T123600Z\n{scope}\n{}", sha(canonical.as_bytes()));
    let mut key = b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_vec();
    for part in ["20150830", "us-east-1", "bedrock", "aws4_request"] {
        key = sign(&Key::new(HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
    }
    hex(sign(&Key::new(HMAC_SHA256, &key), to_sign.as_bytes()).as_ref())
}

/// A model's id in the path is encoded once when it is sent, and once more when it is signed.
#[test]
fn bedrocks_paths_are_encoded_twice() {
    let json = [(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let body = [Bytes::from_static(b"{\"messages\""), Bytes::from_static(b":[]}")];
    for (sent, canonical) in [
        (
            "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse",
            "/model/anthropic.claude-3-5-sonnet-20241022-v2%253A0/converse",
        ),
        (
            "/model/anthropic.claude-3-5-sonnet-20241022-v2:0/converse",
            "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse",
        ),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.x-v1%3A0/converse-stream",
            "/model/arn%253Aaws%253Abedrock%253Aus-east-1%253A123456789012%253Ainference-profile%252Fus.x-v1%253A0/converse-stream",
        ),
    ] {
        let url = format!("https://bedrock-runtime.us-east-1.amazonaws.com{sent}");
        let request = AwsRequest {
            headers: &json,
            body: AwsBody::Chunks(&body),
            service: "bedrock",
            ..request(&Method::POST, &url)
        };
        let got = signed(&request, CREDENTIALS);
        assert_eq!(signature(&got), by_hand(canonical, b"{\"messages\":[]}"), "{sent}");
        let want = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
                    SignedHeaders=content-type;host;x-amz-date, Signature=";
        assert!(header(&got, "authorization").starts_with(want));
        let digest = ring::digest::digest(&SHA256, b"{\"messages\":[]}");
        let known = AwsBody::Sha256(digest.as_ref().try_into().unwrap());
        assert_eq!(signed(&AwsRequest { body: known, ..request }, CREDENTIALS), got);
    }
}

#[test]
fn requests_that_cannot_be_signed() {
    let credentials = AwsCredentials::parse(CREDENTIALS).unwrap();
    for url in ["", "/model/x/converse", "https://exa mple.com/", "https://example.com/\n"] {
        let error = sign_aws(&request(&Method::GET, url), &credentials, then()).unwrap_err();
        assert_eq!(error, SignError::Url, "{url}");
    }
    let odd = [(HeaderName::from_static("x-odd"), HeaderValue::from_bytes(b"\xff").unwrap())];
    let request = AwsRequest { headers: &odd, ..request(&Method::GET, "https://example.com/") };
    let error = sign_aws(&request, &credentials, then()).unwrap_err();
    assert_eq!(error.to_string(), "the header 'x-odd' is not text and cannot be signed");
}

#[test]
fn credentials() {
    let token = AwsCredentials::parse("  AKIA1:se/cr+et=:to:ken\n").unwrap();
    assert_eq!(token.session_token.unwrap().expose_secret(), "to:ken");
    for (text, want) in [
        ("", CredentialsError::Form),
        ("AKIA1", CredentialsError::Form),
        (":secret", CredentialsError::Form),
        ("AKIA1:", CredentialsError::Form),
        ("AKIA1:secret:", CredentialsError::Form),
        ("AKIA 1:secret", CredentialsError::KeyId),
        ("AKIA1:sec ret", CredentialsError::Secret),
        ("AKIA1:secret:tok\u{e9}n", CredentialsError::Secret),
    ] {
        let error = AwsCredentials::parse(text).unwrap_err();
        assert_eq!(error, want, "{text}");
    }
    let shown = format!("{:?}", AwsCredentials::parse("AKIA1:hidden:hidden").unwrap());
    assert_eq!(shown, "AwsCredentials { .. }");
}

proptest! {
    #[test]
    fn no_request_makes_it_panic(
        path in "[ -~]{0,40}",
        value in prop::collection::vec(any::<u8>(), 0..20),
        text in ".{0,40}",
        time in 0_u64..4_000_000_000,
    ) {
        let url = format!("https://example.com/{path}");
        let headers: Vec<_> =
            HeaderValue::from_bytes(&value).ok().map(|value| (HeaderName::from_static("x-a"), value)).into_iter().collect();
        let request = AwsRequest { headers: &headers, ..request(&Method::POST, &url) };
        let credentials = AwsCredentials::parse(&text).unwrap_or(AwsCredentials::parse(CREDENTIALS).unwrap());
        let _ = sign_aws(&request, &credentials, UNIX_EPOCH + Duration::from_secs(time));
    }
}
