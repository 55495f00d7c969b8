//! The lines that libmodsecurity logs for rules that match.
//!
//! A line is `ModSecurity: Warning. HEAD [file "..."] [line "..."] ... [hostname "..."] [uri "..."] [unique_id "..."]
//! [ref "..."]` (`RuleMessage::_details` in the library's `src/rule_message.cc`). In HEAD, what was compared, and in `uri` a
//! client can write anything, quotes included; in the other members the library escapes quotes. So a line is read from
//! between the two.

use crate::verdict::MatchedRule;

/// What all lines of a transaction end with, but for `ref`: from a line whose HEAD is empty.
pub(crate) fn ending(line: &str) -> Option<&str> {
    let at = line.find(" [hostname \"")?;
    let end = line.rfind(" [ref \"")?;
    line.get(at..end)
}

/// The rule that a line is about; `None` when it is about none, or of another transaction.
pub(crate) fn read(line: &str, ending: &str) -> Option<MatchedRule> {
    let (own, _) = line.rsplit_once(ending)?;
    let (_, members) = own.rsplit_once(" [file \"")?;
    let member = |name: &str| {
        let (_, rest) = members.split_once(&format!(" [{name} \""))?;
        Some(rest.split_once("\"]")?.0.to_owned())
    };
    Some(MatchedRule {
        id: member("id")?.parse().ok()?,
        message: member("msg")?,
        severity: severity(&member("severity")?),
        data: member("data")?,
    })
}

/// Names of severities as syslog numbers them (RFC 5424 section 6.2.1), in the spelling of Coraza.
fn severity(number: &str) -> &'static str {
    match number {
        "0" => "emergency",
        "1" => "alert",
        "2" => "critical",
        "3" => "error",
        "4" => "warning",
        "5" => "notice",
        "6" => "info",
        _ => "debug",
    }
}

#[cfg(test)]
mod tests {
    /// A line of rule 941100 with this head and this path.
    fn line(head: &str, data: &str, uri: &str) -> String {
        format!(
            "ModSecurity: Warning. {head} [file \"/r/941.conf\"] [line \"46\"] [id \"941100\"] [rev \"\"] [msg \"XSS\"] \
             [data \"{data}\"] [severity \"2\"] [ver \"x\"] [tag \"a\"] [hostname \"127.0.0.1\"] [uri \"{uri}\"] \
             [unique_id \"17.5\"] [ref \"v1,2\"]"
        )
    }

    fn read(head: &str, data: &str, uri: &str) -> Option<super::MatchedRule> {
        let first = line("", "", uri);
        super::read(&line(head, data, uri), super::ending(&first).expect("an ending"))
    }

    #[test]
    fn a_line_of_a_rule() {
        let rule = read("detected XSS using libinjection.", "found in ARGS:a: \\x22] [id \\x221\\x22]", "/x")
            .expect("a rule");
        assert_eq!((rule.id, rule.message.as_str(), rule.severity), (941_100, "XSS", "critical"));
        assert_eq!(rule.data, "found in ARGS:a: \\x22] [id \\x221\\x22]");
    }

    #[test]
    fn what_a_client_writes_is_not_taken_for_members() {
        let forged = " [file \"a\"] [line \"1\"] [id \"1\"] [msg \"\"] [data \"\"] [severity \"5\"]";
        let ends = " [hostname \"127.0.0.1\"] [uri \"/\"] [unique_id \"17.5\"] [ref \"\"]";
        for forged in [forged, ends, &format!("{forged}{ends}"), &format!("{ends}{forged}")] {
            assert_eq!(read(forged, "", "/x").expect("a rule").id, 941_100, "in the head: {forged}");
            assert_eq!(read("", "", forged).expect("a rule").id, 941_100, "in the path: {forged}");
            assert_eq!(read(forged, "", forged).expect("a rule").id, 941_100, "in both: {forged}");
        }
    }

    #[test]
    fn other_lines_are_none() {
        assert_eq!(super::ending("ModSecurity: something"), None);
        assert_eq!(super::read("ModSecurity: something", "x"), None);
        assert_eq!(super::read("ModSecurity: something [file \"x\"] [line \"1\"] end", " end"), None);
    }
}
