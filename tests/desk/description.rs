//! The description of the API against the server: each path, each method, each answer's shape.

use crate::daemon::http::Answer;
use crate::fixture::Desk;
use serde_json::{Value, json};

fn committed() -> Value {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json"));
    serde_json::from_str(&text.expect("it is committed")).expect("JSON")
}

/// What of a value does not fit a schema of the description.
fn misfit(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.trim_start_matches('#')).expect("the reference leads somewhere");
        return misfit(document, schema, value, at);
    }
    if let Some(any) = schema["oneOf"].as_array() {
        let fits = any.iter().filter(|one| misfit(document, one, value, at).is_none()).count();
        return (fits != 1).then(|| format!("{at}: fits {fits} of oneOf"));
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return Some(format!("{at}: the schema names no type")),
    };
    if !kinds.iter().any(|kind| is(kind)) {
        return Some(format!("{at}: {value} is none of {kinds:?}"));
    }
    if schema["const"] != Value::Null && schema["const"] != *value {
        return Some(format!("{at}: {value}"));
    }
    if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
        return Some(format!("{at}: {value} is not in the list"));
    }
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| misfit(document, &schema["items"], item, &format!("{at}[]")));
    }
    let fields = value.as_object()?;
    let missing = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(name) = missing.into_iter().find(|name| !fields.contains_key(*name)) {
        return Some(format!("{at}.{name}: missing"));
    }
    fields.iter().find_map(|(name, value)| match schema["properties"].get(name) {
        Some(schema) => misfit(document, schema, value, &format!("{at}.{name}")),
        None => (schema["additionalProperties"] == false).then(|| format!("{at}.{name}: not described")),
    })
}

/// Asserts that an answer is one that the description has.
fn assert_described(document: &Value, path: &str, method: &str, answer: &Answer) {
    let status = answer.status.to_string();
    let described = &document["paths"][path][method]["responses"][&status];
    assert!(described.is_object(), "{method} {path}: {status} is not described: {}", answer.body);
    let content = described["content"].as_object().expect("every answer has a body");
    let (kind, media) = content.iter().next().expect("one type");
    assert!(
        answer.header("content-type").is_some_and(|sent| sent.starts_with(kind.as_str())),
        "{path} {status}"
    );
    if kind == "application/json" {
        let value: Value = serde_json::from_str(&answer.body).expect("JSON");
        let misfit = misfit(document, &media["schema"], &value, "");
        assert_eq!(misfit, None, "{method} {path} {status}: {value}");
    }
}

#[test]
fn the_description_holds_against_the_server() {
    let desk = Desk::with("", "[support.roles]\nsupport = [\"anna\"]\nprivacy = [\"anna\"]");
    let _daemon = desk.start();
    let document = committed();
    let served = desk.get("anna", "/api/v1/openapi.json", "");
    assert_eq!(
        serde_json::from_str::<Value>(&served.body).expect("JSON"),
        document,
        "what is committed is served"
    );
    let account = json!({"account": "canary-one"});
    let bodies = [
        ("/api/v1/account", account.clone()),
        ("/api/v1/account/fleet", account.clone()),
        ("/api/v1/rights/export", json!({"account": "canary-one", "open_epoch": true})),
        (
            "/api/v1/rights/correct",
            json!({"account": "canary-two", "up_bytes": 1, "down_bytes": 2, "reason": "other"}),
        ),
        ("/api/v1/rights/erase", json!({"account": "canary-two"})),
        ("/api/v1/rights/approve", json!({"id": 7})),
    ];
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            asked += 1;
            let verb = method.to_uppercase();
            let body = bodies.iter().find(|(at, _)| at == path).map(|(_, body)| body.to_string());
            assert_eq!(body.is_some(), verb == "POST", "{path}: the test has its body");
            let answer = desk.api("anna", &verb, path, body.as_deref().unwrap_or_default());
            // Nothing waits, and this node is in no fleet.
            let is_refused = path.ends_with("approve") || path.ends_with("fleet");
            assert_eq!(answer.status == 200, !is_refused, "{verb} {path}: {}", answer.body);
            assert_described(&document, path, method, &answer);
            assert_described(&document, path, method, &desk.api("zoe", &verb, path, "{}"));
            assert_described(&document, path, method, &desk.ask(&format!("{verb} {path} HTTP/1.1\r\n"), ""));
            if verb == "POST" {
                for bad in ["", "{}", "[]", "{\"account\":7}", "{\"account\":\"canary-one\",\"x\":1}"] {
                    let answer = desk.api("anna", "POST", path, bad);
                    assert_eq!(answer.status, 400, "{path} {bad}: {}", answer.body);
                    assert_described(&document, path, method, &answer);
                }
            } else {
                let answer = desk.api("anna", "POST", path, "{}");
                assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{path}");
            }
        }
    }
    assert_eq!(asked, 11, "each path of the API is described");
    let plan = json!({"account": "canary-one", "dry_run": true}).to_string();
    let path = "/api/v1/rights/export";
    let answer = desk.api("anna", "POST", path, &plan);
    assert_described(&document, path, "post", &answer);
    assert!(answer.body.contains("\"uses_up\""), "{}", answer.body);
    // The limit of the API is described as well.
    let ask = || desk.api("anna", "POST", "/api/v1/account", &account.to_string());
    let refused = (0..101).map(|_| ask()).find(|answer| answer.status != 200).expect("there is a limit");
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert_described(&document, "/api/v1/account", "post", &refused);
}
