//! What is said to the cluster, prepared once.

use scylla::client::session::Session;
use scylla::statement::prepared::PreparedStatement;

use super::failure::prepare_failure;
use crate::store::StoreError;

/// Rows of a page where each may be large.
const RECORDS_AT_ONCE: i32 = 128;

macro_rules! statements {
    ($($(#[$about:meta])* $name:ident: $text:literal,)*) => {
        /// Each statement; all may be repeated.
        pub(super) struct Statements {
            $($(#[$about])* pub(super) $name: PreparedStatement,)*
        }

        impl Statements {
            pub(super) async fn prepare(session: &Session) -> Result<Self, StoreError> {
                Ok(Self {
                    $($name: prepare(session, $text).await?,)*
                })
            }
        }
    };
}

async fn prepare(session: &Session, text: &str) -> Result<PreparedStatement, StoreError> {
    let prepared = session.prepare(text).await;
    let mut prepared = prepared.map_err(|error| prepare_failure(&error))?;
    prepared.set_is_idempotent(true);
    if text.contains("value FROM records") {
        prepared.set_page_size(RECORDS_AT_ONCE);
    }
    Ok(prepared)
}

statements! {
    insert_record: "INSERT INTO records (namespace, epoch, channel, bucket, seq, size, value) \
        VALUES (?, ?, ?, ?, ?, ?, ?) USING TTL ?",
    insert_log: "INSERT INTO log (namespace, epoch, bucket, seq, channel, time, size) VALUES (?, ?, ?, ?, ?, ?, ?) USING TTL ?",
    insert_bucket: "INSERT INTO buckets (namespace, epoch, channel, bucket) VALUES (?, ?, ?, ?) USING TTL ?",
    insert_channel: "INSERT INTO channels (shard, channel, epoch) VALUES (?, ?, ?) USING TTL ?",
    insert_removed: "INSERT INTO removed (namespace, epoch, channel, first, last) VALUES (?, ?, ?, ?, ?) USING TTL ?",

    records_upward: "SELECT seq, value FROM records \
        WHERE namespace = ? AND epoch = ? AND channel = ? AND bucket = ? AND seq >= ? AND seq <= ? ORDER BY seq ASC",
    records_downward: "SELECT seq, value FROM records \
        WHERE namespace = ? AND epoch = ? AND channel = ? AND bucket = ? AND seq >= ? AND seq <= ? ORDER BY seq DESC",
    record_sizes: "SELECT seq, size FROM records \
        WHERE namespace = ? AND epoch = ? AND channel = ? AND bucket = ? AND seq >= ? AND seq <= ?",
    count_records: "SELECT COUNT(seq), SUM(size) FROM records \
        WHERE namespace = ? AND epoch = ? AND channel = ? AND bucket = ? AND seq >= ? AND seq <= ?",
    buckets_upward: "SELECT bucket FROM buckets \
        WHERE namespace = ? AND epoch = ? AND channel = ? AND bucket >= ? AND bucket <= ? ORDER BY bucket ASC",
    buckets_downward: "SELECT bucket FROM buckets \
        WHERE namespace = ? AND epoch = ? AND channel = ? AND bucket >= ? AND bucket <= ? ORDER BY bucket DESC",
    removed: "SELECT first, last FROM removed WHERE namespace = ? AND epoch = ? AND channel = ?",
    log: "SELECT seq, channel, time, size FROM log \
        WHERE namespace = ? AND epoch = ? AND bucket = ? AND seq >= ? AND seq <= ?",
    next_in_log: "SELECT seq, time FROM log \
        WHERE namespace = ? AND epoch = ? AND bucket = ? AND seq >= ? AND seq <= ? LIMIT 1",
    names: "SELECT channel, epoch FROM channels WHERE shard = ? AND channel >= ? LIMIT ?",

    streams: "SELECT namespace, epoch, state FROM streams",
    streams_of: "SELECT epoch, state FROM streams WHERE namespace = ?",
    stream: "SELECT version, state FROM streams WHERE namespace = ? AND epoch = ?",
    begin_stream: "INSERT INTO streams (namespace, epoch, version, state) VALUES (?, ?, 1, ?) IF NOT EXISTS",
    change_stream: "UPDATE streams SET version = ?, state = ? WHERE namespace = ? AND epoch = ? IF version = ?",

    remove_records: "DELETE FROM records \
        WHERE namespace = ? AND epoch = ? AND channel = ? AND bucket = ? AND seq >= ? AND seq <= ?",
    remove_from_log: "DELETE FROM log WHERE namespace = ? AND epoch = ? AND bucket = ? AND seq = ?",
    drop_records: "DELETE FROM records WHERE namespace = ? AND epoch = ? AND channel = ? AND bucket = ?",
    drop_log: "DELETE FROM log WHERE namespace = ? AND epoch = ? AND bucket = ?",
    drop_bucket: "DELETE FROM buckets WHERE namespace = ? AND epoch = ? AND channel = ? AND bucket = ?",
}
