//! What is asked of the presence service, and what becomes of its answers.

use tidegate_backbone::service::{BUSY, Refusal};

use super::*;

#[tokio::test(start_paused = true)]
async fn without_a_presence_service_the_answer_comes_at_once_and_with_a_mute_one_in_time() {
    let bench = Bench::new(|_| {}).await;
    let a = channel("a");
    let start = Instant::now();
    let ask = || {
        bench
            .presence
            .ask(&a, PresenceQuestion::Counts, Format::Json)
    };
    assert!(matches!(ask().await, Err(PresenceError::Unavailable(_))));
    assert_eq!(start.elapsed(), Duration::ZERO);
    let _mute = bench
        .bus
        .hear(
            &backbone::Topic::presence_ask_channel(0),
            None,
            Arc::new(Mute(Mutex::default())),
        )
        .await
        .unwrap();
    assert!(matches!(ask().await, Err(PresenceError::Unavailable(_))));
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert_eq!(bench.presence.counters.presence_unanswered.get(), 2);
}

/// Keeps questions, and never answers.
struct Mute(Mutex<Vec<Heard>>);

impl Ear for Mute {
    fn hear(&self, heard: Heard) {
        self.0.lock().unwrap().push(heard);
    }
}

/// Loses the first question, as a replica that dies, refuses the second, as one that ends, and answers the third.
struct Replaced(Mutex<Vec<Heard>>);

impl Ear for Replaced {
    fn hear(&self, heard: Heard) {
        let mut questions = self.0.lock().unwrap();
        questions.push(heard);
        let answer = match questions.len() {
            1 => return,
            2 => Message::from(Refusal {
                code: BUSY,
                text: "ends".to_owned(),
            }),
            _ => {
                let answer = Answer {
                    version: VERSION,
                    what: Some(page(&[(1, "v")], &Bytes::new(), false)),
                    ..Answer::default()
                };
                Message::new(answer.encode_to_vec())
            }
        };
        let asker = questions.last_mut().unwrap().asker.take().unwrap();
        Handle::current().spawn(asker.answer(answer));
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_replica_does_not_answer_another_does_in_time() {
    let bench = Bench::new(|_| {}).await;
    let topic = backbone::Topic::presence_ask_channel(0);
    let replaced = Arc::new(Replaced(Mutex::default()));
    let _hears = bench.bus.hear(&topic, None, replaced).await.unwrap();
    let members = bench.presence.members(&channel("a")).await.unwrap();
    let clients: Vec<_> = members.into_keys().collect();
    assert_eq!(clients, [CLIENT[1]]);
}

/// Answers questions with what was written for it, in that order.
struct Script(Mutex<Vec<answer::What>>, bool);

impl Ear for Script {
    fn hear(&self, heard: Heard) {
        let mut script = self.0.lock().unwrap();
        let what = Some(script.remove(0));
        let is_incomplete = self.1 && script.len() == 1;
        let answer = Answer {
            version: VERSION,
            what,
            is_incomplete,
        };
        let message = Message::new(answer.encode_to_vec());
        Handle::current().spawn(heard.asker.unwrap().answer(message));
    }
}

/// What a client is answered who asks for members, when the presence service says this.
async fn asked(script: Vec<answer::What>, is_incomplete: bool) -> Result<String, PresenceError> {
    let bench = Bench::new(|_| {}).await;
    let topic = backbone::Topic::presence_ask_channel(0);
    let script = Arc::new(Script(Mutex::new(script), is_incomplete));
    let _script = bench.bus.hear(&topic, None, script).await.unwrap();
    let a = channel("a");
    let answer = bench
        .presence
        .ask(&a, PresenceQuestion::Members, Format::Json);
    match answer.await? {
        PresenceAnswer::Members(members) => Ok(members
            .values()
            .map(|it| format!("{}={}", it.user, String::from_utf8_lossy(&it.conn_info)))
            .collect::<Vec<_>>()
            .join(" ")),
        answer => panic!("{answer:?}"),
    }
}

fn page(of: &[(usize, &str)], info: &Bytes, has_more: bool) -> answer::What {
    let members = of.iter().map(|(number, user)| Membership {
        client: entry::ClientId::parse(CLIENT[*number])
            .unwrap()
            .0
            .to_vec()
            .into(),
        user: (*user).to_owned(),
        conn_info: info.clone(),
        ..Membership::default()
    });
    answer::What::Members(Members {
        members: members.collect(),
        has_more,
        ..Members::default()
    })
}

fn refused(reason: refused::Reason) -> answer::What {
    answer::What::Refused(Refused {
        reason: reason.into(),
        text: "no".to_owned(),
    })
}

#[tokio::test(start_paused = true)]
async fn pages_are_put_together_and_answers_that_are_not_whole_are_asked_for_again() {
    let info = Bytes::from_static(b"1");
    let pages = || {
        let first = page(&[(0, "u")], &info, true);
        vec![first, page(&[(1, "v")], &info, false)]
    };
    assert_eq!(asked(pages(), false).await.unwrap(), "u=1 v=1");
    let mut late = pages();
    late.insert(0, refused(refused::Reason::NotHeld));
    assert_eq!(asked(late, false).await.unwrap(), "u=1 v=1");
    // The first answer is incomplete, and another is given.
    let answers = vec![page(&[], &info, false), page(&[(1, "v")], &info, false)];
    assert_eq!(asked(answers, true).await.unwrap(), "v=1");
    let text = Bytes::from_static(b"\xff");
    let no_json = vec![page(&[(0, "u")], &text, false)];
    assert_eq!(asked(no_json, false).await.unwrap(), "u=");
}

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_are_refused() {
    let info = Bytes::from_static(b"1");
    let large = Bytes::from(vec![b'1'; 600 * 1024]);
    let too_many = vec![page(&[(0, "u")], &large, true)];
    assert_eq!(asked(too_many, false).await, Err(PresenceError::TooMany));
    let mut broken = page(&[(0, "u")], &info, false);
    if let answer::What::Members(members) = &mut broken {
        members.members[0].client = Bytes::from_static(b"short");
    }
    for what in [
        broken,
        refused(refused::Reason::Mismatch),
        answer::What::Counts(Counts::default()),
    ] {
        let answer = asked(vec![what], false).await;
        assert!(
            matches!(answer, Err(PresenceError::Unavailable(_))),
            "{answer:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_asker_did_is_told_before_its_question() {
    let mut bench = Bench::new(|_| {}).await;
    bench.answer().await;
    let a = channel("a");
    let (mut seen, info) = bench.seen(0, "u");
    for number in 0..100 {
        seen.join(&a, &info, false);
        seen.leave(&a);
        let answer = bench
            .presence
            .ask(&a, PresenceQuestion::Counts, Format::Json);
        let one = PresenceAnswer::Counts {
            clients: 1,
            users: 1,
        };
        assert_eq!(answer.await, Ok(one));
        let Told::Report(report) = bench.told().await else {
            panic!("the question came before what it is about");
        };
        assert_eq!(summary(&report).0, number * 2 + 1);
        assert!(matches!(bench.told().await, Told::Question));
    }
}
