use serde::{Serialize, ser};
use triomphe::Arc;

use super::{
    SerializeFailure,
    members::Members,
    tree::{Part, Tree, Variant},
};
use crate::{
    object::{FLAT_MAX, Names},
    value::{Repr, Value},
};

/// The object of a struct in the making.
pub(super) struct Fields<'s, 'o>(Members<'s, 'o>);

impl<'s, 'o> Fields<'s, 'o> {
    /// Starts an object inside a container, or as the content of a variant.
    #[inline]
    pub(super) fn open(inside: Tree<'s, 'o>, variant: Option<Variant<'o>>) -> Self {
        let old = match inside.old {
            Some(Value(Repr::Object(node))) => {
                let form = inside.scratch.forms.of(node.header());
                return Self(Members::open_flat(inside, (form, node.values()), variant));
            }
            old => old.and_then(Value::as_object),
        };
        Self(Members::open(inside, old, variant))
    }

    // Inlined into the struct's own code, which then has the name at hand and spares a call for each field.
    #[inline(always)]
    fn push<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        let Members { scratch, frame } = &mut self.0;
        if let Some((known, slot)) = scratch.forms.awaited(frame.form, frame.count)
            && std::ptr::eq(known, name)
            && let Some(old) = frame.start_awaited(slot)
        {
            let inside = Tree {
                around: frame.around,
                old: Some(old),
                scratch,
            };
            return match value.serialize(inside) {
                Ok(part) => {
                    frame.end_awaited(slot);
                    if let Part::Made(value) = part {
                        self.0.change(slot, value);
                    }
                    Ok(())
                }
                Err(failure) => Err(self.0.locate_inside(failure, name)),
            };
        }
        self.push_found(name, value)
    }

    /// Takes a field that is looked for by its name, and learns for the next where it stands.
    #[inline(never)]
    fn push_found<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), SerializeFailure> {
        let Members { scratch, frame } = &mut self.0;
        let object = frame.old.and_then(Value::as_object);
        let old = object.and_then(|object| object.find(name).ok());
        let old = old.map(|(slot, old)| {
            scratch.forms.learn(frame.form, frame.count, name, slot);
            (Some(slot), old)
        });
        self.0.push(name, old, value)
    }
}

macro_rules! serialize_fields {
    ($($kind:ident),+) => {
        $(impl ser::$kind for Fields<'_, '_> {
            type Ok = Part;
            type Error = SerializeFailure;

            #[inline(always)]
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
pub(super) struct Forms {
    names: Vec<Names>,
    /// For each of the above so many as a small object has, each a name and its slot.
    ///
    /// Invariant: a name stands at its slot of the names, which never change; or the slot is past their end.
    fields: Vec<(&'static str, usize)>,
}

/// The place of the first field of a form that is known, or of none.
#[derive(Clone, Copy)]
pub(super) struct FormId(usize);

impl Default for FormId {
    fn default() -> Self {
        Self::NONE
    }
}

impl FormId {
    pub(super) const NONE: Self = Self(usize::MAX / 2);
}

impl Forms {
    /// The form of the structs whose objects have these names; none if there are too many.
    #[inline]
    fn of(&mut self, names: &Names) -> FormId {
        let known = |known: &Names| Arc::ptr_eq(known, names);
        match self.names.iter().position(known) {
            Some(form) => FormId(form * FLAT_MAX),
            None => self.add(names),
        }
    }

    #[cold]
    fn add(&mut self, names: &Names) -> FormId {
        if self.names.len() == FORMS_MAX {
            return FormId::NONE;
        }
        let form = FormId(self.fields.len());
        self.names.push(names.clone());
        self.fields.resize(form.0 + FLAT_MAX, ("", usize::MAX));
        form
    }

    /// The field that came behind so many others the last time, and its slot.
    #[inline(always)]
    fn awaited(&self, form: FormId, at: usize) -> Option<(&'static str, usize)> {
        if at < FLAT_MAX {
            self.fields.get(form.0 + at).copied()
        } else {
            None
        }
    }

    fn learn(&mut self, form: FormId, at: usize, name: &'static str, slot: usize) {
        if at < FLAT_MAX
            && let Some(field) = self.fields.get_mut(form.0 + at)
        {
            *field = (name, slot);
        }
    }
}

/// Forms that are remembered. A document has seldom more kinds of records; the fields of others are
/// searched by name, and each more costs every container a comparison.
const FORMS_MAX: usize = 16;
