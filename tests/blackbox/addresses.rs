//! Facts about addresses, from files that are swapped while requests are served.

use crate::support::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn says(body: &str) -> Value {
    json!({"type": "custom-response", "config": {"body": body}})
}

fn policy(rules: Value) -> String {
    json!({ "on_http_request": rules }).to_string()
}

/// Everything that files can say of the client.
const FACTS: &str = "${json.encode([conn.client_ip.geo.location.country_code, conn.client_ip.geo.location.country, \
    conn.client_ip.geo.location.city, conn.client_ip.geo.location.continent, conn.client_ip.geo.location.latitude, \
    conn.client_ip.geo.location.longitude, conn.client_ip.geo.location.metro_code, conn.client_ip.geo.location.postal_code, \
    conn.client_ip.geo.location.radius, conn.client_ip.geo.location.subdivision, conn.client_ip.geo.location.timezone, \
    conn.client_ip.geo.location.is_eu, conn.client_ip.geo.registered_location.country_code, \
    conn.client_ip.geo.registered_location.is_eu, conn.client_ip.as.number, conn.client_ip.as.organization, \
    conn.client_ip.categories, conn.client_ip.is_on_blocklist, conn.client_ip.is_tor_node, conn.geo.city, \
    conn.server_ip.as.number, conn.server_region])}";

const ALL_FILES: &str = "\
addresses:
  city: city.mmdb
  asn: asn.mmdb
  categories:
    - {name: proxy.anonymous.tor, file: lists/tor.txt}
    - {name: blocklist.own, file: lists/own.txt}
region: eu
";

fn berlin() -> Mmdb {
    Mmdb::new("GeoLite2-City").with("127.0.0.0/8", &city("DE", "Germany", "Berlin", true))
}

fn poznan() -> Mmdb {
    Mmdb::new("GeoLite2-City").with("127.0.0.0/8", &city("PL", "Poland", "Poznan", true))
}

fn comcast() -> Mmdb {
    Mmdb::new("GeoLite2-ASN").with("127.0.0.0/8", &system(7922, "COMCAST-7922"))
}

/// A gateway's folder with all files.
fn with_files(policy: &str, config: &str) -> Builder {
    let builder = Gateway::builder(policy);
    builder.file("lists/tor.txt", "# exits\n127.0.0.1\n");
    builder.file("lists/own.txt", "; ours\n10.0.0.0/8 ; SBL1\n");
    fs::write(builder.path().join("city.mmdb"), berlin().bytes()).unwrap();
    fs::write(builder.path().join("asn.mmdb"), comcast().bytes()).unwrap();
    builder.config(config)
}

fn folder(gateway: &Gateway) -> &Path {
    gateway.policy.parent().unwrap()
}

/// As a careful updater does it.
fn swap(file: &Path, bytes: &[u8]) {
    let new = file.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, file).unwrap();
}

/// Returns once the answer is this one. Until then it is one of the others that may be.
async fn until(gateway: &Gateway, expected: (u16, &str), before: &[(u16, &str)]) {
    soon(async {
        loop {
            let answer = gateway.send(get("/")).await;
            let got = (answer.status, answer.text());
            let is = |other: &(u16, &str)| got.0 == other.0 && (got.0 != 200 || got.1 == other.1);
            if is(&expected) {
                return;
            }
            assert!(before.iter().any(is), "{got:?}");
        }
    })
    .await;
}

/// The status page's entry of a file, once it is as wanted.
async fn shown(gateway: &Gateway, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    soon(async {
        loop {
            let status = gateway.status().await;
            let files = status["data_files"].as_array().unwrap();
            let file = files.iter().find(|file| file["name"].as_str().unwrap().starts_with(name)).unwrap();
            if wanted(file) {
                return file.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test]
async fn every_fact_is_read() {
    let gateway = with_files(&policy(json!([says(FACTS)])), ALL_FILES).start().await;
    let expected = json!([
        "DE",
        "Germany",
        "Berlin",
        "Somewhere",
        "52.52",
        "-13.25",
        "807",
        "10115",
        "20",
        "Land Berlin",
        "Europe/Berlin",
        true,
        "FR",
        true,
        7922,
        "COMCAST-7922",
        ["proxy", "proxy.anonymous", "proxy.anonymous.tor"],
        false,
        true,
        "Berlin",
        7922,
        "eu"
    ]);
    for h2 in [false, true] {
        let ask = if h2 { get("/").h2() } else { get("/") };
        assert_eq!(gateway.send(ask).await.json(), expected);
    }
    let status = gateway.status().await;
    let files = status["data_files"].as_array().unwrap();
    let words: Vec<_> =
        files.iter().map(|f| (f["name"].as_str().unwrap(), f["holds"].as_str().unwrap())).collect();
    assert_eq!(
        words,
        [
            ("addresses.city", "GeoLite2-City of 2023-11-14"),
            ("addresses.asn", "GeoLite2-ASN of 2023-11-14"),
            ("addresses.categories[0] (proxy.anonymous.tor)", "1 network"),
            ("addresses.categories[1] (blocklist.own)", "1 network"),
        ]
    );
}

#[tokio::test]
async fn facts_are_read_over_tls_and_after_rules_of_the_connection() {
    let certificate = Certificate::new("gateway.test");
    let seen =
        json!({"expressions": ["!conn.client_ip.is_tor_node"], "actions": [{"type": "close-connection"}]});
    for connect in [json!([]), json!([seen])] {
        let words = says("${conn.geo.city} ${string(conn.client_ip.as.number)} ${conn.server_region}");
        let policy = json!({"on_tcp_connect": connect, "on_http_request": [words]}).to_string();
        let gateway = with_files(&policy, ALL_FILES).start().await;
        assert_eq!(gateway.send(get("/")).await.text(), "Berlin 7922 eu");

        let builder = with_files(&policy, ALL_FILES);
        let cert = builder.file("cert.pem", &certificate.cert_pem);
        let key = builder.file("key.pem", &certificate.key_pem);
        let tls = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        let gateway = builder.args(&tls).start().await;
        for (alpn, h2) in [("h2", true), ("http/1.1", false)] {
            let tls = certificate.connect(gateway.addr, "gateway.test", alpn).await;
            let ask = if h2 { get("/").h2() } else { get("/") };
            let answer = soon(soon(ask.over(tls, "https://gateway.test")).await.answer()).await;
            assert_eq!(answer.text(), "Berlin 7922 eu", "{alpn}");
        }
    }
}

#[tokio::test]
async fn without_files_everything_is_empty() {
    let empty = json!([
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        false,
        "",
        false,
        0,
        "",
        [],
        false,
        false,
        "",
        0,
        ""
    ]);
    let gateway = Gateway::start(&policy(json!([says(FACTS)]))).await;
    assert_eq!(gateway.send(get("/")).await.json(), empty);
    assert_eq!(gateway.status().await["data_files"], json!([]));
    // Files that do not know the address.
    let builder = Gateway::builder(&policy(json!([says(FACTS)]))).config("addresses: {city: city.mmdb}\n");
    let other = Mmdb::new("GeoLite2-City").with("10.0.0.0/8", &city("DE", "Germany", "Berlin", true));
    fs::write(builder.path().join("city.mmdb"), other.bytes()).unwrap();
    assert_eq!(builder.start().await.send(get("/")).await.json(), empty);
    let gateway = Gateway::builder(&policy(json!([says("${conn.server_region}")])))
        .arg("--region=us-east")
        .start()
        .await;
    assert_eq!(gateway.send(get("/")).await.text(), "us-east");
}

#[tokio::test]
async fn rules_refuse_by_country_system_and_list() {
    let deny = |expression: &str| json!({"expressions": [expression], "actions": [{"type": "deny"}]});
    for (expression, refused) in [
        ("conn.client_ip.geo.location.country_code in ['DE', 'KP']", true),
        ("conn.geo.country_code == 'FR'", false),
        ("!conn.client_ip.geo.location.is_eu", false),
        ("conn.client_ip.as.number == 7922", true),
        ("conn.client_ip.as.number in [1, 2]", false),
        ("conn.client_ip.is_tor_node", true),
        ("conn.client_ip.is_on_blocklist", false),
        ("'proxy.anonymous' in conn.client_ip.categories", true),
    ] {
        let gateway = with_files(&policy(json!([deny(expression), says("in")])), ALL_FILES).start().await;
        let status = if refused { 403 } else { 200 };
        assert_eq!(gateway.send(get("/")).await.status, status, "{expression}");
    }
    let rule =
        json!({"expressions": ["conn.client_ip.is_tor_node"], "actions": [{"type": "close-connection"}]});
    let policy = json!({"on_tcp_connect": [rule], "on_http_request": [says("in")]}).to_string();
    let gateway = with_files(&policy, ALL_FILES).start().await;
    let mut connection = RawConnection::open(gateway.addr).await;
    connection.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(connection.answer().await.is_none(), "closed before the request");
}

#[tokio::test]
async fn changed_files_count_without_a_restart() {
    let words = "${conn.geo.city} ${string(conn.client_ip.as.number)} ${string(conn.client_ip.is_tor_node)}";
    let gateway = with_files(&policy(json!([says(words)])), ALL_FILES).start().await;
    let at = |name: &str| folder(&gateway).join(name);
    until(&gateway, (200, "Berlin 7922 true"), &[]).await;
    swap(&at("city.mmdb"), &poznan().bytes());
    until(&gateway, (200, "Poznan 7922 true"), &[(200, "Berlin 7922 true")]).await;
    let other = Mmdb::new("DBIP-ASN-Lite (compat=GeoLite2-ASN)").with("127.0.0.0/8", &system(3320, "DTAG"));
    fs::write(at("asn.mmdb"), other.bytes()).unwrap();
    until(&gateway, (200, "Poznan 3320 true"), &[(200, "Poznan 7922 true")]).await;
    fs::write(at("lists/tor.txt"), "# nobody any more\n").unwrap();
    until(&gateway, (200, "Poznan 3320 false"), &[(200, "Poznan 3320 true")]).await;
    swap(&at("lists/tor.txt"), b"# again\n127.0.0.0/30\n");
    until(&gateway, (200, "Poznan 3320 true"), &[(200, "Poznan 3320 false")]).await;
}

#[tokio::test]
async fn a_swapped_link_is_followed_while_nobody_is_turned_away() {
    let config = "addresses: {categories: [{name: blocklist.own, file: mount/list.txt}]}\n";
    let rules = json!([
        {"expressions": ["conn.client_ip.is_on_blocklist"], "actions": [says("listed")]},
        says("free")
    ]);
    let builder = Gateway::builder(&policy(rules)).config(config);
    builder.file("mount/..one/list.txt", "10.0.0.0/8\n");
    builder.file("mount/..two/list.txt", "10.0.0.0/8\n127.0.0.1\n");
    let mount = builder.path().join("mount");
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, mount.join(name)).unwrap();
    link("..one", "..data");
    link("..data/list.txt", "list.txt");
    let gateway = builder.start().await;
    let addr = gateway.addr;
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let asking = tokio::spawn(async move {
        let mut words = Vec::new();
        while !*stopped.borrow_and_update() {
            let answer = soon(get("/").send(addr)).await;
            assert_eq!(answer.status, 200);
            words.push(answer.text());
        }
        words
    });
    until(&gateway, (200, "free"), &[]).await;
    link("..two", "..new");
    fs::rename(mount.join("..new"), mount.join("..data")).unwrap();
    until(&gateway, (200, "listed"), &[(200, "free")]).await;
    stop.send(true).unwrap();
    let mut words = soon(asking).await.unwrap();
    words.dedup();
    assert!(words == ["free", "listed"] || words == ["free"], "once, and never back: {words:?}");
}

#[tokio::test]
async fn a_broken_file_leaves_the_old_one_in_force() {
    let words = "${conn.geo.city} ${string(conn.client_ip.is_tor_node)}";
    let gateway = with_files(&policy(json!([says(words)])), ALL_FILES).start().await;
    let at = |name: &str| folder(&gateway).join(name);
    let whole = poznan().bytes();
    let failed = |file: &Value| !file["error"].is_null();
    let city = "addresses.city";
    for broken in [&whole[..whole.len() / 2], b"<html>not found</html>", b""] {
        swap(&at("city.mmdb"), broken);
        gateway.signal("HUP").await;
        let file = shown(&gateway, city, failed).await;
        let message = file["error"]["message"].as_str().unwrap();
        assert!(message.contains("city.mmdb is no MMDB file"), "{message}");
        assert_eq!(file["holds"], "GeoLite2-City of 2023-11-14");
        assert_eq!(gateway.send(get("/")).await.text(), "Berlin true");
        swap(&at("city.mmdb"), &berlin().bytes());
        shown(&gateway, city, |file| file["error"].is_null()).await;
    }
    swap(&at("city.mmdb"), &comcast().bytes());
    let file = shown(&gateway, city, failed).await;
    assert!(file["error"]["message"].as_str().unwrap().contains("`GeoLite2-ASN`"), "{file}");
    fs::remove_file(at("city.mmdb")).unwrap();
    let gone =
        |file: &Value| file["error"]["message"].as_str().is_some_and(|text| text.contains("cannot read"));
    shown(&gateway, city, gone).await;
    assert_eq!(gateway.send(get("/")).await.text(), "Berlin true");

    swap(&at("lists/tor.txt"), b"10.0.0.1\n<!DOCTYPE html>\n");
    let file = shown(&gateway, "addresses.categories[0]", failed).await;
    let message = file["error"]["message"].as_str().unwrap();
    assert!(message.contains("lists/tor.txt:2: `<!DOCTYPE html>`"), "{message}");
    gateway.err.find("the log's line", |line| line.contains("tor.txt:2: `<!DOCTYPE").then_some(())).await;
    assert_eq!(gateway.send(get("/")).await.text(), "Berlin true");
    swap(&at("lists/tor.txt"), b"10.0.0.1\n");
    swap(&at("city.mmdb"), &whole);
    until(
        &gateway,
        (200, "Poznan false"),
        &[(200, "Berlin true"), (200, "Berlin false"), (200, "Poznan true")],
    )
    .await;
    shown(&gateway, city, |file| file["error"].is_null()).await;
}

#[tokio::test]
async fn a_hang_up_loads_what_looks_unchanged() {
    let gateway = with_files(&policy(json!([says("${conn.geo.city}")])), ALL_FILES).start().await;
    let before = shown(&gateway, "addresses.asn", |_| true).await["loaded_at"].clone();
    gateway.signal("HUP").await;
    shown(&gateway, "addresses.asn", |file| file["loaded_at"] != before).await;
    assert_eq!(gateway.send(get("/")).await.text(), "Berlin");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_refused_at_the_start() {
    let cut: fn(&Path) = |dir| fs::write(dir.join("city.mmdb"), &berlin().bytes()[..300]).unwrap();
    let list: fn(&Path) = |dir| fs::write(dir.join("lists/own.txt"), "10.0.0.1\n\n10.0.0.0/64\n").unwrap();
    let missing: fn(&Path) = |dir| fs::remove_file(dir.join("asn.mmdb")).unwrap();
    let wrong: fn(&Path) = |dir| fs::rename(dir.join("asn.mmdb"), dir.join("city.mmdb")).unwrap();
    for (harm, said) in [
        (cut, &["city.mmdb is no MMDB file"][..]),
        (list, &["lists/own.txt:3: `10.0.0.0/64` has a prefix of more than 32 bits"]),
        (missing, &["cannot read", "asn.mmdb"]),
        (wrong, &["City, Country or Enterprise", "cannot read"]),
    ] {
        let builder = with_files(&policy(json!([says("in")])), ALL_FILES);
        harm(builder.path());
        let config = builder.path().join("tollgate.yml");
        let policy = builder.path().join("policy.yml");
        let checked = run(&["check", policy.to_str().unwrap(), "--config", config.to_str().unwrap()]).await;
        let exit = builder.try_start().await.err().expect("refused");
        for (exit, text) in [(&exit, &exit.stderr), (&checked, &checked.stdout)] {
            assert_eq!(exit.code, Some(1), "{exit:?}");
            assert!(said.iter().all(|part| text.contains(part)), "{said:?}: {text}");
        }
    }
}

/// A folder with all files, a policy and a configuration.
fn written(rules: Value) -> (Builder, [PathBuf; 2]) {
    let builder = with_files(&policy(rules), ALL_FILES);
    let files = [builder.path().join("policy.yml"), builder.path().join("tollgate.yml")];
    (builder, files)
}

#[tokio::test]
async fn explain_and_test_know_the_files() {
    let rules = json!([
        {"expressions": ["conn.client_ip.is_on_blocklist"], "actions": [{"type": "deny", "config": {"status_code": 451}}]},
        says("${conn.geo.city} ${conn.server_region}")
    ]);
    let (builder, [policy, config]) = written(rules);
    let (policy, config) = (policy.to_str().unwrap(), config.to_str().unwrap());
    for (ip, args, status) in [
        ("10.1.2.3", &["--config", config][..], 451),
        ("127.0.0.9", &["--config", config], 200),
        ("10.1.2.3", &[], 200),
    ] {
        let mut all = vec!["explain", policy, "--json", "--path", "/", "--client-ip", ip];
        all.extend(args);
        let exit = run(&all).await;
        let told: Value = serde_json::from_str(&exit.stdout).unwrap_or_else(|e| panic!("{e}: {exit:?}"));
        assert_eq!(told["status"], status, "{told:#}");
    }
    let tests = "policy: policy.yml\nconfig: tollgate.yml\ntests:\n  \
        - {name: listed, request: {client_ip: 10.1.2.3}, expect: {status: 451}}\n  \
        - {name: free, request: {client_ip: 127.0.0.9}, expect: {status: 200, body_contains: Berlin eu}}\n";
    let file = builder.file("p.test.yml", tests);
    let exit = run(&["test", file.to_str().unwrap()]).await;
    assert_eq!(exit.code, Some(0), "{exit:?}");
    let file = builder.file("q.test.yml", &tests.replace("config: tollgate.yml", "config: none.yml"));
    let exit = run(&["check", file.to_str().unwrap()]).await;
    assert!(exit.code == Some(1) && exit.stdout.contains("no configuration file"), "{exit:?}");
}
