//! Signatures that are not simply an HMAC in a header.

use super::delivery::Delivery;
use super::scheme::{TOLERANCE, Wrong, base64, fields, hexadecimal, same, sha256};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// GitLab sends the secret itself ("Webhooks", "Validate payloads by using a secret token").
pub(super) fn gitlab(delivery: &Delivery<'_>, secret: &str) -> Result<(), Wrong> {
    let token = delivery.header(&["x-gitlab-token"])?;
    if same(token, secret) { Ok(()) } else { Err(Wrong("the token is wrong".into())) }
}

/// Mailgun signs a time and a token, and puts all three into the body ("Securing Webhooks").
pub(super) fn mailgun(delivery: &Delivery<'_>, secret: &str) -> Result<(), Wrong> {
    let body = delivery.json();
    let text = |name: &str| match body.pointer(&format!("/signature/{name}")) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(Wrong(format!("there is no `signature.{name}` in the body"))),
    };
    let (time, token, signature) = (text("timestamp")?, text("token")?, text("signature")?);
    delivery.check_time(&time, TOLERANCE)?;
    let tag = sha256(secret, &format!("{time}{token}"));
    if same(&hexadecimal(tag.as_ref()), &signature.to_ascii_lowercase()) {
        Ok(())
    } else {
        Err(Wrong("the signature is wrong".into()))
    }
}

/// Linear says in the signed body when it was sent ("Webhooks", "Securing webhooks").
pub(super) fn linear_time(delivery: &Delivery<'_>) -> Result<(), Wrong> {
    match delivery.json().get("webhookTimestamp").and_then(Value::as_i64) {
        Some(millis) => delivery.check_time(&millis.to_string(), TOLERANCE),
        None => Err(Wrong("there is no `webhookTimestamp` in the body".into())),
    }
}

/// Hygraph (GraphCMS) signs a JSON object with the body as text in it (`@hygraph/utils`, `verifyWebhookSignature`).
pub(super) fn graphcms(delivery: &Delivery<'_>, secret: &str) -> Result<(), Wrong> {
    let header = delivery.header(&["gcms-signature"])?;
    let field = |name| {
        fields(header, name).next().ok_or_else(|| Wrong(format!("there is no `{name}` in `gcms-signature`")))
    };
    let (sign, environment, time) = (field("sign")?, field("env")?, field("t")?);
    delivery.check_time(time, TOLERANCE)?;
    let body = std::str::from_utf8(delivery.body).map_err(|_| Wrong("the body is no text".into()))?;
    let millis: i64 = time.parse().map_err(|_| Wrong("the time of the signature cannot be read".into()))?;
    let signed = json!({"Body": body, "EnvironmentName": environment, "TimeStamp": millis}).to_string();
    let sent = base64(sign).unwrap_or_default();
    if sha256(secret, &signed).as_ref().ct_eq(&sent).into() {
        Ok(())
    } else {
        Err(Wrong("the signature is wrong".into()))
    }
}

/// SendGrid signs with ECDSA; the secret is the public key, in Base64 ("Event Webhook Security Features").
pub(super) fn sendgrid(delivery: &Delivery<'_>, secret: &str) -> Result<(), Wrong> {
    let signature = delivery.header(&["x-twilio-email-event-webhook-signature"])?;
    let time = delivery.header(&["x-twilio-email-event-webhook-timestamp"])?;
    delivery.check_time(time, TOLERANCE)?;
    let key = base64(secret).and_then(|der| point(&der).map(<[u8]>::to_vec));
    let key = key.ok_or_else(|| Wrong("the secret is no public key of P-256 in Base64".into()))?;
    let signature = base64(signature).ok_or_else(|| Wrong("the signature is no Base64".into()))?;
    let signed = [time.as_bytes(), delivery.body].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
        .verify(&signed, &signature)
        .map_err(|_| Wrong("the signature is wrong".into()))
}

/// The point of a P-256 key in its DER form (RFC 5480): what stands behind a header that is always the same.
fn point(der: &[u8]) -> Option<&[u8]> {
    const HEADER: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    der.strip_prefix(&HEADER).filter(|point| point.len() == 65)
}

/// Twilio signs the URL with the form behind it; where the body is no form, the URL has the body's hash in it
/// ("Security", "Validating requests").
pub(super) fn twilio_body(delivery: &Delivery<'_>) -> Result<(), Wrong> {
    match delivery.parameter("bodySHA256") {
        Some(hash) if same(&hash.to_ascii_lowercase(), &hexadecimal(&Sha256::digest(delivery.body))) => {
            Ok(())
        }
        Some(_) => Err(Wrong("the body is not the one that was signed".into())),
        None => Err(Wrong("there is no `bodySHA256` in the query".into())),
    }
}

/// Whether the body is a form.
pub(super) fn is_form(delivery: &Delivery<'_>) -> bool {
    let kind = delivery.header(&["content-type"]).unwrap_or_default().to_ascii_lowercase();
    kind.starts_with("application/x-www-form-urlencoded")
}
