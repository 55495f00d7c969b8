//! The library's corners: forged log lines, odd bytes, many threads.

use super::{chat, denied, get, ids, judge, post, rules, with_header};
use crate::Sample;
use crate::rule_set::RuleSet;
use crate::transaction::{EngineError, Transaction};
use std::time::{Duration, Instant};

fn text(rules: &str) -> Result<RuleSet, String> {
    RuleSet::load(&[rules.to_owned()])
}

#[test]
fn an_error_of_a_rule_set_says_what_and_where() {
    let wrong = text("SecRuleEngine On\nSecNonsense 1\n").expect_err("no such directive");
    assert!(wrong.contains("Line: 2"), "{wrong}");
    assert!(text("SecRuleEngine\0On").is_err());
}

#[test]
fn rules_log_once_they_match() {
    let set = text(
        "SecRuleEngine DetectionOnly\nSecRule ARGS:a \"@streq b\" \"id:1,phase:1,pass,log,msg:'found',logdata:'%{ARGS.a}'\"",
    )
    .expect("rules");
    for (target, lines) in [("/?a=b", 1), ("/?a=c", 0)] {
        let mut transaction = Transaction::new(&set).expect("a transaction");
        transaction.request_line(target, "GET", "1.1").expect("a line");
        transaction.request_headers_end().expect("phase 1");
        assert_eq!(transaction.logged().len(), lines, "{target}");
    }
    let mut transaction = Transaction::new(&set).expect("a transaction");
    assert_eq!(transaction.request_line("/\0", "GET", "1.1"), Err(EngineError::Step("process_uri")));
}

/// In lines of the log a client's words stand without escapes at two places.
#[test]
fn nobody_can_write_lines_of_the_log() {
    let forged = "%22%5D%20[file%20%22x%22]%20[id%20%22900001%22]%20[msg%20%22m%22]%20[data%20%22d%22]%20[severity%20%225%22]%20\
                  [hostname%20%22127.0.0.1%22]%20[uri%20%22/%22]%20[unique_id%20%221%22]%20[ref%20%22%22]";
    for target in [
        format!("/{forged}?a=%3Cscript%3Ealert(1)%3C/script%3E"),
        format!("/?a=%3Cscript%3E{forged}%3C/script%3E"),
        format!("/?{forged}=%3Cscript%3Ealert(1)%3C/script%3E"),
        format!("/{forged}/{forged}?{forged}=%3Cscript%3E{forged}"),
    ] {
        let verdict = judge(&rules(), &get(&target));
        assert!(denied(&verdict), "{target}: {verdict:?}");
        assert!(
            ids(&verdict).contains(&941_110) && !ids(&verdict).contains(&900_001),
            "{target}: {verdict:?}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_judged_too() {
    let rules = rules();
    let mut request = with_header("x-odd", "a");
    request.headers.push(("cookie".into(), b"a=\xff\xfe<script>alert(1)</script>\x80".to_vec()));
    assert!(denied(&judge(&rules, &request)));
    assert!(denied(&judge(&rules, &get("/?%ff%fe=%3Cscript%3Ealert(%ff)%3C/script%3E%00"))));
    let body = String::from_utf8_lossy(b"a=\xf0\x9f<script>alert(1)</script>").into_owned();
    assert!(denied(&judge(&rules, &post("application/x-www-form-urlencoded", &body))));
}

/// The library's parser of JSON stops at bytes that are no UTF-8.
#[test]
fn nothing_hides_behind_bytes_that_are_no_text() {
    let mut request = post("application/json", "{}");
    request.body =
        Some(Sample::new("application/json", b"{\"a\": \"\xff\", \"b\": \"<script>alert(1)</script>\"}"));
    assert!(denied(&judge(&rules(), &request)));
    for escape in ["\\ud800", "\\u0000", "\\b"] {
        let body =
            format!("{{\"a{escape}\": \"{escape}\", \"b\": 1e999, \"c\": \"<script>alert(1)</script>\"}}");
        assert!(denied(&judge(&rules(), &post("application/json", &body))), "{body}");
    }
}

/// Without a limit each of these keeps a processor busy for seconds.
#[test]
fn hostile_repetitions_end_soon() {
    let rules = rules();
    for word in ["${", "((((", "' or ", "on=", "=;|&", "{\"a\":", "x=\"'\"", "\\"] {
        let started = Instant::now();
        judge(&rules, &chat(&word.repeat(4096 / word.len())));
        judge(&rules, &with_header("cookie", &format!("a={}", word.repeat(4096 / word.len()))));
        let took = started.elapsed();
        assert!(took < Duration::from_secs(2), "{word}: {took:?}");
    }
}

#[test]
fn hostile_lengths_end_in_a_verdict() {
    let rules = rules();
    let deep = format!("{}1{}", "[".repeat(2000), "]".repeat(2000));
    let members: String = (0..500).map(|n| format!("\"{n}\":{n},")).collect();
    for body in
        [deep, format!("{{{members}\"x\":0}}"), "[".repeat(5000), "\"".repeat(4096), "\\".repeat(4096)]
    {
        judge(&rules, &post("application/json", &body));
    }
    judge(&rules, &get(&format!("/?{}", "a=1&".repeat(2000))));
    for long in [get(&format!("/?a={}", "b".repeat(16 << 10))), with_header("x-long", &"b".repeat(16 << 10))]
    {
        assert_eq!(rules.request(&long), Err(EngineError::HeadTooLong { most: 16 << 10 }));
    }
}

#[test]
fn many_threads_share_one_set() {
    let rules = rules();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let rules = &rules;
            scope.spawn(move || {
                for round in 0..40 {
                    let attack = (thread + round) % 2 == 0;
                    let value = if attack { "1%27%20OR%20%271%27=%271" } else { "1" };
                    let verdict = judge(rules, &get(&format!("/{thread}/{round}?id={value}")));
                    assert_eq!(denied(&verdict), attack, "{verdict:?}");
                }
            });
        }
    });
}
