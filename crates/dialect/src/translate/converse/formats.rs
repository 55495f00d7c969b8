//! Bedrock's words for media types.

/// A kind of content block with data in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Document,
    Audio,
    Video,
}

impl Kind {
    /// The member of a content block.
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Document => "document",
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// Formats and their media types; of several types for one format the first is the usual one.
    fn table(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Image => IMAGES,
            Self::Document => DOCUMENTS,
            Self::Audio => AUDIO,
            Self::Video => VIDEOS,
        }
    }

    /// The `format` of a media type, such as `png` for `image/png`.
    pub(super) fn format(self, media_type: &str) -> Option<&'static str> {
        let bare = media_type.split(';').next().unwrap_or_default().trim();
        self.table().iter().find(|(_, known)| known.eq_ignore_ascii_case(bare)).map(|(format, _)| *format)
    }

    /// The media type of a `format`.
    pub(super) fn media_type(self, format: &str) -> Option<&'static str> {
        self.table().iter().find(|(known, _)| *known == format).map(|(_, media_type)| *media_type)
    }

    /// The formats, for messages.
    pub(super) fn formats(self) -> String {
        let mut names: Vec<&str> = self.table().iter().map(|(format, _)| *format).collect();
        names.dedup();
        names.join(", ")
    }
}

const IMAGES: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("jpeg", "image/jpg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];

const DOCUMENTS: &[(&str, &str)] = &[
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("md", "text/x-markdown"),
];

const AUDIO: &[(&str, &str)] = &[
    ("mp3", "audio/mpeg"),
    ("mp3", "audio/mp3"),
    ("opus", "audio/opus"),
    ("wav", "audio/wav"),
    ("wav", "audio/x-wav"),
    ("wav", "audio/wave"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("mp4", "audio/mp4"),
    ("ogg", "audio/ogg"),
    ("m4a", "audio/x-m4a"),
    ("webm", "audio/webm"),
    ("pcm", "audio/pcm"),
];

const VIDEOS: &[(&str, &str)] = &[
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("flv", "video/x-flv"),
    ("mpeg", "video/mpeg"),
    ("wmv", "video/x-ms-wmv"),
    ("three_gp", "video/3gpp"),
];

/// The media type of a picture by how its base64 begins, for clients that do not say it.
pub(super) fn sniff_image(base64: &str) -> Option<&'static str> {
    const BEGINNINGS: [(&str, &str); 4] = [
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
    ];
    BEGINNINGS.iter().find(|(begins, _)| base64.starts_with(begins)).map(|(_, media_type)| *media_type)
}

/// A document's name as Bedrock allows it: letters and digits, single spaces, hyphens, parentheses, square brackets; 200
/// characters at most. `None` if nothing is left.
pub(super) fn document_name(name: &str) -> Option<String> {
    let stem = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 5 => stem,
        _ => name,
    };
    let mut out = String::new();
    for c in stem.chars().take(200) {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '(' | ')' | '[' | ']' => out.push(c),
            _ if out.ends_with(' ') || out.is_empty() => {}
            _ => out.push(' '),
        }
    }
    out.truncate(out.trim_end().len());
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for kind in [Kind::Image, Kind::Document, Kind::Audio, Kind::Video] {
            for (format, media_type) in kind.table() {
                assert_eq!(kind.format(media_type), Some(*format));
                assert!(kind.media_type(format).is_some());
            }
        }
        assert_eq!(Kind::Document.format("Text/Plain; charset=utf-8"), Some("txt"));
        assert_eq!(Kind::Image.format("image/tiff"), None);
        assert_eq!(Kind::Image.formats(), "png, jpeg, gif, webp");
    }

    #[test]
    fn names() {
        for (name, want) in [
            ("report.pdf", Some("report")),
            ("Q3_report  (final).v2.docx", Some("Q3 report (final) v2")),
            ("ünter.txt", Some("nter")),
            ("../../etc/passwd", Some("etc passwd")),
            ("...", None),
            ("", None),
        ] {
            assert_eq!(document_name(name).as_deref(), want, "{name}");
        }
        assert_eq!(document_name(&"a".repeat(300)).map(|name| name.len()), Some(200));
    }
}
