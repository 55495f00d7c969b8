//! Tokens signed here with fresh keys. RSA and P-384 are tried from outside, with keys of OpenSSL.

use super::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::json;
use std::time::{Duration, SystemTime};

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

struct Signer {
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let how = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(how, &random).expect("a key");
        let ec = EcdsaKeyPair::from_pkcs8(how, pkcs8.as_ref(), &random).expect("a key");
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
        Self { ec, ed: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key") }
    }

    fn ec_jwk(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": b64(&point[1..33]), "y": b64(&point[33..])})
    }

    fn ed_jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(self.ed.public_key().as_ref())})
    }

    fn sign(&self, header: &Value, payload: &Value) -> String {
        let message = format!("{}.{}", b64(header.to_string()), b64(payload.to_string()));
        let signature = match header["alg"].as_str() {
            Some("ES256") => {
                self.ec.sign(&SystemRandom::new(), message.as_bytes()).expect("signed").as_ref().to_vec()
            }
            _ => self.ed.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", b64(signature))
    }
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).expect("a set")
}

fn parse(token: &str) -> Result<Jws, JwsError> {
    let all: Vec<String> = ALGORITHMS.iter().map(|name| (*name).to_owned()).collect();
    Jws::parse(token, &all)
}

#[test]
fn signatures_are_verified_with_the_key_that_is_named_or_fits() {
    let (signer, other) = (Signer::new(), Signer::new());
    let keys = set(&[signer.ec_jwk(), signer.ed_jwk()]);
    for header in [
        json!({"alg": "ES256", "kid": "ec"}),
        json!({"alg": "ES256"}),
        json!({"alg": "EdDSA", "kid": "ed"}),
        json!({"alg": "EdDSA"}),
    ] {
        let token = signer.sign(&header, &json!({"a": 1}));
        let jws = parse(&token).expect("a token");
        assert_eq!(keys.verify(&jws), Ok(()), "{header}");
        assert_eq!(jws.payload()["a"], 1);
        assert!(token.ends_with(jws.signature()));
        let forged = parse(&other.sign(&header, &json!({"a": 1}))).expect("a token");
        assert_eq!(keys.verify(&forged), Err(JwsError::Signature), "{header}");
        let (head, rest) = token.split_once('.').expect("parts");
        let (_, signature) = rest.split_once('.').expect("parts");
        let changed = format!("{head}.{}.{signature}", b64(r#"{"a":2}"#));
        assert_eq!(keys.verify(&parse(&changed).expect("a token")), Err(JwsError::Signature), "{header}");
    }
    let unknown = signer.sign(&json!({"alg": "ES256", "kid": "old"}), &json!({}));
    assert_eq!(keys.verify(&parse(&unknown).expect("a token")), Err(JwsError::UnknownKey));
}

#[test]
fn the_type_of_a_key_decides_which_algorithm_it_is_for() {
    let signer = Signer::new();
    // An Ed25519 signature under the name of a P-256 key, and the other way round.
    let keys = set(&[signer.ec_jwk(), signer.ed_jwk()]);
    let wrong = parse(&signer.sign(&json!({"alg": "EdDSA", "kid": "ec"}), &json!({}))).expect("a token");
    assert_eq!(keys.verify(&wrong), Err(JwsError::UnknownKey));
    let wrong = parse(&signer.sign(&json!({"alg": "RS256", "kid": "ec"}), &json!({}))).expect("a token");
    assert_eq!(keys.verify(&wrong), Err(JwsError::UnknownKey));
    // A key that says what it is for is for nothing else.
    let mut only = signer.ec_jwk();
    only["alg"] = "ES384".into();
    let token = parse(&signer.sign(&json!({"alg": "ES256"}), &json!({}))).expect("a token");
    assert_eq!(set(&[only, signer.ed_jwk()]).verify(&token), Err(JwsError::UnknownKey));
    for (name, value) in [("use", json!("enc")), ("key_ops", json!(["sign"]))] {
        let mut other = signer.ec_jwk();
        other[name] = value;
        assert_eq!(set(&[other, signer.ed_jwk()]).verify(&token), Err(JwsError::UnknownKey), "{name}");
    }
}

#[test]
fn sets_without_a_key_of_use_are_refused() {
    for (text, error) in [
        ("", KeySetError::NoSet),
        ("[]", KeySetError::NoSet),
        (r#"{"keys": {}}"#, KeySetError::NoSet),
        (r#"{"keys": []}"#, KeySetError::NoKey),
        (r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}"#, KeySetError::NoKey),
        (r#"{"keys": [{"kty": "new"}, 7, null]}"#, KeySetError::NoKey),
    ] {
        assert_eq!(KeySet::parse(text.as_bytes()).map(|_| ()), Err(error), "{text}");
    }
    let mixed = json!({"keys": [{"kty": "new"}, 7, {"kty": "EC", "crv": "P-521"}, Signer::new().ec_jwk()]});
    assert_eq!(KeySet::parse(mixed.to_string().as_bytes()).expect("a set").keys.len(), 1);
}

#[test]
fn tokens_are_refused_before_they_are_verified() {
    let head = |header: Value| format!("{}.{}.", b64(header.to_string()), b64("{}"));
    let named = |name: &str| Err(JwsError::Algorithm(name.into()));
    let error = |token: &str| parse(token).map(|_| ());
    assert_eq!(error(&head(json!({"alg": "none"}))), named("none"));
    assert_eq!(error(&head(json!({"alg": "None"}))), named("None"));
    assert_eq!(error(&head(json!({"alg": "HS256"}))), named("HS256"));
    assert_eq!(error(&head(json!({"alg": "ES512"}))), named("ES512"));
    assert_eq!(error(&head(json!({"alg": 5}))), named(""));
    assert_eq!(error(&head(json!({}))), named(""));
    assert_eq!(error(&head(json!({"alg": "RS256", "crit": ["b64"]}))), Err(JwsError::Critical));
    assert_eq!(error("a.b.c.d.e"), Err(JwsError::Encrypted));
    assert_eq!(error(&"a".repeat(LONGEST_TOKEN + 1)), Err(JwsError::TooLong));
    for bad in ["", "a", "a.b", "a.b.c", "a.b.c.d", "e30.e30.e30=", "W10.e30."] {
        assert!(error(bad).is_err(), "{bad}");
    }
    let rs = ["RS256".to_owned()];
    let es = head(json!({"alg": "ES256"}));
    assert_eq!(Jws::parse(&es, &rs).map(|_| ()), named("ES256"));
}

#[test]
fn claims_are_compared_to_the_letter_and_times_with_leeway() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let (issuers, audiences) = (["https://a/".to_owned(), "b".to_owned()], ["api".to_owned()]);
    let rules = ClaimRules { issuers: &issuers, audiences: &audiences, now };
    let check = |more: Value| {
        let mut claims = json!({"iss": "https://a/", "aud": "api"});
        for (name, value) in more.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        rules.check(claims.as_object().expect("claims"))
    };
    for (more, expected) in [
        (json!({}), Ok(())),
        (json!({"iss": "b", "aud": ["x", "api"]}), Ok(())),
        (json!({"iss": "https://a"}), Err(ClaimError::Issuer)),
        (json!({"iss": ["b"]}), Err(ClaimError::Issuer)),
        (json!({"iss": null}), Err(ClaimError::Issuer)),
        (json!({"aud": "API"}), Err(ClaimError::Audience)),
        (json!({"aud": []}), Err(ClaimError::Audience)),
        (json!({"aud": null}), Err(ClaimError::Audience)),
        (json!({"exp": 999_941}), Ok(())),
        (json!({"exp": 999_940}), Err(ClaimError::Expired)),
        (json!({"exp": 999_940.5}), Ok(())),
        (json!({"exp": "1000000"}), Err(ClaimError::NoTime("exp"))),
        (json!({"exp": null}), Err(ClaimError::NoTime("exp"))),
        (json!({"nbf": 1_000_060}), Ok(())),
        (json!({"nbf": 1_000_061}), Err(ClaimError::NotYet)),
        (json!({"nbf": true}), Err(ClaimError::NoTime("nbf"))),
    ] {
        assert_eq!(check(more.clone()), expected, "{more}");
    }
    let open = ClaimRules { audiences: &[], ..rules };
    assert_eq!(open.check(json!({"iss": "b"}).as_object().expect("claims")), Ok(()));
}
