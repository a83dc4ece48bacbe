//! Spans that end when the program has begun to end.

use std::iter;
use std::sync::{Arc, Mutex};

use tidegate_telemetry::metrics::{Family, Source, page};
use tidegate_telemetry::{Kind, Options, Settings, Span, counts, start};

/// Metrics of a program whose work ends while it is asked for them.
#[derive(Default)]
struct Working {
    span: Mutex<Option<Span>>,
    pages: Mutex<Vec<String>>,
}

impl Source for Working {
    fn families(&self) -> Vec<Family> {
        drop(self.span.lock().unwrap().take());
        let families = counts();
        self.pages.lock().unwrap().push(page(&families));
        families
    }
}

#[test]
fn a_span_that_ends_after_the_end_has_begun_is_counted_in_the_last_metrics() {
    let options = Options {
        // Nobody listens there.
        endpoint: "http://127.0.0.1:1".to_owned(),
        ..Options::default()
    };
    let settings = Settings::new(options, iter::empty()).unwrap().unwrap();
    let working = Arc::<Working>::default();
    let exporting = start(settings, Some(Arc::clone(&working) as _)).unwrap();
    let span = Span::begin(Kind::Internal, || "work".into());
    *working.span.lock().unwrap() = Some(span);
    assert!(page(&counts()).contains("tidegate_spans_dropped{reason=\"late\"} 0\n"));
    exporting.finish();
    // Metrics are sent once a minute, and at the end.
    let pages = working.pages.lock().unwrap();
    assert_eq!(pages.len(), 1);
    let late = "tidegate_spans_dropped{reason=\"late\"} 1\n";
    assert!(pages[0].contains(late), "{}", pages[0]);
}
