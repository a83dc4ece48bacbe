//! Who is asked what, in the form that sessions look it up. Pure.

use std::collections::HashMap;

use tidegate_codec::ErrorCode;

use super::headers::Wanted;
use super::plan;
use super::question::{Event, TargetId};
use crate::config::{Config, NamespaceOptions};

/// What is asked about connections and methods.
#[derive(Debug)]
pub struct HookRules {
    /// Who says who a client without a token is.
    pub connect: Option<TargetId>,
    /// Who says whether a connection that expires may go on.
    pub refresh: Option<TargetId>,
    /// Who is told of connections that have ended.
    pub disconnect: Option<TargetId>,
    /// Headers that some backend wants.
    pub wanted: Wanted,
    /// The method that the node answers itself.
    ping: Option<String>,
    methods: Option<Methods>,
}

/// Who answers the methods of each namespace.
#[derive(Debug)]
struct Methods {
    without_namespace: Option<TargetId>,
    namespaces: HashMap<String, Option<TargetId>>,
}

/// What is asked about the channels of one namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChannelHooks {
    /// Who says whether somebody may subscribe.
    pub subscribe: Option<TargetId>,
    /// Who says whether somebody may publish.
    pub publish: Option<TargetId>,
    /// Who says whether a subscription that expires may go on.
    pub sub_refresh: Option<TargetId>,
    /// Who is told of subscriptions that have ended.
    pub unsubscribe: Option<TargetId>,
    /// Who is told of its first and its last subscriber.
    pub state: Option<TargetId>,
}

/// Who answers a call of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callee {
    /// A backend.
    Backend(TargetId),
    /// The node itself, with nothing.
    Node,
}

impl HookRules {
    pub(crate) fn new(config: &Config) -> Self {
        let ping = &config.rpc.ping;
        Self {
            connect: plan::of_client(config, Event::Connect),
            refresh: plan::of_client(config, Event::Refresh),
            disconnect: plan::of_client(config, Event::Disconnect),
            wanted: plan::wanted(config),
            ping: ping.enabled.then(|| ping.method.clone()),
            methods: Methods::new(config),
        }
    }

    /// Who answers a method.
    ///
    /// # Errors
    /// 108 when methods of this namespace, or all, are not passed on; 104 when there is no such namespace.
    pub fn callee(&self, method: &str) -> Result<Callee, ErrorCode> {
        if self.ping.as_deref() == Some(method) {
            return Ok(Callee::Node);
        }
        let methods = self.methods.as_ref().ok_or(ErrorCode::NotAvailable)?;
        let target = match method.split_once(':') {
            None => methods.without_namespace,
            Some((name, _)) => *methods
                .namespaces
                .get(name)
                .ok_or(ErrorCode::MethodNotFound)?,
        };
        target.map(Callee::Backend).ok_or(ErrorCode::NotAvailable)
    }
}

impl Methods {
    /// `None` when no method is passed on.
    fn new(config: &Config) -> Option<Self> {
        let named = config.rpc.namespaces.iter();
        let named = named.map(|it| (it.name.clone(), plan::of_methods(config, &it.options)));
        let methods = Self {
            without_namespace: plan::of_methods(config, &config.rpc.without_namespace),
            namespaces: named.collect(),
        };
        let mut named = methods.namespaces.values();
        (methods.without_namespace.is_some() || named.any(Option::is_some)).then_some(methods)
    }
}

impl ChannelHooks {
    pub(crate) fn new(config: &Config, options: &NamespaceOptions) -> Self {
        let of = |event| plan::of_channel(config, options, event);
        Self {
            subscribe: of(Event::Subscribe),
            publish: of(Event::Publish),
            sub_refresh: of(Event::SubRefresh),
            unsubscribe: of(Event::Unsubscribe),
            state: of(Event::State),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NamedProxy, RpcNamespace, RpcOptions};

    fn options(proxy_name: &str) -> RpcOptions {
        RpcOptions {
            proxy_enabled: !proxy_name.is_empty(),
            proxy_name: proxy_name.to_owned(),
        }
    }

    #[test]
    fn a_method_is_answered_by_the_backend_of_its_namespace() {
        let mut config = Config::default();
        config.proxies.push(NamedProxy {
            name: "game".into(),
            ..NamedProxy::default()
        });
        config.rpc.without_namespace = options("default");
        config.rpc.ping.enabled = true;
        for (name, proxy) in [("game", "game"), ("shop", "")] {
            config.rpc.namespaces.push(RpcNamespace {
                name: name.into(),
                options: options(proxy),
            });
        }
        let rules = HookRules::new(&config);
        let default = Callee::Backend(TargetId::Default(Event::Rpc));
        for (method, expected) in [
            ("", Ok(default)),
            ("move", Ok(default)),
            ("ping", Ok(Callee::Node)),
            ("game:move", Ok(Callee::Backend(TargetId::Named(0)))),
            ("shop:buy", Err(ErrorCode::NotAvailable)),
            ("other:x", Err(ErrorCode::MethodNotFound)),
        ] {
            assert_eq!(rules.callee(method), expected, "{method:?}");
        }
        let none = HookRules::new(&Config::default());
        for method in ["", "ping", "game:move"] {
            assert_eq!(none.callee(method), Err(ErrorCode::NotAvailable));
        }
    }
}
