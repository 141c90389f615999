//! What a request may look like.
//!
//! A body is read only once its sender has a role, and is bounded in bytes and in time. A POST that another site
//! may have made a browser send is refused.

use crate::config::Language;
use crate::control::protocol::LINE_BYTES;
use crate::control::rights::Waiting;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not answered.
pub(super) enum Refusal {
    /// Nobody with a role, or not with this one.
    Role,
    /// No such path.
    Nowhere,
    /// Another method is allowed.
    Method(&'static str),
    /// Another site may have made the browser send it.
    OtherSite,
    /// The body has another type than forms, or the API, have.
    Type,
    /// The body has no length beforehand.
    NoLength,
    /// The body is too large.
    Large,
    /// The body did not come in time.
    Slow,
    /// Something in it is wrong: what.
    Wrong(String),
    /// The second officer is the first one.
    SamePerson(String),
    /// What it is about is not there.
    Missing(String),
    /// A limit is reached: which.
    Limit(String),
    /// A second officer's word is needed first.
    Waits(Waiting),
    /// The daemon cannot answer now: why.
    Failed(String),
}

/// The fields of a body.
#[derive(Default)]
pub(super) struct Form {
    fields: Vec<(String, Zeroizing<String>)>,
}

impl Form {
    /// The account that is asked for.
    pub(super) fn account(&self) -> Result<&str, Refusal> {
        let missing = || Refusal::Wrong("account: missing; name one".to_owned());
        self.get("account").map(str::trim).filter(|name| !name.is_empty()).ok_or_else(missing)
    }

    /// A field that may be there once.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// A whole number.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &'static str) -> Result<N, Refusal> {
        let wrong = || Refusal::Wrong(format!("{name}: expected a whole number, 0 or more"));
        self.get(name).and_then(|text| text.trim().parse().ok()).ok_or_else(wrong)
    }

    /// A box that is ticked, or a JSON truth.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == "true")
    }

    pub(super) fn language(&self) -> Option<Language> {
        of_code(self.get("lang")?)
    }

    fn of(fields: Vec<(String, Zeroizing<String>)>) -> Result<Self, Refusal> {
        const KNOWN: [&str; 9] =
            ["account", "open_epoch", "dry_run", "as", "lang", "up_bytes", "down_bytes", "reason", "id"];
        for (at, (name, _)) in fields.iter().enumerate() {
            let is_twice = fields.iter().take(at).any(|(earlier, _)| earlier == name);
            if is_twice || !KNOWN.contains(&name.as_str()) {
                let what = "a field is not known here, or is there twice; see /api/v1/openapi.json";
                return Err(Refusal::Wrong(what.to_owned()));
            }
        }
        Ok(Self { fields })
    }
}

/// Reads the body of a POST.
pub(super) async fn form(request: Request, is_api: bool) -> Result<Form, Refusal> {
    let headers = request.headers();
    if !is_of_this_site(headers, is_api) {
        return Err(Refusal::OtherSite);
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let wanted = if is_api { "application/json" } else { "application/x-www-form-urlencoded" };
    if !kind.eq_ignore_ascii_case(wanted) {
        return Err(Refusal::Type);
    }
    // What is framed in two ways may hide another request from whoever stands before us.
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let Some(length) = length.filter(|_| !headers.contains_key(TRANSFER_ENCODING)) else {
        return Err(Refusal::NoLength);
    };
    if length > LINE_BYTES {
        return Err(Refusal::Large);
    }
    let read = crate::clock::timeout(BODY_TIME, to_bytes(request.into_body(), LINE_BYTES)).await;
    let body = read.ok_or(Refusal::Slow)?.map_err(|_| Refusal::Slow)?;
    Form::of(if is_api { of_json(&body)? } else { of_form(&body) })
}

fn of_form(body: &[u8]) -> Vec<(String, Zeroizing<String>)> {
    let pair = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        (name.into_owned(), Zeroizing::new(value.into_owned()))
    };
    form_urlencoded::parse(body).map(pair).collect()
}

fn of_json(body: &[u8]) -> Result<Vec<(String, Zeroizing<String>)>, Refusal> {
    use serde_json::Value;
    let wrong = |what: &str| Refusal::Wrong(what.to_owned());
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
        return Err(wrong("the body is no JSON object; see /api/v1/openapi.json"));
    };
    let field = |(name, value): (String, Value)| match (name.as_str(), value) {
        ("account" | "reason", Value::String(text)) => Ok((name, Zeroizing::new(text))),
        ("open_epoch" | "dry_run", Value::Bool(truth)) => Ok((name, Zeroizing::new(truth.to_string()))),
        ("up_bytes" | "down_bytes" | "id", Value::Number(number)) => {
            Ok((name, Zeroizing::new(whole(&number))))
        }
        _ => Err(wrong("a field is not known here, or of another type; see /api/v1/openapi.json")),
    };
    object.into_iter().map(field).collect()
}

/// A number as a form has it. To JSON Schema 285.0 is an integer (draft 2020-12, section 4.2.3); beyond 2^53 such a one
/// is no longer exact.
fn whole(number: &serde_json::Number) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let is_whole = |value: &f64| value.fract() == 0.0 && (0.0..=EXACT).contains(value);
    match number.as_f64().filter(|_| number.is_f64()).filter(is_whole) {
        Some(value) => format!("{value:.0}"),
        None => number.to_string(),
    }
}

/// Whether no other site can have had a browser send this POST. A browser says where a request comes from; our pages
/// send no referrer, so that their `Origin` is `null` and the first header decides. Other programs say nothing, and
/// what they send to the API no form can send.
///
/// # Source
/// W3C, Fetch Metadata Request Headers, section 2.4; WHATWG Fetch, "append a request Origin header".
fn is_of_this_site(headers: &HeaderMap, is_api: bool) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    match (headers.get(ORIGIN), headers.get(HOST)) {
        (None, _) => is_api,
        (Some(origin), Some(host)) => {
            let origin = origin.as_bytes();
            let rest = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
            rest == Some(host.as_bytes())
        }
        (Some(_), None) => false,
    }
}

/// The language of an answer: what is chosen in the address, what the browser prefers, what the provider speaks.
pub(super) fn language(request: &Request, of_provider: Language) -> Language {
    let query = request.uri().query().unwrap_or_default();
    let chosen = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "lang");
    let chosen = chosen.and_then(|(_, code)| of_code(&code));
    let preferred = || preferred(request.headers().get(ACCEPT_LANGUAGE)?.to_str().ok()?);
    chosen.or_else(preferred).unwrap_or(of_provider)
}

fn of_code(code: &str) -> Option<Language> {
    Language::ALL.into_iter().find(|language| language.code() == code)
}

/// # Source
/// RFC 9110, section 12.5.4; of equal weights the first.
fn preferred(accepted: &str) -> Option<Language> {
    let mut best: Option<(u32, Language)> = None;
    for range in accepted.split(',').take(16) {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1000), thousandths);
        let language = of_code(tag.split('-').next().unwrap_or_default());
        if let (Some(weight @ 1..), Some(language)) = (weight, language)
            && best.is_none_or(|(most, _)| weight > most)
        {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

/// A weight of 0 to 1 with up to three decimals, in thousandths.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let whole: u32 = whole.parse().ok().filter(|whole| *whole <= 1 && is_digits)?;
    let part: u32 = format!("{part:0<3}").parse().ok()?;
    Some(whole * 1000 + part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_browsers_preference_is_understood() {
        for (accepted, code) in [
            ("fr", Some("fr")),
            ("fr-CA,en;q=0.8", Some("fr")),
            ("de, en-GB;q=0.7, fr;q=0.9", Some("fr")),
            ("en;q=0.9,fr;q=0.9", Some("en")),
            ("fr;q=0,en;q=0.1", Some("en")),
            ("de,es", None),
            ("", None),
            ("fr;q=x", None),
        ] {
            assert_eq!(preferred(accepted).map(Language::code), code, "{accepted}");
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        for (text, whole_as) in [
            ("285.0", "285"),
            ("0", "0"),
            ("18446744073709551615", "18446744073709551615"),
            ("2.5e3", "2500"),
        ] {
            let number: serde_json::Number = serde_json::from_str(text).expect("a number");
            assert_eq!(whole(&number), whole_as);
        }
        for text in ["1.5", "-1.0", "-1", "1e300", "0.1"] {
            let number: serde_json::Number = serde_json::from_str(text).expect("a number");
            assert!(whole(&number).parse::<u64>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_post_that_another_site_made_is_none_of_ours() {
        let with = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            headers
        };
        let ours = with(&[("sec-fetch-site", "same-origin"), ("origin", "null"), ("host", "a:1")]);
        assert!(is_of_this_site(&ours, false));
        assert!(is_of_this_site(&with(&[("origin", "http://a:1"), ("host", "a:1")]), false));
        for lines in [
            &[("sec-fetch-site", "cross-site"), ("host", "a:1")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "http://a:1"), ("host", "a:1")],
            &[("sec-fetch-site", "none"), ("host", "a:1")],
            &[("origin", "null"), ("host", "a:1")],
            &[("origin", "http://a:2"), ("host", "a:1")],
            &[("origin", "http://a:1.evil"), ("host", "a:1")],
            &[("origin", "http://a:1")],
        ] {
            assert!(!is_of_this_site(&with(lines), false), "{lines:?}");
            assert!(!is_of_this_site(&with(lines), true), "{lines:?}");
        }
        // No browser leaves all of it out; another program does.
        assert!(!is_of_this_site(&with(&[("host", "a:1")]), false));
        assert!(is_of_this_site(&with(&[("host", "a:1")]), true));
    }
}
