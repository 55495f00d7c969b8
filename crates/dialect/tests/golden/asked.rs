//! What a request asks, read by hand-written rules from the documentation of each API and without the gateway's code.

use crate::dialect::Dialect;
use serde_json::{Value, json};

/// A request without its dialect.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) system: String,
    /// What was said so far, in order.
    pub(crate) turns: Vec<Turn>,
    /// Name, description and schema.
    pub(crate) tools: Vec<(String, String, Value)>,
    pub(crate) must: Must,
    /// Schema of the answer.
    pub(crate) schema: Option<Value>,
    pub(crate) thinks: bool,
    pub(crate) limit: Option<u64>,
    pub(crate) stop: Vec<String>,
}

/// Something that was said, or a picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Turn {
    User(String),
    Model(String),
    /// Base64, or an address.
    Picture(String),
    /// Which call it is, counted from 0, its name and its arguments.
    Call(usize, String, Value),
    /// Of which call, and what came back.
    Result(usize, String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Must {
    #[default]
    Free,
    Call,
    CallOne(String),
}

/// Reads a request.
pub(crate) fn asked(dialect: Dialect, body: &Value) -> Asked {
    match dialect {
        Dialect::Chat => chat(body),
        Dialect::Responses => responses(body),
        Dialect::Messages => messages(body),
        Dialect::Gemini => gemini(body),
        Dialect::Converse => converse(body),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

/// A list, or the one thing that stands for a list of one.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn strings(value: &Value) -> Vec<String> {
    list(value).into_iter().map(text).collect()
}

fn found(value: &Value) -> Option<Value> {
    (!value.is_null()).then(|| value.clone())
}

fn bare(url: &Value) -> String {
    let url = text(url);
    url.split_once(";base64,").map_or(url.clone(), |(_, data)| data.to_owned())
}

/// Ids of calls in their order: a result names its call by one.
#[derive(Default)]
struct Ids(Vec<String>);

impl Ids {
    fn call(&mut self, id: &Value, name: &Value, arguments: Value) -> Turn {
        assert!(id.is_string(), "a call of {name} without an id");
        self.0.push(text(id));
        Turn::Call(self.0.len() - 1, text(name), arguments)
    }

    fn result(&self, id: &Value, result: String) -> Turn {
        let at = self.0.iter().position(|known| known == id);
        Turn::Result(at.unwrap_or_else(|| panic!("no call has the id {id}")), result)
    }
}

/// Said by a user or by the model.
fn by(role: &Value, words: &Value) -> Turn {
    match role.as_str() {
        Some("assistant" | "model") => Turn::Model(text(words)),
        _ => Turn::User(text(words)),
    }
}

fn arguments(value: &Value) -> Value {
    serde_json::from_str(value.as_str().unwrap()).unwrap()
}

fn chat(body: &Value) -> Asked {
    let mut asked = Asked { limit: body["max_completion_tokens"].as_u64(), ..Asked::default() };
    asked.limit = asked.limit.or(body["max_tokens"].as_u64());
    let mut ids = Ids::default();
    for message in list(&body["messages"]) {
        match message["role"].as_str().unwrap() {
            "system" | "developer" => asked.system.push_str(&text(&message["content"])),
            "tool" => asked.turns.push(ids.result(&message["tool_call_id"], text(&message["content"]))),
            _ => {
                for part in list(&message["content"]) {
                    asked.turns.push(match part["type"].as_str() {
                        Some("image_url") => Turn::Picture(bare(&part["image_url"]["url"])),
                        Some(_) => by(&message["role"], &part["text"]),
                        None => by(&message["role"], part),
                    });
                }
                for call in list(&message["tool_calls"]) {
                    let function = &call["function"];
                    asked.turns.push(ids.call(
                        &call["id"],
                        &function["name"],
                        arguments(&function["arguments"]),
                    ));
                }
            }
        }
    }
    for tool in list(&body["tools"]) {
        asked.tools.push(tool_of(&tool["function"], "parameters"));
    }
    asked.must = must(&body["tool_choice"], "required", &body["tool_choice"]["function"]["name"]);
    asked.schema = found(&body["response_format"]["json_schema"]["schema"]);
    asked.thinks = body["reasoning_effort"].is_string();
    asked.stop = strings(&body["stop"]);
    asked
}

fn responses(body: &Value) -> Asked {
    let mut asked = Asked {
        system: text(&body["instructions"]),
        limit: body["max_output_tokens"].as_u64(),
        ..Asked::default()
    };
    let mut ids = Ids::default();
    for item in list(&body["input"]) {
        match item["type"].as_str() {
            Some("function_call") => {
                asked.turns.push(ids.call(&item["call_id"], &item["name"], arguments(&item["arguments"])));
            }
            Some("function_call_output") => {
                asked.turns.push(ids.result(&item["call_id"], text(&item["output"])));
            }
            _ if item["role"] == "system" => asked.system.push_str(&text(&item["content"])),
            _ if item.is_string() => asked.turns.push(Turn::User(text(item))),
            _ => {
                for part in list(&item["content"]) {
                    asked.turns.push(match part["type"].as_str() {
                        Some("input_image") => Turn::Picture(bare(&part["image_url"])),
                        Some(_) => by(&item["role"], &part["text"]),
                        None => by(&item["role"], part),
                    });
                }
            }
        }
    }
    asked.tools = list(&body["tools"]).into_iter().map(|tool| tool_of(tool, "parameters")).collect();
    asked.must = must(&body["tool_choice"], "required", &body["tool_choice"]["name"]);
    asked.schema = found(&body["text"]["format"]["schema"]);
    asked.thinks = body["reasoning"]["effort"].is_string();
    asked
}

fn messages(body: &Value) -> Asked {
    let mut asked = Asked {
        system: text(&body["system"]),
        limit: body["max_tokens"].as_u64(),
        stop: strings(&body["stop_sequences"]),
        ..Asked::default()
    };
    let mut ids = Ids::default();
    for message in list(&body["messages"]) {
        for block in list(&message["content"]) {
            let source = &block["source"];
            asked.turns.push(match block["type"].as_str() {
                Some("image") => Turn::Picture(text(source.get("data").unwrap_or(&source["url"]))),
                Some("tool_use") => ids.call(&block["id"], &block["name"], block["input"].clone()),
                Some("tool_result") => ids.result(&block["tool_use_id"], text(&block["content"])),
                Some(_) => by(&message["role"], &block["text"]),
                None => by(&message["role"], block),
            });
        }
    }
    asked.tools = list(&body["tools"]).into_iter().map(|tool| tool_of(tool, "input_schema")).collect();
    asked.must = must(&body["tool_choice"]["type"], "any", &body["tool_choice"]["name"]);
    asked.schema = found(&body["output_config"]["format"]["schema"]);
    asked.thinks = body["thinking"]["type"] == "enabled";
    asked
}

fn gemini(body: &Value) -> Asked {
    let get = |value: &Value, camel: &str, snake: &str| {
        value.get(camel).or(value.get(snake)).cloned().unwrap_or_default()
    };
    let config = &body["generationConfig"];
    let instruction = get(body, "systemInstruction", "system_instruction");
    let mut asked = Asked {
        system: text(&instruction["parts"][0]["text"]),
        limit: config["maxOutputTokens"].as_u64(),
        stop: strings(&config["stopSequences"]),
        ..Asked::default()
    };
    // Calls have no ids here, or the same in both places: the order tells.
    let mut ids = Ids::default();
    for content in list(&body["contents"]) {
        for part in list(&content["parts"]) {
            let (inline, file) = (get(part, "inlineData", "inline_data"), get(part, "fileData", "file_data"));
            asked.turns.push(if let Some(call) = part.get("functionCall") {
                ids.call(&json!(text(&call["id"])), &call["name"], call["args"].clone())
            } else if let Some(result) = part.get("functionResponse") {
                let response = &result["response"];
                let said = response.get("output").map_or_else(|| response.to_string(), text);
                ids.result(&json!(text(&result["id"])), said)
            } else if inline.is_object() {
                Turn::Picture(text(&inline["data"]))
            } else if file.is_object() {
                Turn::Picture(text(&get(&file, "fileUri", "file_uri")))
            } else {
                by(&content["role"], &part["text"])
            });
        }
    }
    for tool in list(&body["tools"]).into_iter().flat_map(|tool| list(&tool["functionDeclarations"])) {
        let field = if tool.get("parameters").is_some() { "parameters" } else { "parametersJsonSchema" };
        asked.tools.push(tool_of(tool, field));
    }
    let calling = &body["toolConfig"]["functionCallingConfig"];
    asked.must = must(&calling["mode"], "ANY", &calling["allowedFunctionNames"][0]);
    asked.schema = found(&get(config, "responseJsonSchema", "response_schema"));
    asked.thinks = config["thinkingConfig"].is_object();
    asked
}

fn converse(body: &Value) -> Asked {
    let config = &body["inferenceConfig"];
    let mut asked = Asked {
        system: text(&body["system"][0]["text"]),
        limit: config["maxTokens"].as_u64(),
        stop: strings(&config["stopSequences"]),
        ..Asked::default()
    };
    let mut ids = Ids::default();
    for message in list(&body["messages"]) {
        for block in list(&message["content"]) {
            let (call, result) = (&block["toolUse"], &block["toolResult"]);
            asked.turns.push(if call.is_object() {
                ids.call(&call["toolUseId"], &call["name"], call["input"].clone())
            } else if result.is_object() {
                ids.result(&result["toolUseId"], text(&result["content"][0]["text"]))
            } else if block["image"].is_object() {
                Turn::Picture(text(&block["image"]["source"]["bytes"]))
            } else {
                by(&message["role"], &block["text"])
            });
        }
    }
    for tool in list(&body["toolConfig"]["tools"]) {
        let mut of = tool_of(&tool["toolSpec"], "inputSchema");
        of.2 = of.2["json"].clone();
        asked.tools.push(of);
    }
    let choice = &body["toolConfig"]["toolChoice"];
    let word = if choice["any"].is_object() { json!("any") } else { Value::Null };
    asked.must = must(&word, "any", &choice["tool"]["name"]);
    let schema = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"];
    asked.schema = schema.as_str().map(|schema| serde_json::from_str(schema).unwrap());
    asked.thinks = body["additionalModelRequestFields"]["thinking"]["type"] == "enabled";
    asked
}

fn tool_of(tool: &Value, schema: &str) -> (String, String, Value) {
    (text(&tool["name"]), text(&tool["description"]), tool[schema].clone())
}

fn must(choice: &Value, word: &str, name: &Value) -> Must {
    match name.as_str() {
        Some(name) => Must::CallOne(name.to_owned()),
        None if choice == word => Must::Call,
        None => Must::Free,
    }
}
