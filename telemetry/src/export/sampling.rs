//! The sampler that the program's options name. What the environment names the SDK knows itself.

use opentelemetry_sdk::trace::Sampler;

/// A sampler by its name and share, which were checked.
pub(super) fn sampler(name: &str, share: &str) -> Sampler {
    let share = || share.parse().unwrap_or(1.0);
    let (is_by_parent, name) = match name.strip_prefix("parentbased_") {
        Some(name) => (true, name),
        None => (false, name),
    };
    let sampler = match name {
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(share()),
        _ => Sampler::AlwaysOn,
    };
    match is_by_parent {
        true => Sampler::ParentBased(Box::new(sampler)),
        false => sampler,
    }
}
