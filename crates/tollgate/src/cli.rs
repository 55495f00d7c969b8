//! The words of the command line. Names are a contract: scripts use them.

use crate::commands::compare::args::{self as compare, CompareArgs};
use crate::naming::NameArgs;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// An edge proxy for AI traffic that runs Traffic Policy files.
#[derive(Debug, Parser)]
#[command(
    name = "tollgate",
    version,
    about = "An edge proxy for AI traffic: Traffic Policy files with the `ai-gateway` action.",
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Begin with:\n  tollgate demo --once                     see it work, without any key\n  \
                  tollgate check policy.yml                every mistake of a policy, with line and column\n  \
                  tollgate explain policy.yml --body '{\"model\": \"gpt-4o\"}'\n  \
                  tollgate run policy.yml                  serve on http://127.0.0.1:8080"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a policy
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// The same as `run`, in the words of ngrok's agent
    #[command(after_help = HTTP_EXAMPLES)]
    Http(HttpArgs),
    /// Show every mistake of a policy, with line, column and what would be right; sends nothing
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Show what would be tried for a request, and why not the rest; sends nothing
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// One prompt to several models, side by side: answers, tokens, cost, speed
    #[command(after_help = compare::EXAMPLES)]
    Compare(CompareArgs),
    /// Mock providers and a gateway, to see it work without any key
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// The local vault, where `secrets.get` looks last
    Secrets {
        #[command(subcommand)]
        command: SecretsCommand,
    },
    /// The built-in providers and models, with prices
    #[command(after_help = MODELS_EXAMPLES)]
    Models(ModelsArgs),
    /// The JSON Schema of policies, for editors
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
    /// Run policy tests: requests, scripted providers, expectations
    #[command(after_help = TEST_EXAMPLES)]
    Test(TestArgs),
}

const RUN_EXAMPLES: &str = "Examples:
  tollgate run policies/openrouter-failover.yml
  tollgate run                                   the built-in providers, each client with its own key
  tollgate run policy.yml --upstream http://127.0.0.1:3000 --listen 0.0.0.0:8080
  tollgate run --config tollgate.yml
  tollgate run --default-backend openrouter      the same; OpenRouter with OPENROUTER_API_KEY, if it is set
  tollgate run --default-backend openrouter --force-model anthropic/claude-3.5-sonnet
  tollgate run policy.yml --model-alias '^gpt-(.*)=openrouter:openai/gpt-\\1'

Flags come before environment variables, these before the file of --config, this before the defaults.
A changed policy file is loaded without a restart; SIGTERM finishes what has begun, SIGQUIT hands over to a new process.
The log level is set with --log, such as `debug` or `warn,tollgate_edge=debug`.";

const HTTP_EXAMPLES: &str = "Examples:
  tollgate http 3000 --traffic-policy-file policy.yml
  tollgate http https://internal.example --traffic-policy-file policy.yml --url http://127.0.0.1:9000";

const CHECK_EXAMPLES: &str = "Examples:
  tollgate check policies/*.yml
  tollgate check --format json - < policy.yml
  tollgate check policy.yml --config tollgate.yml     also the configuration file, and the IP policies it has

Secrets need not exist: one that is missing is a warning.
Exit code 0: good (there may be warnings), 1: errors, 2: wrong usage.";

const EXPLAIN_EXAMPLES: &str = "Examples:
  tollgate explain policy.yml --body '{\"model\": \"gpt-4o\", \"messages\": []}'
  tollgate explain policy.yml --body-file request.json --outcome 'anthropic=503,openai:gpt-4o=timeout'
  tollgate explain policy.yml --path /v1/messages -H 'x-api-key: sk-ant-...' --body '{\"model\": \"claude-sonnet-4-5\"}'
  tollgate explain policy.yml --path /v1/models --json

Shows how names are read, what each strategy gives, and for each model that would be tried the address, the keys
(trimmed), the API it is translated to, the fields left out, and who is said to be asking.
OUTCOME is ok, a status such as 503, timeout, connect (refused), cut (closed before any content) or error_in_stream.
Exit code 1: the request would be refused.";

const DEMO_EXAMPLES: &str = "Examples:
  tollgate demo --once      a tour: normal, streamed, provider down, key used up
  tollgate demo             stays, for your own requests";

const MODELS_EXAMPLES: &str = "Examples:
  tollgate models --provider anthropic
  tollgate models --json | jq '.models[] | select(.pricing[\"text.input\"] < 1) | .id'
  tollgate models --policy policy.yml            with the models the policy adds

Prices are dollars a million tokens. Clouds (azure, bedrock, vertex) and servers of one's own (ollama, lmstudio, vllm)
exist only in policies that list them; the last lines show the entry each needs.";

const SCHEMA_EXAMPLES: &str = "Examples:
  tollgate schema > traffic-policy.schema.json
  # first line of a policy, for editors with the YAML language server:
  # yaml-language-server: $schema=./traffic-policy.schema.json
  tollgate schema --action ai-gateway            a page about one action";

const TEST_EXAMPLES: &str = "Examples:
  tollgate test policies/
  tollgate test policies/several-keys.test.yml

Exit code 0: all passed, 1: one failed or a file is wrong, 2: wrong usage.";

/// Where secrets are looked for.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SecretArgs {
    /// Secrets as files, `DIR/<vault>/<name>`; looked at before the environment and the vault
    #[arg(long, value_name = "DIR", env = "TOLLGATE_SECRETS_DIR")]
    pub(crate) secrets_dir: Option<PathBuf>,
    /// The local vault; default: tollgate/vault.json in the user's configuration folder
    #[arg(long, value_name = "FILE", env = "TOLLGATE_VAULT_FILE")]
    pub(crate) vault_file: Option<PathBuf>,
}

/// Where lists of models come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelLists {
    /// From OpenRouter, and the embedded ones until then; prices of authors' own models there hold at the authors, too.
    #[default]
    Live,
    /// The same, but its prices hold at OpenRouter only.
    Openrouter,
    /// Only the embedded ones: no list is read.
    Embedded,
}

/// What `run` and `http` have in common.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServeArgs {
    /// Address for health, metrics and status, or `none` [default: 127.0.0.1:4040]
    #[arg(long, value_name = "ADDR", env = "TOLLGATE_ADMIN", value_parser = parse_admin)]
    pub(crate) admin: Option<Admin>,
    /// Configuration file (tollgate.yml)
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    #[command(flatten)]
    pub(crate) names: NameArgs,
    /// Whether OpenRouter's list of models and prices is read when it is needed, and for whom, or the embedded one
    /// serves [default: live]
    #[arg(long, value_enum, value_name = "WHERE", env = "TOLLGATE_MODEL_LISTS")]
    pub(crate) model_lists: Option<ModelLists>,
    /// Whether OpenRouter is asked afterwards what an answer cost that was cut off before it said so [default: true]
    #[arg(long, value_name = "BOOL", env = "TOLLGATE_LATE_COSTS")]
    pub(crate) late_costs: Option<bool>,
    /// Form of access log and operational log [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", env = "TOLLGATE_LOG_FORMAT")]
    pub(crate) log_format: Option<LogForm>,
    /// Level of the operational log, such as `debug` [default: info]
    #[arg(long, value_name = "FILTER", env = "TOLLGATE_LOG", value_parser = some_text())]
    pub(crate) log: Option<String>,
    /// Worker threads of each listener [default: number of CPUs]
    #[arg(long, value_name = "N", env = "TOLLGATE_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Certificate chain, PEM; makes the listener https
    #[arg(long, value_name = "FILE", env = "TOLLGATE_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Key of the certificate, PEM
    #[arg(long, value_name = "FILE", env = "TOLLGATE_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Largest request body, such as 32MiB [default: 32MiB]
    #[arg(long, value_name = "SIZE", env = "TOLLGATE_MAX_BODY", value_parser = parse_bytes)]
    pub(crate) max_body: Option<usize>,
    /// Connections of clients at once [default: half of the files the process may have open]
    #[arg(long, value_name = "N", env = "TOLLGATE_MAX_CONNECTIONS", value_parser = crate::config::parse_count)]
    pub(crate) max_connections: Option<usize>,
    /// Requests served at once; others wait, or get 503 [default: as many as connections, at most 10000]
    #[arg(long, value_name = "N", env = "TOLLGATE_MAX_REQUESTS", value_parser = crate::config::parse_count)]
    pub(crate) max_requests: Option<usize>,
    /// What `conn.server_region` says in expressions, such as eu
    #[arg(long, value_name = "LABEL", env = "TOLLGATE_REGION", value_parser = crate::config::parse_region)]
    pub(crate) region: Option<String>,
    /// How long requests in flight may take to end after SIGTERM, such as 30s [default: 10m]
    #[arg(long, value_name = "TIME", env = "TOLLGATE_DRAIN_TIMEOUT", value_parser = parse_time)]
    pub(crate) drain_timeout: Option<Duration>,
    /// Take the listeners over from a running process, which is then sent SIGQUIT; needs --upgrade-sock
    #[arg(long)]
    pub(crate) upgrade: bool,
    /// Socket through which listeners are handed over, in a folder of the service's own; the same for both processes
    #[arg(long, value_name = "PATH", env = "TOLLGATE_UPGRADE_SOCK")]
    pub(crate) upgrade_sock: Option<PathBuf>,
}

/// `tollgate run`
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Policy file, or `-` for standard input; without one the built-in providers are served
    #[arg(env = "TOLLGATE_POLICY")]
    pub(crate) policy: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "TOLLGATE_LISTEN", value_parser = parse_address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Where traffic goes that no rule ends: a URL, HOST:PORT or PORT
    #[arg(long, value_name = "URL", env = "TOLLGATE_UPSTREAM", hide_env_values = true, value_parser = some_text())]
    pub(crate) upstream: Option<String>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

/// `tollgate http`
#[derive(Args, Debug)]
pub(crate) struct HttpArgs {
    /// Where traffic goes that no rule ends: a port, HOST:PORT or a URL
    pub(crate) upstream: String,
    /// Policy file
    #[arg(long, value_name = "FILE")]
    pub(crate) traffic_policy_file: Option<PathBuf>,
    /// Where to listen: http://127.0.0.1:8080 or https://... with a certificate
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

/// `tollgate check`
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Policy files, or `-` for standard input
    #[arg(required_unless_present = "config")]
    pub(crate) policy: Vec<PathBuf>,
    /// How the findings are written
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: LogForm,
    /// Configuration file: it is checked as well, with the files and policies it names, and what policies name of it
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
}

/// `tollgate explain`
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// Policy file, or `-` for standard input
    pub(crate) policy: PathBuf,
    /// The request's body [default: {}, which names no model]
    #[arg(long, value_name = "JSON", conflicts_with = "body_file")]
    pub(crate) body: Option<String>,
    /// The request's body, from a file or `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) body_file: Option<PathBuf>,
    /// The request's path, with its query
    #[arg(long, default_value = "/v1/chat/completions")]
    pub(crate) path: String,
    /// The request's method [default: the one the path wants]
    #[arg(long)]
    pub(crate) method: Option<String>,
    /// A header of the request, such as the client's key; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The client's address, for rules that ask for it
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) client_ip: IpAddr,
    /// What providers are made to answer, to see what would be tried next: separated by commas, or repeated
    #[arg(long, value_name = "PROVIDER[:MODEL]=OUTCOME")]
    pub(crate) outcome: Vec<String>,
    /// JSON for programs, in place of the page
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    #[command(flatten)]
    pub(crate) names: NameArgs,
    /// Configuration file; only what it says of names, identity and addresses counts here
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

/// `tollgate demo`
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Address to listen on [default: 127.0.0.1:8080, or a free port when that is taken]
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Run the tour and end
    #[arg(long)]
    pub(crate) once: bool,
}

/// `tollgate secrets`
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Store a secret, or replace it
    #[command(
        after_help = "Examples:\n  tollgate secrets create --vault openrouter --name api-key --value - < key.txt\n  \
                            tollgate secrets create --name openrouter --secret-data '{\"api-key\": \"sk-or-v1-...\"}'\n\n\
                            Both are read with secrets.get('openrouter', 'api-key').\n\
                            `-` reads from standard input and keeps the value out of the shell's history."
    )]
    Create(CreateArgs),
    /// Show the names of stored secrets, never a value
    List(ListArgs),
    /// Remove a secret
    Delete(DeleteArgs),
}

/// `tollgate secrets create`
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// The vault's name: the first argument of secrets.get; without it `default`, where secrets.get('NAME') looks
    #[arg(long)]
    pub(crate) vault: Option<String>,
    /// The secret's name; with --secret-data what secrets.get has as its first argument
    #[arg(long)]
    pub(crate) name: String,
    /// The value; `-` reads standard input
    #[arg(long, conflicts_with = "secret_data", allow_hyphen_values = true)]
    pub(crate) value: Option<String>,
    /// Several values as a JSON object; `-` reads standard input
    #[arg(long, value_name = "JSON", conflicts_with = "vault", allow_hyphen_values = true)]
    pub(crate) secret_data: Option<String>,
    #[command(flatten)]
    pub(crate) place: VaultArgs,
}

/// `tollgate secrets list`
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: VaultArgs,
}

/// `tollgate secrets delete`
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The vault's name
    #[arg(long)]
    pub(crate) vault: Option<String>,
    /// The secret's name; without --vault everything that was stored as --name with --secret-data
    #[arg(long)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) place: VaultArgs,
}

/// Which file is the vault.
#[derive(Args, Clone, Debug)]
pub(crate) struct VaultArgs {
    /// The vault file; default: tollgate/vault.json in the user's configuration folder
    #[arg(long, value_name = "FILE", env = "TOLLGATE_VAULT_FILE")]
    pub(crate) vault_file: Option<PathBuf>,
}

/// `tollgate models`
#[derive(Args, Debug)]
pub(crate) struct ModelsArgs {
    /// Only the models of this provider, by its id or another of its names
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// As a request through this policy sees them: with what it adds and takes away
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// JSON for programs: all kinds of prices, aliases, limits
    #[arg(long)]
    pub(crate) json: bool,
}

/// `tollgate schema`
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// A page about this action instead
    #[arg(long, value_name = "NAME")]
    pub(crate) action: Option<String>,
}

/// `tollgate test`
#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// Test files, or folders with *.test.yml in them
    #[arg(required = true)]
    pub(crate) path: Vec<PathBuf>,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// For people
    Text,
    /// One JSON document (check), or one JSON object a line (logs), for programs
    Json,
}

/// Where the admin listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admin {
    /// Nowhere.
    Off,
    /// Here.
    At(SocketAddr),
}

/// An address to listen on: `IP:PORT`, `localhost:PORT` or a port of this machine.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    if let Some(port) = text.strip_prefix(':') {
        return Err(format!(
            "say where: 127.0.0.1:{port} for this machine only, 0.0.0.0:{port} for every network"
        ));
    }
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(text).parse().map_err(|_| {
        if text.parse::<IpAddr>().is_ok() {
            format!("the port is missing; write {text}:8080")
        } else {
            "write IP:PORT, such as 127.0.0.1:8080, or 0.0.0.0:8080 for every network".to_owned()
        }
    })
}

/// An address, or `none`.
pub(crate) fn parse_admin(text: &str) -> Result<Admin, String> {
    match text.trim() {
        "none" | "off" => Ok(Admin::Off),
        address => parse_address(address).map(Admin::At),
    }
}

/// An empty variable (`TOLLGATE_FORCE_MODEL=`) is a mistake, not an empty name.
fn some_text() -> NonEmptyStringValueParser {
    NonEmptyStringValueParser::new()
}

fn parse_bytes(text: &str) -> Result<usize, String> {
    let bytes = tollgate_policy::parse_size(text.trim()).map_err(|wrong| format!("the size {wrong}"))?;
    match usize::try_from(bytes) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err("the size must be at least 1 byte".to_owned()),
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    tollgate_policy::parse_duration(text.trim()).map_err(|wrong| format!("the time {wrong}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declarations_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn addresses() {
        let at = |text: &str| parse_address(text).map(|a| a.to_string());
        assert_eq!(at("127.0.0.1:80"), Ok("127.0.0.1:80".into()));
        assert_eq!(at("8080"), Ok("127.0.0.1:8080".into()));
        assert_eq!(at("localhost:1"), Ok("127.0.0.1:1".into()));
        assert_eq!(at("[::]:1"), Ok("[::]:1".into()));
        assert!(at(":8080").is_err_and(|e| e.contains("0.0.0.0:8080")));
        assert!(at("127.0.0.1").is_err_and(|e| e.contains("127.0.0.1:8080")));
        assert!(at("example.com:80").is_err() && at("70000").is_err());
        assert_eq!(parse_admin("none"), Ok(Admin::Off));
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_bytes("1MiB"), Ok(1 << 20));
        assert!(parse_bytes("0").is_err() && parse_bytes("1 parsec").is_err());
    }

    #[test]
    fn commands_of_the_contract_parse() {
        for line in [
            "run",
            "run p.yml --listen 127.0.0.1:0 --admin 127.0.0.1:0 --upstream http://a --secrets-dir d --config c \
             --default-backend openrouter --force-model a:b --static-route a:b?temperature=0 --model-alias ^a=b --model-alias c=d=e \
             --identity-title T --identity-url u --identity-user-agent a/1 --log-format json --threads 2",
            "run p.yml --tls-cert a --tls-key b --max-body 1MiB --upgrade --upgrade-sock s",
            "http 3000 --traffic-policy-file f --url http://127.0.0.1:1",
            "check a.yml b.yml - --format json",
            "explain p --body {} --path /v1/messages --method POST --header a:b --client-ip ::1 --outcome a=503 --json",
            "compare p.txt --model a -m b:c --policy f --repeat 3 --parallel 2 --no-stream --max-tokens 9 --system s --json",
            "compare - --model a --full --secrets-dir d --vault-file v",
            "demo --once",
            "secrets create --name openrouter --secret-data {}",
            "secrets create --vault v --name n --value -",
            "secrets list",
            "secrets delete --vault v --name n",
            "models --provider openai --json",
            "schema",
            "test a b",
        ] {
            let words = std::iter::once("tollgate").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
        for line in [
            "check",
            "test",
            "run --threads 0",
            "explain",
            "compare p.txt",
            "compare --model a",
            "compare p.txt --model=",
            "compare p.txt --model a --repeat 0",
            "compare p.txt --model a --parallel 0",
            "compare p.txt --model a --max-tokens 0",
            "compare p.txt --model a --json --full",
            "secrets create --value x",
            "run --listen x",
            "run --force-model=",
            "run --static-route gpt-4o",
            "run --static-route openai:gpt-4o?temperature=7",
            "run --default-backend a^b",
            "run --model-alias ^a",
        ] {
            let words = std::iter::once("tollgate").chain(line.split_whitespace());
            let code = Cli::try_parse_from(words).map_or_else(|e| e.exit_code(), |_| 0);
            assert_eq!(code, 2, "{line}");
        }
    }
}
