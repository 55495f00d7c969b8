//! The calls of a conversation, and which result belongs to which.
//!
//! Nothing here looks through all calls for one: a body may have a hundred thousand of them.

use super::super::call_id;
use super::super::request::{Text, ToolCall, ToolResult};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct Calls<'r> {
    calls: Vec<Called<'r>>,
    /// Ids that are written already.
    used: HashSet<Cow<'r, str>>,
    by_id: HashMap<Cow<'r, str>, Queue>,
    by_name: HashMap<&'r str, Queue>,
    all: Queue,
}

#[derive(Debug)]
struct Called<'r> {
    /// The id it is written with.
    id: Cow<'r, str>,
    answered: bool,
}

/// Positions of calls.
#[derive(Debug, Default)]
struct Queue {
    positions: Vec<usize>,
    /// All before it are answered.
    next: usize,
}

impl<'r> Calls<'r> {
    /// Notes a call; its id as the API takes it.
    pub(super) fn add(&mut self, call: &'r ToolCall<'r>) -> Cow<'r, str> {
        let (given, at) = (plain(&call.id), self.calls.len());
        let mut id = match &*given {
            "" => plain(&Cow::Owned(call_id(&call.name, at))).into_owned().into(),
            _ => given.clone(),
        };
        if self.used.contains(&id) {
            // Some servers count anew in every answer; here an id is given once.
            id = Cow::Owned(format!("{id}_{at}"));
        }
        self.used.insert(id.clone());
        self.calls.push(Called { id: id.clone(), answered: false });
        self.by_name.entry(&call.name).or_default().positions.push(at);
        self.all.positions.push(at);
        if !given.is_empty() {
            self.by_id.entry(given).or_default().positions.push(at);
        }
        id
    }

    /// The id of the call a result is for: by its id, else by the function's name, else the first that has none. None
    /// for a result that says no id and has no call.
    pub(super) fn answer(&mut self, result: &'r ToolResult<'r>) -> Option<Cow<'r, str>> {
        let wanted = plain(&result.id);
        let queue = match (&*wanted, result.name.as_deref()) {
            ("", None) => Some(&mut self.all),
            ("", Some(name)) => self.by_name.get_mut(name),
            (id, _) => self.by_id.get_mut(id),
        };
        let open = queue.and_then(|queue| {
            let rest = queue.positions.get(queue.next..)?;
            let answered = |at: &&usize| self.calls.get(**at).is_some_and(|call| call.answered);
            queue.next += rest.iter().take_while(answered).count();
            // Some clients send results twice.
            let again = queue.positions.last().filter(|_| !wanted.is_empty());
            queue.positions.get(queue.next).or(again).copied()
        });
        match open.and_then(|at| self.calls.get_mut(at)) {
            Some(call) => {
                call.answered = true;
                Some(call.id.clone())
            }
            None if wanted.is_empty() => None,
            None => Some(wanted),
        }
    }
}

/// Whether a byte may stand in ids of calls and names of tools.
pub(super) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// An id as the API takes it: `^[a-zA-Z0-9_-]+$` (the words of its refusal). The same change is made to calls and results, so they still match.
fn plain<'r>(id: &Text<'r>) -> Cow<'r, str> {
    if id.bytes().all(is_plain) {
        return id.clone();
    }
    id.bytes().map(|byte| if is_plain(byte) { char::from(byte) } else { '_' }).collect::<String>().into()
}
