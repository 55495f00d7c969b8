use super::*;
use crate::attempts::{AttemptNote, AttemptNotes, MAX_PASSED_OVER, MAX_SENT, Sent};
use crate::metrics::AttemptOutcome;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

static NOTHING: LazyLock<AttemptNotes> = LazyLock::new(AttemptNotes::default);

fn record<'a>() -> AccessRecord<'a> {
    AccessRecord {
        time: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        started: Instant::now(),
        trace_id: None,
        request_id: "01HX",
        client_ip: Some("2001:db8::1".parse().unwrap()),
        method: "POST",
        path: "/v1/chat/completions",
        query: None,
        status: Some(200),
        model_asked: Some("openrouter:anthropic/claude-3.5-sonnet"),
        model_served: Some("anthropic/claude-3.5-sonnet"),
        provider: Some("openrouter"),
        model_reported: Some("claude-3-5-sonnet-20241022"),
        provider_reported: Some("Amazon Bedrock"),
        upstream_request_id: Some("gen-1"),
        attempts: 2,
        tried: &NOTHING,
        stream: true,
        input_tokens: Some(12),
        output_tokens: None,
        cost_micro_usd: Some(1_000_050),
        cost_source: Some("reported"),
        cost_parts: Some([1_000_000, 0, 30, 0, 20, 0, 0, 0, 0]),
        upstream_cost_micro_usd: Some(7),
        duration: Duration::from_micros(1_234_567),
        first_token: None,
        bytes_in: 345,
        bytes_out: 6789,
        outcome: Outcome::Success,
        error_code: None,
        dropped: None,
        policy_revision: "3f2a",
        logs: &[],
    }
}

fn json_line(record: &AccessRecord<'_>) -> String {
    let mut out = String::new();
    line::json(&mut out, record);
    out
}

fn text_line(record: &AccessRecord<'_>) -> String {
    let mut out = String::new();
    line::text(&mut out, record);
    out
}

#[test]
fn a_json_line_has_every_known_field_and_no_unknown_one() {
    let logs = [RawValue::from_string("{\"a\":\n1}".into()).unwrap()];
    let line = json_line(&AccessRecord { logs: &logs, ..record() });
    assert!(!line.contains('\n'));
    let parsed: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        parsed,
        json!({
            "time": "2023-11-14T22:13:20.123Z", "request_id": "01HX", "client_ip": "2001:db8::1",
            "method": "POST", "path": "/v1/chat/completions", "status": 200,
            "model_asked": "openrouter:anthropic/claude-3.5-sonnet",
            "model_served": "anthropic/claude-3.5-sonnet", "provider": "openrouter", "model_reported": "claude-3-5-sonnet-20241022",
            "provider_reported": "Amazon Bedrock", "upstream_request_id": "gen-1", "attempts": 2,
            "stream": true, "input_tokens": 12, "cost_usd": 1.00005, "cost_source": "reported",
            "cost_input_usd": 1.0, "cost_cached_usd": 0.00003, "cost_reasoning_usd": 0.00002, "upstream_cost_usd": 0.000007,
            "duration_ms": 1234.567,
            "bytes_in": 345, "bytes_out": 6789, "outcome": "success", "policy": "3f2a",
            "traffic_policy": {"logs": [{"metadata": {"a": 1}}]},
        })
    );
}

#[test]
fn a_text_line_quotes_only_what_needs_it() {
    let line = text_line(&AccessRecord { path: "/a b", model_asked: Some(""), ..record() });
    assert!(
        line.starts_with("time=2023-11-14T22:13:20.123Z request_id=01HX client_ip=2001:db8::1 method=POST")
    );
    assert!(line.contains(" path=\"/a b\" status=200 model_asked=\"\" model_served=anthropic/"));
    assert!(line.ends_with(" outcome=success policy=3f2a"));
}

#[test]
fn the_documentation_names_every_field() {
    let tried = tried(Instant::now(), MAX_SENT + 1);
    let full = AccessRecord {
        trace_id: Some("0af7651916cd43dd8448eb211c80319c"),
        tried: &tried,
        query: Some("a=1"),
        output_tokens: Some(1),
        cost_parts: Some([1; 9]),
        first_token: Some(Duration::ZERO),
        error_code: Some("ERR_NGROK_3807"),
        dropped: Some("top_k, messages[].name"),
        ..record()
    };
    let documentation = include_str!("../../../../docs/observability.md");
    let line: Value = serde_json::from_str(&json_line(&full)).unwrap();
    for name in line.as_object().unwrap().keys() {
        assert!(documentation.contains(&format!("`{name}`")), "{name}");
    }
    assert!(documentation.contains("`traffic_policy.logs`"));
    assert_eq!(line.as_object().unwrap().len(), 43);
    for attempt in line["attempts_detail"].as_array().unwrap() {
        for name in attempt.as_object().unwrap().keys() {
            assert!(documentation.contains(&format!("`{name}`")), "{name}");
        }
    }
}

/// One candidate without a key, then attempts of which each has failed.
fn tried(start: Instant, sent: usize) -> AttemptNotes {
    let mut tried = AttemptNotes::default();
    let note = |reason, sent| AttemptNote {
        provider: "openrouter".into(),
        model: "openai/gpt-4o".into(),
        server: Some("openrouter.ai".into()),
        reason: Some(reason),
        status: None,
        at: start + Duration::from_millis(1),
        sent,
    };
    tried.push(note("no_key", None));
    for _ in 0..sent {
        let sent = Sent {
            took: Duration::from_micros(20_500),
            connect: Some(Duration::from_millis(3)),
            head: Some(Duration::from_millis(20)),
            first_content: Some(Duration::from_millis(21)),
            ..Sent::new(AttemptOutcome::Quota, Duration::ZERO)
        };
        tried.push(AttemptNote { status: Some(429), ..note("status", Some(sent)) });
    }
    tried
}

#[test]
fn attempts_are_told_of_when_their_number_does_not_say_everything() {
    let start = Instant::now();
    let tried = tried(start, 1);
    let line = json_line(&AccessRecord { tried: &tried, started: start, ..record() });
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        line["attempts_detail"],
        json!([
            {"provider": "openrouter", "model": "openai/gpt-4o", "passed_over": "no_key"},
            {"provider": "openrouter", "model": "openai/gpt-4o", "outcome": "quota", "reason": "status", "status": 429,
             "at_ms": 1.0, "ms": 20.5, "connect_ms": 3.0, "head_ms": 20.0, "first_token_ms": 21.0},
        ])
    );
    assert_eq!((&line["connect_ms"], &line["upstream_head_ms"]), (&json!(3.0), &json!(20.0)));
    let text = text_line(&AccessRecord { tried: &tried, ..record() });
    assert!(text.contains(r#" attempts_detail="[{\"provider\":\"openrouter\","#), "{text}");
}

#[test]
fn a_line_has_an_end_however_much_was_tried() {
    let mut tried = AttemptNotes::default();
    for index in 0..10_000 {
        let sent = Sent::new(AttemptOutcome::Transient, Duration::ZERO);
        tried.push(AttemptNote {
            provider: "p".repeat(5000).into(),
            model: "\u{1b}".repeat(5000).into(),
            server: None,
            reason: Some("closed"),
            status: None,
            at: Instant::now(),
            sent: (index % 2 == 0).then_some(sent),
        });
    }
    let line = json_line(&AccessRecord { tried: &tried, ..record() });
    let parsed: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(parsed["attempts_detail"].as_array().unwrap().len(), MAX_PASSED_OVER + MAX_SENT);
    assert_eq!(parsed["attempts_omitted"], 10_000 - MAX_PASSED_OVER - MAX_SENT);
    assert!(line.len() < 64 * 1024, "{}", line.len());
}

#[test]
fn an_attacker_cannot_forge_a_line_or_move_the_cursor() {
    let evil = "x\nrequest_id=forged \u{1b}[2J\u{9b}2J\u{7f} \" outcome=success";
    for line in [
        json_line(&AccessRecord { path: evil, ..record() }),
        text_line(&AccessRecord { path: evil, ..record() }),
    ] {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.contains("\\n") && line.contains("\\u001b") && line.contains("\\u009b"));
    }
}

#[test]
fn credentials_in_queries_are_masked() {
    for (query, logged) in [
        ("beta=true", "beta=true"),
        ("key=AIzaSECRET", "key=***"),
        ("a=1&api-key=SECRET&b=2", "a=1&api-key=***&b=2"),
        ("API_KEY=SECRET", "API_KEY=***"),
        ("Access_Token=SECRET&x", "Access_Token=***&x"),
        ("k%65y=SECRET", "k%65y=***"),
        ("code=SECRET&state=SECRET&codec=2", "code=***&state=***&codec=2"),
        ("monkey=1&keyword=2&", "monkey=1&keyword=2&"),
    ] {
        assert_eq!(escape::mask_query(query), logged);
    }
    let line = json_line(&AccessRecord { query: Some("key=SECRET"), ..record() });
    assert!(line.contains("key=***") && !line.contains("SECRET"));
}

#[test]
fn a_long_name_is_cut_between_characters() {
    let long = "é".repeat(5000);
    let parsed: Value =
        serde_json::from_str(&json_line(&AccessRecord { model_asked: Some(&long), ..record() })).unwrap();
    let logged = parsed["model_asked"].as_str().unwrap();
    assert_eq!(logged.len(), escape::MAX_TEXT);
    assert!(long.starts_with(logged));
}

proptest! {
    #[test]
    fn a_line_always_parses_as_json(path in any::<String>(), model in proptest::option::of(any::<String>()),
                                    query in proptest::option::of(any::<String>()), id in any::<String>(),
                                    micros in any::<u64>(), status in proptest::option::of(any::<u16>())) {
        let line = json_line(&AccessRecord {
            path: &path, model_asked: model.as_deref(), query: query.as_deref(), request_id: &id,
            duration: Duration::from_micros(micros), status, ..record()
        });
        prop_assert!(!line.chars().any(char::is_control));
        let parsed: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(parsed["path"].as_str(), Some(escape::cut(&path)));
        prop_assert_eq!(parsed["request_id"].as_str(), Some(escape::cut(&id)));
        prop_assert_eq!(parsed["model_asked"].as_str(), model.as_deref().map(escape::cut));
    }

    #[test]
    fn a_text_line_has_as_many_fields_as_were_written(path in any::<String>(), model in any::<String>()) {
        let line = text_line(&AccessRecord { path: &path, model_asked: Some(&model), ..record() });
        let expected = text_line(&AccessRecord { path: "/", model_asked: Some("m"), ..record() });
        prop_assert_eq!(count_fields(&line), count_fields(&expected));
    }

    #[test]
    fn policy_log_entries_keep_the_line_one_line(value in "(?s)[\\x00-\\u{a5}]*") {
        let pretty = serde_json::to_string_pretty(&json!({"k": value, "n": [1, {"deep": value}]})).unwrap();
        let logs = [RawValue::from_string(pretty).unwrap()];
        let line = json_line(&AccessRecord { logs: &logs, ..record() });
        prop_assert!(!line.chars().any(char::is_control));
        let parsed: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(parsed["traffic_policy"]["logs"][0]["metadata"]["k"].as_str(), Some(value.as_str()));
    }
}

/// Pairs of a logfmt line: separated by spaces outside quotes.
fn count_fields(line: &str) -> usize {
    let (mut quoted, mut escaped, mut spaces) = (false, false, 0);
    for c in line.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => spaces += 1,
            _ => {}
        }
    }
    assert!(!quoted, "{line}");
    spaces + 1
}

const SOON: Duration = Duration::from_secs(10);

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Memory {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

/// A sink that says when it is entered and then waits to be let go: a full pipe.
struct Stuck {
    entered: Sender<()>,
    release: Receiver<()>,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.entered.send(());
        let _ = self.release.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn flush_writes_everything_of_every_thread_in_order() {
    let memory = Memory::default();
    let options = AccessLogOptions { format: LogFormat::Json, ..AccessLogOptions::default() };
    let log = AccessLog::new(Box::new(memory.clone()), options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..500 {
                    log.write(&AccessRecord { bytes_in: thread, bytes_out: n, ..record() });
                }
            });
        }
    });
    assert!(log.flush(SOON));
    let lines: Vec<Value> = memory.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), log.dropped()), (2000, 0));
    for thread in 0..4_u64 {
        let of_thread: Vec<_> = lines.iter().filter(|line| line["bytes_in"] == thread).collect();
        assert!(of_thread.iter().enumerate().all(|(n, line)| line["bytes_out"] == n as u64));
    }
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let (entered, on_entered) = channel();
    let (let_go, release) = channel();
    let dropped = Counter::default();
    let options =
        AccessLogOptions { queue_lines: 10, dropped: dropped.clone(), ..AccessLogOptions::default() };
    let log = AccessLog::new(Box::new(Stuck { entered, release }), options).unwrap();
    log.write(&record());
    on_entered.recv_timeout(Duration::from_secs(10)).unwrap();
    for _ in 0..25 {
        log.write(&record());
    }
    assert_eq!((log.dropped(), dropped.get()), (15, 15));
    drop(let_go);
    assert!(log.flush(SOON));
    log.write(&record());
    assert_eq!(log.dropped(), 15, "room again after the writer caught up");
}

#[test]
fn bytes_are_bounded_as_well_as_lines() {
    let (entered, on_entered) = channel();
    let (let_go, release) = channel();
    let options = AccessLogOptions { queue_bytes: 4400, ..AccessLogOptions::default() };
    let log = AccessLog::new(Box::new(Stuck { entered, release }), options).unwrap();
    log.write(&record());
    on_entered.recv_timeout(Duration::from_secs(10)).unwrap();
    let long = "m".repeat(1500);
    for _ in 0..10 {
        log.write(&AccessRecord { model_asked: Some(&long), ..record() });
    }
    assert_eq!(log.dropped(), 8, "two lines of some 2 KiB fit");
    drop(let_go);
}

#[test]
fn a_stuck_sink_does_not_hold_up_the_end() {
    let (entered, on_entered) = channel();
    let (_never, release) = channel();
    let options = AccessLogOptions { queue_lines: 2, ..AccessLogOptions::default() };
    let log = AccessLog::new(Box::new(Stuck { entered, release }), options).unwrap();
    log.write(&record());
    on_entered.recv_timeout(SOON).unwrap();
    assert!(!log.flush(Duration::from_millis(20)), "room in the queue, but the writer does not come");
    log.write(&record());
    log.write(&record());
    assert!(!log.flush(Duration::from_millis(20)), "no room in the queue");
    drop(log);
}

#[test]
fn dropping_the_log_writes_what_waits() {
    let memory = Memory::default();
    let log = AccessLog::new(Box::new(memory.clone()), AccessLogOptions::default()).unwrap();
    for _ in 0..100 {
        log.write(&record());
    }
    drop(log);
    assert_eq!(memory.lines().len(), 100);
}

#[test]
fn a_sink_that_fails_is_counted_and_flush_still_returns() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = AccessLog::new(Box::new(Broken), AccessLogOptions::default()).unwrap();
    log.write(&record());
    log.write(&record());
    assert!(log.flush(SOON));
    assert_eq!(log.dropped(), 2);
}

#[test]
fn a_line_is_written_soon_without_a_flush() {
    let memory = Memory::default();
    let log = AccessLog::new(Box::new(memory.clone()), AccessLogOptions::default()).unwrap();
    log.write(&record());
    for _ in 0..500 {
        if !memory.lines().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no line after five seconds");
}

/// A disk that is full after so many bytes, until it is emptied.
#[derive(Clone)]
struct Disk {
    memory: Memory,
    room: Arc<std::sync::atomic::AtomicUsize>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use std::sync::atomic::Ordering;
        let fits = bytes.len().min(self.room.load(Ordering::SeqCst));
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.fetch_sub(fits, Ordering::SeqCst);
        self.memory.write(&bytes[..fits])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_was_full_has_whole_lines_only_and_the_others_are_counted() {
    use std::sync::atomic::Ordering;
    let options = AccessLogOptions { format: LogFormat::Json, ..AccessLogOptions::default() };
    let length = json_line(&record()).len() + 1;
    for room in [0, 1, length - 1, length, length + 1, 3 * length, 3 * length + 100, 9 * length] {
        let memory = Memory::default();
        let disk = Disk { memory: memory.clone(), room: Arc::new(room.into()) };
        let log = AccessLog::new(Box::new(disk.clone()), options.clone()).unwrap();
        let before = log.dropped();
        for round in 0..3 {
            for n in 0..8 {
                log.write(&AccessRecord { bytes_in: 100 * round + n + 100, ..record() });
            }
            assert!(log.flush(SOON));
        }
        disk.room.store(usize::MAX, Ordering::SeqCst);
        log.write(&AccessRecord { bytes_in: 999, ..record() });
        assert!(log.flush(SOON));
        let lines = memory.lines();
        for line in &lines {
            serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("room {room}: {e}: {line}"));
        }
        assert!(lines.last().unwrap().contains("\"bytes_in\":999"), "room {room}");
        assert_eq!(
            lines.len() as u64 + log.dropped() - before,
            25,
            "room {room}: every line is written or counted"
        );
    }
}
