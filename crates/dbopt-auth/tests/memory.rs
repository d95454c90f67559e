//! Sessions in memory.

mod contract;

use std::time::Duration;

use dbopt_auth::{MemorySessions, NewSession, SessionId, SessionStore as _, StoreError};

contract!(MemorySessions::new(10_000));

#[tokio::test]
async fn it_holds_so_much_and_no_more() {
    let store = MemorySessions::new(3);
    let hour = Duration::from_secs(3_600);
    let begin = async |at: u8, idle| {
        let session = NewSession { id: SessionId([at; 16]), subject: "s", data: "", idle, longest: hour };
        store.begin(&session).await.is_ok()
    };
    for at in 0..3 {
        assert!(begin(at, if at == 0 { Duration::from_millis(50) } else { hour }).await);
    }
    assert!(!begin(3, hour).await);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(begin(4, hour).await, "one has ended");
    for at in 0..3 {
        store.revoke_token(&at.to_string(), hour).await.expect("there is room");
    }
    assert!(matches!(store.revoke_token("more", hour).await, Err(StoreError::Full)));
    assert!(store.revoke_token("1", hour).await.is_ok(), "it is there already");
}
