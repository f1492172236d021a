//! Stories of two peers in virtual time.

use super::*;
use crate::address::Passive;
use crate::stream::Listener;

fn pair() -> (Session, Session) {
    let (a, b) = Stream::pair();
    (Session::over(Connection::new(a)), Session::over(Connection::new(b)))
}

#[tokio::test]
async fn echo_is_answered_without_the_owner() {
    let (a, b) = Stream::pair();
    let mut served = Session::over(Connection::new(a));
    let mut peer = Connection::new(b);
    let serve = async {
        assert!(matches!(served.next().await, SessionEvent::Connected));
        served.next().await
    };
    let ask = async {
        peer.send(Message::request("echo", vec![json!(7)], "x")).await.unwrap();
        let reply = peer.recv().await.unwrap();
        drop(peer);
        reply
    };
    let (event, reply) = tokio::join!(serve, ask);
    assert_eq!(reply, Message::Reply { id: json!("x"), result: json!([7]) });
    assert!(matches!(event, SessionEvent::Disconnected { .. }));
    assert!(served.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_probed_and_then_dropped() {
    let (a, b) = Stream::pair();
    let mut session = Session::over(Connection::new(a));
    session.set_probe(Some(DEFAULT_PROBE));
    let mut mute = Connection::new(b);
    assert!(matches!(session.next().await, SessionEvent::Connected));
    let start = Instant::now();
    let SessionEvent::Disconnected { reason } = session.next().await else { panic!() };
    assert!(reason.contains("inactivity probe"), "{reason}");
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(mute.recv().await.unwrap(), Message::request("echo", vec![], "echo"));
}

#[tokio::test(start_paused = true)]
async fn two_probing_peers_stay_together() {
    let (mut a, mut b) = pair();
    a.set_probe(Some(DEFAULT_PROBE));
    b.set_probe(Some(DEFAULT_PROBE));
    a.next().await;
    b.next().await;
    tokio::select! {
        event = a.next() => panic!("{event:?}"),
        event = b.next() => panic!("{event:?}"),
        () = tokio::time::sleep(Duration::from_secs(100)) => {}
    }
}

#[tokio::test]
async fn an_active_session_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let mut session = Session::to(Address::Unix(path.clone()));
    session.set_backoff(Backoff { min: Duration::from_millis(1), max: Duration::from_millis(2) });
    assert!(matches!(session.next().await, SessionEvent::Disconnected { .. }));
    let listener = Listener::bind(&Passive::Unix(path)).unwrap();
    for _ in 0..2 {
        let (event, accepted) = tokio::join!(
            async {
                loop {
                    if let SessionEvent::Connected = session.next().await {
                        break;
                    }
                }
            },
            listener.accept()
        );
        let () = event;
        drop(accepted);
        assert!(matches!(session.next().await, SessionEvent::Disconnected { .. }));
    }
}
