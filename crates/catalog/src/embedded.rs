//! The data files that are compiled into the program.

/// `data/authors.yml`
pub(crate) const AUTHORS: &str = include_str!("../data/authors.yml");

/// `data/providers/*.yml`, with the name each file must give as its id.
pub(crate) const PROVIDERS: [(&str, &str); 24] = [
    ("anthropic", include_str!("../data/providers/anthropic.yml")),
    ("azure", include_str!("../data/providers/azure.yml")),
    ("bedrock", include_str!("../data/providers/bedrock.yml")),
    ("cerebras", include_str!("../data/providers/cerebras.yml")),
    ("cohere", include_str!("../data/providers/cohere.yml")),
    ("deepseek", include_str!("../data/providers/deepseek.yml")),
    ("fireworks", include_str!("../data/providers/fireworks.yml")),
    ("google", include_str!("../data/providers/google.yml")),
    ("groq", include_str!("../data/providers/groq.yml")),
    ("hyperbolic", include_str!("../data/providers/hyperbolic.yml")),
    ("inceptionlabs", include_str!("../data/providers/inceptionlabs.yml")),
    ("inference-net", include_str!("../data/providers/inference-net.yml")),
    ("lmstudio", include_str!("../data/providers/lmstudio.yml")),
    ("mistral", include_str!("../data/providers/mistral.yml")),
    ("moonshotai", include_str!("../data/providers/moonshotai.yml")),
    ("ollama", include_str!("../data/providers/ollama.yml")),
    ("openai", include_str!("../data/providers/openai.yml")),
    ("openrouter", include_str!("../data/providers/openrouter.yml")),
    ("perplexity", include_str!("../data/providers/perplexity.yml")),
    ("together", include_str!("../data/providers/together.yml")),
    ("vertex", include_str!("../data/providers/vertex.yml")),
    ("vllm", include_str!("../data/providers/vllm.yml")),
    ("xai", include_str!("../data/providers/xai.yml")),
    ("z-ai", include_str!("../data/providers/z-ai.yml")),
];
