//! What a port tells of its services, in both versions of the protocol that tools speak.

use anyhow::{Result, bail};
use futures_util::stream;
use tonic::transport::Channel;

macro_rules! listing {
    ($name:ident, $version:ident) => {
        /// The names of the services, in order.
        pub(super) async fn $name(connection: &Channel) -> Result<Vec<String>> {
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let mut reflection = ServerReflectionClient::new(connection.clone());
            let asked = reflection.server_reflection_info(stream::iter([request]));
            let told = asked.await?.into_inner().message().await?;
            let told = told.and_then(|it| it.message_response);
            let Some(MessageResponse::ListServicesResponse(found)) = told else {
                bail!("reflection tells {told:?}");
            };
            let mut names: Vec<_> = found.service.into_iter().map(|it| it.name).collect();
            names.sort();
            Ok(names)
        }
    };
}

listing!(names, v1);
listing!(older_names, v1alpha);
