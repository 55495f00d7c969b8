//! `cargo run -p xtask -- instructions`: counts what the hot paths execute, and compares it with what is allowed.
//!
//! Times of a shared machine say little; counts of instructions under `valgrind` are the same in every run. The bench
//! `instructions` of each crate calls each function of its module `measured` once, and callgrind says what each call cost.

use crate::failure::{Result, said};
use crate::step::{self, Done};
use crate::workspace::{cache, cargo_output, root, shown};
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The crates that are measured: folders below `crates`.
const CRATES: [&str; 3] = ["dialect", "select", "edge"];
/// Counts are of this architecture. Valgrind shows programs one of very few processors, whatever the machine has, so
/// that machines of one architecture agree.
const ARCHITECTURE: &str = "x86_64";
/// The module of the bench whose functions are counted.
const MODULE: &str = "instructions::measured::";
/// Processes of each bench, of which the least count is taken.
const RUNS: usize = 8;
/// So much more than allowed is still right, in parts of a hundred.
const SLACK: u64 = 3;

/// Without LTO and with several units of code for dependencies: a fraction of the time of a release build.
const BUILD: [&str; 8] = [
    "bench",
    "--no-run",
    "--locked",
    "--profile=instructions",
    "--bench=instructions",
    "--message-format=json",
    "--quiet",
    "--color=never",
];

/// What to do.
#[derive(Args)]
pub(crate) struct Options {
    /// Write the counts of now as what is allowed
    #[arg(long)]
    accept: bool,
}

/// Counts and compares, or accepts.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut build: Vec<String> = BUILD.map(str::to_owned).to_vec();
    build.extend(CRATES.map(|name| format!("--package=tollgate-{name}")));
    let built = cargo_output(&build.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut wrong = Vec::new();
    for name in CRATES {
        let counts = count(name, &built)?;
        if options.accept {
            accept(name, &counts)?;
            continue;
        }
        for (function, count) in &counts {
            println!("{:<36} {count:>9}", format!("{name} {function}"));
        }
        if std::env::consts::ARCH == ARCHITECTURE {
            wrong.extend(compare(&limits(name), &counts, &allowed(name)?));
        }
    }
    if std::env::consts::ARCH != ARCHITECTURE && !options.accept {
        println!("the limits are of {ARCHITECTURE}: nothing is compared here");
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(said(format!(
        "{}\nIf that is meant: cargo run -p xtask -- instructions --accept, and say in the commit why.",
        wrong.join("\n")
    )))
}

/// As a step of `make test`.
pub(crate) fn step() -> Result<Done> {
    let name = "instructions";
    if std::env::consts::ARCH != ARCHITECTURE {
        // The counts say nothing here, and a step that tests nothing is none.
        return Ok(Done { passed: 1, ok: true, ..step::not_run(name, "not compared on this architecture") });
    }
    println!("\n--- {name}");
    let started = Instant::now();
    let result = run(&Options { accept: false });
    if let Err(failure) = &result {
        println!("{failure}");
    }
    let passed = u64::from(result.is_ok());
    Ok(Done { name: name.to_owned(), ok: result.is_ok(), passed, took: started.elapsed() })
}

/// Runs the bench of a crate several times: names and least counts, in the order of the names. Maps have other seeds in
/// each process, and with them the allocator another past, which is worth up to a tenth; the least is always the same.
fn count(name: &str, built: &str) -> Result<Vec<(String, u64)>> {
    let bench = executable(name, built)
        .ok_or_else(|| said(format!("cargo does not say where the bench `instructions` of {name} is")))?;
    let mut least: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..RUNS {
        for (function, count) in run_once(name, &bench)? {
            least.entry(function).and_modify(|least| *least = count.min(*least)).or_insert(count);
        }
    }
    Ok(least.into_iter().collect())
}

/// Runs a bench, and reads what callgrind wrote.
fn run_once(name: &str, bench: &Path) -> Result<HashMap<String, u64>> {
    let written = cache("instructions")?.join(format!("{name}.callgrind"));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]);
    valgrind.arg(format!("--callgrind-out-file={}", written.display())).arg(bench).current_dir(root());
    let output = valgrind.output().map_err(|error| said(format!("valgrind does not start: {error}")))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(said(format!("the bench fails under valgrind:\n{why}")));
    }
    let counts = costs(&fs::read_to_string(&written)?);
    if counts.is_empty() {
        return Err(said(format!("{} has no function of {MODULE}", shown(&written))));
    }
    Ok(counts)
}

/// Where the bench of a crate is, from Cargo's messages.
fn executable(name: &str, messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let manifest = format!("/crates/{name}/Cargo.toml");
    let text =
        |message: &Value, at: &str| message.pointer(at).and_then(Value::as_str).unwrap_or("").to_owned();
    let named = |message: &Value| {
        text(message, "/target/name") == "instructions"
            && text(message, "/manifest_path").ends_with(&manifest)
    };
    let mut found = messages.filter(named);
    found.find_map(|message| message.get("executable").and_then(Value::as_str).map(PathBuf::from))
}

/// The mean inclusive cost of a call of each measured function (valgrind manual, "Callgrind format specification"): a
/// line `cfn=`, one `calls=` with their number, and one whose second number is the cost of them all. A name stands behind
/// its number only where that comes first.
fn costs(text: &str) -> HashMap<String, u64> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut costs: HashMap<String, (u64, u64)> = HashMap::new();
    let mut callee = None;
    let mut calls = None;
    for line in text.lines() {
        if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let (number, name) = function.split_once(' ').unwrap_or((function, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            callee = line.starts_with('c').then(|| names.get(number).copied().unwrap_or_default());
        } else if let Some(made) = line.strip_prefix("calls=") {
            calls = made.split(' ').next().and_then(|made| made.parse::<u64>().ok());
            continue;
        } else if let Some(calls) = calls {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
            if let (Some(name), Some(cost)) = (callee.and_then(measured), cost) {
                let sums = costs.entry(name.to_owned()).or_default();
                *sums = (sums.0 + cost, sums.1 + calls);
            }
        }
        calls = None;
    }
    costs.into_iter().map(|(name, (cost, calls))| (name, cost / calls.max(1))).collect()
}

/// The name of a function that is to be counted; callgrind puts `'2` and so on behind one that calls itself.
fn measured(function: &str) -> Option<&str> {
    let name = function.strip_prefix(MODULE)?;
    Some(name.split(['\'', ':']).next().unwrap_or(name))
}

/// Where it is written what a crate may execute, relative to the root.
fn limits(name: &str) -> String {
    format!("crates/{name}/benches/limits.json")
}

/// What is allowed.
fn allowed(name: &str) -> Result<Map<String, Value>> {
    let file = limits(name);
    let text = fs::read_to_string(root().join(&file)).map_err(|why| said(format!("{file}: {why}")))?;
    let limits: Value = serde_json::from_str(&text)?;
    limits
        .get("instructions")
        .and_then(Value::as_object)
        .cloned()
        .ok_or_else(|| said(format!("{file} has no 'instructions'")))
}

/// What is wrong, a line for each.
fn compare(file: &str, counts: &[(String, u64)], allowed: &Map<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, count) in counts {
        match allowed.get(name).and_then(Value::as_u64) {
            None => wrong.push(format!("{name} executes {count} instructions, and {file} does not know it")),
            Some(limit) if count * 100 > limit * (100 + SLACK) => wrong.push(format!(
                "{name} executes {count} instructions, {} more than the {limit} in {file}; {SLACK} % are right",
                percent(count - limit, limit)
            )),
            Some(limit) if count * 100 < limit * (100 - SLACK) => {
                let less = percent(limit - count, limit);
                println!("{name} executes {less} less than allowed: --accept keeps it so");
            }
            Some(_) => {}
        }
    }
    let gone = allowed.keys().filter(|name| counts.iter().all(|(known, _)| known != *name));
    wrong.extend(gone.map(|name| format!("{name} stands in {file}, and nothing of that name was counted")));
    wrong
}

/// A part of something, with one digit behind the point.
fn percent(part: u64, whole: u64) -> String {
    let tenths = part.saturating_mul(1000) / whole.max(1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn accept(name: &str, counts: &[(String, u64)]) -> Result<()> {
    let file = limits(name);
    if std::env::consts::ARCH != ARCHITECTURE {
        return Err(said(format!("the counts of {file} are of {ARCHITECTURE}")));
    }
    let instructions: Map<String, Value> =
        counts.iter().map(|(name, count)| (name.clone(), json!(count))).collect();
    let text = serde_json::to_string_pretty(&json!({ "instructions": instructions }))?;
    fs::write(root().join(&file), text + "\n")?;
    println!("{file} has the counts of now");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
fn=(1) main
cfn=(2) instructions::measured::peek
calls=1 0 
0 1000
fn=(3) instructions::measured::split
0 7
cfn=(4) other::function
calls=3 12 
+4 90
fn=(1)
0 5
cfn=(3)
calls=1 0 
* 400
cfn=(2)
calls=2 0 
0 11
";

    #[test]
    fn the_costs_of_calls() {
        let mut costs: Vec<_> = costs(OUTPUT).into_iter().collect();
        costs.sort();
        assert_eq!(costs, [("peek".to_owned(), 337), ("split".to_owned(), 400)]);
    }

    #[test]
    fn too_many_is_said_with_what_is_allowed() {
        let counts = |counts: &[(&str, u64)]| -> Vec<(String, u64)> {
            counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let allowed = json!({"a": 1000, "b": 1000});
        let allowed = allowed.as_object().unwrap();
        assert!(compare("limits.json", &counts(&[("a", 1030), ("b", 10)]), allowed).is_empty());
        assert_eq!(
            compare("limits.json", &counts(&[("a", 1031), ("b", 1000)]), allowed),
            ["a executes 1031 instructions, 3.1 % more than the 1000 in limits.json; 3 % are right"]
        );
        assert_eq!(
            compare("limits.json", &counts(&[("a", 1000), ("c", 5)]), allowed),
            [
                "c executes 5 instructions, and limits.json does not know it",
                "b stands in limits.json, and nothing of that name was counted",
            ]
        );
    }

    #[test]
    fn the_bench_is_found_in_what_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}
{"reason":"compiler-artifact","manifest_path":"/w/crates/select/Cargo.toml","target":{"name":"instructions"},"executable":"/t/instructions-1"}
{"reason":"compiler-artifact","manifest_path":"/w/crates/dialect/Cargo.toml","target":{"name":"instructions"},"executable":"/t/instructions-2"}
{"reason":"build-finished"}"#;
        assert_eq!(executable("dialect", messages), Some(PathBuf::from("/t/instructions-2")));
    }
}
