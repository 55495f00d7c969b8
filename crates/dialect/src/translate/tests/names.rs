//! The names of what is lost have one form, whatever codecs are at work.

use super::target;
use crate::Surface;
use crate::translate::Conversation;
use serde_json::Value;
use std::collections::HashSet;

const CHAT: &str = r#"{"model":"m","messages":[
    {"role":"system","content":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"name":"sys"},
    {"role":"user","name":"bob","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"},"odd":1},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"high"}}]},
    {"role":"assistant","content":"x","name":"ann","refusal":null,"audio":{"id":"a"},"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"},"index":0,"extra":{"x":1}}],"annotations":[{"type":"x"}],"reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s"}]},
    {"role":"tool","tool_call_id":"c1","name":"f","content":[{"type":"text","text":"r"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
    {"role":"user","content":"bye","name":"bob"}],
    "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true},"cache_control":{"type":"ephemeral"}},{"type":"web_search"},{"type":"custom","custom":{"name":"c"}}],
    "tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"logit_bias":{"1":1},"logprobs":true,"top_logprobs":2,"user":"u","seed":1,"n":1,"stop":["a","b","c","d","e"],"top_k":3,"min_p":0.1,"frequency_penalty":1,"presence_penalty":1,"store":true,"metadata":{"a":"b"},"service_tier":"flex","prediction":{"type":"content","content":"x"},"modalities":["text"],"verbosity":"low","web_search_options":{},"reasoning_effort":"high","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true,"description":"d"}},"stream_options":{"include_usage":true,"include_obfuscation":false},"prompt_cache_key":"k","safety_identifier":"s","provider":{"order":["a"]},"unknown":1}"#;
const RESPONSES: &str = r#"{"model":"m","instructions":"i","input":[
    {"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"low"},{"type":"input_file","file_data":"data:application/pdf;base64,AAAA","filename":"x.pdf"}]},
    {"type":"message","role":"assistant","status":"completed","id":"m1","content":[{"type":"output_text","text":"x","annotations":[{"type":"url_citation","url":"https://a","title":"t","start_index":0,"end_index":1}],"logprobs":[]}]},
    {"type":"function_call","call_id":"c","name":"f","arguments":"{}","id":"fc_1"},
    {"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"r"},{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]},
    {"role":"user","content":"b"}],
    "tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true},{"type":"web_search"},{"type":"file_search","vector_store_ids":["v"]}],
    "temperature":1,"top_p":0.5,"max_tool_calls":3,"metadata":{"a":"b"},"parallel_tool_calls":false,"service_tier":"flex","store":true,"truncation":"auto","user":"u","reasoning":{"effort":"high","summary":"auto"},"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true},"verbosity":"low"},"include":["message.output_text.logprobs"],"top_logprobs":3,"prompt_cache_key":"k","safety_identifier":"s","odd":1}"#;
const MESSAGES: &str = r#"{"model":"m","max_tokens":100,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}},{"type":"text","text":"s2","cache_control":{"type":"ephemeral"}}],"messages":[
    {"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"},"citations":[]},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"},"cache_control":{"type":"ephemeral"}},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"},"title":"t","context":"c","citations":{"enabled":true}},{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"x"}]}]},
    {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"sig"},{"type":"text","text":"b","citations":[{"type":"char_location","cited_text":"x","document_index":0,"document_title":"t","start_char_index":0,"end_char_index":1}]},{"type":"tool_use","id":"t1","name":"f","input":{}},{"type":"server_tool_use","id":"srv","name":"web_search","input":{}}]},
    {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"r"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}],"cache_control":{"type":"ephemeral"}}]}],
    "tools":[{"name":"f","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}},{"type":"web_search_20250305","name":"web_search"}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"thinking":{"type":"enabled","budget_tokens":2000},"top_k":4,"metadata":{"user_id":"u"},"stop_sequences":["a","b","c","d","e","f"],"service_tier":"auto","container":"c","mcp_servers":[],"context_management":{},"odd":1}"#;
const GEMINI: &str = r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[
    {"role":"user","parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AAAA"},"mediaResolution":{"level":"X"}},{"inlineData":{"mimeType":"application/pdf","data":"AAAA","displayName":"d"}}]},
    {"role":"model","parts":[{"text":"t","thought":true,"thoughtSignature":"QUJD"},{"text":"b"},{"functionCall":{"name":"f","args":{}}},{"executableCode":{"language":"PYTHON","code":"1"}}]},
    {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"a":1},"willContinue":false}}]}],
    "tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT"},"response":{"type":"OBJECT"}}]},{"googleSearch":{}},{"codeExecution":{}}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f","g"]}},
    "safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}],"generationConfig":{"topK":3,"seed":1,"candidateCount":1,"stopSequences":["a","b","c","d","e"],"presencePenalty":1,"frequencyPenalty":1,"responseLogprobs":true,"logprobs":2,"responseMimeType":"application/json","responseSchema":{"type":"OBJECT"},"thinkingConfig":{"thinkingBudget":100,"includeThoughts":true},"mediaResolution":"MEDIA_RESOLUTION_LOW","speechConfig":{},"odd":1},"labels":{"a":"b"},"odd":1}"#;

const BODIES: [(Surface, &str); 4] = [
    (Surface::ChatCompletions, CHAT),
    (Surface::Responses, RESPONSES),
    (Surface::Messages, MESSAGES),
    (Surface::GenerateContent, GEMINI),
];

/// How often a path is found in a body; `[]` is any element.
fn found(value: &Value, path: &str) -> usize {
    if path.is_empty() {
        return 1;
    }
    if let Some((number, rest)) = path.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let Some(list) = value.as_array() else { return 0 };
        return match number {
            "" => list.iter().map(|item| found(item, rest)).sum(),
            number => {
                number.parse::<usize>().ok().and_then(|at| list.get(at)).map_or(0, |item| found(item, rest))
            }
        };
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let end = path.find(['.', '[']).unwrap_or(path.len());
    value.get(&path[..end]).map_or(0, |inner| found(inner, &path[end..]))
}

#[test]
fn every_name_is_a_path_of_the_clients_body_and_stands_once() {
    let mut pairs = 0;
    for (from, text) in BODIES {
        let body: Value = serde_json::from_str(text).unwrap();
        for to in Surface::CONVERSATIONS.into_iter().filter(|to| *to != from) {
            let translated = Conversation::read(from, text.as_bytes()).unwrap().write(&target(to));
            let lost = translated.unwrap_or_else(|why| panic!("{from:?} to {to:?}: {why}")).lost;
            let case = format!("{from:?} to {to:?}: {lost:#?}");
            assert!(lost.len() > 5, "{case}");
            let mut seen = HashSet::new();
            for name in &lost {
                assert!(seen.insert(name), "{name} stands twice. {case}");
                // One word for all of them.
                if name != "cache_control" {
                    assert!(found(&body, name) > 0, "{name} is not in the body. {case}");
                }
            }
            pairs += 1;
        }
    }
    assert_eq!(pairs, 16);
}

#[test]
fn a_number_stands_where_one_of_several_is_meant() {
    for to in Surface::CONVERSATIONS.into_iter().filter(|to| *to != Surface::Messages) {
        let translated =
            Conversation::read(Surface::Messages, MESSAGES.as_bytes()).unwrap().write(&target(to));
        let lost = translated.unwrap().lost;
        assert!(lost.iter().any(|name| name == "tools[1]"), "{to:?}: {lost:#?}");
    }
}
