use super::*;
use crate::translate::request::{
    Cache, Function, Json, Media, Output, Source, TextPart, Thought, Tool, ToolChoice,
};
use crate::translate::state::{State, StateKind};
use serde_json::json;

/// Reads a body of a Converse client, writes it for Bedrock, and wants the same JSON.
fn same(body: &Value) {
    let text = body.to_string();
    let request = converse::read_request(text.as_bytes()).unwrap();
    assert_eq!(request.lost, Vec::<String>::new());
    let (written, lost) = write(&request, Surface::Converse, &target(CLAUDE)).unwrap();
    assert_eq!(&written, body);
    assert_eq!(lost, Vec::<String>::new());
}

/// "Converse", examples (Amazon Bedrock API reference, `API_runtime_Converse`).
#[test]
fn published_text() {
    same(&json!({
        "messages": [{"role": "user", "content": [
            {"text": "Write an article about impact of high inflation to GDP of a country"}
        ]}],
        "system": [{"text": "You are an economist with access to lots of data"}],
        "inferenceConfig": {"maxTokens": 1000, "temperature": 0.5},
    }));
}

/// "Call a tool with the Converse API" (Amazon Bedrock user guide, `tool-use-inference-call`).
#[test]
fn published_tool() {
    same(&json!({
        "messages": [
            {"role": "user", "content": [{"text": "What is the most popular song on WZPZ?"}]},
            {"role": "assistant", "content": [{"toolUse": {
                "toolUseId": "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q", "name": "top_song", "input": {"sign": "WZPZ"}
            }}]},
            {"role": "user", "content": [{"toolResult": {
                "toolUseId": "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q",
                "content": [{"text": "Elemental Hotel by 8 Storey Hike"}],
                "status": "error"
            }}]},
        ],
        "toolConfig": {
            "tools": [{"toolSpec": {
                "name": "top_song",
                "description": "Get the most popular song played on a radio station.",
                "inputSchema": {"json": {
                    "type": "object",
                    "properties": {"sign": {"type": "string", "description": "The call sign."}},
                    "required": ["sign"]
                }}
            }}],
            "toolChoice": {"tool": {"name": "top_song"}}
        },
    }));
}

/// Members of the API reference that no example shows together.
#[test]
fn own_dialect_keeps_its_meaning() {
    same(&json!({
        "messages": [
            {"role": "user", "content": [
                {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
                {"document": {"format": "pdf", "name": "report (1)", "source": {"bytes": "JVBERi0="}}},
                {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://films/one.mp4"}}}},
                {"audio": {"format": "wav", "source": {"bytes": "UklGRg=="}}},
                {"text": "What is this?"},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
            ]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "b3BhcXVl"}},
                {"citationsContent": {"content": [{"text": "A report."}], "citations": [{"title": "T"}]}},
            ]},
            {"role": "user", "content": [{"text": "More."}]},
        ],
        "system": [{"text": "Be short."}, {"cachePoint": {"type": "default"}}],
        "inferenceConfig": {"maxTokens": 4000, "topP": 0.99, "stopSequences": ["END"]},
        "toolConfig": {"tools": [
            {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}, "strict": true}},
            {"cachePoint": {"type": "default"}},
            {"systemTool": {"name": "nova_grounding"}},
        ], "toolChoice": {"auto": {}}},
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
            "schema": "{\"type\":\"object\",\"b\":1,\"a\":[true,null,1.5,-2]}", "name": "answer", "description": "d"
        }}}},
        "additionalModelRequestFields": {
            "anthropic_beta": ["x"], "thinking": {"type": "enabled", "budget_tokens": 2048}
        },
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "guardrailConfig": {"guardrailIdentifier": "gr1", "guardrailVersion": "1"},
        "requestMetadata": {"team": "a"},
        "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "flex"},
    }));
}

#[test]
fn turns_alternate_and_results_come_first() {
    let mut request = user(vec![Part::text("a")]);
    request.turns.extend([
        turn(Role::User, vec![Part::text("b")]),
        turn(Role::Assistant, vec![call("c1", "f", "{\"x\":1}")]),
        turn(Role::Assistant, vec![call("c2", "g", "")]),
        turn(Role::User, vec![result("c2", "two")]),
        turn(Role::User, vec![Part::text("and now?"), result("c1", "one")]),
    ]);
    let (body, lost) = chat(&request);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
            {"role": "assistant", "content": [
                {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"x": 1}}},
                {"toolUse": {"toolUseId": "c2", "name": "g", "input": {}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "c2", "content": [{"text": "two"}]}},
                {"toolResult": {"toolUseId": "c1", "content": [{"text": "one"}]}},
                {"text": "and now?"},
            ]},
        ])
    );
    // The client does not declare the tools any more; Bedrock wants them declared.
    let open = json!({"json": {"type": "object"}});
    let tools = json!([{"toolSpec": {"name": "f", "inputSchema": open}}, {"toolSpec": {"name": "g", "inputSchema": open}}]);
    assert_eq!(body["toolConfig"], json!({"tools": tools}));
    assert_eq!(lost, ["tools"]);
}

#[test]
fn calls_without_ids_get_them() {
    let long = "i".repeat(65);
    let named = |name: &'static str| {
        let Part::ToolResult(result) = result("", "x") else { unreachable!() };
        Part::ToolResult(ToolResult { name: Some(name.into()), ..result })
    };
    let mut request = user(vec![Part::text("a")]);
    request.turns.extend([
        turn(
            Role::Assistant,
            vec![call("", "f", "{}"), call("", "f", "{}"), call("a b", "g.h", "{}"), call(&long, "k", "{}")],
        ),
        turn(Role::User, vec![named("f"), named("f"), result("a b", "x"), result(&long, "x")]),
    ]);
    let (body, _) = chat(&request);
    let ids = |at: usize, kind: &str| -> Vec<String> {
        let blocks = body["messages"][at]["content"].as_array().unwrap();
        blocks.iter().map(|b| b[kind]["toolUseId"].as_str().unwrap().to_owned()).collect()
    };
    let want = ["call_0_f", "call_1_f", "call_2_g_h", "call_3_k"];
    assert_eq!(ids(1, "toolUse"), want);
    assert_eq!(ids(2, "toolResult"), want);
}

#[test]
fn media() {
    let image = |source, media_type: Option<&'static str>| {
        Part::Image(Media::new(source, media_type.map(Into::into)))
    };
    let png = Source::Base64("iVBORw0KGgoAAA".into());
    let (body, _) = chat(&user(vec![image(png, None)]));
    assert_eq!(body["messages"][0]["content"][0]["image"]["format"], "png", "told by its first bytes");

    let document = |name: Option<&'static str>| {
        let mut media = Media::new(Source::Text("hällo".into()), None);
        media.name = name.map(Into::into);
        Part::Document(media)
    };
    let parts = vec![document(Some("a_b.txt")), document(Some("a b.md")), document(None), Part::text("?")];
    let (body, lost) = chat(&user(parts));
    let blocks = &body["messages"][0]["content"];
    let want = json!({"format": "txt", "name": "a b", "source": {"bytes": "aMOkbGxv"}});
    assert_eq!(blocks[0]["document"], want);
    assert_eq!(blocks[1]["document"]["name"], "a b (3)", "two documents of one name are refused");
    assert_eq!(blocks[2]["document"]["name"], "document 4");
    assert!(lost.is_empty());

    for (part, message) in [
        (
            image(Source::Url("https://example.com/a.png".into()), None),
            "'messages[0].content[0]': Bedrock fetches no image by URL, it takes its bytes",
        ),
        (
            image(Source::Base64("AAAA".into()), Some("image/tiff")),
            "'messages[0].content[0]': Bedrock takes no image but png, jpeg, gif, webp",
        ),
        (image(Source::FileId("file-1".into()), None), "'messages[0].content[0]': a file uploaded elsewhere"),
    ] {
        let error = write(&user(vec![part]), Surface::ChatCompletions, &target(CLAUDE)).unwrap_err();
        assert_eq!(error.0, message);
    }
}

#[test]
fn what_cannot_be_said_is_refused() {
    let refused =
        |request: &Request<'_>| write(request, Surface::ChatCompletions, &target(CLAUDE)).unwrap_err().0;
    let several = Request { candidates: Some(2), ..user(vec![Part::text("a")]) };
    assert_eq!(refused(&several), "several answers to one request");
    assert_eq!(refused(&Request::default()), "a conversation without a message of the user");
    assert_eq!(refused(&user(vec![Part::text(" ")])), "a conversation without a message of the user");
    let begins = Request { turns: vec![turn(Role::Assistant, vec![Part::text("a")])], ..Request::default() };
    assert_eq!(refused(&begins), "a conversation that does not begin with the user");
    let mut broken = user(vec![Part::text("a")]);
    broken.turns.push(turn(Role::Assistant, vec![call("c", "f", "{\"x\":")]));
    assert_eq!(refused(&broken), "'messages[1].content[0].arguments' is not a JSON object");
}

#[test]
fn what_gets_lost_has_the_clients_name() {
    let mut request = user(vec![Part::text("a")]);
    request.system = vec![Part::text("s")];
    request.turns[0].name = Some("Ann".into());
    request.turns.push(turn(Role::System, vec![Part::text("from now on in French")]));
    request.frequency_penalty = Some(0.5);
    request.presence_penalty = Some(0.5);
    request.seed = Some(1);
    request.user = Some("u".into());
    request.verbosity = Some("low".into());
    request.temperature = Some(1.5);
    request.top_p = Some(0.5);
    request.output = Output::Json;
    request.aside =
        vec![("logit_bias".into(), Json::from(1_u64)), ("service_tier".into(), Json::from("flex"))];
    let (body, mut lost) = chat(&request);
    lost.sort();
    let want = [
        "frequency_penalty",
        "logit_bias",
        "messages[1].name",
        "messages[2].role",
        "presence_penalty",
        "response_format",
        "seed",
        "temperature",
        "top_p",
        "user",
        "verbosity",
    ];
    assert_eq!(lost, want);
    assert_eq!(body["system"], json!([{"text": "s"}, {"text": "from now on in French"}]));
    assert_eq!(body["inferenceConfig"], json!({"temperature": 1.0}));
    assert_eq!(body["serviceTier"], json!({"type": "flex"}));

    let (_, lost) = write(&request, Surface::GenerateContent, &target(CLAUDE)).unwrap();
    assert!(lost.contains(&"generationConfig.seed".to_owned()), "{lost:?}");
    assert!(lost.contains(&"contents[0].name".to_owned()), "{lost:?}");
    assert!(lost.contains(&"service_tier".to_owned()), "Gemini's clients mean nothing known by it: {lost:?}");
}

#[test]
fn extensions_and_bedrocks_own_fields_are_passed_on() {
    let mut request = user(vec![Part::text("a")]);
    request.top_k = Some(7);
    let own: Json<'_> = serde_json::from_str(r#"{"top_k":9,"x":[1]}"#).unwrap();
    let guardrail: Json<'_> = serde_json::from_str(r#"{"guardrailIdentifier":"g"}"#).unwrap();
    request.aside = vec![
        ("additionalModelRequestFields".into(), own),
        ("guardrailConfig".into(), guardrail),
        ("extra".into(), Json::from("x")),
    ];
    let extensions = ["extra".to_owned()];
    let target = Target { extensions: &extensions, ..target(CLAUDE) };
    let (body, lost) = write(&request, Surface::ChatCompletions, &target).unwrap();
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"top_k": 9, "x": [1]}),
        "Bedrock's own words count more"
    );
    assert_eq!(body["guardrailConfig"], json!({"guardrailIdentifier": "g"}));
    assert_eq!(body["extra"], "x");
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn top_k_is_each_authors_own() {
    let request = Request { top_k: Some(7), ..user(vec![Part::text("a")]) };
    for (model, want, lost) in [
        (CLAUDE, json!({"top_k": 7}), 0),
        ("amazon.nova-lite-v1:0", json!({"inferenceConfig": {"topK": 7}}), 0),
        ("meta.llama3-8b-instruct-v1:0", Value::Null, 1),
    ] {
        let (body, named) = write(&request, Surface::Messages, &target(model)).unwrap();
        assert_eq!(body["additionalModelRequestFields"], want, "{model}");
        assert_eq!(named.len(), lost, "{model}");
    }
}

#[test]
fn tool_choice() {
    let function = |name: &'static str| Tool::Function(Function { name: name.into(), ..Function::default() });
    let base = Request { tools: vec![function("f"), function("g")], ..user(vec![Part::text("a")]) };
    let names = |body: &Value| body["toolConfig"]["tools"].as_array().map_or(0, Vec::len);
    for (choice, want, tools, lost) in [
        (None, Value::Null, 2, vec![]),
        (Some(ToolChoice::Auto), json!({"auto": {}}), 2, vec![]),
        (Some(ToolChoice::Required), json!({"any": {}}), 2, vec![]),
        (Some(ToolChoice::Named("g".into())), json!({"tool": {"name": "g"}}), 2, vec![]),
        (Some(ToolChoice::Among(vec!["g".into()])), json!({"any": {}}), 1, vec![]),
        (Some(ToolChoice::None), Value::Null, 0, vec![]),
    ] {
        let request = Request { tool_choice: choice.clone(), ..base.clone() };
        let (body, named) = chat(&request);
        assert_eq!(body["toolConfig"]["toolChoice"], want, "{choice:?}");
        assert_eq!((names(&body), named), (tools, lost), "{choice:?}");
    }
    let mut called = Request { tool_choice: Some(ToolChoice::None), ..base };
    called.parallel_tool_calls = Some(false);
    called.turns.push(turn(Role::Assistant, vec![call("c", "f", "{}")]));
    called.turns.push(turn(Role::User, vec![result("c", "x")]));
    let (body, lost) = chat(&called);
    assert_eq!((names(&body), lost), (2, vec!["tool_choice".to_owned(), "parallel_tool_calls".to_owned()]));
}

#[test]
fn native_tools_of_others_are_lost() {
    let native = serde_json::from_str(r#"{"type":"web_search"}"#).unwrap();
    let request = Request { tools: vec![Tool::Native(native)], ..user(vec![Part::text("a")]) };
    let (body, lost) = chat(&request);
    assert_eq!((body.get("toolConfig"), lost), (None, vec!["tools[0]".to_owned()]));
}

#[test]
fn cache_marks() {
    let marked = |text: &'static str, ttl: Option<&'static str>| {
        let cache = Some(Cache { ttl: ttl.map(Into::into) });
        Part::Text(TextPart { text: text.into(), cache, annotations: None })
    };
    let request = user(vec![marked("a", Some("1h")), marked("b", None)]);
    let (body, _) = chat(&request);
    let want = json!([
        {"text": "a"}, {"cachePoint": {"type": "default", "ttl": "1h"}},
        {"text": "b"}, {"cachePoint": {"type": "default"}},
    ]);
    assert_eq!(body["messages"][0]["content"], want);
    let llama = target("meta.llama3-8b-instruct-v1:0");
    let (body, lost) = write(&request, Surface::Messages, &llama).unwrap();
    assert_eq!(body["messages"][0]["content"], json!([{"text": "a"}, {"text": "b"}]));
    assert_eq!(lost, ["messages[0].content[0].cache_control", "messages[0].content[1].cache_control"]);

    let parts = vec![marked("x", None)];
    let inside = ToolResult { id: "c".into(), name: None, parts, is_error: false, cache: None };
    let mut request = user(vec![Part::text("a")]);
    request.turns.push(turn(Role::Assistant, vec![call("c", "f", "{}")]));
    request.turns.push(turn(Role::User, vec![Part::text("b"), Part::ToolResult(inside)]));
    let (body, _) = chat(&request);
    let want = json!([
        {"toolResult": {"toolUseId": "c", "content": [{"text": "x"}]}},
        {"cachePoint": {"type": "default"}}, {"text": "b"},
    ]);
    assert_eq!(body["messages"][2]["content"], want, "no cache point stands inside a result");
}

#[test]
fn state_goes_to_whom_it_belongs() {
    let thought = |surface, provider: Option<&'static str>, kind| {
        let provider = provider.map(Into::into);
        let state = Some(State { data: "s".into(), surface, provider, kind });
        Part::Reasoning(Thought { text: "hm".into(), state, ..Thought::default() })
    };
    let signature = StateKind::Signature;
    let written = json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}});
    for (part, model, want) in [
        (thought(Surface::Converse, Some("bedrock"), signature), CLAUDE, Some(written.clone())),
        (thought(Surface::Converse, None, signature), "amazon.nova-2-lite-v1:0", Some(written.clone())),
        (thought(Surface::Messages, Some("anthropic"), signature), CLAUDE, Some(written.clone())),
        (thought(Surface::Messages, Some("anthropic"), signature), "amazon.nova-2-lite-v1:0", None),
        (thought(Surface::Responses, Some("openai"), StateKind::Encrypted), CLAUDE, None),
        (thought(Surface::GenerateContent, None, signature), CLAUDE, None),
        (
            thought(Surface::Messages, None, StateKind::Encrypted),
            CLAUDE,
            Some(json!({"reasoningContent": {"redactedContent": "s"}})),
        ),
    ] {
        let mut request = user(vec![Part::text("a")]);
        request.turns.push(turn(Role::Assistant, vec![part.clone(), Part::text("b")]));
        let (body, lost) = write(&request, Surface::ChatCompletions, &target(model)).unwrap();
        let first = &body["messages"][1]["content"][0];
        match want {
            Some(want) => assert_eq!((first, lost.len()), (&want, 0), "{part:?} {model}"),
            None => {
                assert_eq!(first, &json!({"text": "b"}), "{part:?} {model}");
                assert_eq!(lost, ["messages[1].content[0].signature"]);
            }
        }
    }
}

#[test]
fn unsigned_thoughts_are_left_out() {
    let mut request = user(vec![Part::text("a")]);
    let unsigned = Part::Reasoning(Thought { text: "hm".into(), ..Thought::default() });
    request.turns.push(turn(Role::Assistant, vec![unsigned, Part::text("b")]));
    let (body, lost) = chat(&request);
    assert_eq!(body["messages"][1]["content"], json!([{"text": "b"}]));
    assert_eq!(lost, ["messages[1].content[0]"]);
}

/// "Get validated JSON results from models" (Amazon Bedrock user guide, `structured-output`): the schema is a text.
#[test]
fn schemas_keep_their_order() {
    let schema = serde_json::from_str(r#"{"type":"object","properties":{"z":{},"a":{}}}"#).unwrap();
    let output = Output::Schema { name: Some("n".into()), description: None, schema, strict: Some(true) };
    let (body, lost) = chat(&Request { output, ..user(vec![Part::text("a")]) });
    let want = json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
        "schema": "{\"type\":\"object\",\"properties\":{\"z\":{},\"a\":{}},\"additionalProperties\":false}", "name": "n"
    }}}});
    assert_eq!((&body["outputConfig"], lost.len()), (&want, 0));
}

/// Behind Claude is Anthropic's grammar, which takes no open object and no limit of a value.
#[test]
fn claude_gets_schemas_its_grammar_takes() {
    let schema = r#"{"type":"array","items":{"type":"object","properties":{"n":{"type":"integer","minimum":1}},"additionalProperties":true}}"#;
    let closed = r#"{"type":"array","items":{"type":"object","properties":{"n":{"type":"integer","description":"{minimum: 1}"}},"additionalProperties":false}}"#;
    let request = || {
        let parse = || serde_json::from_str(schema).unwrap();
        let output = Output::Schema { name: None, description: None, schema: parse(), strict: None };
        let strict = Function {
            name: "f".into(),
            parameters: Some(parse()),
            strict: Some(true),
            ..Function::default()
        };
        let loose = Function { name: "g".into(), parameters: Some(parse()), ..Function::default() };
        let tools = vec![Tool::Function(strict), Tool::Function(loose)];
        Request { output, tools, ..user(vec![Part::text("a")]) }
    };
    for (from, model, fitted) in [
        (Surface::ChatCompletions, CLAUDE, true),
        (Surface::Messages, CLAUDE, false),
        (Surface::ChatCompletions, "qwen.qwen3-32b-v1:0", false),
    ] {
        let (body, lost) = write(&request(), from, &target(model)).unwrap();
        let sent = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"];
        assert_eq!(sent, if fitted { closed } else { schema }, "{from:?} {model}");
        let tool = |at: usize| body["toolConfig"]["tools"][at]["toolSpec"]["inputSchema"]["json"].to_string();
        assert_eq!(tool(0), if fitted { closed } else { schema }, "{from:?} {model}");
        assert_eq!(tool(1), schema);
        assert_eq!(lost, if fitted { vec!["response_format.additionalProperties"] } else { vec![] });
    }
}

/// How closely to look is lost, unless it is left to the model; it is named as the client calls it.
#[test]
fn how_closely_a_picture_is_looked_at() {
    for (from, detail, want) in [
        (Surface::ChatCompletions, "high", &["messages[0].content[0].image_url.detail"][..]),
        (Surface::Responses, "low", &["input[0].content[0].detail"]),
        (Surface::Responses, "auto", &[]),
    ] {
        let mut picture = Media::new(Source::Base64("iVBORw0KGgo=".into()), Some("image/png".into()));
        picture.detail = Some(detail.into());
        let (_, lost) = write(&user(vec![Part::Image(picture)]), from, &target(CLAUDE)).unwrap();
        assert_eq!(lost, want);
    }
}

#[test]
fn the_text_that_ended_the_answer_is_asked_for() {
    let request = Request { stop: vec!["END".into()], ..user(vec![Part::text("a")]) };
    let (body, _) = chat(&request);
    assert_eq!(body["additionalModelResponseFieldPaths"], json!(["/stop_sequence"]));
    let (body, _) = write(&request, Surface::Messages, &target("meta.llama3-8b-instruct-v1:0")).unwrap();
    assert_eq!(body.get("additionalModelResponseFieldPaths"), None);
}
