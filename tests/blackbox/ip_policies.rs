//! IP policies: rules about addresses that stand beside the policies.

use crate::support::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn restricted(ids: &[&str], more: Value) -> String {
    let config = merge(json!({ "ip_policies": ids }), more);
    let says =
        json!({"type": "custom-response", "config": {"body": "${actions.ngrok.restrict_ips.matched_cidr}"}});
    json!({"on_http_request": [{"type": "restrict-ips", "config": config}, says]}).to_string()
}

const OFFICE: &str = "ip_policies:\n  ipp_office:\n    rules:\n      - {cidr: 127.0.0.0/8, action: allow, description: here}\n";
const DENIED: &str = "ip_policies:\n  ipp_office:\n    rules:\n      - {cidr: 127.0.0.0/8, action: allow}\n      \
                      - {cidr: 127.0.0.1, action: deny}\n";

fn swap(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, file).unwrap();
}

async fn until_status(gateway: &Gateway, status: u16) -> Answer {
    soon(async {
        loop {
            let answer = gateway.send(get("/")).await;
            if answer.status == status {
                return answer;
            }
        }
    })
    .await
}

#[tokio::test]
async fn rules_in_the_configuration_file_count() {
    for (config, status, body) in [(OFFICE, 200, "127.0.0.0/8"), (DENIED, 403, "")] {
        let gateway = Gateway::builder(&restricted(&["ipp_office"], json!({}))).config(config).start().await;
        let answer = gateway.send(get("/")).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        match status {
            200 => assert_eq!(answer.text(), body),
            _ => assert_eq!(answer.code(), "3203"),
        }
    }
    let policy = restricted(&["ipp_office"], json!({"enforce": false}));
    let gateway = Gateway::builder(&policy).config(DENIED).start().await;
    assert_eq!(gateway.send(get("/")).await.text(), "127.0.0.1");

    let rule = json!([{"type": "restrict-ips", "config": {"ip_policies": ["ipp_office"]}}]);
    let policy = json!({ "on_tcp_connect": rule }).to_string();
    let gateway = Gateway::builder(&policy).config(DENIED).start().await;
    let mut connection = RawConnection::open(gateway.addr).await;
    connection.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(connection.answer().await.is_none(), "closed without a word");
}

#[tokio::test]
async fn a_changed_file_counts_at_once() {
    let builder =
        Gateway::builder(&restricted(&["ipp_office"], json!({}))).config("ip_policies_file: ips.yml\n");
    let file = builder.file("ips.yml", OFFICE);
    let gateway = builder.start().await;
    until_status(&gateway, 200).await;
    swap(&file, DENIED);
    assert_eq!(until_status(&gateway, 403).await.code(), "3203");
    fs::write(&file, OFFICE).unwrap();
    until_status(&gateway, 200).await;
    // What is wrong with a file is said, and changes nothing.
    swap(&file, "ip_policies:\n  ipp_office:\n    rules:\n      - {cidr: 127.0.0.0/80, action: deny}\n");
    let said =
        gateway.err.find("the mistake", |line| line.contains("127.0.0.0/80").then(|| line.to_owned())).await;
    assert!(said.contains("ips.yml:4:16"), "{said}");
    let files = gateway.status().await["data_files"].clone();
    assert!(
        files[0]["error"]["message"].as_str().is_some_and(|text| text.contains("ips.yml:4:16")),
        "{files}"
    );
    assert_eq!((&files[0]["name"], &files[0]["holds"]), (&json!("ip_policies_file"), &json!("1 IP policy")));
    assert_eq!(gateway.send(get("/")).await.status, 200);
    assert!(gateway.status().await["last_reload_error"].is_null(), "the policy is as it was");
}

#[tokio::test]
async fn a_policy_that_is_gone_lets_nobody_pass() {
    let builder =
        Gateway::builder(&restricted(&["ipp_office"], json!({}))).config("ip_policies_file: ips.yml\n");
    let file = builder.file("ips.yml", OFFICE);
    let gateway = builder.start().await;
    until_status(&gateway, 200).await;
    swap(&file, "ip_policies: {ipp_other: {rules: []}}\n");
    let answer = until_status(&gateway, 500).await;
    assert_eq!(answer.code(), "2216");
    assert!(answer.text().contains("there is no IP policy `ipp_office`"), "{}", answer.text());
    swap(&file, OFFICE);
    until_status(&gateway, 200).await;

    // What is only noted down is noted down, and nobody is refused.
    let noted = json!({"on_http_request": [
        {"type": "restrict-ips", "config": {"ip_policies": ["ipp_office"], "enforce": false}},
        {"type": "custom-response", "config": {"body": "${actions.ngrok.restrict_ips.action} ${actions.ngrok.restrict_ips.error.code}"}},
    ]});
    let builder = Gateway::builder(&noted.to_string()).config("ip_policies_file: ips.yml\n");
    let file = builder.file("ips.yml", OFFICE);
    let gateway = builder.start().await;
    swap(&file, "ip_policies: {}\n");
    soon(async { while gateway.send(get("/")).await.text() != "deny ERR_NGROK_2216" {} }).await;
}

#[tokio::test]
async fn an_id_that_does_not_exist_is_refused_at_load() {
    let policy = restricted(&["ipp_ofice"], json!({}));
    let exit = Gateway::builder(&policy).config(OFFICE).try_start().await.err().expect("refused");
    assert_eq!(exit.code, Some(1));
    assert!(
        exit.stderr.contains("ERR_NGROK_2216") && exit.stderr.contains("did you mean `ipp_office`?"),
        "{exit:?}"
    );
    let exit = Gateway::builder(&policy).try_start().await.err().expect("refused");
    assert!(exit.stderr.contains("under `ip_policies` of the configuration file"), "{exit:?}");

    let builder = Gateway::builder(&policy);
    let (policy, config) = (builder.path().join("policy.yml"), builder.file("tollgate.yml", OFFICE));
    let (policy, config) = (policy.to_str().unwrap(), config.to_str().unwrap());
    let exit = run(&["check", policy]).await;
    assert!(
        exit.code == Some(0) && exit.stdout.contains("warning") && exit.stdout.contains("--config"),
        "{exit:?}"
    );
    let exit = run(&["check", policy, "--config", config]).await;
    assert!(exit.code == Some(1) && exit.stdout.contains("did you mean `ipp_office`?"), "{exit:?}");
    let broken = builder.file("broken.yml", "ip_policies: {ipp_office: {}}\nregion: a b\n");
    let args = ["check", policy, "--format", "json", "--config", broken.to_str().unwrap()];
    let exit = run(&args).await;
    let found: Value = serde_json::from_str(&exit.stdout).unwrap_or_else(|e| panic!("{e}: {exit:?}"));
    let message = found["diagnostics"][0]["message"].as_str().unwrap_or_default();
    assert!(
        exit.code == Some(1) && message.contains("rules` is missing") && message.contains("`region`"),
        "{found}"
    );
    let good = builder.file("good.yml", &restricted(&["ipp_office"], json!({})));
    let exit = run(&["check", good.to_str().unwrap(), "--config", config]).await;
    assert!(exit.code == Some(0) && exit.stdout.contains(": good"), "{exit:?}");
    let explain = ["explain", good.to_str().unwrap(), "--path", "/", "--config", config, "--client-ip"];
    for (ip, code) in [("127.0.0.9", Some(0)), ("10.0.0.1", Some(1))] {
        let exit = run(&[&explain[..], &[ip]].concat()).await;
        assert_eq!(exit.code, code, "{ip}: {exit:?}");
    }
}

#[tokio::test]
async fn a_policy_that_came_before_its_ip_policies_is_loaded_when_they_come() {
    let builder =
        Gateway::builder(&restricted(&["ipp_office"], json!({}))).config("ip_policies_file: ips.yml\n");
    let file = builder.file("ips.yml", OFFICE);
    let gateway = builder.start().await;
    fs::write(&gateway.policy, restricted(&["ipp_new"], json!({"allow": ["127.0.0.0/30"]}))).unwrap();
    soon(async {
        while gateway.status().await["last_reload_error"].is_null() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(gateway.send(get("/")).await.text(), "127.0.0.0/8");
    swap(&file, &format!("{OFFICE}  ipp_new: {{rules: []}}\n"));
    gateway.wait_reloaded(&gateway.revision).await;
    assert_eq!(gateway.send(get("/")).await.text(), "127.0.0.0/30");
    assert!(gateway.status().await["last_reload_error"].is_null());
}
