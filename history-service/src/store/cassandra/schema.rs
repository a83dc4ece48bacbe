//! The tables: which there are, and which are missing.

/// All statements that make tables, as an operator may run them.
pub const SCHEMA: &str = include_str!("schema.cql");

/// Each table's name, and the statement that makes it.
pub(super) fn tables() -> impl Iterator<Item = (&'static str, &'static str)> {
    let statements = SCHEMA.split(";\n").map(|it| {
        let begin = it.find("CREATE TABLE").unwrap_or(it.len());
        &it[begin..]
    });
    statements.filter_map(|statement| {
        let name = statement.strip_prefix("CREATE TABLE IF NOT EXISTS ")?;
        Some((name.split(' ').next()?, statement))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_its_statement() {
        let names: Vec<_> = tables().map(|(name, _)| name).collect();
        let expected = [
            "records", "log", "buckets", "channels", "removed", "streams",
        ];
        assert_eq!(names, expected);
        assert!(tables().all(|(_, it)| !it.contains("--") && !it.contains(';')));
    }
}
