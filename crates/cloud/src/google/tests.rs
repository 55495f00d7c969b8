use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use std::time::Duration;

/// The example key of RFC 7515, appendix A.2, in PKCS #8: published, so nobody's secret.
const KEY: &str = "\
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCh+BYK4uPJtGXO\
jS1lYmM2K5J9vinh8CR3/BYlzJChNuOL2TSXxbbqY913EeZ8dCn5VrD7io8ImtxL\
aYk8wTM/U+3QGbh3hCUv7JFP5IV3aVlL6kKA0ywPVb9ilE8TA5a8bpvfbr3SvaNn\
juygxmj3AbONv/s4yDQs4v5tJ/reSlpIdJed1LnPmt7Ex1sFhSwsD174pcF1A5L5\
ROjtZMEQxrZHYJqkeDrrnGya11UxMFBji4NmXG9veoKjlnAqH2QbgtPr8jkiGUkf\
toaHLFcW9Qr4NY2ai50Xw0Byj3+H2JoY2PyrZ62EWQwuz3WTOTY8BwNNb2BvniHg\
VFbK5emhAgMBAAECggEAEq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyW\
PEAeP88vLNO97IjlA7/GQ5sLKMgvfTeXZx9SE+7YwVol2NXOoAJe46sui395IW/G\
O+pWJ1O0BkTGoVEn2bKVRUCgu+GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzj\
kn439X0M/V51gfpRLI9JYanrC4D4qAdGcopV/0ZHHzQlBjudU2QvXt4ehNYTCBr6\
XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl/x/jTj3ccPDVZFD9pIuhLhBOneufuBiB\
4cS98l2SR/RQyGWSeWjnczT0QU91p1DhOVRuOopznQKBgQDgHMQQ60imZV1URk0K\
pLttoLhyt3SmqdEf/kgHePDdtzEafpAu+cS191R2JiuoF2yzWXnwFDcqGigp5BNr\
0AHQfD8/Lk8l1Mk09jxxCfui5nYooNyac8YFjm3vItzVCVDnEd3BbVWG8qf6deqE\
lMGAg+C2V0L4oNXnP7LZcPAZRwKBgQC5A8R+CZW2MvRTLLHzwZkUXV866cff7tx6\
kqa0finGG0KgeqlaZPxgCZnFp7AeAcCMtiynVlJ7vMVgePsLq6XtON4tB5kP9jAP\
rq3rbAOal78eUH5OcED6eNuCV8ixEu1eWcPNCS/l1OW1EnXUEoEHKl54Xrrz2uNw\
kgMTP1FZ1wKBgAcCn1dwJKufzBWQxWQp1vsM5fggqPN1qGb5y0MAk3g7/Ls5bkUp\
5u9SN0Ai3Ya6hNnvWJMb7sXQX6U/zyO2M/hTip7tUeh7CXgwo59dkpN75gJLVds2\
9+DAncu3KXU4f2Fa+7bLNrur53k8KwPOq2bbuTG69QtV7Jr5MR0AHWKNAoGBAIf/\
evpitUf+4JYbLpvNXWcY052Mpz22aR84mY3nh3F2LF2mjMJDpTg7FmuyPcVw6EcG\
yoAe9fa65iNqCq+jdw6PVNGo2hxfjSiZ8IIzHdsPXI89//pMjZcQK9r+CCoRjaZj\
OYiIDktVWZzmevJuv6WywUqd57LE3Zar3dLSIkx1AoGAIYd7DHOhrWvxkwPQsRM2\
tOgrjbcrfvtQJipd+DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd/QJQ3\
ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp/gh6A56\
03k2+ZQwVK0JKSHuLFkuQ3U=";

fn pem(label: &str, base64: &str) -> String {
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

fn file(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut file = serde_json::json!({
        "type": "service_account",
        "project_id": "project-1",
        "private_key_id": "kid-1",
        "private_key": pem("PRIVATE KEY", KEY),
        "client_email": "761326798069-r5mljlln1rd4lrbhg75efgigp36m78j5@developer.gserviceaccount.com",
        "client_id": "1",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    change(&mut file);
    file.to_string()
}

fn with(name: &str, value: &str) -> String {
    file(|file| file[name] = value.into())
}

/// The `iat` of the example.
fn then() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_328_550_785)
}

fn part(jwt: &str, at: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(jwt.split('.').nth(at).unwrap()).unwrap()
}

/// The key's public half.
fn public() -> Vec<u8> {
    let der = STANDARD.decode(KEY).unwrap();
    ring::rsa::KeyPair::from_pkcs8(&der).unwrap().public_key().as_ref().to_vec()
}

/// "Using OAuth 2.0 for Server to Server Applications" (Google Identity): header, claims and form of the example.
#[test]
fn published_claims() {
    let account = ServiceAccount::parse(&file(|_| {})).unwrap();
    let scope = "https://www.googleapis.com/auth/devstorage.read_only";
    let assertion = account.assertion(scope, then()).unwrap();
    let jwt = assertion.expose_secret();
    let header: serde_json::Value = serde_json::from_slice(&part(jwt, 0)).unwrap();
    assert_eq!(header, serde_json::json!({"typ": "JWT", "alg": "RS256", "kid": "kid-1"}));
    let claims: serde_json::Value = serde_json::from_slice(&part(jwt, 1)).unwrap();
    let want = serde_json::json!({
        "iss": "761326798069-r5mljlln1rd4lrbhg75efgigp36m78j5@developer.gserviceaccount.com",
        "scope": scope,
        "aud": "https://oauth2.googleapis.com/token",
        "exp": 1_328_554_385,
        "iat": 1_328_550_785,
    });
    assert_eq!(claims, want);
    let (message, _) = jwt.rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public());
    key.verify(message.as_bytes(), &part(jwt, 2)).unwrap();

    let (body, media_type) = account.token_request(scope, then()).unwrap();
    let want = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={jwt}");
    assert_eq!((body.expose_secret(), media_type), (&*want, "application/x-www-form-urlencoded"));
}

/// RFC 7515, appendix A.2: the same key over the same message gives the same signature.
#[test]
fn published_signature() {
    let key = jwt::rsa_key(&pem("PRIVATE KEY", KEY)).unwrap();
    let message = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y\
                   b290Ijp0cnVlfQ";
    let signature = jwt::sign(message.as_bytes(), &key).unwrap();
    assert_eq!(
        signature,
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF\
        5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK\
        5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqt\
        FZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB\
        p0igcN_IoypGlUPQGe77Rw"
    );
}

#[test]
fn keys_of_both_kinds() {
    let der = STANDARD.decode(KEY).unwrap();
    // PKCS #8 wraps PKCS #1 behind 26 bytes.
    let pkcs1 = pem("RSA PRIVATE KEY", &STANDARD.encode(&der[26..]));
    let account = ServiceAccount::parse(&with("private_key", &pkcs1)).unwrap();
    let own = ServiceAccount::parse(&file(|_| {})).unwrap();
    let jwt = |account: &ServiceAccount| account.assertion("s", then()).unwrap().expose_secret().to_owned();
    assert_eq!(jwt(&account), jwt(&own));
}

#[test]
fn files_that_are_refused() {
    let without = |name: &'static str| file(|file| file[name] = serde_json::Value::Null);
    for (text, message) in [
        ("", "the service account key is not the JSON file that Google gives out"),
        ("[]", "the service account key is not the JSON file that Google gives out"),
        (&with("type", "authorized_user"), "'type' must be service_account"),
        (&without("client_email"), "'client_email' is missing"),
        (&without("private_key"), "'private_key' is missing"),
        (&with("private_key", "hidden"), "'private_key' is not a private RSA key in PEM"),
        (&with("private_key", &pem("PRIVATE KEY", "AAAA")), "'private_key' is not a private RSA key in PEM"),
    ] {
        let error = ServiceAccount::parse(text).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn claims_go_to_safe_places_only() {
    for (uri, safe) in [
        ("https://oauth2.googleapis.com/token", true),
        ("https://private.example:8443/token?x=1", true),
        ("http://localhost:8080/token", true),
        ("http://127.0.0.1:8080/token", true),
        ("http://127.9.9.9/token", true),
        ("http://[::1]:8080/token", true),
        ("http://oauth2.googleapis.com/token", false),
        ("http://localhost.evil.example/token", false),
        ("http://127.0.0.1.evil.example/token", false),
        ("http://169.254.169.254/computeMetadata/v1/", false),
        ("http://10.0.0.1/token", false),
        ("https://user@evil.example/token", false),
        ("http://localhost@evil.example/token", false),
        ("file:///etc/passwd", false),
        ("ftp://localhost/token", false),
        ("/token", false),
        ("", false),
    ] {
        let parsed = ServiceAccount::parse(&with("token_uri", uri));
        assert_eq!(parsed.is_ok(), safe, "{uri}");
        if let Err(error) = parsed {
            assert_eq!(error, ServiceAccountError::TokenUri);
        }
    }
    let unstated = file(|file| file["token_uri"] = serde_json::Value::Null);
    assert_eq!(ServiceAccount::parse(&unstated).unwrap().token_uri(), TOKEN_URI);
}

#[test]
fn nothing_secret_is_shown() {
    let account = ServiceAccount::parse(&file(|_| {})).unwrap();
    let shown = format!("{account:?}");
    assert!(shown.contains("developer.gserviceaccount.com") && !shown.contains("MII"), "{shown}");
    assert_eq!(account.project_id(), Some("project-1"));
    assert_eq!(
        account.assertion("s", UNIX_EPOCH - Duration::from_secs(1)).unwrap_err(),
        ServiceAccountError::Sign
    );
}
