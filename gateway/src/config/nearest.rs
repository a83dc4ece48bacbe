//! The known name that an unknown one was probably meant to be.

/// The most similar candidate, if any is similar enough to be worth telling.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(name, candidate),
                candidate,
            )
        })
        .filter(|(similarity, _)| *similarity >= 0.6)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// The shortest path that ends in this name, or in its words: `allowed_origins` is `client.allowed_origins`. Those of `rpc`
/// come last: what they share with channels is rarely meant for methods.
pub(super) fn ending_in<'a>(name: &str, paths: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let ending = format!("_{name}");
    paths
        .filter(|path| path.replace('.', "_").ends_with(&ending))
        .min_by_key(|path| (path.starts_with("rpc."), path.len()))
}

/// The fault of an unknown name.
pub(super) fn unknown(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "is not known".to_owned(),
        |name| format!("is not known; nearest: {name}"),
    )
}
