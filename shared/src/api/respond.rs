//! What goes out: JSON, or a problem in the language that the request asks for.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::language::Language;
use super::problem::Problem;

/// What a handler comes to, before it is an answer.
pub type Reply = Result<Response<String>, Problem>;

/// The answer to a request with these headers. Generic over the body, for routers have their own.
pub fn respond<A, B: From<A> + From<String>>(headers: &HeaderMap, reply: Result<Response<A>, Problem>) -> Response<B> {
    match reply {
        Ok(response) => response.map(B::from),
        Err(problem) => problem.into_http(Language::of(headers)).map(B::from),
    }
}

/// The answer to a request for what is not there.
pub fn not_found<B: From<String>>(headers: &HeaderMap) -> Response<B> {
    respond(headers, Reply::Err(Problem::not_found()))
}

/// The answer to a request with a method that its path does not know.
pub fn method_not_allowed<B: From<String>>(headers: &HeaderMap) -> Response<B> {
    respond(headers, Reply::Err(Problem::method_not_allowed()))
}

/// An answer in JSON that nobody keeps.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response<String> {
    json_text(status, serde_json::to_string(body).unwrap_or_default())
}

/// An answer that is JSON already. It ends its line, for whoever reads it in a shell.
pub fn json_text(status: StatusCode, json: String) -> Response<String> {
    let mut response = Response::new(json + "\n");
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// How many bytes a text takes within Lambda's own JSON: quotes, backslashes and control characters are escaped there
/// once more. (AWS Lambda: quotas, 6 MB of response payload, the envelope included.)
pub fn length_in_lambda(text: &str) -> usize {
    let length = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_long_as_in_json_without_its_quotes() {
        for text in ["", "a", "字🀄", "\"quoted\" \\ and \n\r\t\u{1}\u{1f}", r#"{"text":"a\"b\\n"}"#] {
            assert_eq!(length_in_lambda(text), serde_json::to_string(text).unwrap().len() - 2, "{text:?}");
        }
    }
}
