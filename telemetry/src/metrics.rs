//! Metrics as they stand now, whoever reads them: a page for Prometheus, or OTLP.
//!
//! What counts has numbers of its own, as lean as its path wants them; a [`Source`] reads them into [`Family`]s when it
//! is asked.

mod histogram;
pub(crate) mod otlp;
mod text;

use std::borrow::Cow;
use std::time::Duration;

pub use histogram::{Histogram, Snapshot};
pub use text::{CONTENT_TYPE, page};

/// Gives all metrics of a program.
pub trait Source: Send + Sync {
    /// As they are now.
    fn families(&self) -> Vec<Family>;
}

/// How a metric is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often values came, by their size.
    Histogram,
}

impl Shape {
    /// As Prometheus calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric, with a value for each set of labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub(crate) name: Cow<'static, str>,
    pub(crate) help: Cow<'static, str>,
    pub(crate) shape: Shape,
    pub(crate) samples: Vec<Sample>,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Whole(u64),
    /// In seconds.
    Time(Duration),
    Histogram(Snapshot),
}

impl Family {
    /// One without values yet.
    #[must_use]
    pub fn new(
        shape: Shape,
        name: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            name: name.into(),
            help: help.into(),
            shape,
            samples: Vec::new(),
        }
    }

    /// A counter.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(Shape::Counter, name, help)
    }

    /// A gauge.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(Shape::Gauge, name, help)
    }

    /// A histogram of seconds.
    #[must_use]
    pub fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(Shape::Histogram, name, help)
    }

    /// Adds a number.
    pub fn add(&mut self, labels: &[(&'static str, &str)], value: u64) {
        self.push(labels, Value::Whole(value));
    }

    /// Adds a time, in seconds.
    pub fn add_time(&mut self, labels: &[(&'static str, &str)], value: Duration) {
        self.push(labels, Value::Time(value));
    }

    /// Adds what a histogram holds.
    pub fn add_histogram(&mut self, labels: &[(&'static str, &str)], value: Snapshot) {
        self.push(labels, Value::Histogram(value));
    }

    /// The same with one number and no labels.
    #[must_use]
    pub fn of(mut self, value: u64) -> Self {
        self.add(&[], value);
        self
    }

    fn push(&mut self, labels: &[(&'static str, &str)], value: Value) {
        let labels = labels
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        self.samples.push(Sample {
            labels: labels.collect(),
            value,
        });
    }
}
