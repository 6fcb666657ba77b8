mod conversions;
mod equality;

use std::{borrow::Cow, mem::ManuallyDrop, ops::Range};

use triomphe::Arc;

use crate::{
    array::{Array, ArrayTree},
    limits::Limits,
    node::{self, Node},
    number::Number,
    object::{Names, Object, ObjectTree},
    packed::{Flat, Short},
    parse::{ParseError, parse},
    rope::{Removed, Rope},
    text::Text,
    totals::{Measure, Totals},
};

/// A JSON value (RFC 8259 section 3): null, a boolean, a number, a string, an array or an object.
///
/// Values are 16 bytes and share what they contain: cloning costs at most one reference count, and a
/// clone never sees a later change. Changes go through a [`Patch`](crate::Patch); it writes in place
/// what no other value holds and copies the path to it where another does. Dropping a value costs what no
/// other holds of it.
///
/// `==` compares as RFC 6902 section 4.6 has it: numbers by value (`1`, `1.0` and `1e0` are equal,
/// `0` and `-0.0` too), strings scalar by scalar, objects without regard to order. It costs what the two do
/// not share in memory at the same place, up to the first difference.
///
/// # Example
///
/// ```
/// use headwater_doc::Value;
///
/// let board: Value = r#"{"cards": [{"title": "one"}, {"title": "two"}]}"#.parse()?;
/// let title = board.at(&"/cards/1/title".parse()?).and_then(Value::as_str);
/// assert_eq!(title.as_deref(), Some("two"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Value(pub(crate) Repr);

/// The representation, hidden so that it can change.
#[derive(Clone)]
pub(crate) enum Repr {
    Null,
    Bool(bool),
    Number(Number),
    /// Invariant: a string is `Short` exactly when it has at most [`Short::BYTES_MAX`] bytes.
    Short(Short),
    /// Invariant: of more than that, and at most [`FLAT_BYTES_MAX`](crate::rope::FLAT_BYTES_MAX) bytes.
    Flat(Flat),
    /// Invariant: of more than `FLAT_BYTES_MAX` bytes.
    Rope(Arc<Rope>),
    Array(Node<()>),
    ArrayTree(Arc<ArrayTree>),
    Object(Node<Names>),
    ObjectTree(Arc<ObjectTree>),
}

const _: () = assert!(size_of::<Value>() == 16);

/// A value to look into, by kind (RFC 8259 section 3). Copying it costs nothing.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(&'a Number),
    /// A string.
    String(Text<'a>),
    /// An array.
    Array(Array<'a>),
    /// An object.
    Object(Object<'a>),
}

impl Clone for Value {
    #[inline]
    fn clone(&self) -> Self {
        node::cloned(self)
    }
}

impl Value {
    /// The value `null`.
    pub const NULL: Self = Self(Repr::Null);

    /// Reads a value from JSON text (RFC 8259) within the given limits.
    ///
    /// Stricter than the RFC has to be in two things: a name that is repeated in one object and an
    /// unpaired surrogate are errors, since a document with either could not be written back.
    /// O(bytes of the text), and O(names · log(names)) for each object.
    ///
    /// # Errors
    ///
    /// [`ParseError`] with the place and the reason; the fault is the text's.
    pub fn parse(text: &[u8], limits: &Limits) -> Result<Self, ParseError> {
        parse(text, limits)
    }

    /// Looks into the value. O(1).
    #[must_use]
    pub fn view(&self) -> View<'_> {
        match &self.0 {
            Repr::Null => View::Null,
            Repr::Bool(value) => View::Bool(*value),
            Repr::Number(number) => View::Number(number),
            Repr::Short(short) => View::String(Text::flat(short.as_str())),
            Repr::Rope(rope) => View::String(Text::rope(rope)),
            Repr::Flat(flat) => View::String(Text::flat(flat.as_str())),
            Repr::Array(node) => View::Array(Array::flat(node)),
            Repr::ArrayTree(tree) => View::Array(Array::tree(tree)),
            Repr::Object(node) => View::Object(Object::flat(node)),
            Repr::ObjectTree(tree) => View::Object(Object::tree(tree)),
        }
    }

    /// The value that a pointer leads to, if there is one; as [`Pointer::resolve`](crate::Pointer::resolve).
    /// O(log n) for each segment, in a container of n children.
    #[must_use]
    pub fn at(&self, pointer: &crate::Pointer) -> Option<&Self> {
        pointer.resolve(self)
    }

    /// Whether this is `null`. O(1).
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self.0, Repr::Null)
    }

    /// The boolean, if this is one. O(1).
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self.0 {
            Repr::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The number, if this is one. O(1).
    #[must_use]
    pub const fn as_number(&self) -> Option<&Number> {
        match &self.0 {
            Repr::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The number as an unsigned integer, if it is one of 64 bits; as [`Number::as_u64`]. O(1).
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.as_u64()
    }

    /// The number as a signed integer, if it is one of 64 bits; as [`Number::as_i64`]. O(1).
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }

    /// The number as the nearest double, if this is a number within the range of doubles. O(1), or O(bytes) for
    /// one that is kept as text; as [`Number::as_f64`].
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number()?.as_f64()
    }

    /// The string, if this is one. Up to 1,024 bytes it is borrowed, O(1); a longer one is held in several
    /// runs and joined, O(bytes). [`as_text`](Self::as_text) copies nothing.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        self.as_text().map(Text::to_cow)
    }

    /// The string to be read run by run, if this is one. O(1).
    #[must_use]
    pub fn as_text(&self) -> Option<Text<'_>> {
        match self.view() {
            View::String(text) => Some(text),
            _ => None,
        }
    }

    /// The array, if this is one. O(1).
    #[must_use]
    pub fn as_array(&self) -> Option<Array<'_>> {
        match self.view() {
            View::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The object, if this is one. O(1).
    #[must_use]
    pub fn as_object(&self) -> Option<Object<'_>> {
        match self.view() {
            View::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Bytes of the compact text that [`Display`](std::fmt::Display) writes: exact but for doubles and for
    /// numbers that are kept as text, for which it counts as many as either written form can take.
    /// O(1).
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.container()
            .map_or_else(|| self.scalar_bytes(), |sums| sums.bytes)
            .into()
    }

    /// Values in the tree, this one included. O(1).
    #[must_use]
    pub fn nodes(&self) -> u64 {
        u64::from(self.container().map_or(1, |sums| sums.nodes))
    }

    /// Containers inside one another: 0 for a scalar, 1 for `[]`. O(1); it may overstate after the
    /// highest part of the tree was removed.
    #[must_use]
    pub fn height(&self) -> u32 {
        u32::from(self.container().map_or(0, |sums| sums.height))
    }

    /// Whether both are one and the same in memory or equal scalars: O(1), and never true of values
    /// that differ.
    #[inline]
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Null, Repr::Null) => true,
            (Repr::Bool(left), Repr::Bool(right)) => left == right,
            (Repr::Number(left), Repr::Number(right)) => left.identical(right),
            (Repr::Short(left), Repr::Short(right)) => left == right,
            (Repr::Flat(left), Repr::Flat(right)) => left.ptr_eq(right),
            (Repr::Rope(left), Repr::Rope(right)) => Arc::ptr_eq(left, right),
            (Repr::Array(left), Repr::Array(right)) => left.ptr_eq(right),
            (Repr::Object(left), Repr::Object(right)) => left.ptr_eq(right),
            (Repr::ArrayTree(left), Repr::ArrayTree(right)) => Arc::ptr_eq(left, right),
            (Repr::ObjectTree(left), Repr::ObjectTree(right)) => Arc::ptr_eq(left, right),
            _ => false,
        }
    }

    /// Bytes that the tree has requested from the allocator: containers, long strings and names, without
    /// the 16 bytes of this value itself. O(1).
    ///
    /// A part that stands in the tree twice counts twice, and one that other values share counts whole.
    /// Names that objects of one shape share count with the object that brought them, those of more than
    /// 64 bytes with each. It is an estimate:
    /// spare room in the lists of large containers and strings is not counted, and what the allocator adds
    /// to each request is not known. For documents that were read from text it is within 10 % of what was
    /// requested.
    #[must_use]
    #[inline]
    pub fn heap_bytes(&self) -> u64 {
        if self.is_counted() {
            self.counted_heap_bytes()
        } else {
            0
        }
    }

    fn counted_heap_bytes(&self) -> u64 {
        self.container()
            .unwrap_or_else(|| Measure::scalar(0, self.scalar_heap_bytes()))
            .heap_bytes()
    }

    /// The height found by a walk of at most so many values, which are taken off; `None` if there are
    /// more.
    pub(crate) fn exact_height(&self, walk: &mut usize) -> Option<u32> {
        let mut highest = 0;
        let mut open = vec![(self, 0)];
        *walk = walk.checked_sub(1)?;
        while let Some((value, around)) = open.pop() {
            // Taken off before they are listed: a list of millions would be memory that a refused batch
            // does not justify.
            match value.view() {
                View::Array(array) => {
                    *walk = walk.checked_sub(array.len())?;
                    open.extend(array.iter().map(|item| (item, around + 1)));
                }
                View::Object(object) => {
                    *walk = walk.checked_sub(object.len())?;
                    open.extend(object.values().map(|item| (item, around + 1)));
                }
                _ => continue,
            }
            highest = highest.max(around + 1);
        }
        Some(highest)
    }

    #[inline]
    pub(crate) fn measure(&self) -> Measure {
        self.container()
            .unwrap_or_else(|| Measure::scalar(self.scalar_bytes(), self.scalar_heap_bytes()))
    }

    /// The measure of a container. Inlined, so that who wants one of the sums computes no other: a
    /// commit asks for some of them ten times.
    #[inline(always)]
    fn container(&self) -> Option<Measure> {
        Some(match &self.0 {
            Repr::Array(node) => node.totals().measure(node.bytes()),
            Repr::ArrayTree(tree) => tree.measure(),
            Repr::Object(node) => node.totals().measure(node.bytes()),
            Repr::ObjectTree(tree) => tree.measure(),
            _ => return None,
        })
    }

    /// Bytes of a scalar's text, 0 for a container.
    fn scalar_bytes(&self) -> u32 {
        let bytes = match &self.0 {
            Repr::Null | Repr::Bool(true) => 4,
            Repr::Bool(false) => 5,
            Repr::Number(number) => number.written_bytes_max(),
            Repr::Short(short) => short.written_bytes(),
            Repr::Flat(flat) => flat.written_bytes(),
            Repr::Rope(rope) => rope.written_bytes(),
            Repr::Array(_) | Repr::ArrayTree(_) | Repr::Object(_) | Repr::ObjectTree(_) => 0,
        };
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Bytes of a scalar outside the value, 0 for a container.
    pub(crate) fn scalar_heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Number(number) => number.heap_bytes(),
            Repr::Flat(flat) => flat.heap_bytes(),
            Repr::Rope(rope) => rope.heap_bytes(),
            _ => 0,
        }
    }

    /// Whether a clone counts a reference. If not, the value's bytes are all there is of it.
    #[inline]
    pub(crate) fn is_counted(&self) -> bool {
        match &self.0 {
            Repr::Null | Repr::Bool(_) | Repr::Short(_) => false,
            Repr::Number(number) => number.is_literal(),
            Repr::Flat(_)
            | Repr::Rope(_)
            | Repr::Array(_)
            | Repr::ArrayTree(_)
            | Repr::Object(_)
            | Repr::ObjectTree(_) => true,
        }
    }

    /// Counts a clone, if clones are counted, whose bytes the caller makes of these.
    #[inline]
    pub(crate) fn count_clone(&self) {
        match &self.0 {
            Repr::Null | Repr::Bool(_) | Repr::Short(_) => {}
            Repr::Number(number) if !number.is_literal() => {}
            Repr::Number(number) => forget_clone(number),
            Repr::Flat(flat) => forget_clone(flat),
            Repr::Rope(rope) => forget_clone(rope),
            Repr::Array(node) => forget_clone(node),
            Repr::ArrayTree(tree) => forget_clone(tree),
            Repr::Object(node) => forget_clone(node),
            Repr::ObjectTree(tree) => forget_clone(tree),
        }
    }

    /// The child at a step, to be changed in place; what is shared on the way is copied, and what the
    /// copies of parts of large containers take is added to `copied`. The caller brings the totals up to
    /// date.
    #[inline(always)]
    pub(crate) fn child_mut(&mut self, step: usize, copied: &mut u64) -> Option<&mut Self> {
        match &mut self.0 {
            Repr::Array(node) => node.values_mut().get_mut(step),
            Repr::Object(node) => node.values_mut().get_mut(step),
            Repr::ArrayTree(tree) => array_child(tree, step, copied),
            Repr::ObjectTree(tree) => object_child(tree, step, copied),
            _ => None,
        }
    }

    /// Lets a container's totals follow the child at a step that was changed in place, and gives it again.
    /// Nobody else holds the container's nodes on that way.
    pub(crate) fn shift_child(
        &mut self,
        step: usize,
        before: Measure,
        after: Measure,
    ) -> Option<&mut Self> {
        match &mut self.0 {
            Repr::Array(node) => shift_node(node, step, before, after),
            Repr::Object(node) => shift_node(node, step, before, after),
            Repr::ArrayTree(tree) => Arc::make_mut(tree).shift_child(step, before, after),
            Repr::ObjectTree(tree) => Arc::make_mut(tree).shift_child(step, before, after),
            _ => None,
        }
    }

    /// The totals of a container.
    pub(crate) fn totals(&self) -> Option<Totals> {
        match &self.0 {
            Repr::Array(node) => Some(node.totals()),
            Repr::Object(node) => Some(node.totals()),
            Repr::ArrayTree(tree) => Some(tree.totals()),
            Repr::ObjectTree(tree) => Some(tree.totals()),
            _ => None,
        }
    }

    /// Restores the totals of a container that has the children again that it had with them.
    pub(crate) fn restore_totals(&mut self, before: Totals) {
        match &mut self.0 {
            Repr::Array(node) => restore_node(node, before),
            Repr::Object(node) => restore_node(node, before),
            Repr::ArrayTree(tree) => Arc::make_mut(tree).restore(before),
            Repr::ObjectTree(tree) => Arc::make_mut(tree).totals_mut().restore(before),
            _ => {}
        }
    }

    /// Replaces a range of a string, given in scalars, and returns what stood there.
    ///
    /// The caller has checked that this is a string and that the range lies inside it.
    pub(crate) fn splice_text(
        &mut self,
        range: Range<usize>,
        insert: &str,
        copied: &mut u64,
    ) -> Self {
        if let Repr::Rope(rope) = &mut self.0 {
            let rope = Arc::make_mut(rope);
            let removed = match rope.splice(range, insert, copied) {
                Removed::Text(text) => Self::from(text),
                Removed::Rope(rope) => rope
                    .to_flat(copied)
                    .map_or_else(|| Self(Repr::Rope(Arc::new(rope))), Self::from),
            };
            if let Some(text) = rope.to_flat(copied) {
                *self = Self::from(text);
            }
            return removed;
        }
        let mut text = self.as_str().unwrap_or_default().into_owned();
        let mut boundaries = text
            .char_indices()
            .map(|(byte, _)| byte)
            .chain([text.len()])
            .skip(range.start);
        let start = boundaries.next().unwrap_or(text.len());
        let end = match range.len() {
            0 => start,
            len => boundaries.nth(len - 1).unwrap_or(text.len()),
        };
        let removed = text.get(start..end).unwrap_or_default().into();
        text.replace_range(start..end, insert);
        *self = Self::from(text);
        removed
    }
}

#[inline]
fn forget_clone<T: Clone>(counted: &T) {
    let _clone = ManuallyDrop::new(counted.clone());
}

// Not inlined, so that the way through small containers is a few instructions.
#[inline(never)]
fn array_child<'t>(
    tree: &'t mut Arc<ArrayTree>,
    step: usize,
    copied: &mut u64,
) -> Option<&'t mut Value> {
    Arc::make_mut(tree).child_mut(step, copied)
}

#[inline(never)]
fn object_child<'t>(
    tree: &'t mut Arc<ObjectTree>,
    step: usize,
    copied: &mut u64,
) -> Option<&'t mut Value> {
    Arc::make_mut(tree).child_mut(step, copied)
}

fn shift_node<H: Clone>(
    node: &mut Node<H>,
    step: usize,
    before: Measure,
    after: Measure,
) -> Option<&mut Value> {
    let mut totals = node.totals();
    totals.shift(before, after);
    node.set_totals(totals);
    node.values_mut().get_mut(step)
}

fn restore_node<H: Clone>(node: &mut Node<H>, before: Totals) {
    let mut totals = node.totals();
    totals.restore(before);
    node.set_totals(totals);
}
