//! An issuer of tokens that publishes its keys over HTTP or HTTPS, by hand, so that it can misbehave.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tidegate_testkit::authority::Authority;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What the issuer answers.
#[derive(Debug, Clone)]
pub(crate) enum Reaction {
    /// 200 with these keys.
    Keys(Vec<Value>),
    /// 200 with a body that is no JSON.
    Garbage,
    /// 200 with a body of so many bytes.
    Bytes(usize),
    Status(u16),
    /// Never answers.
    Silence,
    /// Begins an answer and goes on very slowly.
    Drip,
}

/// A running issuer.
pub(crate) struct Issuer {
    address: SocketAddr,
    scheme: &'static str,
    reaction: Arc<Mutex<Reaction>>,
    asked: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Issuer {
    pub(crate) async fn start(reaction: Reaction) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, None, reaction)
    }

    /// The same with a certificate of an authority.
    pub(crate) async fn with_tls(authority: &Authority, reaction: Reaction) -> Self {
        let made = authority.certificate("127.0.0.1").unwrap();
        let certificate = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
        let provider = Arc::new(default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(
            listener,
            Some(TlsAcceptor::from(Arc::new(config))),
            reaction,
        )
    }

    pub(crate) fn on(listener: TcpListener, tls: Option<TlsAcceptor>, reaction: Reaction) -> Self {
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let reaction = Arc::new(Mutex::new(reaction));
        let asked = Arc::<Mutex<usize>>::default();
        let (shared, counted) = (Arc::clone(&reaction), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (shared, counted) = (Arc::clone(&shared), Arc::clone(&counted));
                let tls = tls.clone();
                tokio::spawn(greet(socket, tls, shared, counted));
            }
        });
        Self {
            address,
            scheme,
            reaction,
            asked,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/keys", self.scheme, self.address)
    }

    /// Answers differently from here on.
    pub(crate) fn react(&self, reaction: Reaction) {
        *self.reaction.lock().unwrap() = reaction;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn greet(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    reaction: Arc<Mutex<Reaction>>,
    asked: Arc<Mutex<usize>>,
) {
    let Some(tls) = tls else {
        return serve(socket, reaction, asked).await;
    };
    if let Ok(socket) = tls.accept(socket).await {
        serve(socket, reaction, asked).await;
    }
}

async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    reaction: Arc<Mutex<Reaction>>,
    asked: Arc<Mutex<usize>>,
) {
    let mut head = Vec::new();
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        assert!(head.starts_with(b"GET /keys HTTP/1.1\r\n"), "{head:?}");
        head.clear();
        *asked.lock().unwrap() += 1;
        let reaction = reaction.lock().unwrap().clone();
        let (status, body) = match reaction {
            Reaction::Keys(keys) => (200, json!({ "keys": keys }).to_string()),
            Reaction::Garbage => (200, "<html>hello</html>".to_owned()),
            Reaction::Bytes(count) => (200, " ".repeat(count)),
            Reaction::Status(status) => (status, String::new()),
            Reaction::Silence => return std::future::pending().await,
            Reaction::Drip => {
                let head = b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n{";
                let _gone = socket.write_all(head).await;
                return std::future::pending().await;
            }
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nCache-Control: max-age=0\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if socket.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A key with an id.
pub(crate) struct Signer {
    kid: &'static str,
    key: Key,
}

enum Key {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn rsa(kid: &'static str) -> Self {
        let key = Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        Self { kid, key }
    }

    pub(crate) fn ecdsa(kid: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let key = Key::Ecdsa(key.unwrap());
        Self { kid, key }
    }

    pub(crate) fn ed25519(kid: &'static str) -> Self {
        let key = Key::Ed25519(Ed25519KeyPair::generate().unwrap());
        Self { kid, key }
    }

    /// As it is published.
    pub(crate) fn jwk(&self) -> Value {
        let (kid, encode) = (self.kid, |part: &[u8]| URL_SAFE_NO_PAD.encode(part));
        match &self.key {
            Key::Rsa(key) => {
                let key = key.public_key();
                let n = key.modulus().big_endian_without_leading_zero().to_vec();
                let e = key.exponent().big_endian_without_leading_zero().to_vec();
                json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": encode(&n), "e": encode(&e)})
            }
            Key::Ecdsa(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "kid": kid, "crv": "P-256", "x": encode(x), "y": encode(y)})
            }
            Key::Ed25519(key) => {
                let x = encode(key.public_key().as_ref());
                json!({"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": x})
            }
        }
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        let alg = match &self.key {
            Key::Rsa(_) => "RS256",
            Key::Ecdsa(_) => "ES256",
            Key::Ed25519(_) => "EdDSA",
        };
        let header = json!({"alg": alg, "kid": self.kid});
        let parts = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = parts.join(".");
        let signature = URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let signed = key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.unwrap();
                signature
            }
            Key::Ecdsa(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Key::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}
