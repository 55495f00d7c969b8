//! Check sums and digests of text or bytes, as lower-case hexadecimal or standard base64.

use super::{Args, Def, function, method};
use crate::error::EvalError;
use crate::limits::charge;
use crate::value::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_32_ISO_HDLC, CRC_64_GO_ISO, Crc};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use xxhash_rust::xxh64::xxh64;

static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
static CRC64: Crc<u64> = Crc::<u64>::new(&CRC_64_GO_ISO);

pub(super) const FUNCTIONS: &[Def] = &[
    function("hash.md5", 1, 2, md5),
    method("md5", 0, 1, md5),
    function("hash.sha1", 1, 2, sha1),
    method("sha1", 0, 1, sha1),
    function("hash.sha256", 1, 2, sha256),
    method("sha256", 0, 1, sha256),
    function("hash.sha512", 1, 2, sha512),
    method("sha512", 0, 1, sha512),
    function("hash.crc32", 1, 2, crc32),
    method("crc32", 0, 1, crc32),
    function("hash.crc64", 1, 2, crc64),
    method("crc64", 0, 1, crc64),
    function("hash.xxhash64", 1, 2, xxhash64),
    method("xxhash64", 0, 1, xxhash64),
];

fn md5(values: &[Value]) -> Result<Value, EvalError> {
    digest("md5", values, |bytes| Md5::digest(bytes).to_vec())
}
fn sha1(values: &[Value]) -> Result<Value, EvalError> {
    digest("sha1", values, |bytes| Sha1::digest(bytes).to_vec())
}
fn sha256(values: &[Value]) -> Result<Value, EvalError> {
    digest("sha256", values, |bytes| Sha256::digest(bytes).to_vec())
}
fn sha512(values: &[Value]) -> Result<Value, EvalError> {
    digest("sha512", values, |bytes| Sha512::digest(bytes).to_vec())
}
fn crc32(values: &[Value]) -> Result<Value, EvalError> {
    digest("crc32", values, |bytes| CRC32.checksum(bytes).to_be_bytes().to_vec())
}
fn crc64(values: &[Value]) -> Result<Value, EvalError> {
    digest("crc64", values, |bytes| CRC64.checksum(bytes).to_be_bytes().to_vec())
}
fn xxhash64(values: &[Value]) -> Result<Value, EvalError> {
    digest("xxhash64", values, |bytes| xxh64(bytes, 0).to_be_bytes().to_vec())
}

fn digest(name: &'static str, values: &[Value], run: impl Fn(&[u8]) -> Vec<u8>) -> Result<Value, EvalError> {
    let args = Args::new(name, values);
    let sum = match args.value(0)? {
        Value::Bytes(bytes) => {
            charge(bytes.len() / 64)?;
            run(bytes)
        }
        _ => {
            let text = args.text(0)?;
            charge(text.len() / 64)?;
            run(text.as_bytes())
        }
    };
    let form = if args.len() > 1 { args.text(1)? } else { "hex".into() };
    match &*form {
        "hex" => Ok(sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()),
        "base64" => Ok(STANDARD.encode(sum).into()),
        _ => Err(args.fail("the format is neither 'hex' nor 'base64'")),
    }
}
