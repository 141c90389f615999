//! OpenMetrics 1.0: which requests want it, and the page of gauges in it.
//!
//! Made from the text format line by line, so that both show the same values from the same buffers; looks at
//! nothing but the page and one request header.
//!
//! # Source
//! OpenMetrics 1.0.0 (prometheus/docs, specs/om/open_metrics_spec.md); RFC 9110, section 12.5.1.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// The content type of `/metrics` in this format.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a whole page ends with.
pub(super) const END: &str = "# EOF\n";

/// Units, by the ends of names.
const UNITS: [&str; 3] = ["bytes", "packets", "seconds"];

/// A part of the page, from the text format.
pub(super) fn of(text: &str) -> String {
    let mut page = String::with_capacity(text.len() * 5 / 4);
    for line in text.lines() {
        match line.strip_prefix("# HELP ") {
            // The text format leaves quotes in help as they are.
            Some(help) => page.extend(["# HELP ", &help.replace('"', "\\\"")]),
            None => page.push_str(line),
        }
        page.push('\n');
        let typed = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '));
        if let Some((name, unit)) = typed.and_then(|(name, _)| Some((name, unit_of(name)?))) {
            page.extend(["# UNIT ", name, " ", unit, "\n"]);
        }
    }
    page
}

fn unit_of(name: &str) -> Option<&'static str> {
    UNITS.into_iter().find(|unit| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
}

/// Whether a request prefers this format to the text format. A tie is this format's: whoever names it knows it.
pub(super) fn is_preferred(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let (mut this, mut text) = (0.0, 0.0);
    for range in lists.flat_map(|list| list.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut weight, mut version) = (1.0, "");
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => weight = value.trim().parse().unwrap_or(0.0),
                "version" => version = value.trim().trim_matches('"'),
                _ => {}
            }
        }
        match media.as_str() {
            "application/openmetrics-text" if ["", "1.0.0"].contains(&version) => {
                this = f32::max(this, weight)
            }
            "text/plain" | "text/*" | "*/*" => text = f32::max(text, weight),
            _ => {}
        }
    }
    this > 0.0 && this >= text
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn prefers(lists: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(ACCEPT, HeaderValue::from_str(list).expect("a header"));
        }
        is_preferred(&headers)
    }

    #[test]
    fn who_asks_for_version_1_gets_it_unless_text_is_liked_better() {
        for (lists, preferred) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["application/openmetrics-text; version=1.0.0"], true),
            (&["Application/OpenMetrics-Text;Version=\"1.0.0\""], true),
            (&["application/openmetrics-text"], true),
            (&["application/openmetrics-text;version=0.0.1,text/plain;q=0.5"], false),
            (&["application/openmetrics-text;version=1.0.0;q=0"], false),
            (&["application/openmetrics-text;version=1.0.0;q=x"], false),
            (&["application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.9"], false),
            (&["application/openmetrics-text;version=1.0.0;q=0.5", "*/*;q=0.5"], true),
            // Prometheus 2.42, and 3.
            (
                &[
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                   text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ],
                true,
            ),
            (
                &["application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                   application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"],
                true,
            ),
        ] {
            assert_eq!(prefers(lists), preferred, "{lists:?}");
        }
    }

    #[test]
    fn a_page_gets_its_units_and_keeps_its_samples() {
        let text = "# HELP a_bytes \"A\" \\\\ b\n# TYPE a_bytes gauge\na_bytes{l=\"x\\\"y\"} -1\n\
                    # HELP bytes B\n# TYPE bytes gauge\nbytes 2\n";
        assert_eq!(
            of(text),
            "# HELP a_bytes \\\"A\\\" \\\\ b\n# TYPE a_bytes gauge\n# UNIT a_bytes bytes\n\
             a_bytes{l=\"x\\\"y\"} -1\n# HELP bytes B\n# TYPE bytes gauge\nbytes 2\n"
        );
    }
}
