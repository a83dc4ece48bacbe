//! Metrics as OTLP messages.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;

use super::histogram::SECONDS;
use super::{Family, Sample, Shape, Value};

/// The message with these metrics, whose counters began at `since`.
pub(crate) fn resource_metrics(
    families: &[Family],
    resource: &ResourceAttributesWithSchema,
    since: SystemTime,
) -> ResourceMetrics {
    let period = Period {
        start: nanos(since),
        end: nanos(SystemTime::now()),
    };
    let with_values = families.iter().filter(|it| !it.samples.is_empty());
    let metrics = with_values.map(|family| period.metric(family));
    ResourceMetrics {
        resource: Some(Resource {
            attributes: resource.attributes.0.clone(),
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(InstrumentationScope {
                name: "tidegate".to_owned(),
                ..InstrumentationScope::default()
            }),
            metrics: metrics.collect(),
            schema_url: String::new(),
        }],
        schema_url: String::new(),
    }
}

/// From when to when, in nanoseconds.
#[derive(Clone, Copy)]
struct Period {
    start: u64,
    end: u64,
}

impl Period {
    fn metric(self, family: &Family) -> Metric {
        let cumulative = AggregationTemporality::Cumulative.into();
        let data = match family.shape {
            Shape::Counter => Data::Sum(Sum {
                data_points: self.numbers(family),
                aggregation_temporality: cumulative,
                is_monotonic: true,
            }),
            Shape::Gauge => Data::Gauge(Gauge {
                data_points: self.numbers(family),
            }),
            Shape::Histogram => Data::Histogram(Histogram {
                data_points: self.histograms(family),
                aggregation_temporality: cumulative,
            }),
        };
        let unit = match family.shape {
            Shape::Histogram => "s",
            Shape::Counter | Shape::Gauge => "1",
        };
        Metric {
            name: family.name.to_string(),
            description: family.help.to_string(),
            unit: unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        }
    }

    fn numbers(self, family: &Family) -> Vec<NumberDataPoint> {
        let samples = family.samples.iter();
        let numbers = samples.filter_map(|sample| match &sample.value {
            Value::Whole(value) => {
                let value = i64::try_from(*value).unwrap_or(i64::MAX);
                Some((sample, Number::AsInt(value)))
            }
            Value::Time(time) => Some((sample, Number::AsDouble(time.as_secs_f64()))),
            Value::Histogram(_) => None,
        });
        let points = numbers.map(|(sample, value)| NumberDataPoint {
            attributes: attributes(sample),
            start_time_unix_nano: self.start,
            time_unix_nano: self.end,
            value: Some(value),
            ..NumberDataPoint::default()
        });
        points.collect()
    }

    fn histograms(self, family: &Family) -> Vec<HistogramDataPoint> {
        let samples = family.samples.iter();
        let held = samples.filter_map(|sample| match &sample.value {
            Value::Histogram(snapshot) => Some((sample, snapshot)),
            Value::Whole(_) | Value::Time(_) => None,
        });
        let points = held.map(|(sample, snapshot)| HistogramDataPoint {
            attributes: attributes(sample),
            start_time_unix_nano: self.start,
            time_unix_nano: self.end,
            count: snapshot.count(),
            sum: Some(snapshot.sum),
            bucket_counts: snapshot.counts.to_vec(),
            explicit_bounds: SECONDS.to_vec(),
            ..HistogramDataPoint::default()
        });
        points.collect()
    }
}

fn attributes(sample: &Sample) -> Vec<KeyValue> {
    let labels = sample.labels.iter();
    let attributes = labels.map(|(name, value)| KeyValue {
        key: (*name).to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.clone())),
        }),
        ..KeyValue::default()
    });
    attributes.collect()
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
