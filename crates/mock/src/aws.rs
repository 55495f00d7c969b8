//! Whether a request is signed as AWS wants it: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
//!
//! The keys are those of AWS's own examples. A bearer token (a Bedrock API key) is accepted too.

use crate::request::Facts;
use ring::digest::{SHA256, digest};
use ring::hmac;
use std::fmt::Write as _;

/// The only access key that is known.
pub const AWS_ACCESS_KEY: &str = "AKIDEXAMPLE";
/// Its secret.
pub const AWS_SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Why a signature is refused: the exception and its message.
pub(crate) type Refusal = (&'static str, &'static str);

const MISSING: Refusal = ("MissingAuthenticationTokenException", "Missing Authentication Token");
const INCOMPLETE: Refusal = (
    "IncompleteSignatureException",
    "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders'.",
);
const UNKNOWN: Refusal =
    ("UnrecognizedClientException", "The security token included in the request is invalid.");
const WRONG: Refusal = (
    "InvalidSignatureException",
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
     and signing method. Consult the service documentation for details.",
);

/// Checks the `Authorization` header against the request as it arrived.
pub(crate) fn refusal(facts: &Facts) -> Option<Refusal> {
    let header = |name: &str| facts.headers.get(name).and_then(|v| v.to_str().ok());
    let Some(authorization) = header("authorization") else { return Some(MISSING) };
    if authorization.starts_with("Bearer ") {
        return None;
    }
    let Some(claim) = Claim::read(authorization) else { return Some(INCOMPLETE) };
    if claim.access_key != AWS_ACCESS_KEY {
        return Some(UNKNOWN);
    }
    let Some(date) = header("x-amz-date") else { return Some(INCOMPLETE) };
    let signs = |name: &str| claim.signed.split(';').any(|s| s == name);
    let covers = signs("host") && signs("x-amz-date");
    let (day, service) = (claim.scope.split('/').next(), claim.scope.split('/').nth(2));
    if !covers || service != Some("bedrock") || day != date.get(..8) {
        return Some(WRONG);
    }
    (signature(facts, &claim, date) != claim.signature).then_some(WRONG)
}

/// What an `Authorization` header claims.
struct Claim<'h> {
    access_key: &'h str,
    /// `20250101/us-east-1/bedrock/aws4_request`
    scope: &'h str,
    signed: &'h str,
    signature: &'h str,
}

impl<'h> Claim<'h> {
    fn read(header: &'h str) -> Option<Self> {
        let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field =
            |name: &str| fields.split(',').find_map(|f| f.trim().strip_prefix(name)?.strip_prefix('='));
        let (access_key, scope) = field("Credential")?.split_once('/')?;
        Some(Self { access_key, scope, signed: field("SignedHeaders")?, signature: field("Signature")? })
    }
}

fn signature(facts: &Facts, claim: &Claim<'_>, date: &str) -> String {
    let canonical = canonical(facts, claim.signed);
    let hash = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{hash}", claim.scope);
    let mut key = format!("AWS4{AWS_SECRET_KEY}").into_bytes();
    for part in claim.scope.split('/') {
        key = mac(&key, part.as_bytes());
    }
    hex(&mac(&key, text.as_bytes()))
}

fn canonical(facts: &Facts, signed: &str) -> String {
    let mut headers = String::new();
    for name in signed.split(';') {
        let values: Vec<String> = facts.headers.get_all(name).iter().map(trimmed).collect();
        let _ = writeln!(headers, "{name}:{}", values.join(","));
    }
    let mut query: Vec<&str> = facts.query.split('&').filter(|pair| !pair.is_empty()).collect();
    query.sort_unstable();
    format!(
        "{}\n{}\n{}\n{headers}\n{signed}\n{}",
        facts.method,
        encoded_path(&facts.path),
        query.join("&"),
        hex(digest(&SHA256, &facts.body).as_ref()),
    )
}

fn trimmed(value: &http::HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The path as it was sent, each segment encoded once more: every service but S3 signs it like this.
fn encoded_path(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::script::Script;

    /// The `Authorization` header for a request of the tests: with `host` and `x-amz-date` signed.
    pub(crate) fn authorization(method: &str, path: &str, host: &str, date: &str, body: &str) -> String {
        let scope = format!("{}/us-east-1/bedrock/aws4_request", &date[..8]);
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header("host", host).header("x-amz-date", date);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let facts = Facts::read(&parts, &bytes::Bytes::from(body.to_owned()), &Script::default());
        let signed = "host;x-amz-date";
        let claim = Claim { access_key: AWS_ACCESS_KEY, scope: &scope, signed, signature: "" };
        let signature = signature(&facts, &claim, date);
        format!(
            "AWS4-HMAC-SHA256 Credential={AWS_ACCESS_KEY}/{scope}, SignedHeaders={signed}, Signature={signature}"
        )
    }

    /// `get-vanilla` of AWS's test suite for signature version 4.
    #[test]
    fn an_example_of_aws() {
        let request = http::Request::builder().method("GET").uri("/");
        let request =
            request.header("host", "example.amazonaws.com").header("x-amz-date", "20150830T123600Z");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let facts = Facts::read(&parts, &bytes::Bytes::new(), &Script::default());
        let scope = "20150830/us-east-1/service/aws4_request";
        let claim = Claim { access_key: AWS_ACCESS_KEY, scope, signed: "host;x-amz-date", signature: "" };
        assert_eq!(
            signature(&facts, &claim, "20150830T123600Z"),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    #[test]
    fn encoded_models_are_encoded_again() {
        assert_eq!(encoded_path("/model/a.b-v1%3A0/converse"), "/model/a.b-v1%253A0/converse");
    }
}
