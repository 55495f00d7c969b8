//! Looks after the servers of a pool: asks each from time to time, and takes out those that do not answer well.

use super::{Health, HealthCheck, Member};
use crate::descriptors;
use crate::listener::PlainUpstream;
use crate::upstream::{Call, Upstream};
use http::header::{HeaderValue, USER_AGENT};
use http::{HeaderMap, Method};
use smallvec::SmallVec;
use std::time::Duration;
use tollgate_dialect::url::JoinedUrl;
use tollgate_select::Fault;

/// Asks one server again and again, for ever.
pub(crate) async fn look_after(
    member: &Member,
    check: &HealthCheck,
    upstream: &dyn Upstream,
    endpoint: &str,
) {
    let mut streak = Streak::default();
    loop {
        let problem = match ask(&member.upstream, check, upstream).await {
            Ok(()) => None,
            Err(Some(problem)) => Some(problem),
            // Nobody could be asked for want of a file descriptor: that says nothing of the server.
            Err(None) => {
                tokio::time::sleep(check.interval).await;
                continue;
            }
        };
        let before = member.health();
        let now = streak.next(check, before, problem.is_none());
        if now != before || problem.is_some() {
            member.set_health(now, problem.clone());
        }
        match (before, now) {
            (Health::Healthy | Health::Unknown, Health::Unhealthy) => {
                let problem = problem.unwrap_or_default();
                tracing::warn!(endpoint, server = %member.url, "the server gets no requests: {problem}");
            }
            (Health::Unhealthy, Health::Healthy) => {
                tracing::info!(endpoint, server = %member.url, "the server is well again");
            }
            _ => {}
        }
        tokio::time::sleep(check.interval).await;
    }
}

/// Answers of one kind in a row.
#[derive(Default)]
struct Streak {
    good: u32,
    bad: u32,
}

impl Streak {
    /// What a server is after one more answer. The very first decides alone.
    fn next(&mut self, check: &HealthCheck, before: Health, good: bool) -> Health {
        (self.good, self.bad) = if good { (self.good + 1, 0) } else { (0, self.bad + 1) };
        match before {
            Health::Unknown if good => Health::Healthy,
            Health::Unknown => Health::Unhealthy,
            Health::Healthy if self.bad >= check.unhealthy_after => Health::Unhealthy,
            Health::Unhealthy if self.good >= check.healthy_after => Health::Healthy,
            same => same,
        }
    }
}

/// Asks a server once. The error is what is wrong, in words; none when it is this machine that cannot ask.
async fn ask(to: &PlainUpstream, check: &HealthCheck, upstream: &dyn Upstream) -> Result<(), Option<String>> {
    let Some(path) = &check.path else {
        let connecting = async {
            let peers = to.target.peers().await.map_err(|fault| std::io::Error::other(fault.describe()))?;
            tokio::net::TcpStream::connect(peers.addresses().as_slice()).await
        };
        return match tokio::time::timeout(check.timeout, connecting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if descriptors::are_used_up(&error) => Err(None),
            Ok(Err(error)) => Err(Some(format!("it takes no connection: {error}"))),
            Err(_) => Err(Some(format!("it took no connection in {:?}", check.timeout))),
        };
    };
    let asking = async {
        let mut reply = upstream.open(call(to, path, check.timeout)).await?;
        let status = reply.status();
        // A short answer is read, so that the connection can be used again; a long one is not.
        let mut read = 0;
        while let Ok(Some(part)) = reply.chunk().await {
            read += part.len();
            if read > 64 * 1024 {
                return Ok(status);
            }
        }
        reply.done().await;
        Ok::<_, Fault>(status)
    };
    match tokio::time::timeout(check.timeout, asking).await {
        Ok(Ok(status)) if (200..400).contains(&status.as_u16()) => Ok(()),
        Ok(Ok(status)) => Err(Some(format!("it answers {path} with {}", status.as_u16()))),
        Ok(Err(Fault::OutOfFiles)) => Err(None),
        Ok(Err(fault)) => Err(Some(fault.describe().replace("provider", "server"))),
        Err(_) => Err(Some(format!("it did not answer {path} in {:?}", check.timeout))),
    }
}

fn call(to: &PlainUpstream, path: &str, time: Duration) -> Call {
    let scheme = if to.https { "https" } else { "http" };
    let host = if to.host.contains(':') { format!("[{}]", to.host) } else { to.host.clone() };
    let usual = to.port == if to.https { 443 } else { 80 };
    let url = JoinedUrl {
        https: to.https,
        host: to.host.clone(),
        port: to.port,
        authority: if usual { host.clone() } else { format!("{host}:{}", to.port) },
        full: format!("{scheme}://{host}:{}{path}", to.port),
        path_and_query: path.to_owned(),
    };
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("tollgate-health-check"));
    Call {
        provider: "health".into(),
        model: "".into(),
        url: url.into(),
        method: Method::GET,
        headers,
        body: SmallVec::new(),
        connect_timeout: time,
        head_timeout: time,
        resend: true,
        addresses: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_changes_after_enough_answers_in_a_row() {
        let check = HealthCheck { healthy_after: 2, unhealthy_after: 3, ..HealthCheck::default() };
        let mut streak = Streak::default();
        let mut health = Health::Unknown;
        let mut seen = Vec::new();
        for good in [true, false, false, true, false, false, false, true, false, true, true] {
            health = streak.next(&check, health, good);
            seen.push(health == Health::Healthy);
        }
        assert_eq!(seen, [true, true, true, true, true, true, false, false, false, false, true]);
    }

    #[test]
    fn the_first_answer_decides_alone() {
        let check = HealthCheck { unhealthy_after: 5, ..HealthCheck::default() };
        assert_eq!(Streak::default().next(&check, Health::Unknown, false), Health::Unhealthy);
    }
}
