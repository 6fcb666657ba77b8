use std::{
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use headwater::{Admission, Engine, Key, Outcome, Patch, Seq, Value};

/// P9: a rule of the host's that takes long holds up its own shard: who opens a session waits for
/// nothing, and so does who submits elsewhere after that.
#[test]
fn a_slow_rule_holds_up_its_own_shard_alone() {
    let (asked, is_asked) = mpsc::sync_channel(1);
    let (answer, answered) = mpsc::sync_channel::<()>(1);
    let answered = Mutex::new(answered);
    let rule = move |admission: &Admission<'_>| {
        if admission.key.as_str() == "slow" {
            asked.send(()).expect("somebody waits for it");
            // Until it is hung up on; for ever would hide a failure.
            let answered = answered.lock().expect("nobody panics");
            let _hung_up = answered.recv_timeout(Duration::from_secs(20));
        }
        Ok(())
    };
    let builder = Engine::builder().shard_seed(1).shards(64).admit(rule);
    let engine = builder.build().expect("it can be");
    let [slow, quick] = ["slow", "quick"].map(|name| {
        let key = Key::new(name).expect("a key");
        engine.create(&key, Value::default()).expect("room");
        key
    });
    let client = engine.open_session().expect("room");
    thread::scope(|scope| {
        let waits = scope.spawn(|| client.submit(&slow, Seq(1), Patch::default()));
        is_asked.recv().expect("it is asked");
        let other = engine.open_session().expect("room");
        let outcome = other.submit(&quick, Seq(1), Patch::default());
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
        assert!(!waits.is_finished(), "it was waited for");
        drop(answer);
        let outcome = waits.join().expect("no panic");
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    });
}
