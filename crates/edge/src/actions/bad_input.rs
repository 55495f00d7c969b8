//! Every field of every action, given what it cannot hold: refused at load, at its place, by its name, with what would be
//! right. The cases are made of the declarations, so that a new field is tested without anybody thinking of it.

use super::ALL;
use crate::engine::{Engine, Shared};
use crate::testing::shared;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tollgate_policy::{
    ActionSpec, Diagnostic, Field, NodeValue, Phase, Severity, Shape, Source, format_duration,
};

/// The longest list that is written to be too long.
const WRITABLE: usize = 1000;

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Key(String),
    Item(usize),
}

type Path = Vec<Step>;

/// A policy as JSON, and where each of its values and keys stands, from 1.
#[derive(Default)]
struct Written {
    text: String,
    values: HashMap<Path, (usize, usize)>,
    keys: HashMap<Path, (usize, usize)>,
}

impl Written {
    fn new(value: &Value) -> Self {
        let mut written = Self::default();
        written.write(value, &mut Vec::new());
        written
    }

    fn here(&self) -> (usize, usize) {
        let line = self.text.matches('\n').count() + 1;
        let column = self.text.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }

    fn write(&mut self, value: &Value, path: &mut Path) {
        self.values.insert(path.clone(), self.here());
        match value {
            Value::Array(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.text.push_str(if index == 0 { "\n" } else { ",\n" });
                    self.inner(item, path, Step::Item(index));
                }
                self.text.push(']');
            }
            Value::Object(entries) => {
                self.text.push('{');
                for (index, (key, item)) in entries.iter().enumerate() {
                    self.text.push_str(if index == 0 { "\n" } else { ",\n" });
                    let step = Step::Key(key.clone());
                    self.keys.insert([path.clone(), vec![step.clone()]].concat(), self.here());
                    self.text.push_str(&format!("{}: ", Value::from(key.as_str())));
                    self.inner(item, path, step);
                }
                self.text.push('}');
            }
            scalar => self.text.push_str(&scalar.to_string()),
        }
    }

    fn inner(&mut self, value: &Value, path: &mut Path, step: Step) {
        path.push(step);
        self.write(value, path);
        path.pop();
    }
}

/// A value of this shape that is right as far as the shape says.
fn sample(shape: &Shape) -> Value {
    match shape {
        Shape::Bool => json!(true),
        Shape::Int { min, max } => json!((*min).max(1.min(*max))),
        Shape::Float { min, max } => json!((min + max) / 2.0),
        Shape::Text | Shape::Template => json!("some-text"),
        Shape::Enum(words) => json!(words.first().expect("a word")),
        Shape::Duration { min, .. } => json!(format_duration((*min).max(Duration::from_secs(1)))),
        Shape::Size { min, .. } => json!(format!("{}", (*min).max(1))),
        Shape::Cel(_) => json!("true"),
        Shape::List { item, min, .. } => json!(vec![sample(item); (*min).max(1)]),
        Shape::Map { value, .. } => json!({ "some_key": sample(value) }),
        Shape::Object(fields) => fields
            .iter()
            .filter(|f| f.required)
            .map(|f| (f.name.to_owned(), sample(&f.shape)))
            .collect::<Map<_, _>>()
            .into(),
        Shape::OneOf(shapes) => sample(shapes.first().expect("a shape")),
        Shape::Json | Shape::Data => json!({ "any": "thing" }),
        Shape::StatusCode { min, .. } => json!(min),
        Shape::HeaderName => json!("x-some-header"),
    }
}

/// Values of types that the shape does not have.
fn of_wrong_types(shape: &Shape) -> Vec<Value> {
    let (text, list, map) = (json!("no such thing"), json!([[]]), json!({ "no_such": {} }));
    match shape {
        Shape::Bool => vec![json!(7), text, json!("true"), json!("yes"), list, map, Value::Null],
        Shape::Int { .. } | Shape::StatusCode { .. } => {
            vec![text, json!("7"), json!(true), json!(200.5), list, map, Value::Null]
        }
        Shape::Float { .. } => vec![text, json!("0.5"), json!(true), list, map, Value::Null],
        Shape::Duration { .. } => {
            vec![text, json!(5), json!(0.5), json!(true), list, map, Value::Null, json!("5"), json!("-5s")]
        }
        Shape::Size { .. } => vec![text, json!(true), list, map, Value::Null],
        Shape::Text | Shape::Template => vec![list, map, Value::Null],
        Shape::Cel(_) => {
            vec![list, map, Value::Null, json!("1 +"), json!("no_such_name"), json!("no_such_call(1)")]
        }
        Shape::Enum(_) => vec![text, json!(7), json!(true), list, map, json!("")],
        Shape::HeaderName => vec![text, list, map, Value::Null, json!(""), json!("a:b"), json!("a\nb")],
        Shape::List { .. } => vec![text, json!(7), json!(true), map, Value::Null],
        Shape::Map { .. } | Shape::Object(_) => vec![text, json!(7), json!(true), list, Value::Null],
        Shape::OneOf(shapes) => {
            let mut all = vec![Value::Null];
            all.extend([json!("no such thing"), json!([[]]), json!({ "no_such": {} })].into_iter().filter(
                |v| {
                    shapes.iter().all(|shape| match shape {
                        Shape::List { .. } => !v.is_array(),
                        Shape::Map { .. } | Shape::Object(_) => !v.is_object(),
                        _ => !v.is_string(),
                    })
                },
            ));
            all
        }
        Shape::Json | Shape::Data => vec![],
    }
}

/// Values of the right type that are too small, too large, too few, too many or malformed.
fn out_of_range(shape: &Shape) -> Vec<Value> {
    let mut all = Vec::new();
    match shape {
        Shape::Int { min, max } => {
            all.extend(min.checked_sub(1).map(Value::from));
            all.extend(max.checked_add(1).map(Value::from));
        }
        Shape::StatusCode { min, max } => all.extend([json!(min - 1), json!(max + 1), json!(-200)]),
        Shape::Float { min, max } => {
            all.extend(
                [min, max].into_iter().filter(|n| n.is_finite()).zip([-0.5, 0.5]).map(|(n, d)| json!(n + d)),
            );
        }
        Shape::Duration { min, max } => {
            if !min.is_zero() {
                all.push(json!(format_duration(*min / 2)));
            }
            all.extend(max.checked_add(Duration::from_secs(1)).map(|d| json!(format_duration(d))));
        }
        Shape::Size { min, max } => {
            all.extend(min.checked_sub(1).map(|n| json!(format!("{n}"))));
            all.extend(max.checked_add(1).map(|n| json!(format!("{n}"))));
        }
        Shape::List { item, min, max } => {
            if *min > 0 {
                all.push(json!(vec![sample(item); min - 1]));
            }
            if *max <= WRITABLE {
                all.push(json!(vec![sample(item); max + 1]));
            }
        }
        Shape::Map { value, min, max, .. } => {
            let of = |n: usize| (0..n).map(|i| (format!("key{i}"), sample(value))).collect::<Map<_, _>>();
            if *min > 0 {
                all.push(of(min - 1).into());
            }
            if *max <= WRITABLE {
                all.push(of(max + 1).into());
            }
        }
        Shape::OneOf(shapes) => all.extend(shapes.iter().flat_map(out_of_range)),
        Shape::Template => all.extend([json!("${"), json!("${1 +}"), json!("${no_such_name}")]),
        _ => {}
    }
    all
}

/// `${}` where it means nothing.
fn interpolated(shape: &Shape) -> Option<Value> {
    let takes = matches!(
        shape,
        Shape::Text
            | Shape::Template
            | Shape::Cel(_)
            | Shape::Json
            | Shape::Data
            | Shape::List { .. }
            | Shape::Map { .. }
            | Shape::Object(_)
            | Shape::OneOf(_)
    );
    (!takes).then(|| json!("${req.method}"))
}

struct World {
    shared: Shared,
    cases: usize,
    wrong: Vec<String>,
}

fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

fn at<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(name) => value.get_mut(name),
        Step::Item(index) => value.get_mut(index),
    })
}

fn same(found: &Diagnostic, place: (usize, usize)) -> bool {
    (found.at.line, found.at.column) == place
}

impl World {
    fn errors(&self, text: &str) -> Vec<Diagnostic> {
        let loaded = Engine::load(&Source::new("p.yml", text), &self.shared);
        loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).cloned().collect()
    }

    fn miss(&mut self, case: &str, bad: &Value, found: &[Diagnostic]) {
        let said: Vec<String> = found
            .iter()
            .map(|f| {
                format!(
                    "{}:{} {} ({})",
                    f.at.line,
                    f.at.column,
                    f.message,
                    f.help.as_deref().unwrap_or("no help")
                )
            })
            .collect();
        let bad: String = bad.to_string().chars().take(60).collect();
        self.wrong.push(format!("{case} = {bad}: {said:?}"));
    }

    /// A bad value at a place: the error must stand there, name the field, and say what would be right.
    fn value(
        &mut self,
        spec: &ActionSpec,
        policy: &Value,
        path: &Path,
        (name, shape): (&str, &Shape),
        bad: &Value,
    ) {
        self.cases += 1;
        let mut policy = policy.clone();
        *at(&mut policy, path).expect("the place is there") = bad.clone();
        let written = Written::new(&policy);
        let found = self.errors(&written.text);
        let place = written.values[path];
        let inside = |found: &Diagnostic| {
            bad.is_string()
                && matches!(shape, Shape::Template | Shape::Cel(_) | Shape::OneOf(_))
                && found.at.line == place.0
        };
        let right = found.iter().any(|found| {
            let named = found.message.contains(name) || inside(found);
            let helped = found.help.is_some()
                || ["must be", "needs", "at most"].iter().any(|word| found.message.contains(word))
                || inside(found);
            (same(found, place) || inside(found)) && named && helped
        });
        if !right {
            self.miss(&format!("{} {path:?}", spec.name), bad, &found);
        }
    }

    fn missing(&mut self, spec: &ActionSpec, policy: &Value, owner: &Path, name: &str) {
        self.cases += 1;
        let mut policy = policy.clone();
        let parent = at(&mut policy, owner).and_then(Value::as_object_mut).expect("a mapping");
        parent.remove(name);
        let written = Written::new(&policy);
        let found = self.errors(&written.text);
        let places = [written.values.get(owner), written.keys.get(owner)];
        let right = found.iter().any(|found| {
            places.iter().flatten().any(|place| same(found, **place))
                && found.message.contains(&format!("{name}`"))
                && found.message.contains("missing")
                && found.help.is_some()
        });
        if !right {
            self.miss(&format!("{} {owner:?} without {name}", spec.name), &Value::Null, &found);
        }
    }

    fn unknown(&mut self, spec: &ActionSpec, policy: &Value, owner: &Path) {
        self.cases += 1;
        let mut policy = policy.clone();
        let parent = at(&mut policy, owner).and_then(Value::as_object_mut).expect("a mapping");
        parent.insert("no_such_field".into(), json!(1));
        let written = Written::new(&policy);
        let found = self.errors(&written.text);
        let place = written.keys[&[owner.clone(), vec![key("no_such_field")]].concat()];
        if !found.iter().any(|f| same(f, place) && f.message.contains("no_such_field") && f.help.is_some()) {
            self.miss(&format!("{} {owner:?} with an unknown field", spec.name), &Value::Null, &found);
        }
    }

    fn fields(&mut self, spec: &ActionSpec, policy: &Value, owner: &Path, fields: &[Field]) {
        self.unknown(spec, policy, owner);
        for field in fields {
            let path = [owner.clone(), vec![key(field.name)]].concat();
            let mut policy = policy.clone();
            let parent = at(&mut policy, owner).and_then(Value::as_object_mut).expect("a mapping");
            parent.entry(field.name).or_insert_with(|| sample(&field.shape));
            if field.required {
                self.missing(spec, &policy, owner, field.name);
            }
            self.shape(spec, &policy, &path, field.name, &field.shape);
        }
    }

    fn shape(&mut self, spec: &ActionSpec, policy: &Value, path: &Path, name: &str, shape: &Shape) {
        let bad = of_wrong_types(shape).into_iter().chain(out_of_range(shape)).chain(interpolated(shape));
        for bad in bad {
            self.value(spec, policy, path, (name, shape), &bad);
        }
        self.below(spec, policy, path, name, shape);
    }

    /// What is inside: items, entries, fields, each alternative.
    fn below(&mut self, spec: &ActionSpec, policy: &Value, path: &Path, name: &str, shape: &Shape) {
        let mut policy = policy.clone();
        let place = at(&mut policy, path).expect("the place is there");
        match shape {
            Shape::List { item, .. } => {
                if place.get(0).is_none() {
                    *place = json!([sample(item)]);
                }
                let path = [path.clone(), vec![Step::Item(0)]].concat();
                self.shape(spec, &policy, &path, name, item);
            }
            Shape::Map { value, .. } => {
                let entry = place.as_object().and_then(|map| map.keys().next().cloned());
                let entry = entry.unwrap_or_else(|| {
                    *place = json!({ "some_key": sample(value) });
                    "some_key".into()
                });
                let path = [path.clone(), vec![key(&entry)]].concat();
                self.shape(spec, &policy, &path, &entry, value);
            }
            Shape::Object(fields) => self.fields(spec, &policy, path, fields),
            Shape::OneOf(shapes) => {
                for shape in *shapes {
                    if !matches!(shape, Shape::List { .. } | Shape::Map { .. } | Shape::Object(_)) {
                        continue;
                    }
                    let mut policy = policy.clone();
                    *at(&mut policy, path).expect("the place is there") = sample(shape);
                    self.below(spec, &policy, path, name, shape);
                }
            }
            _ => {}
        }
    }
}

/// The action of the example, as JSON.
fn example(spec: &ActionSpec) -> Value {
    let node =
        tollgate_policy::parse(&Source::new("example.yml", spec.example)).expect("the example is YAML");
    let NodeValue::List(items) = &node.value else { panic!("{}: the example is a list item", spec.name) };
    let mut action = items.first().expect("an action").to_json();
    action.as_object_mut().expect("a mapping").entry("config").or_insert_with(|| json!({}));
    action
}

fn usual(spec: &ActionSpec) -> Phase {
    *spec.phases.iter().find(|phase| **phase == Phase::HttpRequest).unwrap_or(&spec.phases[0])
}

#[test]
fn every_field_refuses_what_it_cannot_hold_where_it_stands_and_says_what_would_be_right() {
    let mut world = World { shared: shared(&[]), cases: 0, wrong: Vec::new() };
    for action in ALL {
        let spec = action.spec;
        let phase = usual(spec);
        let policy = json!({ phase.key(): [example(spec)] });
        let config = vec![key(phase.key()), Step::Item(0), key("config")];
        world.fields(spec, &policy, &config, spec.fields);
    }
    assert!(world.cases > 1000, "only {} cases", world.cases);
    let wrong = &world.wrong;
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), world.cases, wrong.join("\n"));
}

#[test]
fn every_action_is_refused_in_every_phase_that_is_not_its_own() {
    let world = World { shared: shared(&[]), cases: 0, wrong: Vec::new() };
    for action in ALL {
        let spec = action.spec;
        for phase in Phase::ALL.iter().filter(|phase| !spec.phases.contains(phase)) {
            let written = Written::new(&json!({ phase.key(): [example(spec)] }));
            let place = written.values[&vec![key(phase.key()), Step::Item(0), key("type")]];
            let found = world.errors(&written.text);
            let said = found.iter().find(|found| found.code == "ERR_NGROK_2202");
            let said = said.unwrap_or_else(|| panic!("{} in {phase}: {found:?}", spec.name));
            assert!(
                same(said, place) && said.message.contains(spec.name) && said.message.contains(phase.key())
            );
            let help = said.help.as_deref().expect("help");
            assert!(spec.phases.iter().all(|own| help.contains(own.key())), "{help}");
        }
    }
}

/// Phases by action, as ngrok documents them: T `on_tcp_connect`, Q `on_http_request`, S `on_http_response`, E
/// `on_event_stream_message`. <https://ngrok.com/docs/traffic-policy/actions/>
const DOCUMENTED: &[(&str, &str)] = &[
    ("add-headers", "QS"),
    ("ai-gateway", "Q"),
    ("basic-auth", "Q"),
    ("circuit-breaker", "Q"),
    ("close-connection", "TQ"),
    ("compress-response", "S"),
    ("concurrency-limit", "Q"), // Tollgate's own
    ("custom-response", "QS"),
    ("deny", "TQ"),
    ("forward-internal", "TQ"),
    ("http-request", "QS"),
    ("jwt-validation", "Q"),
    ("log", "TQS"),
    ("oauth", "Q"),
    ("openid-connect", "Q"),
    ("owasp-crs-request", "Q"),
    ("owasp-crs-response", "S"),
    ("rate-limit", "Q"),
    ("redirect", "Q"),
    ("remove-headers", "QS"),
    ("request-body-find-replace", "Q"),
    ("response-body-find-replace", "S"),
    ("restrict-ips", "TQS"),
    ("set-vars", "TQS"),
    ("sse-find-replace", "E"),
    ("terminate-tls", "T"),
    ("url-rewrite", "Q"),
    ("verify-webhook", "Q"),
];

#[test]
fn actions_run_in_the_phases_that_are_documented() {
    assert_eq!(ALL.len(), DOCUMENTED.len());
    for (name, letters) in DOCUMENTED {
        let spec = super::find(name).unwrap_or_else(|| panic!("there is no {name}")).spec;
        for (phase, letter) in Phase::ALL.iter().zip(['T', 'Q', 'S', 'E']) {
            assert_eq!(spec.phases.contains(phase), letters.contains(letter), "{name} in {phase}");
        }
    }
}

#[test]
fn an_action_that_needs_fields_is_refused_without_config() {
    let world = World { shared: shared(&[]), cases: 0, wrong: Vec::new() };
    for action in ALL {
        let spec = action.spec;
        let phase = usual(spec).key();
        let written = Written::new(&json!({ phase: [{ "type": spec.name }] }));
        let found = world.errors(&written.text);
        let place = written.values[&vec![key(phase), Step::Item(0), key("type")]];
        for field in spec.fields.iter().filter(|field| field.required) {
            let named =
                |f: &&Diagnostic| same(f, place) && f.message == format!("`{}` is missing", field.name);
            assert!(found.iter().find(named).is_some_and(|f| f.help.is_some()), "{}: {found:?}", spec.name);
        }
    }
}
