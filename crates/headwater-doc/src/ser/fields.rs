use serde::{Serialize, ser};
use triomphe::Arc;

use super::{
    SerializeFailure,
    members::{Members, Old},
    tree::{Part, Tree, Variant},
};
use crate::{
    node::Node,
    object::Names,
    value::{Repr, Value},
};

/// The object of a struct in the making.
pub(super) struct Fields<'s, 'o> {
    members: Members<'s, 'o>,
    old: Option<&'o Node<Names>>,
    form: FormId,
}

impl<'s, 'o> Fields<'s, 'o> {
    /// Starts an object inside a container, or as the content of a variant.
    #[inline]
    pub(super) fn open(inside: Tree<'s, 'o>, variant: Option<Variant<'o>>) -> Self {
        let old = match inside.old {
            Some(Value(Repr::Object(node))) => Some(node),
            _ => None,
        };
        let form = old.map_or(FormId::NONE, |node| inside.scratch.forms.of(node.header()));
        let object = inside.old.and_then(Value::as_object);
        Self {
            members: Members::open(inside, object, variant),
            old,
            form,
        }
    }

    #[inline]
    fn push<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        let (at, forms) = (self.members.count, &self.members.inside.scratch.forms);
        let old = match self.old {
            Some(node) => match forms.guess(self.form, at, name) {
                Some(slot) => node.values().get(slot).map(|value| (Some(slot), value)),
                None => self.find(name),
            },
            None if self.members.inside.old.is_some() => self.find(name),
            None => None,
        };
        self.members.push(name, old, value)
    }

    /// Finds a field in the old object, and learns for the next where it stands.
    fn find(&mut self, name: &'static str) -> Option<Old<'o>> {
        let members = &mut self.members;
        let (slot, value) = members.inside.old?.as_object()?.find(name).ok()?;
        if self.old.is_some() {
            let forms = &mut members.inside.scratch.forms;
            forms.learn(self.form, members.count, name, slot);
        }
        Some((Some(slot), value))
    }
}

macro_rules! serialize_fields {
    ($($kind:ident),+) => {
        $(impl ser::$kind for Fields<'_, '_> {
            type Ok = Part;
            type Error = SerializeFailure;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), SerializeFailure> {
                self.push(name, value)
            }

            #[inline]
            fn end(self) -> Result<Part, SerializeFailure> {
                self.members.finish()
            }
        })+
    };
}

serialize_fields!(SerializeStruct, SerializeStructVariant);

/// Where the fields of structs stand among sorted names, by the order in which they come.
///
/// A struct's fields come in the same order each time, and are named by the very same text in memory:
/// what was found once need not be searched again, nor its bytes be compared.
#[derive(Default)]
pub(super) struct Forms(Vec<Form>);

struct Form {
    names: Names,
    /// Invariant: each name stands at its slot of `names`, which never change.
    fields: Vec<(&'static str, usize)>,
}

/// A form that is known, or none.
#[derive(Clone, Copy)]
struct FormId(usize);

impl FormId {
    const NONE: Self = Self(usize::MAX);
}

impl Forms {
    /// The form of the structs whose objects have these names; none if there are too many.
    fn of(&mut self, names: &Names) -> FormId {
        if let Some(form) = self
            .0
            .iter()
            .position(|form| Arc::ptr_eq(&form.names, names))
        {
            return FormId(form);
        }
        if self.0.len() == FORMS_MAX {
            return FormId::NONE;
        }
        self.0.push(Form {
            names: names.clone(),
            fields: Vec::new(),
        });
        FormId(self.0.len() - 1)
    }

    /// Where the field stands that comes behind so many others, if it did before.
    #[inline]
    fn guess(&self, form: FormId, at: usize, name: &'static str) -> Option<usize> {
        let &(known, slot) = self.0.get(form.0)?.fields.get(at)?;
        std::ptr::eq(known, name).then_some(slot)
    }

    fn learn(&mut self, form: FormId, at: usize, name: &'static str, slot: usize) {
        let Some(form) = self.0.get_mut(form.0) else {
            return;
        };
        match form.fields.get_mut(at) {
            Some(field) => *field = (name, slot),
            // Behind one that was not found it is too early; it moves up as more are learnt.
            None => form.fields.push((name, slot)),
        }
    }
}

/// Forms that are remembered. A document has seldom more kinds of records; the fields of others are
/// searched by name, and each more costs every container a comparison.
const FORMS_MAX: usize = 16;
