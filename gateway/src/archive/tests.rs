use futures_util::future::BoxFuture;
use tidegate_backbone::embedded::Embedded;
use tidegate_backbone::service::{Endpoint, Handler, Refusal, Served, Service, serve};
use tidegate_backbone::{Bus, Message, Place, Topic};

use super::*;

/// Answers with two publications a page, of which there are those from 1 to 10; behind 3 it has no proof, and behind 7 it
/// says nothing more.
struct Pages;

impl Handler for Pages {
    fn answer(&self, question: Message) -> BoxFuture<'static, Result<Message, Refusal>> {
        let question: Question = serde_json::from_slice(&question.data).unwrap();
        Box::pin(async move {
            let after = question.after.unwrap();
            if after == 7 {
                std::future::pending::<()>().await;
            }
            let end = (after + 2).min(10);
            let answer = Answer {
                epoch: "e".into(),
                publications: (after + 1..=end).map(publication).collect(),
                next: (end < 10).then_some(end),
                end,
                is_gapless: after != 3,
            };
            Ok(Message::new(answer.encode()))
        })
    }
}

fn publication(offset: u64) -> Publication {
    Publication {
        data: "12345".into(),
        place: Some(Place {
            epoch: "e".into(),
            offset,
            previous: None,
            time: 0,
        }),
        ..Publication::default()
    }
}

async fn serving(backbone: &Arc<dyn Backbone>) -> Served {
    let bus: Arc<dyn Bus> = Arc::<dyn Backbone>::clone(backbone);
    let endpoint = Endpoint {
        name: "read",
        topic: Topic::archive(Some("kept")),
        group: None,
        handler: Arc::new(Pages),
    };
    let service = Service {
        name: "archive",
        version: "1.0.0",
        description: "pages",
        endpoints: vec![endpoint],
    };
    serve(&bus, service).await.unwrap()
}

fn archive(namespace: &str) -> (Arc<dyn Backbone>, Archive) {
    let backbone: Arc<dyn Backbone> = Arc::new(Embedded::new());
    let namespaces = HashSet::from([Some(namespace.to_owned())]);
    (Arc::clone(&backbone), Archive::new(backbone, namespaces))
}

async fn offsets(
    archive: &Archive,
    epoch: &str,
    between: (u64, u64),
    bounds: (usize, usize),
) -> Option<(Vec<u64>, u64)> {
    let room = Channel::parse("kept:room").unwrap();
    let found = archive
        .stretch(&room, &epoch.into(), between, bounds)
        .await?;
    let offset = |it: &Publication| it.place.as_ref().unwrap().offset;
    Some((found.publications.iter().map(offset).collect(), found.end))
}

const WIDE: (usize, usize) = (100, 1_000);

#[tokio::test]
async fn a_stretch_is_whole_and_within_its_bounds() {
    let (backbone, archive) = archive("kept");
    let _served = serving(&backbone).await;
    for (between, bounds, expected) in [
        ((4, 6), WIDE, Some((vec![5, 6], 6))),
        ((4, 7), WIDE, Some((vec![5, 6, 7, 8], 8))),
        ((8, 10), WIDE, Some((vec![9, 10], 10))),
        // There is no more.
        ((8, 11), WIDE, None),
        // Not proved.
        ((1, 5), WIDE, None),
        // Too many, too much.
        ((4, 8), (3, 1_000), None),
        ((4, 8), (100, 19), None),
        ((4, 8), (4, 20), Some((vec![5, 6, 7, 8], 8))),
    ] {
        let found = offsets(&archive, "e", between, bounds).await;
        assert_eq!(found, expected, "{between:?} within {bounds:?}");
    }
    assert_eq!(offsets(&archive, "other", (4, 6), WIDE).await, None);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_answer_is_left_alone_for_a_while() {
    let (backbone, archive) = archive("kept");
    let _served = serving(&backbone).await;
    let start = Instant::now();
    assert_eq!(offsets(&archive, "e", (7, 9), WIDE).await, None);
    assert_eq!(start.elapsed(), PATIENCE);
    assert_eq!(offsets(&archive, "e", (4, 6), WIDE).await, None);
    assert_eq!(start.elapsed(), PATIENCE);
    tokio::time::advance(REST).await;
    assert!(offsets(&archive, "e", (4, 6), WIDE).await.is_some());
}

/// Says nothing.
struct Mute;

impl Handler for Mute {
    fn answer(&self, _: Message) -> BoxFuture<'static, Result<Message, Refusal>> {
        Box::pin(std::future::pending())
    }
}

/// A removal is asked for also of one that is left alone, and where there is none that is told at once.
#[tokio::test(start_paused = true)]
async fn who_removes_learns_whether_it_was_done() {
    let (backbone, archive) = archive("kept");
    let room = Channel::parse("kept:room").unwrap();
    assert_eq!(archive.remove(&room).await, Err(ArchiveError::Absent));
    let _served = serving(&backbone).await;
    assert_eq!(offsets(&archive, "e", (7, 9), WIDE).await, None);
    let bus: Arc<dyn Bus> = Arc::<dyn Backbone>::clone(&backbone);
    let endpoint = Endpoint {
        name: "remove",
        topic: Topic::archive_removal(Some("kept")),
        group: None,
        handler: Arc::new(Mute),
    };
    let service = Service {
        name: "archive",
        version: "1.0.0",
        description: "nothing",
        endpoints: vec![endpoint],
    };
    let _served = serve(&bus, service).await.unwrap();
    let start = Instant::now();
    let removed = archive.remove(&room).await;
    assert!(
        matches!(removed, Err(ArchiveError::Silent(_))),
        "{removed:?}"
    );
    assert_eq!(start.elapsed(), REMOVAL);
    let elsewhere = Channel::parse("other:room").unwrap();
    assert_eq!(archive.remove(&elsewhere).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_where_nobody_archives() {
    let start = Instant::now();
    let (_backbone, absent) = archive("kept");
    assert_eq!(offsets(&absent, "e", (4, 6), WIDE).await, None);
    let (backbone, of_others) = archive("other");
    let _served = serving(&backbone).await;
    assert_eq!(offsets(&of_others, "e", (4, 6), WIDE).await, None);
    assert_eq!(start.elapsed(), Duration::ZERO);
}
