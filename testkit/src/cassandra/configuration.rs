//! What a node is told: its files, and the parts of the Java runtime that it reaches into.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};

use crate::authority::Certificate;

/// Each node has an address of its own, so all have the same ports.
pub(super) const CLIENT_PORT: u16 = 9042;

const STORAGE_PORT: u16 = 7000;

/// Modules and packages that Cassandra opens by reflection, by its own `jvm17-server.options`.
pub(super) const MODULES: [&str; 32] = [
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.math",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "jdk.attach/sun.tools.attach",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.internal.jvmstat/sun.jvmstat.monitor",
    "jdk.management/com.sun.management.internal",
    "jdk.unsupported/sun.misc",
    "java.base/java.util.concurrent.locks",
    "java.base/sun.security.ssl",
    "java.management/com.sun.jmx.mbeanserver",
];

const LOGBACK: &str = r#"<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date %logger{20} %msg%n%rEx{6}</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
</configuration>
"#;

/// The node's settings; writes the files that they name into the folder.
pub(super) fn configuration(
    folder: &Path,
    address: Ipv4Addr,
    tls: Option<&Certificate>,
) -> Result<String> {
    fs::write(folder.join("logback.xml"), LOGBACK)?;
    let data = folder.join("data");
    let data = data.display();
    let tls = match tls {
        Some(certificate) => encryption(folder, certificate)?,
        None => String::new(),
    };
    Ok(format!(
        "cluster_name: tests
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
data_file_directories: ['{data}/data']
commitlog_directory: '{data}/commitlog'
saved_caches_directory: '{data}/caches'
hints_directory: '{data}/hints'
cdc_raw_directory: '{data}/cdc'
commitlog_sync: batch
commitlog_disk_access_mode: legacy
listen_address: {address}
rpc_address: {address}
storage_port: {STORAGE_PORT}
native_transport_port: {CLIENT_PORT}
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: '{address}:{STORAGE_PORT}'}}]
auto_snapshot: false
memtable_heap_space: 96MiB
memtable_offheap_space: 32MiB
file_cache_size: 32MiB
networking_cache_size: 16MiB
{tls}"
    ))
}

/// Settings for connections of clients, with certificate and key in PEM.
fn encryption(folder: &Path, certificate: &Certificate) -> Result<String> {
    let path = folder.join("node.pem");
    let Certificate { certificate, key } = certificate;
    fs::write(&path, format!("{key}{certificate}"))?;
    Ok(format!(
        "client_encryption_options:
  enabled: true
  optional: false
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
  keystore: '{}'
",
        path.display()
    ))
}

/// A Maven project that needs one artifact, `group:name:version`.
pub(super) fn project(artifact: &str) -> Result<String> {
    let mut parts = artifact.split(':');
    let mut part = || parts.next().context("an artifact has three parts");
    let (group, name, version) = (part()?, part()?, part()?);
    Ok(format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidegate</groupId><artifactId>test-tools</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>
  </dependency></dependencies>
</project>
"
    ))
}
