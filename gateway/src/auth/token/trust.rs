//! Whose tokens are believed: of one issuer, or of several with keys of their own.
//!
//! In: a token taken apart, of which nothing is believed yet. Out: its claims, or why not. The issuer that a token names
//! chooses the keys that must have signed it, and those alone: keys of one issuer never serve another one's token.

use std::sync::Arc;

use super::TokenError;
use super::expected::Expected;
use super::fields::Fields;
use super::jws::Compact;
use super::key::KeyRing;
use super::published::{EndpointId, Published};
use crate::config::TokenConfig;

/// Reads claims of one kind; the name is that of the claim that names the user.
type Read<Claims> = fn(&Fields<'_>, &str) -> Result<Claims, TokenError>;

/// The issuers of one kind of tokens.
#[derive(Debug)]
pub(super) struct Trusts {
    /// Of those that are no provider.
    own: Trust,
    /// By the issuer that their tokens name.
    providers: Vec<(String, Trust)>,
    has_endpoints: bool,
}

/// One issuer: its keys, what its tokens must say, and under which claim they name the user.
#[derive(Debug)]
struct Trust {
    keys: KeyRing,
    published: Option<(EndpointId, Arc<Published>)>,
    expected: Expected,
    user_claim: String,
}

impl Trusts {
    /// Adds to `endpoints` where its keys are published.
    pub(super) fn new(
        config: &TokenConfig,
        section: &str,
        endpoints: &mut Vec<Arc<Published>>,
    ) -> Result<Self, Vec<String>> {
        let before = endpoints.len();
        let (mut providers, mut faults) = (Vec::new(), Vec::new());
        for (index, provider) in config.providers.iter().enumerate() {
            let section = format!("{section}.providers.{index}");
            match Trust::new(&provider.token(), &section, endpoints) {
                Ok(trust) => providers.push((provider.issuer.clone(), trust)),
                Err(mut found) => faults.append(&mut found),
            }
        }
        match Trust::new(config, section, endpoints) {
            Ok(own) if faults.is_empty() => Ok(Self {
                own,
                providers,
                has_endpoints: endpoints.len() > before,
            }),
            Ok(_) => Err(faults),
            Err(found) => Err(found.into_iter().chain(faults).collect()),
        }
    }

    pub(super) fn verify<Claims>(
        &self,
        token: &str,
        now: i64,
        read: Read<Claims>,
    ) -> Result<Claims, TokenError> {
        if self.providers.is_empty() && !self.own.has_keys() {
            return Err(TokenError::invalid("no token key is configured"));
        }
        let token = Compact::parse(token)?;
        let trust = self.of(&token);
        if !trust.has_keys() {
            return Err(TokenError::invalid("it is of an unknown issuer"));
        }
        trust.verify(&token, now, read)
    }

    /// Where the token's key may be published, if it is not at hand.
    pub(super) fn missing(&self, token: &str, now: i64) -> Option<EndpointId> {
        if !self.has_endpoints {
            return None;
        }
        let token = Compact::parse(token).ok()?;
        let trust = self.of(&token);
        let (id, published) = trust.published.as_ref()?;
        let is_missing = published.lacks(token.kid.as_deref(), token.algorithm)
            && !trust.keys.signed(&token, now);
        is_missing.then_some(*id)
    }

    fn of(&self, token: &Compact<'_>) -> &Trust {
        if self.providers.is_empty() {
            return &self.own;
        }
        let issuer = token.unverified_issuer();
        let mut providers = self.providers.iter();
        let found = providers.find(|(it, _)| Some(it) == issuer.as_ref());
        found.map_or(&self.own, |(_, trust)| trust)
    }
}

impl Trust {
    fn new(
        config: &TokenConfig,
        section: &str,
        endpoints: &mut Vec<Arc<Published>>,
    ) -> Result<Self, Vec<String>> {
        let keys = KeyRing::new(config, section);
        let expected = Expected::new(config, section);
        let (keys, expected) = match (keys, expected) {
            (Ok(keys), Ok(expected)) => (keys, expected),
            (keys, expected) => {
                let faults = keys.err().into_iter().chain(expected.err());
                return Err(faults.flatten().collect());
            }
        };
        let published = Published::new(config, section).map(|published| {
            let published = Arc::new(published);
            endpoints.push(Arc::clone(&published));
            (EndpointId(endpoints.len() - 1), published)
        });
        Ok(Self {
            keys,
            published,
            expected,
            user_claim: config.user_id_claim.clone(),
        })
    }

    fn has_keys(&self) -> bool {
        self.published.is_some() || !self.keys.is_empty()
    }

    /// The time comes last: a client asks for a fresh token when one has expired, which would not help it with a
    /// token that is wrong in itself.
    fn verify<Claims>(
        &self,
        token: &Compact<'_>,
        now: i64,
        read: Read<Claims>,
    ) -> Result<Claims, TokenError> {
        self.check_signature(token, now)?;
        let payload = token.payload()?;
        let fields = Fields::parse(&payload)?;
        self.expected.check(&fields)?;
        let claims = read(&fields, &self.user_claim)?;
        check_time(&fields, now)?;
        Ok(claims)
    }

    fn check_signature(&self, token: &Compact<'_>, now: i64) -> Result<(), TokenError> {
        if self.keys.signed(token, now) {
            return Ok(());
        }
        match &self.published {
            Some((_, published)) if token.algorithm.is_public() => published.check(token),
            _ if self.keys.has(token.algorithm) => {
                Err(TokenError::invalid("its signature does not hold"))
            }
            _ => {
                let name = token.algorithm.name();
                let reason = format!("no key is configured for {name}");
                Err(TokenError::invalid(reason))
            }
        }
    }
}

/// Parts of a second count against the token.
fn check_time(claims: &Fields<'_>, now: i64) -> Result<(), TokenError> {
    let over = claims
        .seconds("exp", f64::floor)?
        .is_some_and(|exp| exp <= now);
    let early = claims
        .seconds("nbf", f64::ceil)?
        .is_some_and(|nbf| nbf > now);
    if over || early {
        return Err(TokenError::Expired);
    }
    Ok(())
}
