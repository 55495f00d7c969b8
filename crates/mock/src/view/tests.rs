use super::*;

/// One conversation in every dialect: a picture, a tool, its result, a wish for JSON.
fn dialects() -> [(Surface, Value); 5] {
    [
        (Surface::ChatCompletions, chat()),
        (Surface::Responses, responses()),
        (Surface::Messages, messages()),
        (Surface::GenerateContent, gemini()),
        (Surface::Converse, converse()),
    ]
}

const PNG: &str = "iVBORw0=";
const URL: &str = "data:image/png;base64,iVBORw0=";

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}})
}

fn chat() -> Value {
    json!({
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": URL}}]},
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "function",
                "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "sunny"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema()}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema()}},
    })
}

fn responses() -> Value {
    json!({
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": URL}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "sunny"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": schema()}],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": schema()}},
        "reasoning": {"summary": "auto"},
    })
}

fn messages() -> Value {
    json!({
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "sunny"}]},
        ],
        "tools": [{"name": "f", "input_schema": schema()}],
        "tool_choice": {"type": "tool", "name": "f"},
        "output_config": {"format": {"type": "json_schema", "schema": schema()}},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    })
}

fn gemini() -> Value {
    json!({
        "contents": [
            {"role": "user", "parts": [{"text": "look"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "sunny"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema()}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema(),
            "thinkingConfig": {"includeThoughts": true}},
    })
}

fn converse() -> Value {
    json!({
        "messages": [
            {"role": "user", "content": [{"text": "look"},
                {"image": {"format": "png", "source": {"bytes": PNG}}}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"text": "sunny"}]}}]},
        ],
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": schema()}}}],
            "toolChoice": {"tool": {"name": "f"}}},
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
            "schema": schema().to_string()}}}},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    })
}

#[test]
fn every_dialect_says_the_same() {
    for (surface, body) in dialects() {
        let view = View::read(surface, &body);
        assert_eq!(view.prompt, "look", "{surface:?}");
        assert_eq!(view.results.len(), 1, "{surface:?}");
        assert!(view.results[0].contains("sunny"), "{surface:?} {:?}", view.results);
        assert_eq!(view.files, ["image/png of 5 bytes"], "{surface:?}");
        assert_eq!(view.tools.len(), 1, "{surface:?}");
        assert_eq!(view.tools[0].arguments(), json!({"city": "Paris"}), "{surface:?}");
        assert_eq!(view.demand, Demand::Named("f".into()), "{surface:?}");
        assert!(view.json && view.schema.is_some() && view.thoughts, "{surface:?}");
    }
}

#[test]
fn samples_fit() {
    let schema = json!({"$defs": {"n": {"type": ["integer", "null"]}}, "type": "OBJECT", "properties": {
        "a": {"$ref": "#/$defs/n"}, "b": {"type": "ARRAY", "items": {"enum": ["x"]}},
        "c": {"anyOf": [{"type": "boolean"}]}, "d": {"type": "object"}, "e": {"const": 7}}});
    assert_eq!(sample(&schema), json!({"a": 1, "b": ["x"], "c": true, "d": {}, "e": 7}));
}
