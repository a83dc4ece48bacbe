use futures_util::FutureExt;

use super::*;

/// What there is to write now.
fn taken(link: &Link) -> String {
    let mut buffer = BytesMut::new();
    let _nothing = link.take(&mut buffer).now_or_never();
    String::from_utf8(buffer.to_vec()).unwrap()
}

#[test]
fn who_asks_together_shares_a_ping_and_who_asks_later_does_not() {
    let link = Link::new(10);
    let (mut first, mut second) = (Box::pin(link.confirm()), Box::pin(link.confirm()));
    assert!(first.as_mut().now_or_never().is_none());
    link.add(|buffer| encoder::unsubscribe(buffer, 7));
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(taken(&link), "UNSUB 7\r\nPING\r\n");
    let mut third = Box::pin(link.confirm());
    assert!(third.as_mut().now_or_never().is_none());
    assert_eq!(taken(&link), "PING\r\n");

    link.pong();
    assert_eq!(first.now_or_never(), Some(Ok(())));
    assert_eq!(second.now_or_never(), Some(Ok(())));
    assert!(third.as_mut().now_or_never().is_none());
    link.pong();
    assert_eq!(third.now_or_never(), Some(Ok(())));
}

#[test]
fn when_it_ends_everyone_who_waits_is_told() {
    let link = Link::new(MAX_UNWRITTEN);
    let payload = vec![0; MAX_UNWRITTEN];
    let publish = || Box::pin(link.publish("a", b"", &payload));
    assert_eq!(publish().now_or_never(), Some(Ok(())));
    let (mut without_room, mut unconfirmed) = (publish(), Box::pin(link.confirm()));
    assert!(without_room.as_mut().now_or_never().is_none());
    assert!(unconfirmed.as_mut().now_or_never().is_none());
    link.end();
    for waiting in [without_room.now_or_never(), unconfirmed.now_or_never()] {
        assert_eq!(waiting, Some(Err(lost())));
    }
    assert_eq!(link.confirm().now_or_never(), Some(Err(lost())));
    assert_eq!(publish().now_or_never(), Some(Err(lost())));
    let mut buffer = BytesMut::new();
    assert_eq!(link.take(&mut buffer).now_or_never(), Some(None));
}

#[test]
fn a_publication_waits_until_what_came_before_was_taken() {
    let link = Link::new(MAX_UNWRITTEN);
    let payload = vec![0; MAX_UNWRITTEN];
    let mut publish = Box::pin(async {
        link.publish("a", b"", &payload).await?;
        link.publish("b", b"", b"").await
    });
    assert!(publish.as_mut().now_or_never().is_none());
    assert!(taken(&link).starts_with("PUB a "));
    assert_eq!(publish.now_or_never(), Some(Ok(())));
    assert_eq!(taken(&link), "PUB b 0\r\n\r\n");
}

#[test]
fn those_who_gave_up_make_room_for_others() {
    let link = Link::new(10);
    let mut waiting: Vec<_> = (0..MAX_WAITERS).map(|_| Box::pin(link.confirm())).collect();
    for confirm in &mut waiting {
        assert!(confirm.as_mut().now_or_never().is_none());
    }
    assert!(matches!(
        link.confirm().now_or_never(),
        Some(Err(Error::Unavailable(_)))
    ));
    drop(waiting.remove(0));
    assert_eq!(link.confirm().now_or_never(), None);
}
