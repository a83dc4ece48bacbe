use super::*;

fn options() -> Options {
    Options {
        replica: "a".to_owned(),
        partitions: 4,
        settle: Duration::from_secs(1),
        patience: Duration::from_secs(30),
        max_entries: 100,
        last_seen_ttl: Duration::from_secs(60),
        last_seen_max: 100,
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_only_once_it_is_asked_about_everything() {
    let (desk, _effects, owner) = Desk::new(options());
    tokio::spawn(owner);
    let mut progress = desk.progress();
    let all = progress.wait_for(|it| it.ready.len() == 4).await;
    let all = all.unwrap().ready.clone();
    for offered in [vec![], vec![0, 2]] {
        desk.offer(offered.clone()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        let seen = progress.borrow_and_update().clone();
        assert_eq!((seen.is_ready, seen.offered), (false, offered));
    }
    desk.offer(all.clone()).await.unwrap();
    let ready = progress.wait_for(|it| it.is_ready).await;
    assert_eq!(ready.unwrap().offered, all);
}
