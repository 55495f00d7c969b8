//! The data files that are compiled into the program.

/// `data/authors.yml`
pub(crate) const AUTHORS: &str = include_str!("../data/authors.yml");

/// `data/providers/*.yml`, with the name each file must give as its id.
pub(crate) const PROVIDERS: [(&str, &str); 14] = [
    ("anthropic", include_str!("../data/providers/anthropic.yml")),
    ("deepseek", include_str!("../data/providers/deepseek.yml")),
    ("google", include_str!("../data/providers/google.yml")),
    ("groq", include_str!("../data/providers/groq.yml")),
    ("hyperbolic", include_str!("../data/providers/hyperbolic.yml")),
    ("inceptionlabs", include_str!("../data/providers/inceptionlabs.yml")),
    ("inference-net", include_str!("../data/providers/inference-net.yml")),
    ("lmstudio", include_str!("../data/providers/lmstudio.yml")),
    ("moonshotai", include_str!("../data/providers/moonshotai.yml")),
    ("ollama", include_str!("../data/providers/ollama.yml")),
    ("openai", include_str!("../data/providers/openai.yml")),
    ("openrouter", include_str!("../data/providers/openrouter.yml")),
    ("vllm", include_str!("../data/providers/vllm.yml")),
    ("z-ai", include_str!("../data/providers/z-ai.yml")),
];
