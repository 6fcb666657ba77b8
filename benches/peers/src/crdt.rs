//! A recorded session of typing, each edit committed by itself: a version here, a transaction there.

use std::{io, sync::Arc};

use automerge::{AutoCommit, ObjType, ROOT, ReadDoc as _, transaction::Transactable as _};
use headwater::{Key, Patch, Value};
use headwater_benches::{Edit, Fleet, TextTrace, builder};
use loro::LoroDoc;
use yrs::{Doc, GetString as _, Text as _, Transact as _};

use crate::{
    measure::{Contest, Effort, Row, repeat},
    recording::PAPER,
};

/// So many that automerge, whose edits cost the more the more there were, ends in half a second.
const AUTOMERGE_EDITS: usize = 50_000;

/// One replay takes yrs seconds.
const ROUNDS_MAX: usize = 3;

/// Enough to see that it works.
const QUICK_EDITS: usize = 5_000;

/// The whole session, and its beginning for who would take too long; no row where the data is absent.
///
/// # Errors
///
/// What reading the file reports.
pub(crate) fn edits(effort: Effort) -> io::Result<Vec<Row>> {
    let effort = effort.in_rounds(ROUNDS_MAX);
    let Some(mut whole) = TextTrace::read(PAPER)? else {
        return Ok(Vec::new());
    };
    if effort.is_quick() {
        whole = whole.first(QUICK_EDITS);
    }
    let TextTrace { edits, end } = &whole;
    let (patches, count) = (patches(edits), edits.len());
    let row = Contest::new("recorded text, each edit a commit")
        .by("headwater", replay(end, || headwater(&patches)))
        .by("loro", replay(end, || loro(edits)))
        .by("yrs", replay(end, || yrs(edits)))
        .held(effort)
        .per_second(count);

    let beginning = whole.first(AUTOMERGE_EDITS);
    let TextTrace { edits, end } = &beginning;
    let (patches, count) = (self::patches(edits), edits.len());
    let beginning = Contest::new("recorded text, each of the first 50,000 edits a commit")
        .by("headwater", replay(end, || headwater(&patches)))
        .by("automerge", replay(end, || automerge(edits)))
        .held(effort)
        .per_second(count);
    Ok(vec![row, beginning])
}

/// Replays all edits so many times, and asserts what they lead to.
fn replay(end: &str, mut once: impl FnMut() -> String) -> impl FnMut(u64) {
    move |count| repeat(count, || assert_eq!(once(), end))
}

fn patches(edits: &[Edit]) -> Vec<Arc<Patch>> {
    edits.iter().map(|edit| Arc::new(edit.to_patch())).collect()
}

fn headwater(patches: &[Arc<Patch>]) -> String {
    let key = Key::new("paper").expect("a short name is a key");
    let Fleet { engine, .. } = Fleet::of(builder(), [(key.clone(), Value::from(""))]);
    for patch in patches {
        let applied = engine.apply(&key, Arc::clone(patch));
        applied.expect("within the text");
    }
    let snapshot = engine.get(&key).expect("the document is there");
    assert_eq!(snapshot.position.version.0, patches.len() as u64);
    snapshot.root.as_str().expect("a text").into_owned()
}

fn loro(edits: &[Edit]) -> String {
    let document = LoroDoc::new();
    let text = document.get_text("paper");
    for Edit { range, insert } in edits {
        if !range.is_empty() {
            let deleted = text.delete(range.start, range.len());
            deleted.expect("within the text");
        }
        if !insert.is_empty() {
            let inserted = text.insert(range.start, insert);
            inserted.expect("within the text");
        }
        document.commit();
    }
    text.to_string()
}

fn yrs(edits: &[Edit]) -> String {
    let document = Doc::new();
    let text = document.get_or_insert_text("paper");
    let index = |index: usize| u32::try_from(index).expect("a short text");
    for Edit { range, insert } in edits {
        let mut transaction = document.transact_mut();
        if !range.is_empty() {
            text.remove_range(&mut transaction, index(range.start), index(range.len()));
        }
        if !insert.is_empty() {
            text.insert(&mut transaction, index(range.start), insert);
        }
        transaction.commit();
    }
    text.get_string(&document.transact())
}

fn automerge(edits: &[Edit]) -> String {
    let mut document = AutoCommit::new();
    let text = document.put_object(ROOT, "paper", ObjType::Text);
    let text = text.expect("a new name");
    for Edit { range, insert } in edits {
        let removed = range.len().cast_signed();
        let spliced = document.splice_text(&text, range.start, removed, insert);
        spliced.expect("within the text");
        document.commit();
    }
    document.text(&text).expect("a text")
}
