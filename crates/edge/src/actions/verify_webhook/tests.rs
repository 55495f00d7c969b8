//! The action, with webhooks signed as each provider signs them, and examples of providers' own documentation.

use super::providers::{PROVIDERS, UNSUPPORTED};
use crate::testing::{Run, Tested, loads};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECRET: &str = "c2VjcmV0IG9mIHRoZSB3ZWJob29rcw=="; // text, and Base64 where that is asked for

fn policy(provider: &str, secret: &str, more: &str) -> String {
    format!(
        "on_http_request:\n  - type: verify-webhook\n    config: {{provider: {provider}, secret: \"{secret}\"{more}}}\n  \
         - type: custom-response\n    config:\n      body: \"${{actions.ngrok.verify_webhook.verified}} \
         ${{actions.ngrok.verify_webhook.error.code}} ${{actions.ngrok.verify_webhook.error.message}}\"\n"
    )
}

fn seconds(ago: u64) -> u64 {
    (SystemTime::now() - Duration::from_secs(ago)).duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn tag(algorithm: hmac::Algorithm, key: &[u8], signed: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), signed.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a provider would send: the request's head, without its end, and the body. Written apart from the code under test.
#[expect(clippy::too_many_lines, reason = "a table: one entry for each provider")]
fn signed(provider: &str, ago: u64) -> Option<(String, String)> {
    let (key, decoded) = (SECRET.as_bytes(), STANDARD.decode(SECRET).unwrap());
    let t = seconds(ago);
    let body = "{\"a\": \"é\"}".to_owned();
    let head = "POST /hook?x=1 HTTP/1.1\r\nhost: hooks.example";
    let sha256 = |signed: &str| tag(hmac::HMAC_SHA256, key, signed);
    let (hex256, b64) = (|text: &str| hex(&sha256(text)), |text: &str| STANDARD.encode(sha256(text)));
    let sha1 = |text: &str| tag(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key, text);
    let (on_body, b64_body) = (hex256(&body), b64(&body));
    let iso = chrono::DateTime::from_timestamp(i64::try_from(t).unwrap(), 0).unwrap();
    let url = "https://hooks.example/hook?x=1";
    let lines = match provider {
        "aftership" => format!("aftership-hmac-sha256: {b64_body}"),
        "airship" => format!("x-ua-timestamp: {t}\r\nx-ua-signature: {}", hex256(&format!("{t}:{body}"))),
        "alchemy" => format!("x-alchemy-signature: {on_body}"),
        "autodesk" => format!("x-adsk-signature: sha1hash={}", hex(&sha1(&body))),
        "bitbucket" | "jira" => format!("x-hub-signature: sha256={on_body}"),
        "bolt" => format!("x-bolt-hmac-sha256: {b64_body}"),
        "box" => {
            let time = iso.format("%Y-%m-%dT%H:%M:%S+00:00");
            let signature = b64(&format!("{body}{time}"));
            format!(
                "box-delivery-timestamp: {time}\r\nbox-signature-primary: AAAA\r\nbox-signature-secondary: {signature}"
            )
        }
        "brex" | "clerk" | "svix" => {
            let prefix = if provider == "brex" { "webhook" } else { "svix" };
            let signature = STANDARD.encode(tag(hmac::HMAC_SHA256, &decoded, &format!("msg_1.{t}.{body}")));
            format!(
                "{prefix}-id: msg_1\r\n{prefix}-timestamp: {t}\r\n{prefix}-signature: v1,AAAA v1,{signature}"
            )
        }
        "buildkite" => {
            let signature = hex256(&format!("{t}.{body}"));
            format!("x-buildkite-signature: timestamp={t},signature={signature}")
        }
        "calendly" => format!("calendly-webhook-signature: t={t},v1={}", hex256(&format!("{t}.{body}"))),
        "chargify" => format!("x-chargify-webhook-signature-hmac-sha-256: {on_body}"),
        "circleci" => format!("circleci-signature: v1={on_body}"),
        "clearbit" => format!("x-request-signature: sha1={}", hex(&sha1(&body))),
        "coinbase" => format!("x-cc-webhook-signature: {on_body}"),
        "docusign" => format!("x-docusign-signature-1: AAAA\r\nx-docusign-signature-7: {b64_body}"),
        "dropbox" => format!("x-dropbox-signature: {on_body}"),
        "facebook_graph_api" | "facebook_messenger" | "github" | "instagram" | "whatsapp" => {
            format!("x-hub-signature-256: sha256={on_body}")
        }
        "frameio" => {
            let signature = hex256(&format!("v0:{t}:{body}"));
            format!("x-frameio-request-timestamp: {t}\r\nx-frameio-signature: v0={signature}")
        }
        "gitlab" => format!("x-gitlab-token: {SECRET}"),
        "graphcms" => {
            let text = body.replace('"', "\\\"");
            let signed =
                format!("{{\"Body\":\"{text}\",\"EnvironmentName\":\"master\",\"TimeStamp\":{t}000}}");
            format!("gcms-signature: sign={}, env=master, t={t}000", b64(&signed))
        }
        "heroku" => format!("heroku-webhook-hmac-sha256: {b64_body}"),
        "hubspot" => {
            let signature = b64(&format!("POST{url}{body}{t}000"));
            format!("x-hubspot-request-timestamp: {t}000\r\nx-hubspot-signature-v3: {signature}")
        }
        "intercom" => format!("x-hub-signature: sha1={}", hex(&sha1(&body))),
        "launch_darkly" => format!("x-ld-signature: {on_body}"),
        "linear" => {
            let body = format!("{{\"action\": \"create\", \"webhookTimestamp\": {t}000}}");
            return Some((format!("{head}\r\nlinear-signature: {}", hex256(&body)), body));
        }
        "mailchimp" | "twilio" => {
            let header = if provider == "twilio" { "x-twilio-signature" } else { "x-mandrill-signature" };
            let signature = STANDARD.encode(sha1(&format!("{url}Bodyhello worldTo+1800")));
            let kind = "content-type: application/x-www-form-urlencoded";
            return Some((
                format!("{head}\r\n{kind}\r\n{header}: {signature}"),
                "To=%2B1800&Body=hello+world".into(),
            ));
        }
        "mailgun" => {
            let signature = hex256(&format!("{t}token"));
            let body = format!(
                "{{\"signature\": {{\"timestamp\": \"{t}\", \"token\": \"token\", \"signature\": \"{signature}\"}}}}"
            );
            return Some((head.to_owned(), body));
        }
        "microsoft_teams" => {
            format!("authorization: HMAC {}", STANDARD.encode(tag(hmac::HMAC_SHA256, &decoded, &body)))
        }
        "modern_treasury" => format!("x-signature: {on_body}"),
        "mux" => format!("mux-signature: t={t},v1={}", hex256(&format!("{t}.{body}"))),
        "orb" => {
            let time = iso.format("%Y-%m-%dT%H:%M:%S.000");
            format!("x-orb-timestamp: {time}\r\nx-orb-signature: v1={}", hex256(&format!("v1:{time}:{body}")))
        }
        "pagerduty" => format!("x-pagerduty-signature: v1=00,v1={on_body}"),
        "pinwheel" => {
            format!("x-timestamp: {t}\r\nx-pinwheel-signature: v2={}", hex256(&format!("v2:{t}:{body}")))
        }
        "pusher" => format!("x-pusher-key: k\r\nx-pusher-signature: {on_body}"),
        "sentry" => format!("sentry-hook-signature: {on_body}"),
        "shopify" => format!("x-shopify-hmac-sha256: {b64_body}"),
        "slack" => {
            let signature = hex256(&format!("v0:{t}:{body}"));
            format!("x-slack-request-timestamp: {t}\r\nx-slack-signature: v0={signature}")
        }
        "sonatype" => format!("x-nexus-webhook-signature: {}", hex(&sha1(&body))),
        "square" => format!("x-square-hmacsha256-signature: {}", b64(&format!("{url}{body}"))),
        "stripe" => format!("stripe-signature: t={t},v1={},v0=00", hex256(&format!("{t}.{body}"))),
        "terraform" => {
            format!("x-tfe-notification-signature: {}", hex(&tag(hmac::HMAC_SHA512, key, &body)))
        }
        "tiktok" => format!("tiktok-signature: t={t},s={}", hex256(&format!("{t}.{body}"))),
        "twitter" => format!("x-twitter-webhooks-signature: sha256={b64_body}"),
        "typeform" => format!("typeform-signature: sha256={b64_body}"),
        "webex" => format!("x-spark-signature: {}", hex(&sha1(&body))),
        "worldline" => format!("x-gcs-keyid: k\r\nx-gcs-signature: {b64_body}"),
        "xero" => format!("x-xero-signature: {b64_body}"),
        "zendesk" => {
            let time = iso.format("%Y-%m-%dT%H:%M:%SZ");
            let signature = b64(&format!("{time}{body}"));
            format!(
                "x-zendesk-webhook-signature-timestamp: {time}\r\nx-zendesk-webhook-signature: {signature}"
            )
        }
        "zoom" => {
            let signature = hex256(&format!("v0:{t}:{body}"));
            format!("x-zm-request-timestamp: {t}\r\nx-zm-signature: v0={signature}")
        }
        _ => return None,
    };
    Some((format!("{head}\r\n{lines}"), body))
}

async fn send(provider: &str, more: &str, head: &str, body: &str) -> Run {
    Tested::new(&policy(provider, SECRET, more))
        .sending(body.to_owned())
        .run(&format!("{head}\r\n\r\n"))
        .await
}

#[tokio::test]
async fn every_provider_is_recognised_and_nobody_else() {
    for id in PROVIDERS.iter().map(|provider| provider.id).filter(|id| *id != "sendgrid") {
        let (head, body) = signed(id, 2).unwrap_or_else(|| panic!("no webhook of {id}"));
        let run = send(id, "", &head, &body).await;
        assert_eq!((run.status(), run.body().as_str()), (Some(200), "true  "), "{id}: {head}");
        if !matches!(id, "gitlab" | "mailgun") {
            let run = send(id, "", &head, &format!("{body} ")).await;
            assert_eq!((run.status(), run.error_code()), (Some(403), Some(3204)), "{id}: another body");
        }
        let other = policy(id, "b3RoZXI=", "");
        let run = Tested::new(&other).sending(body.clone()).run(&format!("{head}\r\n\r\n")).await;
        assert_eq!(run.status(), Some(403), "{id}: another secret");
        let bare = head.lines().take(2).collect::<Vec<_>>().join("\r\n");
        let body = if id == "mailgun" { "{}" } else { &body };
        assert_eq!(send(id, "", &bare, body).await.status(), Some(403), "{id}: no signature");
    }
}

#[tokio::test]
async fn old_signatures_are_refused_where_they_have_a_time() {
    const TIMELESS: &[&str] = &[
        "aftership",
        "alchemy",
        "autodesk",
        "bitbucket",
        "bolt",
        "chargify",
        "circleci",
        "clearbit",
        "coinbase",
        "docusign",
        "dropbox",
        "facebook_graph_api",
        "facebook_messenger",
        "github",
        "gitlab",
        "heroku",
        "instagram",
        "intercom",
        "jira",
        "launch_darkly",
        "mailchimp",
        "microsoft_teams",
        "modern_treasury",
        "pagerduty",
        "pusher",
        "sentry",
        "shopify",
        "sonatype",
        "square",
        "terraform",
        "twilio",
        "twitter",
        "typeform",
        "webex",
        "whatsapp",
        "worldline",
        "xero",
    ];
    for id in PROVIDERS.iter().map(|provider| provider.id).filter(|id| *id != "sendgrid") {
        for (ago, fresh) in [(280, true), (310, false)] {
            let (head, body) = signed(id, ago).expect("a webhook");
            let status = send(id, "", &head, &body).await.status();
            let expected = if fresh || TIMELESS.contains(&id) { 200 } else { 403 };
            assert_eq!(status, Some(expected), "{id}, {ago} s ago");
        }
    }
}

#[tokio::test]
async fn without_enforce_rules_decide() {
    let (head, body) = signed("github", 0).unwrap();
    let run = send("github", ", enforce: false", &head, &format!("{body} ")).await;
    let said = "false ERR_NGROK_3204 this is no webhook of github: the signature is wrong";
    assert_eq!((run.status(), run.body().as_str()), (Some(200), said));
    let run = send("github", ", enforce: false", "POST / HTTP/1.1", &body).await;
    assert!(run.body().ends_with("there is no header `x-hub-signature-256`"), "{}", run.body());
}

#[tokio::test]
async fn examples_from_the_documentation_of_providers() {
    // GitHub, "Testing the webhook payload validation".
    let github = Tested::new(&policy("github", "It's a Secret to Everybody", "")).sending("Hello, World!");
    let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let head = format!("POST / HTTP/1.1\r\nx-hub-signature-256: sha256={signature}\r\n\r\n");
    assert_eq!(github.run(&head).await.status(), Some(200));
    // Twilio, "Security": a call to a form.
    let body =
        "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212";
    let twilio = Tested::new(&policy("twilio", "12345", "")).sending(body);
    let head = "POST /myapp?foo=1&bar=2 HTTP/1.1\r\nhost: example.com\r\ncontent-type: application/x-www-form-urlencoded\r\nx-twilio-signature: ";
    let right = STANDARD.encode(tag(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        b"12345",
        "https://example.com/myapp?foo=1&bar=2CallSidCA1234567890ABCDECaller+14158675310Digits1234From+14158675310To+18005551212",
    ));
    assert_eq!(twilio.run(&format!("{head}{right}\r\n\r\n")).await.status(), Some(200));
}

#[tokio::test]
async fn twilio_signs_other_bodies_by_their_hash() {
    let body = "{\"a\": 1}";
    let hash = hex(ring::digest::digest(&ring::digest::SHA256, body.as_bytes()).as_ref());
    let path = format!("/hook?bodySHA256={hash}");
    let url = format!("https://hooks.example{path}");
    let signature = STANDARD.encode(tag(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes(), &url));
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: hooks.example\r\ncontent-type: application/json\r\nx-twilio-signature: {signature}"
    );
    assert_eq!(send("twilio", "", &head, body).await.status(), Some(200));
    assert_eq!(send("twilio", "", &head, "{\"a\": 2}").await.status(), Some(403));
}

#[tokio::test]
async fn sendgrid_signs_with_a_key_pair() {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let header = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let mut der: Vec<u8> =
        (0..header.len()).step_by(2).map(|at| u8::from_str_radix(&header[at..at + 2], 16).unwrap()).collect();
    der.extend_from_slice(pair.public_key().as_ref());
    let tested =
        |body: &str| Tested::new(&policy("sendgrid", &STANDARD.encode(&der), "")).sending(body.to_owned());
    for (ago, body, status) in [(0, "[1]\r\n", 200), (0, "[2]\r\n", 403), (310, "[1]\r\n", 403)] {
        let t = seconds(ago);
        let signature = STANDARD.encode(pair.sign(&random, format!("{t}[1]\r\n").as_bytes()).unwrap());
        let head = format!(
            "POST / HTTP/1.1\r\nx-twilio-email-event-webhook-timestamp: {t}\r\nx-twilio-email-event-webhook-signature: {signature}\r\n\r\n"
        );
        assert_eq!(tested(body).run(&head).await.status(), Some(status), "{ago} {body}");
    }
    let (head, body) = signed("github", 0).unwrap();
    assert_eq!(send("sendgrid", "", &head, &body).await.status(), Some(403), "no key at all");
}

#[tokio::test]
async fn questions_whether_the_url_is_ours_are_answered() {
    let run = send("twitter", "", "GET /hook?crc_token=9b4507b3-9040-4669&nonce=1 HTTP/1.1", "").await;
    let expected = STANDARD.encode(tag(hmac::HMAC_SHA256, SECRET.as_bytes(), "9b4507b3-9040-4669"));
    assert_eq!(
        (run.status(), run.body()),
        (Some(200), format!("{{\"response_token\":\"sha256={expected}\"}}"))
    );
    let run = send("twitter", "", "GET /hook?crc_token=%7B%22for_user_id%22:1%7D HTTP/1.1", "").await;
    assert_eq!(run.status(), Some(403), "no webhook is signed for anybody");

    let head = "GET /hook HTTP/1.1\r\nx-gcs-webhooks-endpoint-verification: 1f4e";
    let run = send("worldline", "", head, "").await;
    assert_eq!(
        (run.status(), run.body().as_str(), run.header("content-type")),
        (Some(200), "1f4e", "text/plain")
    );

    let body =
        "{\"events\":[],\"firstEventSequence\": 0,\"lastEventSequence\": 0, \"entropy\": \"S0m3r4nd0m\"}";
    let signature = STANDARD.encode(tag(hmac::HMAC_SHA256, SECRET.as_bytes(), body));
    for (signature, status) in [(signature.as_str(), 200), ("AAAA", 401)] {
        let run = send("xero", "", &format!("POST / HTTP/1.1\r\nx-xero-signature: {signature}"), body).await;
        assert_eq!((run.status(), run.body().as_str()), (Some(status), ""));
    }

    let body =
        "{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\"}}";
    let t = seconds(0);
    let signature = hex(&tag(hmac::HMAC_SHA256, SECRET.as_bytes(), &format!("v0:{t}:{body}")));
    let head = |signature: &str| {
        format!("POST / HTTP/1.1\r\nx-zm-request-timestamp: {t}\r\nx-zm-signature: v0={signature}")
    };
    let run = send("zoom", "", &head(&signature), body).await;
    let token = hex(&tag(hmac::HMAC_SHA256, SECRET.as_bytes(), "qgg8vlvZRS6UYooatFL8Aw"));
    let expected = format!("{{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\",\"encryptedToken\":\"{token}\"}}");
    assert_eq!((run.status(), run.body()), (Some(200), expected));
    assert_eq!(
        send("zoom", "", &head("00"), body).await.status(),
        Some(403),
        "no webhook is signed for anybody"
    );
}

#[tokio::test]
async fn a_secret_that_is_missing_or_empty_fails_closed() {
    let (head, body) = signed("github", 0).unwrap();
    for (secret, code) in [("${req.headers['x-none'][0]}", 7026), ("${secrets.get('v', 'none')}", 2238)] {
        let run = Tested::new(&policy("github", secret, ""))
            .sending(body.clone())
            .run(&format!("{head}\r\n\r\n"))
            .await;
        assert_eq!((run.status(), run.error_code()), (Some(500), Some(code)), "{secret}");
    }
}

#[test]
fn what_is_wrong_is_refused_at_load() {
    for (config, code) in [
        ("secret: s", "ERR_NGROK_2203"),
        ("provider: github", "ERR_NGROK_2203"),
        ("provider: github, secret: ''", "ERR_NGROK_7026"),
        ("provider: githup, secret: s", "did you mean `github`"),
        ("provider: nobody, secret: s", "ERR_NGROK_364"),
        ("provider: sns, secret: s", "cannot be verified here"),
        ("provider: github, secret: '${nothing.here}'", "ERR_NGROK_2224"),
        ("provider: github, secret: s, enforce: 'true'", "ERR_NGROK_2203"),
        ("provider: github, secret: s, tolerance: 5m", "ERR_NGROK_2203"),
    ] {
        let said = loads(&format!("on_http_request:\n  - type: verify-webhook\n    config: {{{config}}}\n"))
            .expect_err(config);
        assert!(said.contains(code), "{config}: {said}");
    }
}

#[test]
fn the_providers_of_the_language_are_all_known_and_documented() {
    let all: Vec<&str> = PROVIDERS.iter().map(|provider| provider.id).collect();
    assert!(all.is_sorted() && UNSUPPORTED.is_sorted());
    assert_eq!(all.len() + UNSUPPORTED.len(), 69);
    let doc = super::SPEC.fields.first().map_or("", |field| field.doc);
    assert!(all.iter().all(|id| doc.contains(&format!("`{id}`"))));
}
