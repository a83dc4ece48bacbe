//! The face on the bus: the same answers as over gRPC, as JSON.

use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::archive::{ArchiveError, Question, ask_archive};
use tidegate_backbone::{Backbone, Message, Topic};
use tidegate_history_service::bus::serve;
use tidegate_history_service::history::History;
use tidegate_history_service::lag::Lags;
use tidegate_history_service::store::Store;
use tidegate_history_service::store::embedded::Embedded;

use crate::carrier::Carrier;
use crate::grpc::room;

const WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn questions_on_the_bus_are_answered_from_archive_and_stream() {
    let folder = tempfile::tempdir().unwrap();
    let carrier = Carrier::new(3);
    let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path()).unwrap());
    let backbone: Arc<dyn Backbone> = Arc::<Carrier>::clone(&carrier);
    let history = History::new(Arc::clone(&store), Arc::clone(&backbone), Lags::default());
    let chat = room("kept:chat");
    for number in 0..6 {
        carrier.put_text(&chat, &number.to_string());
        if number < 5 {
            store.append(carrier.batch(number, 1)).await.unwrap();
        }
    }
    let question = Question {
        channel: "kept:chat".to_owned(),
        after: Some(1),
        limit: Some(4),
        ..Question::default()
    };
    let ask = async |question: &Question| ask_archive(&*backbone, &chat, question, WITHIN).await;
    assert_eq!(ask(&question).await, Err(ArchiveError::Absent));
    let namespaces = [Some("kept".to_owned())];
    let served = serve(&backbone, &history, &namespaces).await.unwrap();
    let page = ask(&question).await.unwrap();
    let texts = |page: &tidegate_backbone::archive::Answer| -> Vec<String> {
        let data = page.publications.iter().map(|it| &it.data);
        data.map(|it| String::from_utf8_lossy(it).into_owned())
            .collect()
    };
    assert_eq!(texts(&page), ["1", "2", "3", "4"]);
    assert_eq!((page.next, page.end, page.is_gapless), (Some(5), 5, true));
    let rest = Question {
        after: page.next,
        ..question.clone()
    };
    let page = ask(&rest).await.unwrap();
    assert_eq!(texts(&page), ["5"]);
    assert_eq!((page.next, page.end, page.is_gapless), (None, 6, true));
    let backward = Question {
        after: None,
        before: Some(3),
        ..question.clone()
    };
    assert_eq!(texts(&ask(&backward).await.unwrap()), ["1", "0"]);
    for (wrong, code) in [
        (r#"{"channel":"kept:chat","after":99}"#, 416),
        (r#"{"channel":"kept:chat","epoch":"other"}"#, 404),
        ("{}", 400),
    ] {
        let topic = Topic::archive(Some("kept"));
        let answer = backbone.ask(&topic, Message::new(wrong), WITHIN).await;
        assert_eq!(
            answer.unwrap().refusal().map(|it| it.code),
            Some(code),
            "{wrong}"
        );
    }
    drop(served);
    assert_eq!(ask(&question).await, Err(ArchiveError::Absent));
}
