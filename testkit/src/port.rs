//! What must hold of every gRPC port that speaks TLS and knows its clients, whichever program opened it.
//!
//! A program is started with the files of [`SecuredPort::secret`] and the key [`KEY`]; [`SecuredPort::check`] does the rest.

mod client;
mod reflection;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;

use crate::authority::Authority;
use crate::deadline::{PATIENCE, until, until_some};
use crate::secret::Secret;
use crate::tls;
use client::{Client, answer};

/// The API key.
pub const KEY: &str = "an-api-key-for-tests";

/// The name in certificates.
const HOST: &str = "localhost";

/// A port that is to be checked.
#[derive(Debug)]
pub struct SecuredPort {
    /// The files that the program is given, which it has to look at every second at least.
    pub secret: Secret,
    /// What the server's certificates are signed by.
    authority: Authority,
    /// What those of its clients are.
    clients: Authority,
    service: &'static str,
    /// A method that takes and gives anything.
    method: &'static str,
}

impl SecuredPort {
    /// One with this service, which has a method that answers a request without fields.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn new(service: &'static str, method: &'static str) -> Result<Self> {
        let (authority, clients) = (Authority::new()?, Authority::new()?);
        Ok(Self {
            secret: Secret::new(&authority.certificate(HOST)?, &clients.pem())?,
            authority,
            clients,
            service,
            method,
        })
    }

    /// Checks everything at this address; `has_logged` tells whether a text stands in the program's log.
    ///
    /// # Errors
    /// With what does not hold.
    pub async fn check(&self, address: &str, has_logged: impl Fn(&str) -> bool) -> Result<()> {
        let known = &Client::of(&self.authority, Some(&self.clients))?;
        in_time(self.knows_its_clients(address, known)).await?;
        let connection = &known.connect(address).await?;
        in_time(self.has_what_every_port_has(connection)).await?;
        in_time(self.asks_for_the_key(connection)).await?;
        in_time(self.answers_in_time(connection)).await?;
        in_time(self.takes_over_new_files(address, known, connection)).await?;
        in_time(self.refuses_broken_files(address, known, has_logged)).await?;
        in_time(self.takes_over_new_authorities(address, known)).await?;
        let answered = in_time(answer(connection)).await;
        answered.context("a client from the beginning")
    }

    async fn knows_its_clients(&self, address: &str, known: &Client) -> Result<()> {
        // It never says anything, and must not be in anybody's way.
        let _stuck = TcpStream::connect(address).await?;
        let strange = Authority::new()?;
        for (who, client) in [
            ("without a certificate", Client::of(&self.authority, None)?),
            (
                "of a strange authority",
                Client::of(&self.authority, Some(&strange))?,
            ),
            (
                "that trusts another",
                Client::of(&strange, Some(&self.clients))?,
            ),
        ] {
            let came_in = client.is_answered(address).await;
            ensure!(!came_in, "a client {who} came in");
        }
        let plain = Endpoint::from_shared(format!("http://{address}"))?
            .connect()
            .await;
        let came_in = match plain {
            Ok(connection) => answer(&connection).await.is_ok(),
            Err(_) => false,
        };
        ensure!(!came_in, "a client without TLS came in");
        let other = tls::shown(address, &known.trusted, known.own.as_ref(), "http/1.1").await;
        ensure!(
            other.is_err(),
            "a client came in that does not speak HTTP/2"
        );
        ensure!(
            known.is_answered(address).await,
            "the right client did not come in"
        );
        Ok(())
    }

    async fn has_what_every_port_has(&self, connection: &Channel) -> Result<()> {
        let both = [
            (reflection::names(connection).await?, "v1"),
            (reflection::older_names(connection).await?, "v1alpha"),
        ];
        for (names, version) in both {
            let own = format!("grpc.reflection.{version}.ServerReflection");
            let expected = ["grpc.health.v1.Health", &own, self.service];
            ensure!(names == expected, "reflection lists {names:?}");
        }
        until_some("the service is ready", async || {
            let service = self.service.to_owned();
            let request = HealthCheckRequest { service };
            let told = HealthClient::new(connection.clone()).check(request).await;
            let status = told.ok()?.into_inner().status();
            (status == ServingStatus::Serving).then_some(())
        })
        .await
    }

    async fn asks_for_the_key(&self, connection: &Channel) -> Result<()> {
        for (shown, expected) in [
            (None, Code::Unauthenticated),
            (Some("apikey another-key-for-tests"), Code::Unauthenticated),
            (Some(KEY), Code::Unauthenticated),
            (Some(&*format!("apikey {KEY}")), Code::Ok),
            (Some(&*format!("Bearer {KEY}")), Code::Ok),
        ] {
            let status = self.call(connection, &[("authorization", shown)]).await;
            ensure!(status.code() == expected, "{shown:?}: {status:?}");
        }
        Ok(())
    }

    async fn answers_in_time(&self, connection: &Channel) -> Result<()> {
        let key = format!("apikey {KEY}");
        let metadata = [
            ("authorization", Some(&*key)),
            ("grpc-timeout", Some("soon")),
        ];
        let status = self.call(connection, &metadata).await;
        ensure!(status.code() == Code::InvalidArgument, "{status:?}");
        Ok(())
    }

    async fn takes_over_new_files(
        &self,
        address: &str,
        known: &Client,
        early: &Channel,
    ) -> Result<()> {
        let second = self.authority.certificate(HOST)?;
        self.secret.swap("second", &second, &self.clients.pem())?;
        known.until_shown(address, &second).await?;
        ensure!(known.is_answered(address).await, "nobody comes in");
        answer(early).await.context("an early client was cut off")
    }

    async fn refuses_broken_files(
        &self,
        address: &str,
        known: &Client,
        has_logged: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let before = known.shown(address).await?;
        let (mut broken, other) = (
            self.authority.certificate(HOST)?,
            self.authority.certificate(HOST)?,
        );
        broken.key = other.key.clone();
        self.secret.swap("broken", &broken, &self.clients.pem())?;
        until("the refusal is logged", || {
            has_logged("is not the key of the certificate")
        })
        .await?;
        ensure!(known.shown(address).await? == before, "the old one is gone");
        ensure!(known.is_answered(address).await, "nobody comes in");
        self.secret.swap("third", &other, &self.clients.pem())?;
        known.until_shown(address, &other).await
    }

    async fn takes_over_new_authorities(&self, address: &str, known: &Client) -> Result<()> {
        let clients = Authority::new()?;
        let made = self.authority.certificate(HOST)?;
        self.secret.swap("fourth", &made, &clients.pem())?;
        let newcomer = Client::of(&self.authority, Some(&clients))?;
        newcomer.until_shown(address, &made).await?;
        ensure!(
            newcomer.is_answered(address).await,
            "the new authority is not known"
        );
        ensure!(
            !known.is_answered(address).await,
            "the old authority is known still"
        );
        Ok(())
    }

    /// What a call comes to that carries this metadata.
    async fn call(
        &self,
        connection: &Channel,
        metadata: &[(&'static str, Option<&str>)],
    ) -> Status {
        let mut request = Request::new(());
        for (name, value) in metadata {
            if let Some(value) = value {
                let value = MetadataValue::try_from(*value).expect("it is ASCII");
                request.metadata_mut().insert(*name, value);
            }
        }
        let path = format!("/{}/{}", self.service, self.method);
        let path = PathAndQuery::try_from(path).expect("it is a path");
        let mut client = tonic::client::Grpc::new(connection.clone());
        if let Err(error) = client.ready().await {
            return Status::unavailable(error.to_string());
        }
        let codec = ProstCodec::<(), ()>::default();
        match client.unary(request, path, codec).await {
            Ok(_) => Status::ok(""),
            Err(status) => status,
        }
    }
}

/// A server that says nothing is as wrong as one that says something else.
async fn in_time(step: impl Future<Output = Result<()>>) -> Result<()> {
    let step_name = std::any::type_name_of_val(&step);
    let outcome = timeout(PATIENCE * 2, step).await;
    outcome.with_context(|| format!("{step_name} takes too long"))?
}
