//! verify-webhook over the socket: signatures that are right, old, from the future, or doubtful.

use crate::support::*;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &str = "whsec_test_secret";

async fn stage(provider: &str) -> (EchoServer, Gateway) {
    let echo = EchoServer::start().await;
    let action = json!({"type": "verify-webhook", "config": {"provider": provider, "secret": SECRET}});
    let policy = json!({ "on_http_request": [action] }).to_string();
    let gateway = Gateway::builder(&policy).args(&["--upstream", &echo.url()]).start().await;
    (echo, gateway)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn hmac(signed: &str) -> String {
    let out = openssl(&["dgst", "-sha256", "-hmac", SECRET, "-binary"], signed.as_bytes());
    out.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refused(answer: &Answer, why: &str) {
    assert_eq!(
        (answer.status, answer.code(), answer.header("x-from")),
        (403, "3204", ""),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains(why), "{}", answer.text());
}

#[tokio::test]
async fn a_signature_is_good_for_five_minutes() {
    let (_echo, gateway) = stage("stripe").await;
    let body = r#"{"id": "evt_1"}"#;
    let send = async |time: u64, signed: &str| {
        let signature = format!("t={time},v1={}", hmac(&format!("{time}.{signed}")));
        gateway.send(post_bytes("/same", body).header("stripe-signature", &signature)).await
    };
    for time in [now(), now() - 240, now() + 240] {
        let answer = send(time, body).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, body));
    }
    refused(&send(now() - 360, body).await, "old");
    refused(&send(now() + 360, body).await, "ahead of time");
    refused(&send(now(), "another body").await, "webhook of stripe");
    // The time is signed as well.
    let old = now() - 360;
    let renewed = format!("t={},v1={}", now(), hmac(&format!("{old}.{body}")));
    refused(&gateway.send(post_bytes("/same", body).header("stripe-signature", &renewed)).await, "");
    refused(&gateway.send(post_bytes("/same", body)).await, "no header");
    for bad in
        ["", "t=,v1=", "v1=00", "t=soon,v1=00", "t=99999999999999999999,v1=00", "t=1,t=2,v1=zz", "\u{e9}"]
    {
        refused(&gateway.send(post_bytes("/same", body).header("stripe-signature", bad)).await, "");
    }
}

#[tokio::test]
async fn two_signature_headers_are_refused_and_two_signatures_in_one_are_not() {
    let (_echo, gateway) = stage("stripe").await;
    let (body, time) = ("{}", now());
    let (right, wrong) = (hmac(&format!("{time}.{body}")), "0".repeat(64));
    // While a secret is changed, Stripe signs with both: https://docs.stripe.com/webhooks#verify-manually
    let both = format!("t={time},v1={wrong},v1={right}");
    assert_eq!(gateway.send(post_bytes("/same", body).header("stripe-signature", &both)).await.status, 200);
    let line = |signature: &str| format!("t={time},v1={signature}");
    for (first, second) in [(&right, &wrong), (&wrong, &right), (&right, &right)] {
        for h2 in [false, true] {
            let ask = post_bytes("/same", body)
                .header("stripe-signature", &line(first))
                .header("stripe-signature", &line(second));
            refused(&gateway.send(if h2 { ask.h2() } else { ask }).await, "twice");
        }
    }

    let (_echo, gateway) = stage("github").await;
    let signature = format!("sha256={}", hmac(body));
    let once = post_bytes("/same", body).header("x-hub-signature-256", &signature);
    assert_eq!(gateway.send(once).await.status, 200);
    let twice = post_bytes("/same", body)
        .header("x-hub-signature-256", &signature)
        .header("x-hub-signature-256", &format!("sha256={wrong}"));
    refused(&gateway.send(twice).await, "twice");
}

#[tokio::test]
async fn what_is_not_enforced_is_told_to_the_rules() {
    let action = json!({"type": "verify-webhook", "config": {"provider": "stripe", "secret": SECRET, "enforce": false}});
    let says = json!({"type": "custom-response", "config": {"body": "${actions.ngrok.verify_webhook}"}});
    let gateway = Gateway::start(&json!({ "on_http_request": [action, says] }).to_string()).await;
    let answer = gateway.send(post_bytes("/", "{}")).await;
    let told: Value = answer.json();
    assert_eq!(
        (answer.status, &told["verified"], &told["error"]["code"]),
        (200, &json!(false), &json!("ERR_NGROK_3204"))
    );
    let signature = format!("t={},v1={}", now(), hmac(&format!("{}.{{}}", now())));
    let told: Value = gateway.send(post_bytes("/", "{}").header("stripe-signature", &signature)).await.json();
    assert_eq!((&told["verified"], &told["error"]["code"]), (&json!(true), &json!("")), "{told}");
}
