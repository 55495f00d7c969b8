//! Streams as providers send them, shortened.

/// Every recording, by name.
pub(crate) const ALL: &[(&str, &str)] = &[
    ("chat", CHAT),
    ("openrouter", OPENROUTER),
    ("completions", COMPLETIONS),
    ("responses", RESPONSES),
    ("messages", MESSAGES),
    ("gemini", GEMINI),
    ("multi-line", MULTI_LINE),
];

/// OpenAI chat completions with `include_usage`.
pub(crate) const CHAT: &str = r#"data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o","choices":[{"index":0,"delta":{"content":"Grüße 🚀"},"finish_reason":null}],"usage":null}

data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}}

data: [DONE]

"#;

/// OpenRouter: comments, the role on every chunk, a repeated finish reason beside usage and cost.
pub(crate) const OPENROUTER: &str = r#": OPENROUTER PROCESSING

: OPENROUTER PROCESSING

data: {"id":"gen-1","provider":"Groq","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"native_finish_reason":null}]}

: OPENROUTER PROCESSING

data: {"id":"gen-1","provider":"Groq","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm"}]},"finish_reason":null}]}

data: {"id":"gen-1","provider":"Groq","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}

data: {"id":"gen-1","provider":"Groq","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop","native_finish_reason":"stop"}]}

data: {"id":"gen-1","provider":"Groq","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":16,"total_tokens":30,"cost":0.00012}}

data: [DONE]

"#;

/// Legacy text completions.
pub(crate) const COMPLETIONS: &str = r#"data: {"id":"cmpl","object":"text_completion","choices":[{"text":"","index":0,"logprobs":null,"finish_reason":null}]}

data: {"id":"cmpl","object":"text_completion","choices":[{"text":"Once","index":0,"logprobs":null,"finish_reason":null}]}

data: {"id":"cmpl","object":"text_completion","choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"length"}]}

data: [DONE]

"#;

/// OpenAI Responses.
pub(crate) const RESPONSES: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"r","status":"in_progress","error":null,"usage":null,"tools":[{"type":"function"}]}}

event: response.in_progress
data: {"type":"response.in_progress","sequence_number":1,"response":{"id":"r","status":"in_progress","error":null}}

event: response.output_item.added
data: {"type":"response.output_item.added","output_index":0,"item":{"id":"rs","type":"reasoning","summary":[]}}

event: response.output_item.added
data: {"type":"response.output_item.added","output_index":1,"item":{"id":"m","type":"message","status":"in_progress","content":[],"role":"assistant"}}

event: response.content_part.added
data: {"type":"response.content_part.added","part":{"type":"output_text","annotations":[],"text":""}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","delta":"Hé"}

event: response.output_text.done
data: {"type":"response.output_text.done","text":"Hé"}

event: response.completed
data: {"type":"response.completed","response":{"id":"r","status":"completed","error":null,"output":[{"type":"message"}],"usage":{"input_tokens":37,"input_tokens_details":{"cached_tokens":5},"output_tokens":11,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":48}}}

"#;

/// Anthropic messages.
pub(crate) const MESSAGES: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg","type":"message","role":"assistant","content":[],"model":"claude","stop_reason":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":5,"cache_read_input_tokens":70,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"你好"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

"#;

/// Gemini, as in ai.google.dev/gemini-api/docs/text-generation and /thinking.
pub(crate) const GEMINI: &str = r#"data: {"candidates": [{"content": {"parts": [],"role": "model"},"index": 0}],"modelVersion": "gemini-2.5-flash","responseId": "r"}

data: {"candidates": [{"content": {"parts": [{"text": "Hm","thought": true}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 4,"totalTokenCount": 9,"thoughtsTokenCount": 5},"modelVersion": "gemini-2.5-flash","responseId": "r"}

data: {"candidates": [{"content": {"parts": [{"text": "Grüße 🚀"}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 2,"totalTokenCount": 11,"cachedContentTokenCount": 3,"thoughtsTokenCount": 5},"modelVersion": "gemini-2.5-flash","responseId": "r"}

"#;

/// One value over several data lines, a byte order mark, and no blank line at the end.
pub(crate) const MULTI_LINE: &str =
    "\u{feff}data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"x\"}}]}\nid: 4\n\n\n: bye\n\ndata: [DONE]";
