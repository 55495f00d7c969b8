//! One form for the names of what was lost.
//!
//! A name is the path of a field in the client's body. An index stands where one element is meant (`tools[1]`,
//! `messages[2].name`). What several elements lost stands there once, with `[]` in place of the numbers
//! (`messages[].name`). Marks for the prompt cache are one thing wherever they stand: `cache_control`.

use super::lost;
use crate::Surface;
use std::collections::HashMap;

/// What marks of the prompt cache are called together.
const CACHE: &str = "cache_control";

/// Parts of a message, for which codecs have words of their own.
#[derive(Clone, Copy)]
enum Part {
    Thoughts,
    Title,
    Failed,
    Citations,
    Detail,
}

/// Names that are looked at: whoever sends a body may put a million unknown members into it.
const LOOKED_AT: usize = 10 * lost::MOST;

/// Brings the names of a request's losses into that form, in the words of the client's dialect, and leaves what is too
/// much.
pub(super) fn settle(from: Surface, lost: &mut Vec<String>) {
    let more = lost.len() > LOOKED_AT;
    lost.truncate(LOOKED_AT);
    for name in lost.iter_mut() {
        if let Some(own) = in_words_of(from, name) {
            *name = own;
        }
    }
    tidy_names(lost);
    if more && lost.len() <= lost::MOST && lost.last().is_none_or(|last| last != lost::MORE) {
        lost.push(lost::MORE.to_owned());
    }
    lost::cap(lost);
}

/// Names each loss once: what several elements lost has no numbers. Elements that are lost as a whole keep theirs.
pub fn tidy_names(lost: &mut Vec<String>) {
    let mut seen: HashMap<String, (usize, bool)> = HashMap::new();
    let mut kept: Vec<String> = Vec::with_capacity(lost.len());
    for name in lost.drain(..) {
        let name = if name.ends_with(".cache_control") { CACHE.to_owned() } else { name };
        let key = if name.ends_with(']') { name.clone() } else { without_numbers(&name) };
        match seen.get_mut(&key) {
            None => {
                seen.insert(key, (kept.len(), false));
                kept.push(name);
            }
            Some((at, several)) => {
                if let Some(first) = kept.get_mut(*at).filter(|first| !*several && **first != name) {
                    *first = key;
                    *several = true;
                }
            }
        }
    }
    *lost = kept;
}

/// `messages[2].content[0].name` as `messages[].content[].name`.
fn without_numbers(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut inside = false;
    for c in name.chars() {
        inside = (inside || c == '[') && c != ']';
        if !inside || c == '[' {
            out.push(c);
        }
    }
    out
}

/// A part of a message under the name that the client's dialect has for it, where a codec has another one.
fn in_words_of(from: Surface, name: &str) -> Option<String> {
    let (place, member) = name.rsplit_once('.')?;
    let (turn, rest) = place.split_once(']')?;
    if !["messages[", "input[", "contents["].iter().any(|list| turn.starts_with(list)) {
        return None;
    }
    let number =
        rest.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(number, _)| number);
    let part = match member {
        "signature" | "thoughtSignature" | "reasoning" | "encrypted_content" | "reasoning_details" => {
            Part::Thoughts
        }
        "title" | "filename" | "displayName" => Part::Title,
        "is_error" => Part::Failed,
        "citations" | "annotations" => Part::Citations,
        "detail" => Part::Detail,
        _ => return None,
    };
    Some(format!("{turn}]{}", below(from, part, number)?))
}

/// Where a part stands below its turn, as part `at` of it.
fn below(from: Surface, part: Part, at: &str) -> Option<String> {
    Some(match (from, part) {
        (Surface::ChatCompletions, Part::Thoughts) => ".reasoning_details".to_owned(),
        (Surface::ChatCompletions, Part::Citations) => ".annotations".to_owned(),
        (Surface::ChatCompletions, Part::Title) => format!(".content[{at}].file.filename"),
        (Surface::ChatCompletions, Part::Detail) => format!(".content[{at}].image_url.detail"),
        (Surface::Responses, Part::Thoughts) => ".encrypted_content".to_owned(),
        (Surface::Responses, Part::Citations) => format!(".content[{at}].annotations"),
        (Surface::Responses, Part::Title) => format!(".content[{at}].filename"),
        (Surface::Responses, Part::Detail) => format!(".content[{at}].detail"),
        (Surface::Messages, Part::Thoughts) => format!(".content[{at}].signature"),
        (Surface::Messages, Part::Citations) => format!(".content[{at}].citations"),
        (Surface::Messages, Part::Title) => format!(".content[{at}].title"),
        (Surface::Messages, Part::Failed) => format!(".content[{at}].is_error"),
        (Surface::GenerateContent, Part::Thoughts) => format!(".parts[{at}].thoughtSignature"),
        (Surface::GenerateContent, Part::Title) => format!(".parts[{at}].inlineData.displayName"),
        (Surface::GenerateContent, Part::Detail) => format!(".parts[{at}].mediaResolution"),
        // The others have no such thing, and whatever a codec calls it stays.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(names: &[&str]) -> Vec<String> {
        let mut lost: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        tidy_names(&mut lost);
        lost
    }

    #[test]
    fn a_number_stands_where_one_element_is_meant() {
        for (names, expected) in [
            (&["top_k", "seed", "top_k"][..], &["top_k", "seed"][..]),
            (&["messages[2].name"], &["messages[2].name"]),
            (&["messages[2].name", "messages[2].name"], &["messages[2].name"]),
            (&["messages[2].name", "a", "messages[4].name", "messages[5].name"], &["messages[].name", "a"]),
            (&["messages[].name", "messages[4].name"], &["messages[].name"]),
            (&["messages[0].content[1].odd", "messages[0].content[2].odd"], &["messages[].content[].odd"]),
            (
                &["messages[0].odd", "messages[0].content[2].odd"],
                &["messages[0].odd", "messages[0].content[2].odd"],
            ),
            (&["tools[0]", "tools[2]", "tools[0]"], &["tools[0]", "tools[2]"]),
            (&["tools[0].cache_control", "cache_control", "system[1].cache_control"], &["cache_control"]),
        ] {
            assert_eq!(tidied(names), expected, "{names:?}");
            let again: Vec<String> = tidied(names);
            assert_eq!(tidied(&again.iter().map(String::as_str).collect::<Vec<_>>()), again);
        }
    }

    #[test]
    fn parts_of_messages_have_the_words_of_the_client() {
        use Surface::{ChatCompletions, GenerateContent, Messages, Responses};
        for (from, name, expected) in [
            (ChatCompletions, "messages[2].reasoning", "messages[2].reasoning_details"),
            (ChatCompletions, "messages[2].content[0].signature", "messages[2].reasoning_details"),
            (ChatCompletions, "messages[2].content[1].detail", "messages[2].content[1].image_url.detail"),
            (
                ChatCompletions,
                "messages[2].content[1].image_url.detail",
                "messages[2].content[1].image_url.detail",
            ),
            (Responses, "input[1].reasoning", "input[1].encrypted_content"),
            (Messages, "messages[1].reasoning", "messages[1].content[].signature"),
            (Messages, "messages[1].is_error", "messages[1].content[].is_error"),
            (Messages, "messages[1].content[2].title", "messages[1].content[2].title"),
            (Messages, "messages[].content[].citations", "messages[].content[].citations"),
            (GenerateContent, "contents[1].parts[0].signature", "contents[1].parts[0].thoughtSignature"),
            (GenerateContent, "generationConfig.title", "generationConfig.title"),
            (Messages, "messages[1].name", "messages[1].name"),
        ] {
            let mut lost = vec![name.to_owned()];
            settle(from, &mut lost);
            assert_eq!(lost, [expected], "{from:?} {name}");
        }
    }
}
