use std::time::Duration;

use headwater_core::{Bound, HistoryBounds, Key, Mode, ReorderBounds, ShardConfig};
use headwater_doc::Extensions;

use super::follower::Follower;
use crate::{pair::config, random::Random};

/// Tiny bounds in a third of the runs, wide ones in another, which take several turns to drain.
pub(crate) fn any_config(seed: u64, random: &mut Random) -> ShardConfig {
    let mut bound = |batches: u64, bytes: u64| Bound {
        batches: 1 + random.index(usize::try_from(batches).unwrap()),
        bytes: 400 + random.index(usize::try_from(bytes).unwrap()),
    };
    let (lane, document, engine) = match seed % 3 {
        0 => (bound(5, 2_000), bound(8, 4_000), bound(12, 6_000)),
        1 => (bound(64, 1 << 18), bound(128, 1 << 20), bound(256, 1 << 20)),
        _ => {
            let wide = Bound {
                batches: 300,
                bytes: 1 << 20,
            };
            (wide, wide, wide)
        }
    };
    let history = *random.pick(&[
        HistoryBounds::default(),
        HistoryBounds {
            commits_max: 12,
            ..HistoryBounds::default()
        },
        HistoryBounds {
            age_min: Duration::from_millis(100),
            commits_min: 3,
            ..HistoryBounds::default()
        },
        HistoryBounds {
            bytes_min: 1_500,
            ..HistoryBounds::default()
        },
    ]);
    ShardConfig {
        outcomes_max: *random.pick(&[0, 1, 4, 128]),
        reorder: ReorderBounds {
            lane,
            document,
            engine,
            gap_deadline: Duration::from_millis(*random.pick(&[60, 150, 1_000])),
        },
        history,
        ..config()
    }
}

/// One that is read after each step, and a few that are slow, for each key.
pub(crate) fn followers(keys: &[Key], random: &mut Random) -> Vec<Follower> {
    let each = |key: &Key| {
        let any = [
            Extensions::NONE,
            Extensions::ALL,
            Extensions {
                increment: false,
                splice: true,
            },
        ];
        let prompt = Follower::new(key, Mode::EveryCommit, Extensions::ALL, 1, false);
        let slow = [Mode::EveryCommit, Mode::Latest].map(|mode| {
            let extensions = *random.pick(&any);
            Follower::new(key, mode, extensions, 2 + random.below(60), true)
        });
        [prompt].into_iter().chain(slow).collect::<Vec<_>>()
    };
    keys.iter().flat_map(each).collect()
}

/// Batches of which no two can change places unseen; about one in five does not apply.
pub(crate) fn any_patch(number: u64, random: &mut Random) -> String {
    let log = format!(r#"{{"op":"add","path":"/log/-","value":{number}}}"#);
    let field = random.below(4);
    let more = match random.below(12) {
        0 => r#"{"op":"replace","path":"/log","value":[]}"#.to_owned(),
        1 => r#"{"op":"increment","path":"/n","by":3}"#.to_owned(),
        2 => r#"{"op":"splice","path":"/text","index":0,"remove":0,"insert":"né"}"#.to_owned(),
        3 => r#"{"op":"splice","path":"/text","index":0,"remove":3,"insert":""}"#.to_owned(),
        4 => format!(r#"{{"op":"remove","path":"/fields/{field}"}}"#),
        5 => r#"{"op":"remove","path":"/nothing"}"#.to_owned(),
        6 => r#"{"op":"move","from":"/log/0","path":"/log/1"}"#.to_owned(),
        7 => return r#"[]"#.to_owned(),
        _ => format!(r#"{{"op":"add","path":"/fields/{field}","value":"{number}"}}"#),
    };
    format!("[{log},{more}]")
}
