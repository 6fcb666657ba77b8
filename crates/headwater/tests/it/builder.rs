//! Configurations that cannot be.

use std::time::Duration;

use headwater::{Bound, Builder, ConfigError, Engine, HistoryBounds, QueueBounds, ReorderBounds};

fn error(builder: Builder) -> ConfigError {
    builder.build().unwrap_err()
}

fn reorder(change: impl FnOnce(&mut ReorderBounds)) -> Builder {
    let mut bounds = ReorderBounds::default();
    change(&mut bounds);
    Engine::builder().reorder(bounds)
}

fn history(commits_min: usize, commits_max: usize) -> Builder {
    let bounds = HistoryBounds {
        commits_min,
        commits_max,
        ..HistoryBounds::default()
    };
    Engine::builder().history(bounds)
}

#[test]
fn the_number_of_shards_is_a_power_of_two_up_to_65_536() {
    for shards in [0, 3, 65, 131_072, 1 << 63, usize::MAX] {
        let error = error(Engine::builder().shards(shards));
        assert_eq!(error.field, "shards", "{shards}");
        assert_eq!(
            error.to_string(),
            "shards must be a power of two from 1 to 65,536"
        );
    }
    for shards in [1, 2, 64, 65_536] {
        assert!(Engine::builder().shards(shards).build().is_ok());
    }
}

#[test]
fn a_lane_remembers_from_one_outcome_up_to_65_536() {
    for outcomes in [0, 65_537, 1 << 59, usize::MAX] {
        let error = error(Engine::builder().outcomes_max(outcomes));
        assert_eq!(error.field, "outcomes_max", "{outcomes}");
        assert_eq!(error.to_string(), "outcomes_max must be from 1 to 65,536");
    }
    for outcomes in [1, 65_536] {
        assert!(Engine::builder().outcomes_max(outcomes).build().is_ok());
    }
}

#[test]
fn a_lane_holds_no_more_than_its_document_and_that_no_more_than_the_engine() {
    let lane: [Builder; 2] = [
        reorder(|bounds| bounds.lane.batches = bounds.document.batches + 1),
        reorder(|bounds| bounds.lane.bytes = bounds.document.bytes + 1),
    ];
    for builder in lane {
        let error = error(builder);
        assert_eq!(error.field, "reorder.lane");
        assert_eq!(
            error.to_string(),
            "reorder.lane must be at most reorder.document"
        );
    }
    let document: [Builder; 2] = [
        reorder(|bounds| bounds.document.batches = bounds.engine.batches + 1),
        reorder(|bounds| bounds.document.bytes = bounds.engine.bytes + 1),
    ];
    for builder in document {
        let error = error(builder);
        assert_eq!(error.field, "reorder.document");
        assert_eq!(
            error.to_string(),
            "reorder.document must be at most reorder.engine"
        );
    }
    let nothing = Bound {
        batches: 0,
        bytes: 0,
    };
    let equal = ReorderBounds {
        lane: nothing,
        document: nothing,
        engine: nothing,
        gap_deadline: Duration::ZERO,
        ..ReorderBounds::default()
    };
    assert!(Engine::builder().reorder(equal).build().is_ok());
}

#[test]
fn no_more_commits_stay_at_least_than_at_most() {
    let error = error(history(11, 10));
    assert_eq!(error.field, "history.commits_min");
    assert_eq!(
        error.to_string(),
        "history.commits_min must be at most history.commits_max"
    );
    assert!(history(10, 10).build().is_ok());
}

#[test]
fn what_is_held_is_at_most_what_all_of_memory_is() {
    let bounds = |engine| ReorderBounds {
        engine: Bound {
            bytes: engine,
            ..ReorderBounds::default().engine
        },
        ..ReorderBounds::default()
    };
    let all = 64 << 20;
    let builder = |engine| {
        let builder = Engine::builder().reorder(bounds(engine));
        builder.memory_max(all as u64)
    };
    let error = error(builder(all + 1));
    assert_eq!(error.field, "reorder.engine.bytes");
    assert_eq!(
        error.to_string(),
        "reorder.engine.bytes must be at most memory_max"
    );
    assert!(builder(all).build().is_ok());
}

#[test]
fn one_event_waits_at_least() {
    let error = error(Engine::builder().events_max(0));
    assert_eq!(error.field, "events_max");
    assert_eq!(
        error.to_string(),
        "events_max must be at least 1, or no session could expire"
    );
    assert!(Engine::builder().events_max(1).build().is_ok());
}

#[test]
fn a_queue_has_room_for_one_batch_at_least_and_a_round_decides_one() {
    let least = QueueBounds {
        kib: 1,
        round_batches: 1,
        round: Duration::ZERO,
    };
    let rows = [
        ("queue.kib", QueueBounds { kib: 0, ..least }),
        (
            "queue.round_batches",
            QueueBounds {
                round_batches: 0,
                ..least
            },
        ),
    ];
    for (field, bounds) in rows {
        let error = error(Engine::builder().queue(bounds));
        assert_eq!(error.field, field);
        assert_eq!(error.to_string(), format!("{field} must be at least 1"));
    }
    assert!(Engine::builder().queue(least).build().is_ok());
}

#[test]
fn the_defaults_are_a_configuration_that_can_be() {
    let engine = Engine::builder().build().unwrap();
    assert_eq!(
        format!("{engine:?}"),
        "Engine { shards: 64, documents: 0, .. }"
    );
}
