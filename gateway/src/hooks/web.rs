//! Asks a backend over HTTP, as Centrifugo's proxies do: one POST of JSON, answered with 200 and JSON.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use tidegate_codec::Disconnect;

use super::answer::{Answer, Unanswered};
use super::client::{Protocol, client, unanswered};
use super::json::{self, ErrorFields};
use crate::config::{ProxyConfig, StatusTransform};

/// A backend that is posted to.
pub(super) struct Web {
    uri: Uri,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    fixed: HeaderMap,
    transforms: Vec<StatusTransform>,
    size_limit: usize,
}

impl Web {
    /// # Errors
    /// What is wrong with an option.
    pub(super) fn new(uri: Uri, config: &ProxyConfig) -> Result<Self, String> {
        let mut fixed = HeaderMap::new();
        for (name, value) in &config.http.static_headers {
            let name: HeaderName = name
                .parse()
                .map_err(|_| format!("{name:?} is no name of a header"))?;
            let value =
                HeaderValue::from_str(value).map_err(|_| format!("{name} has no proper value"))?;
            fixed.insert(name, value);
        }
        Ok(Self {
            uri,
            client: client(Protocol::Http1, &config.http.tls, config.timeout)?,
            fixed,
            transforms: config.http.status_to_code_transforms.clone(),
            size_limit: config.response_size_limit,
        })
    }

    /// Posts a notice; any status from 200 to 299 takes it.
    pub(super) async fn tell(
        &self,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<(), Unanswered> {
        let response = self.post(body, headers).await?;
        let status = response.status();
        match status.is_success() {
            true => Ok(()),
            false => Err(Unanswered::Status(status.as_u16())),
        }
    }

    async fn post(
        &self,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, Unanswered> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers(headers);
        let response = self.client.request(request).await;
        response.map_err(|error| unanswered(&error))
    }

    /// Posts a question.
    pub(super) async fn ask(
        &self,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Unanswered> {
        let response = self.post(body, headers).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return self.transformed(status.as_u16());
        }
        let body = Limited::new(response.into_body(), self.size_limit);
        match body.collect().await {
            Ok(collected) => json::decode(&collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(Unanswered::TooLarge(self.size_limit))
            }
            Err(error) => Err(Unanswered::Broken(error.to_string())),
        }
    }

    /// The fixed ones yield to the client's, and all of them to the type of what is sent.
    fn headers(&self, passed: &[(&str, &str)]) -> HeaderMap {
        let mut headers = self.fixed.clone();
        for (name, _) in passed {
            headers.remove(*name);
        }
        for (name, value) in passed {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
    }

    /// What a status means that is not 200.
    fn transformed(&self, status: u16) -> Result<Answer, Unanswered> {
        let mut transforms = self.transforms.iter();
        let transform = transforms.find(|it| it.status_code == status);
        let StatusTransform {
            to_error,
            to_disconnect,
            ..
        } = transform.ok_or(Unanswered::Status(status))?;
        if to_error.code > 0 {
            return Ok(Answer::Refused(json::failure(ErrorFields {
                code: to_error.code,
                message: to_error.message.clone(),
                temporary: to_error.temporary,
            })));
        }
        let disconnect = Disconnect::shortened(to_disconnect.code, &to_disconnect.reason);
        let disconnect = disconnect.ok_or(Unanswered::Status(status))?;
        Ok(Answer::Disconnect(disconnect))
    }
}
