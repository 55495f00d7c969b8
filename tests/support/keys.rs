//! Keys and signatures made by OpenSSL.

use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Runs `openssl` with this input; its output.
pub(crate) fn openssl(args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl is installed");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Base64 with the letters for URLs, without padding.
pub(crate) fn b64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let all = part.iter().fold(0u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for n in 0..=part.len() {
            out.push(char::from(LETTERS[(all >> (18 - 6 * n) & 63) as usize]));
        }
    }
    out
}

/// A private key in a file, and its public part as a JWK.
pub(crate) struct Key {
    pub(crate) kind: &'static str,
    pub(crate) id: &'static str,
    dir: TempDir,
    pub(crate) jwk: Value,
}

impl Key {
    /// Of a kind: `RSA`, `P-256`, `P-384` or `Ed25519`.
    pub(crate) fn new(kind: &'static str, id: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key.pem");
        let path = file.to_str().unwrap();
        let options: &[&str] = match kind {
            "RSA" => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "P-256" => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            "P-384" => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            _ => &["-algorithm", "ED25519"],
        };
        openssl(&[&["genpkey", "-out", path], options].concat(), b"");
        let der = openssl(&["pkey", "-in", path, "-pubout", "-outform", "DER"], b"");
        let end = |length: usize| &der[der.len() - length..];
        let mut jwk = match kind {
            "RSA" => {
                let text = openssl(&["rsa", "-in", path, "-noout", "-modulus"], b"");
                let hex = String::from_utf8(text).unwrap().trim().replace("Modulus=", "");
                let n: Vec<u8> = (0..hex.len() / 2)
                    .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                    .collect();
                json!({"kty": "RSA", "n": b64(&n), "e": "AQAB"})
            }
            "Ed25519" => json!({"kty": "OKP", "crv": kind, "x": b64(end(32))}),
            curve => {
                let point = end(if curve == "P-256" { 64 } else { 96 });
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)})
            }
        };
        jwk["kid"] = id.into();
        Self { kind, id, dir, jwk }
    }

    pub(crate) fn pem(&self) -> String {
        self.dir.path().join("key.pem").to_str().unwrap().to_owned()
    }

    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let hash = format!("-sha{}", algorithm.get(2..).unwrap_or("256"));
        let pem = self.pem();
        if self.kind == "Ed25519" {
            let file = self.dir.path().join("message");
            std::fs::write(&file, message).unwrap();
            return openssl(
                &["pkeyutl", "-sign", "-rawin", "-inkey", &pem, "-in", file.to_str().unwrap()],
                b"",
            );
        }
        let mut args = vec!["dgst", &hash, "-sign", &pem];
        if algorithm.starts_with("PS") {
            args.extend(["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]);
        }
        let signature = openssl(&args, message);
        if self.kind == "RSA" {
            signature
        } else {
            raw(&signature, if self.kind == "P-256" { 32 } else { 48 })
        }
    }

    /// A token with these claims, named by this key's id.
    pub(crate) fn token(&self, algorithm: &str, claims: &Value) -> String {
        self.token_with(&json!({"alg": algorithm, "kid": self.id}), claims)
    }

    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message =
            format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.to_string().as_bytes()));
        let signature = self.sign(header["alg"].as_str().unwrap(), message.as_bytes());
        format!("{message}.{}", b64(&signature))
    }
}

/// The two numbers of an ECDSA signature, from DER, each of so many bytes (RFC 7518 section 3.4).
fn raw(der: &[u8], size: usize) -> Vec<u8> {
    let mut at = if der[1] & 0x80 == 0 { 2 } else { 3 };
    let mut out = Vec::new();
    for _ in 0..2 {
        let length = usize::from(der[at + 1]);
        let number = &der[at + 2..at + 2 + length];
        let number = &number[number.len().saturating_sub(size)..];
        out.extend(std::iter::repeat_n(0, size - number.len()));
        out.extend(number);
        at += 2 + length;
    }
    out
}
