//! Asks a backend over gRPC, as Centrifugo's proxies do, and tells it over a service of our own.

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use tidegate_proto::hook::notices_client::NoticesClient;
use tidegate_proto::proxy::centrifugo_proxy_client::CentrifugoProxyClient;
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tonic::{Code, Request, Status};

use super::answer::{Answer, Unanswered};
use super::client::{Protocol, client, unanswered};
use super::json::Style;
use super::question::{Question, Subject, Via};
use crate::config::ProxyConfig;

mod answers;
mod requests;
mod telling;

use requests::Call;

type Channel = legacy::Client<HttpsConnector<HttpConnector>, tonic::body::Body>;

/// A backend that is called.
pub(super) struct Grpc {
    proxy: CentrifugoProxyClient<Channel>,
    notices: NoticesClient<Channel>,
    fixed: Vec<(String, String)>,
    style: Style,
    size_limit: usize,
}

impl Grpc {
    /// # Errors
    /// What is wrong with an option.
    pub(super) fn new(
        authority: Authority,
        config: &ProxyConfig,
        style: Style,
    ) -> Result<Self, String> {
        let options = &config.grpc;
        let scheme = match options.tls.enabled {
            true => Scheme::HTTPS,
            false => Scheme::HTTP,
        };
        let origin = Uri::builder().scheme(scheme).authority(authority);
        let origin = origin.path_and_query("/").build();
        let origin = origin.map_err(|error| error.to_string())?;
        let channel: Channel = client(Protocol::Http2, &options.tls, config.timeout)?;
        let mut fixed: Vec<_> = options
            .static_metadata
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
            .collect();
        if !options.credentials_key.is_empty() {
            let name = options.credentials_key.to_ascii_lowercase();
            fixed.push((name, options.credentials_value.to_string()));
        }
        let limit = config.response_size_limit;
        Ok(Self {
            proxy: CentrifugoProxyClient::with_origin(channel.clone(), origin.clone())
                .max_decoding_message_size(limit),
            notices: NoticesClient::with_origin(channel, origin),
            fixed,
            style,
            size_limit: limit,
        })
    }

    /// Calls the method of a question.
    pub(super) async fn ask(
        &self,
        question: &Question,
        via: Via<'_>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Unanswered> {
        let mut proxy = self.proxy.clone();
        let call = Call {
            question,
            via,
            style: self.style,
        };
        /// Sends the request of one method.
        macro_rules! call {
            ($method:ident, $request:expr) => {{
                let request = self.request($request, headers);
                let response = proxy.$method(request).await;
                answers::$method(
                    response
                        .map_err(|status| self.refused(&status))?
                        .into_inner(),
                )
            }};
        }
        match &question.subject {
            Subject::Connect {
                name,
                version,
                channels,
                ..
            } => call!(connect, call.connect(name, version, channels)),
            Subject::Refresh => call!(refresh, call.refresh()),
            Subject::Subscribe { channel, .. } => call!(subscribe, call.subscribe(channel)),
            Subject::SubRefresh { channel } => call!(sub_refresh, call.sub_refresh(channel)),
            Subject::Publish { channel, .. } => call!(publish, call.publish(channel)),
            Subject::Rpc { method, .. } => call!(rpc, call.rpc(method)),
            Subject::Disconnect { .. } | Subject::Unsubscribe { .. } | Subject::State(_) => {
                Ok(Answer::Nothing)
            }
        }
    }

    /// The client's headers win over what is fixed.
    fn request<T>(&self, message: T, headers: &[(&str, &str)]) -> Request<T> {
        let mut metadata = MetadataMap::from_headers(HeaderMap::new());
        let fixed = self.fixed.iter();
        let fixed = fixed.map(|(name, value)| (name.as_str(), value.as_str()));
        let is_passed = |name: &str| headers.iter().any(|(passed, _)| *passed == name);
        let all = fixed.filter(|(name, _)| !is_passed(name));
        for (name, value) in all.chain(headers.iter().copied()) {
            let key = MetadataKey::from_bytes(name.as_bytes());
            if let (Ok(key), Ok(value)) = (key, MetadataValue::try_from(value)) {
                metadata.append(key, value);
            }
        }
        let mut request = Request::new(message);
        *request.metadata_mut() = metadata;
        request
    }

    /// What a status means: as statuses of HTTP, which speak of the same things.
    fn refused(&self, status: &Status) -> Unanswered {
        let mut cause = std::error::Error::source(status);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<legacy::Error>() {
                return unanswered(error);
            }
            cause = error.source();
        }
        match status.code() {
            Code::OutOfRange => Unanswered::TooLarge(self.size_limit),
            Code::InvalidArgument | Code::FailedPrecondition => Unanswered::Status(400),
            Code::Unauthenticated => Unanswered::Status(401),
            Code::PermissionDenied => Unanswered::Status(403),
            Code::NotFound => Unanswered::Status(404),
            Code::ResourceExhausted => Unanswered::Status(429),
            Code::Unimplemented => Unanswered::Status(501),
            Code::Unavailable => Unanswered::Status(503),
            Code::DeadlineExceeded => Unanswered::Status(504),
            _ => Unanswered::Status(500),
        }
    }
}

impl Style {
    fn meta(self, meta: &Bytes) -> Bytes {
        match self.has_meta {
            true => meta.clone(),
            false => Bytes::new(),
        }
    }
}
