//! What is deployed, held against the binaries: manifests are valid, and their configuration, ports, probes and metrics are
//! what the binaries have. In: the files of this folder, rendered as an operator renders them. Nothing here needs a cluster
//! or a container engine.

mod compose;
mod documents;
mod images;
mod kubernetes;
mod metrics;
mod monitoring;
mod pod;
mod promql;
mod service;
mod site;
