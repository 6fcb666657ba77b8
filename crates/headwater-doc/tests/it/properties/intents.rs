//! Any patches: what their operations shall be, made into some that fit a document.

use headwater_doc::{Operation, Patch, Value};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    documents::{NAMES, document, number, scalar, value},
    pointer,
};
use crate::model::{Model, ModelNumber, escaped};

/// What an operation shall be, once there is a document to choose its paths in.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    kind: Kind,
    place: Index,
    other: Index,
    at: Index,
    /// Some operations are made to fail; those that happen to fail otherwise are left out.
    fails: bool,
    value: Model,
    by: ModelNumber,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
    Increment,
    Splice,
}

pub(super) fn intent(failing_percent: u32) -> impl Strategy<Value = Intent> {
    let kind = prop_oneof![
        4 => Just(Kind::Add),
        3 => Just(Kind::Remove),
        2 => Just(Kind::Replace),
        4 => Just(Kind::Move),
        2 => Just(Kind::Copy),
        1 => Just(Kind::Test),
        1 => Just(Kind::Increment),
        6 => Just(Kind::Splice),
    ];
    let fails = prop::bool::weighted(f64::from(failing_percent) / 100.0);
    let value = prop_oneof![3 => scalar(), 1 => value()];
    (kind, any::<[Index; 3]>(), fails, value, number()).prop_map(
        |(kind, [place, other, at], fails, value, by)| Intent {
            kind,
            place,
            other,
            at,
            fails,
            value,
            by,
        },
    )
}

impl Intent {
    /// A path at which something can be added.
    fn target(&self, document: &Model) -> String {
        let mut containers = document.places();
        containers.retain(|(_, value)| matches!(value, Model::Array(_) | Model::Object(_)));
        if containers.is_empty() {
            return String::new();
        }
        let (path, container) = self.place.get(&containers);
        match container {
            Model::Array(items) => match self.at.index(items.len() + 2) {
                index if index > items.len() => format!("{path}/-"),
                index => format!("{path}/{index}"),
            },
            _ => format!("{path}/{}", escaped(NAMES[self.at.index(NAMES.len())])),
        }
    }

    /// A path that leads to a value which `fits`, to the document where none does.
    fn source(&self, document: &Model, fits: impl Fn(&Model) -> bool) -> String {
        let mut places = document.places();
        places.retain(|(path, value)| !path.is_empty() && fits(value));
        if places.is_empty() {
            return String::new();
        }
        self.other.get(&places).0.clone()
    }

    fn operation(&self, document: &Model) -> Operation {
        let any = self.source(document, |_| true);
        let spoilt = |path: String| {
            let spoils = ["/nope/x", "x", "/-", "/01", "/99999", "/0/0/0/0/0/0/0"];
            match self.fails {
                true if path.is_empty() => "/nope/x".to_owned(),
                true => path + spoils[self.at.index(spoils.len())],
                false => path,
            }
        };
        let path = match self.kind {
            // In front of what it comes out of.
            Kind::Move if self.at.index(8) == 0 => any
                .rsplit_once('/')
                .map_or_else(String::new, |(parent, _)| parent.to_owned()),
            Kind::Add | Kind::Move | Kind::Copy => self.target(document),
            Kind::Increment => self.source(document, |value| matches!(value, Model::Number(_))),
            Kind::Splice => self.source(document, |value| {
                matches!(value, Model::Array(_) | Model::String(_))
            }),
            Kind::Remove | Kind::Replace | Kind::Test => any.clone(),
        };
        let old = document.at(&path);
        let value = self.value.value();
        let from = pointer(&any);
        let splice = self.splice(old);
        let path = pointer(&spoilt(path));
        match self.kind {
            Kind::Add => Operation::Add { path, value },
            Kind::Remove => Operation::Remove { path },
            Kind::Replace => Operation::Replace { path, value },
            Kind::Move => Operation::Move { from, path },
            Kind::Copy => Operation::Copy { from, path },
            Kind::Test => Operation::Test {
                path,
                value: old.map_or(value, Model::value),
            },
            Kind::Increment => Operation::Increment {
                path,
                by: self.by.number(),
            },
            Kind::Splice => Operation::Splice {
                path,
                index: splice.0,
                remove: splice.1,
                insert: splice.2,
            },
        }
    }

    fn splice(&self, old: Option<&Model>) -> (usize, usize, Value) {
        let range = |len: usize| {
            let index = self.at.index(len + 1);
            // Small ranges, as editors send them, but also large ones.
            let most = if self.fails { len + 2 } else { len - index };
            let most = if self.place.index(4) == 0 {
                most
            } else {
                most.min(40)
            };
            (index, self.other.index(most + 1))
        };
        match (old, &self.value) {
            (Some(Model::String(old)), value) => {
                let (index, remove) = range(old.chars().count());
                let insert = match value {
                    Model::String(text) => text.as_str(),
                    _ => "é",
                };
                (index, remove, Value::from(insert))
            }
            (Some(Model::Array(old)), value) => {
                let (index, remove) = range(old.len());
                let insert = match value {
                    Model::Array(_) => value.value(),
                    scalar => Model::Array(vec![scalar.clone(); self.place.index(4)]).value(),
                };
                (index, remove, insert)
            }
            (_, value) => (0, 0, value.value()),
        }
    }
}

/// The operations in a row, each with paths of the document as it then is.
pub(super) fn patch(document: &Model, intents: &[Intent]) -> Patch {
    let mut now = document.clone();
    let mut operations = Vec::new();
    for intent in intents {
        let operation = intent.operation(&now);
        let mut next = now.clone();
        if next.apply(&operation).is_some() {
            now = next;
            operations.push(operation);
        } else if intent.fails {
            operations.push(operation);
        }
        // Copies of copies double the document each time.
        if now.nodes() > 10_000 {
            break;
        }
    }
    Patch::from(operations)
}

/// A document, and patches that all apply in a row.
pub(super) fn history() -> impl Strategy<Value = (Model, Vec<Vec<Intent>>)> {
    (document(), vec(vec(intent(0), 1..8), 1..5))
}
