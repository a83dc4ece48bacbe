//! The key that backends show.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use aws_lc_rs::constant_time::verify_slices_are_equal;

/// Whether a request shows the key: in `X-API-Key`, in `Authorization: apikey …`, or as the parameter `api_key` or
/// `apikey`. Without a key nothing is the right one.
pub(super) fn is_shown(request: &HttpRequest, key: &str) -> bool {
    let shown = shown(request);
    let is_equal = |shown: String| verify_slices_are_equal(shown.as_bytes(), key.as_bytes());
    !key.is_empty() && shown.is_some_and(|shown| is_equal(shown).is_ok())
}

fn shown(request: &HttpRequest) -> Option<String> {
    let headers = request.headers();
    if let Some(key) = headers.get("X-API-Key") {
        return key.to_str().ok().map(str::to_owned);
    }
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        let is_ours = scheme.eq_ignore_ascii_case("apikey");
        return is_ours.then(|| key.trim().to_owned());
    }
    let query = actix_web::web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let mut pairs = query.ok()?.into_inner().into_iter();
    pairs
        .find(|(name, _)| matches!(name.as_str(), "api_key" | "apikey"))
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_key_is_found_where_libraries_put_it() {
        let header = |name, value| TestRequest::default().insert_header((name, value));
        for (request, expected) in [
            (header("X-API-Key", "k y"), true),
            (header("Authorization", "apikey k y"), true),
            (header("Authorization", "ApiKey k y"), true),
            (header("Authorization", "Bearer k y"), false),
            (header("X-API-Key", "k"), false),
            (header("X-API-Key", ""), false),
            (TestRequest::with_uri("/?api_key=k%20y"), true),
            (TestRequest::with_uri("/?a=b&apikey=k+y"), true),
            (TestRequest::with_uri("/?key=k%20y"), false),
            (TestRequest::default(), false),
        ] {
            let request = request.to_http_request();
            assert_eq!(is_shown(&request, "k y"), expected, "{request:?}");
            assert!(!is_shown(&request, ""), "no key is no right one");
        }
    }
}
