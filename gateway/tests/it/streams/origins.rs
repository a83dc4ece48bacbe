//! Pages of other origins.

use serde_json::json;

use super::{Reading, connect, post, site};

const FRIEND: &str = "https://app.example.com";

#[tokio::test]
async fn allowed_origins_may_read_with_credentials_and_others_are_refused() {
    let site = site(|config| config["client"]["allowed_origins"] = json!([FRIEND]));
    let answer = async |method: &str, path: &str, origin: &str| {
        let request = post(path, "application/json", &connect()).replacen("POST", method, 1);
        let headers = format!(
            "Origin: {origin}\r\nAccess-Control-Request-Headers: x-a, content-type\r\nHost:"
        );
        Reading::open(site.address(), &request.replacen("Host:", &headers, 1))
            .await
            .answer
    };
    for path in [
        "/connection/http_stream",
        "/connection/sse",
        "/connection/uni_http_stream",
        "/connection/uni_sse",
        "/emulation",
    ] {
        let preflight = answer("OPTIONS", path, FRIEND).await;
        assert_eq!(preflight.status, 204, "{path}");
        let allowed = preflight.header("access-control-allow-headers");
        assert_eq!(allowed, Some("x-a, content-type"), "{path}");
        assert_eq!(preflight.header("access-control-max-age"), Some("300"));
        assert!(
            preflight
                .header("access-control-allow-methods")
                .unwrap()
                .contains("POST")
        );
        // A refusal can be read too.
        for method in ["POST", "PUT"] {
            let read = answer(method, path, FRIEND).await;
            assert_eq!(
                read.header("access-control-allow-origin"),
                Some(FRIEND),
                "{path}"
            );
            let credentials = read.header("access-control-allow-credentials");
            assert_eq!(credentials, Some("true"), "{path}");
            assert_eq!(read.header("vary"), Some("Origin"), "{path}");
        }
        for method in ["OPTIONS", "POST"] {
            let refused = answer(method, path, "https://app.example.com.evil.test").await;
            assert_eq!(refused.status, 403, "{path}");
            assert_eq!(refused.header("access-control-allow-origin"), None);
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn what_is_switched_off_is_not_there() {
    let site = crate::site::Site::start();
    for path in [
        "/connection/http_stream",
        "/connection/sse",
        "/connection/uni_http_stream",
        "/connection/uni_sse",
        "/connection/uni_websocket",
        "/emulation",
    ] {
        let request = post(path, "application/json", &connect());
        let answer = Reading::open(site.address(), &request).await.answer;
        assert_eq!(answer.status, 404, "{path}");
    }
    site.stop().await;
}
