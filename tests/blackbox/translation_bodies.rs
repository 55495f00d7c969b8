//! The very bodies that providers get for one and the same request of each client, written by hand from the providers'
//! documentation.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::Script;

const PNG: &str = "iVBORw0KGgo=";

/// A request with most of what every dialect has, whose settings each client says in its own words.
fn full(client: Client) -> Value {
    let settings = match client {
        Client::Chat => json!({"temperature": 0.5, "top_p": 0.9, "user": "u-1"}),
        Client::Responses => json!({"temperature": 0.5, "top_p": 0.9, "user": "u-1"}),
        Client::Messages => json!({"temperature": 0.5, "top_p": 0.9, "metadata": {"user_id": "u-1"}}),
        Client::Gemini => json!({}),
    };
    let schema = json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}, "required": ["z"]});
    let say = Say {
        system: Some("Be brief."),
        turns: vec![Turn::Picture("What is this?".into(), "image/png", PNG.into())],
        must_call: true,
        max: 2000,
        more: settings,
        ..Say::default()
    };
    let mut body = client.body("", &say.tool("look", schema));
    if client == Client::Gemini {
        body["generationConfig"]["temperature"] = json!(0.5);
        body["generationConfig"]["topP"] = json!(0.9);
    }
    body
}

fn parameters() -> Value {
    json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}, "required": ["z"]})
}

fn chat(model: &str) -> Value {
    json!({
        "model": model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}")}},
            ]},
        ],
        "max_completion_tokens": 2000, "temperature": 0.5, "top_p": 0.9,
        "tools": [{"type": "function", "function":
            {"name": "look", "description": "Does look.", "parameters": parameters()}}],
        "tool_choice": "required",
    })
}

fn responses(model: &str) -> Value {
    json!({
        "model": model,
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": format!("data:image/png;base64,{PNG}"), "detail": "auto"},
        ]}],
        "max_output_tokens": 2000, "temperature": 0.5, "top_p": 0.9,
        "tools": [{"type": "function", "name": "look", "description": "Does look.", "parameters": parameters(),
            "strict": false}],
        "tool_choice": "required",
        "store": false, "include": ["reasoning.encrypted_content"],
    })
}

fn messages(model: &str) -> Value {
    json!({
        "model": model,
        "max_tokens": 2000,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        ]}],
        "tools": [{"name": "look", "description": "Does look.", "input_schema": parameters()}],
        "tool_choice": {"type": "any"},
        "temperature": 0.5,
    })
}

fn gemini() -> Value {
    json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [
            {"text": "What is this?"},
            {"inlineData": {"mimeType": "image/png", "data": PNG}},
        ]}],
        "tools": [{"functionDeclarations": [
            {"name": "look", "description": "Does look.", "parametersJsonSchema": parameters()}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {"maxOutputTokens": 2000, "temperature": 0.5, "topP": 0.9},
    })
}

/// What a provider is to get.
fn wanted(client: Client, provider: Provider) -> Value {
    let named = client != Client::Gemini;
    let mut body = match provider.surface {
        tollgate_mock::Surface::ChatCompletions => chat(provider.model),
        tollgate_mock::Surface::Responses => responses(provider.model),
        tollgate_mock::Surface::Messages => messages(provider.model),
        _ => gemini(),
    };
    if client == Client::Responses && provider.surface == tollgate_mock::Surface::ChatCompletions {
        body["messages"][1]["content"][1]["image_url"]["detail"] = json!("auto");
    }
    if named {
        match provider.surface {
            tollgate_mock::Surface::ChatCompletions | tollgate_mock::Surface::Responses => {
                body["user"] = json!("u-1")
            }
            tollgate_mock::Surface::Messages => body["metadata"] = json!({"user_id": "u-1"}),
            _ => {}
        }
    }
    body
}

#[tokio::test]
async fn every_provider_gets_the_same_whoever_asks() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": providers(&mock)}))).await;
    let mut wrong = Vec::new();
    for client in Client::ALL {
        for provider in PROVIDERS.into_iter().filter(|p| !p.speaks(client)) {
            let mut body = full(client);
            if client != Client::Gemini {
                body["model"] = json!(provider.name);
            }
            let answer = gateway.send(post(&client.path(provider.name, false), &body)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let sent = mock.requests().pop().unwrap().json();
            let want = wanted(client, provider);
            if sent != want {
                let dropped = answer.header("x-tollgate-dropped");
                wrong.push(format!(
                    "{client:?} to {}: dropped {dropped}\n sent {sent}\n want {want}",
                    provider.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
