//! Addresses and networks.

use super::{Args, Def, function, method};
use crate::error::EvalError;
use crate::limits::charge;
use crate::value::Value;
use std::net::IpAddr;

pub(super) const FUNCTIONS: &[Def] = &[
    function("inCidrRange", 2, 2, |values| in_ranges("inCidrRange", values)),
    function("inCidrRanges", 2, 2, |values| in_ranges("inCidrRanges", values)),
    method("isPrivateIp", 0, 0, is_private),
];

/// Whether the address is in one of the networks. What is no address or no network matches nothing.
fn in_ranges(name: &'static str, values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new(name, values);
    let ranges = args.texts(1)?;
    charge(ranges.len())?;
    let Ok(address) = args.text(0)?.trim().parse::<IpAddr>() else { return Ok(Value::Bool(false)) };
    Ok(Value::Bool(ranges.iter().any(|range| in_range(address.to_canonical(), range) == Some(true))))
}

/// Bits behind the prefix are ignored, so `10.1.2.3/8` is `10.0.0.0/8`. An address alone is a network of one.
fn in_range(address: IpAddr, range: &str) -> Option<bool> {
    let (network, prefix) = match range.trim().split_once('/') {
        Some((network, prefix)) => (network, Some(prefix.parse::<u32>().ok()?)),
        None => (range.trim(), None),
    };
    let (a, b, bits) = match (address, network.parse::<IpAddr>().ok()?) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return Some(false),
    };
    let prefix = prefix.unwrap_or(bits);
    let host_bits = bits.checked_sub(prefix)?;
    Some(a.checked_shr(host_bits).unwrap_or(0) == b.checked_shr(host_bits).unwrap_or(0))
}

/// RFC 1918.
fn is_private(values: &[Value]) -> Result<Value, EvalError> {
    let text = Args::new("isPrivateIp", values).text(0)?;
    let private = text.trim().parse::<IpAddr>().map(|address| match address.to_canonical() {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(_) => false,
    });
    Ok(Value::Bool(private.unwrap_or(false)))
}
