//! The words of `tollgate compare`.

use crate::cli::SecretArgs;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::path::PathBuf;

pub(crate) const EXAMPLES: &str = "Examples:
  tollgate compare prompt.txt --model gpt-4o --model anthropic:claude-sonnet-5-5
  tollgate compare request.json --model openai:o3 --model google:gemini-2.5-pro --repeat 5 --json
  echo 'Why is the sky blue?' | tollgate compare - --model gpt-4o --model 'gpt-4o?temperature=0' --full
  tollgate compare prompt.txt --policy policy.yml --model fast --model careful

Without --policy these are the built-in providers, with keys from the usual variables (OPENAI_API_KEY and so on) or
the vault. Requests are real, and are paid for. Exit code 0: every model answered, 1: one did not, 2: wrong usage.";

/// `tollgate compare`
#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// The prompt: a text, or the JSON body of a chat completion, whose model is replaced; `-` for standard input
    pub(crate) prompt_file: PathBuf,
    /// A model, as a client would name it; repeat it for each model to compare
    #[arg(long = "model", short = 'm', required = true, value_name = "MODEL", value_parser = text())]
    pub(crate) models: Vec<String>,
    /// The policy the requests go through [default: the built-in providers]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Requests to each model; the figures are medians
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) repeat: u16,
    /// Most requests under way at once, all models together
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) parallel: u16,
    /// Ask for whole answers; then the time to the first token is not known
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Most output tokens of an answer, reasoning included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
    /// A system message, in place of the prompt's own
    #[arg(long, value_name = "TEXT", value_parser = text())]
    pub(crate) system: Option<String>,
    /// JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
    /// Show whole answers, one below the other
    #[arg(long, conflicts_with = "json")]
    pub(crate) full: bool,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
}

fn text() -> NonEmptyStringValueParser {
    NonEmptyStringValueParser::new()
}
