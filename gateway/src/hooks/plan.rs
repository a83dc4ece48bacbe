//! Which backends a configuration names, and who asks which.

use super::headers::Wanted;
use super::question::{Event, TargetId};
use crate::config::{Config, NamespaceOptions, ProxyConfig, RpcOptions};

/// The name by which namespaces choose the backend that is configured for the event.
pub(crate) const DEFAULT: &str = "default";

/// One backend that something is asked of.
pub(crate) struct Planned<'a> {
    pub(crate) id: TargetId,
    /// As it stands in metrics.
    pub(crate) name: &'a str,
    /// Where its options stand.
    pub(crate) path: String,
    pub(crate) config: &'a ProxyConfig,
}

/// The backends that something is asked of.
pub(crate) fn planned(config: &Config) -> Vec<Planned<'_>> {
    let named = config
        .proxies
        .iter()
        .zip(0..)
        .map(|(proxy, index)| Planned {
            id: TargetId::Named(index),
            name: &proxy.name,
            path: format!("proxies.{}", proxy.name),
            config: &proxy.proxy,
        });
    let defaults = Event::ALL
        .into_iter()
        .filter(|event| asks_default(config, *event));
    let defaults = defaults.map(|event| {
        let (path, proxy) = default_of(config, event);
        Planned {
            id: TargetId::Default(event),
            name: DEFAULT,
            path: path.to_owned(),
            config: proxy,
        }
    });
    named.chain(defaults).collect()
}

/// The headers that any of them wants.
pub(crate) fn wanted(config: &Config) -> Wanted {
    let mut wanted = Wanted::default();
    for planned in planned(config) {
        let (sent, made_up) = (
            &planned.config.http_headers,
            &planned.config.emulated_headers,
        );
        wanted.extend(&Wanted::new(sent, made_up));
    }
    wanted
}

/// The backend that is asked about an event of connections.
pub(crate) fn of_client(config: &Config, event: Event) -> Option<TargetId> {
    let proxy = &config.client.proxy;
    let is_enabled = match event {
        Event::Connect => proxy.connect.enabled,
        Event::Refresh => proxy.refresh.enabled,
        Event::Disconnect => proxy.disconnect.enabled,
        _ => false,
    };
    is_enabled.then_some(TargetId::Default(event))
}

/// The backend that is asked about an event of a namespace's channels.
pub(crate) fn of_channel(
    config: &Config,
    options: &NamespaceOptions,
    event: Event,
) -> Option<TargetId> {
    let name = chosen(options, event)?;
    choose(config, event, name)
}

/// The backend that methods with these options are passed on to.
pub(crate) fn of_methods(config: &Config, options: &RpcOptions) -> Option<TargetId> {
    let name = options
        .proxy_enabled
        .then_some(options.proxy_name.as_str())?;
    choose(config, Event::Rpc, name)
}

/// The name that a namespace chose for an event, if it is asked at all.
pub(crate) fn chosen(options: &NamespaceOptions, event: Event) -> Option<&str> {
    let (is_enabled, name) = match event {
        Event::Subscribe => (
            options.subscribe_proxy_enabled,
            &options.subscribe_proxy_name,
        ),
        Event::Publish => (options.publish_proxy_enabled, &options.publish_proxy_name),
        Event::SubRefresh => (
            options.sub_refresh_proxy_enabled,
            &options.sub_refresh_proxy_name,
        ),
        Event::Unsubscribe => (
            options.unsubscribe_proxy_enabled,
            &options.unsubscribe_proxy_name,
        ),
        Event::State => (options.state_proxy_enabled, &options.state_proxy_name),
        Event::Connect | Event::Refresh | Event::Rpc | Event::Disconnect => return None,
    };
    is_enabled.then_some(name)
}

/// A backend by the name that a namespace chose; `None` if there is none of that name.
pub(crate) fn choose(config: &Config, event: Event, name: &str) -> Option<TargetId> {
    if name == DEFAULT {
        return Some(TargetId::Default(event));
    }
    let index = config.proxies.iter().position(|proxy| proxy.name == name)?;
    u16::try_from(index).ok().map(TargetId::Named)
}

/// Whether a backend is told anything, besides what it is asked.
pub(crate) fn is_told(config: &Config, id: TargetId) -> bool {
    let chosen = |event| {
        let mut sets = config.channel.sets();
        of_client(config, event) == Some(id)
            || sets.any(|(_, options)| of_channel(config, options, event) == Some(id))
    };
    Event::TOLD.into_iter().any(chosen)
}

fn asks_default(config: &Config, event: Event) -> bool {
    let id = Some(TargetId::Default(event));
    let mut sets = config.channel.sets();
    of_client(config, event) == id
        || sets.any(|(_, options)| of_channel(config, options, event) == id)
        || event == Event::Rpc && {
            let named = config.rpc.namespaces.iter().map(|it| &it.options);
            let mut all = named.chain([&config.rpc.without_namespace]);
            all.any(|options| of_methods(config, options) == id)
        }
}

fn default_of(config: &Config, event: Event) -> (&'static str, &ProxyConfig) {
    let (client, channel) = (&config.client.proxy, &config.channel.proxy);
    match event {
        Event::Connect => ("client.proxy.connect", &client.connect.proxy),
        Event::Refresh => ("client.proxy.refresh", &client.refresh.proxy),
        Event::Disconnect => ("client.proxy.disconnect", &client.disconnect.proxy),
        Event::Subscribe => ("channel.proxy.subscribe", &channel.subscribe),
        Event::Publish => ("channel.proxy.publish", &channel.publish),
        Event::SubRefresh => ("channel.proxy.sub_refresh", &channel.sub_refresh),
        Event::Unsubscribe => ("channel.proxy.unsubscribe", &channel.unsubscribe),
        Event::State => ("channel.proxy.state", &channel.state),
        Event::Rpc => ("rpc.proxy", &config.rpc.proxy),
    }
}
