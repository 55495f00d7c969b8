//! Google Cloud, Amazon Bedrock, Azure: their keys, paths and frames.

use super::client::{Answer, always, exchange, get, post, request};
use crate::aws::tests::authorization;
use crate::{Behaviour, Fault, Flavour, GOOGLE_SERVICE_ACCOUNT, MockServer, Script};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const DATE: &str = "20260101T000000Z";

async fn converse(server: &MockServer, path: &str, body: &str, signature: Option<String>) -> Answer {
    let signature = signature.unwrap_or_else(|| authorization("POST", path, "mock", DATE, body));
    let headers = [("x-amz-date", DATE), ("authorization", signature.as_str())];
    exchange(server.addr(), &request("POST", path, &headers, body)).await
}

fn hello() -> String {
    json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}).to_string()
}

#[tokio::test]
async fn bedrock_wants_signatures() {
    let server = MockServer::start(Script::default()).await.unwrap();
    let path = "/model/anthropic.claude-sonnet-4-5-v1%3A0/converse";
    let good = converse(&server, path, &hello(), None).await;
    assert_eq!(good.status(), 200, "{}", good.text());
    assert_eq!(good.json()["output"]["message"]["role"], "assistant");
    assert_eq!(good.json()["stopReason"], "end_turn");
    assert_eq!(server.requests()[0].model, "anthropic.claude-sonnet-4-5-v1:0");

    let valid = authorization("POST", path, "mock", DATE, &hello());
    for (signature, exception) in [
        (valid.replace("Signature=", "Signature=0"), "InvalidSignatureException"),
        (valid.replace("AKIDEXAMPLE", "AKIDOTHER"), "UnrecognizedClientException"),
        (valid.replace("/bedrock/", "/s3/"), "InvalidSignatureException"),
        ("AWS4-HMAC-SHA256 nothing".into(), "IncompleteSignatureException"),
    ] {
        let refused = converse(&server, path, &hello(), Some(signature)).await;
        assert_eq!((refused.status(), refused.header("x-amzn-errortype")), (403, Some(exception)));
    }
    let other = hello().replace("hi", "ho");
    assert_eq!(converse(&server, path, &other, Some(valid)).await.status(), 403, "the body is signed");
    let none = exchange(server.addr(), &request("POST", path, &[], &hello())).await;
    assert_eq!(none.header("x-amzn-errortype"), Some("MissingAuthenticationTokenException"));
    assert_eq!(none.json()["message"], "Missing Authentication Token");
}

/// The frames of a body without chunk sizes: the value of `:event-type` or `:exception-type`, and the payload.
fn frames(answer: &Answer) -> Vec<(String, Value)> {
    let mut body = Vec::new();
    let mut rest = &answer.raw[..];
    while let Some(at) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        body.extend_from_slice(&rest[at + 2..at + 2 + size]);
        rest = &rest[at + 4 + size..];
    }
    let mut found = Vec::new();
    let mut rest = &body[..];
    while !rest.is_empty() {
        let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
        let (total, head) = (number(0), number(4));
        let headers = &rest[12..12 + head];
        let name = headers[0] as usize;
        let length = u16::from_be_bytes(headers[name + 2..name + 4].try_into().unwrap()) as usize;
        let value = String::from_utf8(headers[name + 4..name + 4 + length].to_vec()).unwrap();
        found.push((value, serde_json::from_slice(&rest[12 + head..total - 4]).unwrap()));
        rest = &rest[total..];
    }
    found
}

#[tokio::test]
async fn bedrock_streams_frames() {
    let server = always(Behaviour::chunks(["one ", "two"])).await;
    let path = "/model/claude/converse-stream";
    let answer = converse(&server, path, &hello(), None).await;
    assert_eq!(answer.header("content-type"), Some("application/vnd.amazon.eventstream"));
    let frames_seen = frames(&answer);
    let names: Vec<&str> = frames_seen.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(
        names,
        [
            "messageStart",
            "contentBlockDelta",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata"
        ]
    );
    assert_eq!(frames_seen[1].1["delta"]["text"], "one ");
    assert!(frames_seen[5].1["usage"]["totalTokens"].as_u64() > Some(0));
    server.set_script(Script::always(Behaviour::fault(Fault::ErrorAfterChunks(1))));
    let failed = frames(&converse(&server, path, &hello(), None).await);
    assert_eq!(failed.last().unwrap().0, "serviceUnavailableException");
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A statement of the service account, as a form.
fn statement(claims: &Value) -> String {
    let account: Value = serde_json::from_str(GOOGLE_SERVICE_ACCOUNT).unwrap();
    let pem = account["private_key"].as_str().unwrap();
    let der: String = pem.lines().filter(|l| !l.starts_with('-')).collect();
    let key = RsaKeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
    let part = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT"})), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    let assertion = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}")
}

fn claims() -> Value {
    json!({"iss": "mock@mock-project.iam.gserviceaccount.com", "aud": "http://mock/token",
        "scope": "https://www.googleapis.com/auth/cloud-platform", "iat": now(), "exp": now() + 3600})
}

#[tokio::test]
async fn google_exchanges_statements_for_tokens() {
    let server = MockServer::start(Script::default()).await.unwrap();
    let token = async |form: &str| exchange(server.addr(), &request("POST", "/token", &[], form)).await;
    let good = token(&statement(&claims())).await;
    assert_eq!(good.status(), 200, "{}", good.text());
    let bearer = format!("Bearer {}", good.json()["access_token"].as_str().unwrap());
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        statement(&claims)
    };
    for (form, why) in [
        (with("aud", json!("https://elsewhere/x")), "audience"),
        (with("exp", json!(now() + 7200)), "short-lived"),
        (with("exp", json!(now() - 10)), "short-lived"),
        (with("scope", json!("email")), "scope"),
        (statement(&claims()).replace("eyJhbGciOi", "eyJhbGciOj"), "JWT"),
        ("grant_type=password".into(), "grant_type"),
    ] {
        let refused = token(&form).await;
        assert_eq!(refused.status(), 400, "{why}");
        assert!(refused.json()["error_description"].as_str().unwrap().contains(why), "{}", refused.text());
    }

    let path = "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:generateContent";
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}).to_string();
    let ask = async |bearer: &str| {
        exchange(server.addr(), &request("POST", path, &[("authorization", bearer)], &body)).await
    };
    let answer = ask(&bearer).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["modelVersion"], "gemini-2.5-flash");
    let refused = ask("Bearer ya29.other").await;
    assert_eq!(
        (refused.status(), refused.json()["error"]["status"].clone()),
        (401, json!("UNAUTHENTICATED"))
    );
}

#[tokio::test]
async fn gemini_and_its_imitation_of_openai() {
    let yaml = "models: {google: [gemini-2.5-flash]}\nkeys: {google: [good]}";
    let server = MockServer::start(Script::from_yaml(yaml).unwrap()).await.unwrap();
    let body = json!({"contents": [{"parts": [{"text": "hi"}]}]}).to_string();
    let path = "/google/v1beta/models/gemini-2.5-flash:generateContent";
    let call = async |path: &str, key: &str| {
        exchange(server.addr(), &request("POST", path, &[("x-goog-api-key", key)], &body)).await
    };
    assert_eq!(call(path, "good").await.json()["candidates"][0]["finishReason"], "STOP");
    let refused = call(path, "bad").await;
    assert_eq!((refused.status(), &refused.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    assert_eq!(refused.json()["error"]["details"][0]["reason"], "API_KEY_INVALID");
    let in_query = format!("{path}?key=good");
    assert_eq!(exchange(server.addr(), &request("POST", &in_query, &[], &body)).await.status(), 200);
    let list = request("GET", "/google/v1beta/models", &[("x-goog-api-key", "good")], "");
    assert_eq!(exchange(server.addr(), &list).await.json()["models"][0]["name"], "models/gemini-2.5-flash");
    let list = call("/google/v1beta/models/gemini-2.5-flash:streamGenerateContent", "good").await;
    assert!(list.json().as_array().unwrap().len() > 1, "without alt=sse it is a list");
    let count = call("/google/v1beta/models/gemini-2.5-flash:countTokens", "good").await;
    assert!(count.json()["totalTokens"].as_u64() > Some(0));
    server.set_script(Script::default());
    let chat =
        json!({"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "[[error 400 no]]"}]});
    let error = post(&server, "/google/v1beta/openai/chat/completions", chat).await;
    assert_eq!(error.json()[0]["error"]["message"], "no", "there the error stands in a list");
}

#[tokio::test]
async fn azure_names_deployments() {
    let server = MockServer::start(Script::default()).await.unwrap();
    let path = "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21";
    let body = json!({"messages": [{"role": "user", "content": "hi"}]}).to_string();
    let call = async |path: &str, header: &str| {
        exchange(server.addr(), &request("POST", path, &[(header, "k")], &body)).await
    };
    let good = call(path, "api-key").await;
    assert_eq!((good.status(), good.json()["model"].clone()), (200, json!("my-gpt")));
    assert!(good.header("apim-request-id").is_some());
    assert_eq!(server.requests()[0].provider, Flavour::Azure);
    let unknown = call(path, "x-none").await;
    assert_eq!((unknown.status(), unknown.json()["error"]["code"].clone()), (401, json!("401")));
    let versionless = call("/openai/deployments/my-gpt/chat/completions", "api-key").await;
    assert_eq!((versionless.status(), versionless.json()["error"]["code"].clone()), (404, json!("404")));
}

#[tokio::test]
async fn openrouters_own() {
    let yaml = "models: {openrouter: ['a/b:free', openrouter/auto, google/gemini-2.5-pro]}";
    let server = MockServer::start(Script::from_yaml(yaml).unwrap()).await.unwrap();
    let models = get(&server, "/openrouter/api/v1/models").await.json();
    let price = |at: usize| models["data"][at]["pricing"]["prompt"].clone();
    assert_eq!([price(0), price(1), price(2)], [json!("0"), json!("-1"), json!("0.00000125")]);
    assert_eq!(models["data"][2]["pricing"]["overrides"][0]["min_prompt_tokens"], 200_000);
    let key = get(&server, "/openrouter/api/v1/key").await.json();
    assert_eq!(key["data"]["limit_remaining"], 74.5);
    let credits = get(&server, "/openrouter/api/v1/credits").await.json();
    assert_eq!(credits["data"]["total_usage"], 25.75);
    for (kind, status, source, retry) in [
        ("openrouter_credits", 402, "openrouter_credits", None),
        ("openrouter_key_limit", 402, "openrouter_key_limit", None),
        ("openrouter_in_flight_budget", 402, "openrouter_in_flight_budget", Some("2")),
        ("weight_exceeds_budget", 402, "openrouter_in_flight_budget", None),
        ("openrouter_free_tier_daily", 429, "openrouter_free_tier_daily", None),
        ("openrouter_free_tier_minute", 429, "openrouter_free_tier_minute", Some("20")),
        ("upstream_provider_shared_pool", 429, "upstream_provider_shared_pool", None),
    ] {
        server.set_script(Script::always(Behaviour { kind: Some(kind.into()), ..Behaviour::default() }));
        let body = json!({"model": "a/b:free", "messages": [{"role": "user", "content": "hi"}]});
        let answer = post(&server, "/openrouter/api/v1/chat/completions", body).await;
        assert_eq!((answer.status(), answer.header("retry-after")), (status, retry), "{kind}");
        assert_eq!(answer.json()["error"]["metadata"]["limit_source"], source);
        let reset = answer.header("x-ratelimit-reset");
        assert_eq!(reset.is_some_and(|r| r.len() >= 13), kind == "openrouter_free_tier_daily");
    }
}
