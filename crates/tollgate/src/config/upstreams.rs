//! The servers behind an endpoint: `upstream`, or `upstreams` with `health_check`.

use crate::decode::{Reader, joined};
use std::time::Duration;
use tollgate_edge::pool::HealthCheck;
use tollgate_edge::server::UpstreamOptions;
use tollgate_policy::{Node, parse_duration};

/// Most servers of one endpoint, and the greatest weight of one.
const MOST: usize = 64;
const MOST_WEIGHT: u32 = 1000;

/// What an endpoint says of its servers.
pub(super) fn read(
    reader: &mut Reader,
    node: &Node,
    path: &str,
) -> (Vec<UpstreamOptions>, Option<HealthCheck>) {
    let one = node.get("upstream").and_then(|node| server(reader, node, &joined(path, "upstream"), &["url"]));
    let many = node.entry("upstreams");
    if let (Some((key, _)), true) = (many, node.get("upstream").is_some()) {
        let help = "keep `upstreams`, a list of `- {url: http://10.0.0.1:3000, weight: 1}`".to_owned();
        reader.error(key.at, format!("`{path}` has both `upstream` and `upstreams`"), Some(help));
    }
    let mut servers: Vec<UpstreamOptions> = one.into_iter().collect();
    if let Some((_, list)) = many {
        let path = joined(path, "upstreams");
        let items = reader.list(list, &path).unwrap_or_default().to_vec();
        if items.is_empty() || items.len() > MOST {
            reader.error(
                list.at,
                format!("`{path}` has {} entries; 1 to {MOST} are possible", items.len()),
                None,
            );
        }
        for (index, item) in items.iter().enumerate() {
            servers.extend(server(reader, item, &format!("{path}[{index}]"), &["url", "weight"]));
        }
    }
    let check = node.entry("health_check").and_then(|(key, check)| {
        if servers.is_empty() {
            let help = "add `upstreams`, or remove it".to_owned();
            reader.error(key.at, format!("`{path}.health_check` has no server to look after"), Some(help));
        }
        health_check(reader, check, &joined(path, "health_check"))
    });
    (servers, check)
}

/// A server: its address as text, or a mapping.
fn server(reader: &mut Reader, node: &Node, path: &str, keys: &[&str]) -> Option<UpstreamOptions> {
    if node.text().is_some() {
        return reader.text(node, path).map(|url| UpstreamOptions { url, weight: 1 });
    }
    if !reader.mapping(node, path, keys) {
        return None;
    }
    let weight = reader.parsed_at(node, path, "weight", |text| match text.parse() {
        Ok(weight @ 1..=MOST_WEIGHT) => Ok(weight),
        _ => Err(format!("write a whole number from 1 to {MOST_WEIGHT}")),
    });
    let url = reader.required(node, path, "url")?;
    let url = reader.text(url, &joined(path, "url"))?;
    Some(UpstreamOptions { url, weight: weight.unwrap_or(1) })
}

fn health_check(reader: &mut Reader, node: &Node, path: &str) -> Option<HealthCheck> {
    let keys = ["path", "interval", "timeout", "healthy_after", "unhealthy_after"];
    if !reader.mapping(node, path, &keys) {
        return None;
    }
    let time = |text: &str| match parse_duration(text) {
        Ok(time) if (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&time) => Ok(time),
        _ => Err("write a time from 100ms to 1h, such as 10s"),
    };
    let times = |text: &str| match text.parse() {
        Ok(times @ 1..=100) => Ok(times),
        _ => Err("write a number from 1 to 100"),
    };
    let usual = HealthCheck::default();
    let asked = reader.parsed_at(node, path, "path", |text| {
        let good =
            text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#');
        if good { Ok(text.to_owned()) } else { Err("write a path, such as /healthz") }
    });
    Some(HealthCheck {
        path: asked,
        interval: reader.parsed_at(node, path, "interval", time).unwrap_or(usual.interval),
        timeout: reader.parsed_at(node, path, "timeout", time).unwrap_or(usual.timeout),
        healthy_after: reader.parsed_at(node, path, "healthy_after", times).unwrap_or(usual.healthy_after),
        unhealthy_after: reader
            .parsed_at(node, path, "unhealthy_after", times)
            .unwrap_or(usual.unhealthy_after),
    })
}
