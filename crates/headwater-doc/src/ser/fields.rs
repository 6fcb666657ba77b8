use serde::{Serialize, ser};
use triomphe::Arc;

use super::{
    SerializeFailure,
    members::{Members, Old},
    tree::{Part, Tree, Variant},
};
use crate::{
    object::{Names, Object},
    value::{Repr, Value},
};

/// The object of a struct in the making.
pub(super) struct Fields<'s, 'o>(Members<'s, 'o>);

impl<'s, 'o> Fields<'s, 'o> {
    /// Starts an object inside a container, or as the content of a variant.
    #[inline]
    pub(super) fn open(inside: Tree<'s, 'o>, variant: Option<Variant<'o>>) -> Self {
        let (object, fields) = match inside.old {
            Some(Value(Repr::Object(node))) => {
                let form = inside.scratch.forms.of(node.header());
                (Some(Object::flat(node)), Some((node, form)))
            }
            old => (old.and_then(Value::as_object), None),
        };
        Self(Members::open(inside, object, fields, variant))
    }

    #[inline]
    fn push<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        if let Some((slot, old)) = self.awaited(name) {
            return self.0.push_awaited(name, slot, old, value);
        }
        let old = self.find(name);
        self.0.push(name, old, value)
    }

    /// The old field that stands where this one did the last time, if it has its name and was not found yet.
    #[inline(always)]
    fn awaited(&mut self, name: &'static str) -> Option<(usize, &'o Value)> {
        let (frame, forms) = self.0.frame_and_forms();
        let (node, form) = frame.fields?;
        let slot = forms.guess(form, frame.count, name)?;
        let old = node.values().get(slot)?;
        frame.awaits(slot).then_some((slot, old))
    }

    /// Finds a field in the old object, and learns for the next where it stands.
    #[inline(never)]
    fn find(&mut self, name: &'static str) -> Option<Old<'o>> {
        let frame = self.0.frame();
        let (slot, value) = frame.old?.as_object()?.find(name).ok()?;
        if let Some((_, form)) = frame.fields {
            let count = frame.count;
            self.0.scratch.forms.learn(form, count, name, slot);
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
                self.0.finish()
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
pub(super) struct FormId(usize);

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
