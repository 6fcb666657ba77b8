//! A JSON document that is obviously right: vectors, maps and whole copies.

use std::collections::BTreeMap;

use headwater_doc::{Number, Operation, Value, View};

/// A value; `==` tells apart what is written differently, as `1` and `1.0`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Model {
    Null,
    Bool(bool),
    Number(ModelNumber),
    String(String),
    Array(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

/// A number by the way it is held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ModelNumber {
    /// Of 64 bits, with sign or without.
    Integer(i128),
    /// The bits, so that `0.0` and `-0.0` differ.
    Double(u64),
    /// What fits neither. The generators never spell one value in two ways.
    Literal(String),
}

impl ModelNumber {
    pub(crate) fn double(double: f64) -> Self {
        Self::Double(double.to_bits())
    }

    fn read(text: &str) -> Self {
        let fits = i128::from(i64::MIN)..=i128::from(u64::MAX);
        if let Ok(integer) = text.parse::<i128>() {
            if fits.contains(&integer) {
                return Self::Integer(integer);
            }
        } else if let Ok(double) = text.parse::<f64>()
            && double.is_finite()
            && (double != 0.0 || !text.contains(|digit| ('1'..='9').contains(&digit)))
        {
            return Self::double(double);
        }
        Self::Literal(text.to_owned())
    }

    fn text(&self) -> String {
        match self {
            Self::Integer(integer) => integer.to_string(),
            // `{:?}` goes over to exponents below 1e-4, the writer below 1e-5.
            Self::Double(bits) => match f64::from_bits(*bits) {
                double if (1e-5..1e-4).contains(&double.abs()) => double.to_string(),
                double => even(format!("{double:?}"), double),
            },
            Self::Literal(text) => text.clone(),
        }
    }

    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(integer), Self::Double(bits))
            | (Self::Double(bits), Self::Integer(integer)) => {
                // A sum with zero has no negative zero, and this form has all digits.
                let double = f64::from_bits(*bits) + 0.0;
                double.fract() == 0.0 && format!("{double:.0}") == integer.to_string()
            }
            (Self::Double(left), Self::Double(right)) => {
                f64::from_bits(*left) == f64::from_bits(*right)
            }
            _ => self == other,
        }
    }

    fn plus(&self, by: &Self) -> Option<Self> {
        let double = |number: &Self| number.text().parse::<f64>().ok();
        match (self, by) {
            (Self::Literal(_), _) | (_, Self::Literal(_)) => None,
            (Self::Integer(left), Self::Integer(right)) => {
                let sum = left + right;
                (i128::from(i64::MIN)..=i128::from(u64::MAX))
                    .contains(&sum)
                    .then_some(Self::Integer(sum))
            }
            _ => Some(double(self)? + double(by)?)
                .filter(|sum| sum.is_finite())
                .map(Self::double),
        }
    }
}

/// Of two shortest texts that are equally near to a double, `{:?}` takes the larger; the even one is right
/// (ECMA-262, `Number::toString`, note 2).
fn even(text: String, double: f64) -> String {
    let (head, last) = text.split_at(text.len() - 1);
    let lower = last.parse().ok().and_then(|last: u32| last.checked_sub(1));
    match lower {
        Some(lower) if lower % 2 == 0 => {
            let exact = format!("{double:.64}");
            let halfway = format!("{head}{lower}5");
            if exact.trim_end_matches('0') == halfway {
                return format!("{head}{lower}");
            }
            text
        }
        _ => text,
    }
}

impl Model {
    pub(crate) fn of(value: &Value) -> Self {
        match value.view() {
            View::Null => Self::Null,
            View::Bool(bool) => Self::Bool(bool),
            View::Number(number) => Self::Number(ModelNumber::read(&number.to_string())),
            View::String(text) => Self::String(text.runs().collect()),
            View::Array(array) => Self::Array(array.iter().map(Self::of).collect()),
            View::Object(object) => Self::Object(
                object
                    .iter()
                    .map(|(name, value)| (name.to_owned(), Self::of(value)))
                    .collect(),
            ),
        }
    }

    /// The value, made without a text.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Null => Value::NULL,
            Self::Bool(bool) => Value::from(*bool),
            Self::Number(number) => Value::from(number.number()),
            Self::String(text) => Value::from(text.as_str()),
            Self::Array(items) => items.iter().map(Self::value).collect(),
            Self::Object(members) => members
                .iter()
                .map(|(name, value)| (name.as_str(), value.value()))
                .collect(),
        }
    }

    /// Compact text, of the canonical form of RFC 8785 if wanted.
    pub(crate) fn text(&self, canonical: bool) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(bool) => bool.to_string(),
            Self::Number(number) if canonical => {
                let mut text = String::new();
                number
                    .number()
                    .write_canonical(&mut text)
                    .expect("a string takes all");
                text
            }
            Self::Number(number) => number.text(),
            Self::String(text) => quoted(text),
            Self::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| item.text(canonical)).collect();
                format!("[{}]", items.join(","))
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if canonical {
                    members.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
                }
                let members: Vec<_> = members
                    .into_iter()
                    .map(|(name, value)| format!("{}:{}", quoted(name), value.text(canonical)))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    /// Whether RFC 6902 section 4.6 calls the two equal.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.equals(right),
            (Self::Array(left), Self::Array(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a.equals(b))
            }
            (Self::Object(left), Self::Object(right)) => {
                left.len() == right.len()
                    && left.iter().all(|(name, value)| {
                        right.get(name).is_some_and(|other| value.equals(other))
                    })
            }
            _ => self == other,
        }
    }

    /// The same value with small integers held as doubles.
    pub(crate) fn respelled(&self) -> Self {
        match self {
            Self::Number(ModelNumber::Integer(integer)) => {
                let small = i32::try_from(*integer).map(f64::from);
                Self::Number(small.map_or(ModelNumber::Integer(*integer), ModelNumber::double))
            }
            Self::Array(items) => Self::Array(items.iter().map(Self::respelled).collect()),
            Self::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), value.respelled()))
                    .collect(),
            ),
            scalar => scalar.clone(),
        }
    }

    pub(crate) fn nodes(&self) -> u64 {
        self.children().map(|(_, child)| child.nodes()).sum::<u64>() + 1
    }

    pub(crate) fn height(&self) -> u32 {
        let below = self.children().map(|(_, child)| child.height()).max();
        match self {
            Self::Array(_) | Self::Object(_) => below.unwrap_or(0) + 1,
            _ => 0,
        }
    }

    /// Whether some number's written form is not known to the byte before it is written.
    pub(crate) fn has_inexact_numbers(&self) -> bool {
        matches!(
            self,
            Self::Number(ModelNumber::Double(_) | ModelNumber::Literal(_))
        ) || self
            .children()
            .any(|(_, child)| child.has_inexact_numbers())
    }

    /// The children with the segments that lead to them.
    pub(crate) fn children(&self) -> Box<dyn Iterator<Item = (String, &Self)> + '_> {
        match self {
            Self::Array(items) => Box::new(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| (index.to_string(), item)),
            ),
            Self::Object(members) => {
                Box::new(members.iter().map(|(name, value)| (name.clone(), value)))
            }
            _ => Box::new(std::iter::empty()),
        }
    }

    /// All values with the pointers that lead to them.
    pub(crate) fn places(&self) -> Vec<(String, &Self)> {
        let mut places = vec![(String::new(), self)];
        let mut next = 0;
        while let Some((path, value)) = places.get(next).cloned() {
            let children = value.children();
            places.extend(
                children.map(|(name, child)| (format!("{path}/{}", escaped(&name)), child)),
            );
            next += 1;
        }
        places
    }

    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        segments(path).try_fold(self, |value, segment| match value {
            Self::Array(items) => items.get(index(&segment)?),
            Self::Object(members) => members.get(&segment),
            _ => None,
        })
    }

    fn at_mut(&mut self, path: &str) -> Option<&mut Self> {
        segments(path).try_fold(self, |value, segment| match value {
            Self::Array(items) => items.get_mut(index(&segment)?),
            Self::Object(members) => members.get_mut(&segment),
            _ => None,
        })
    }

    /// The document after a patch, or the index of the operation that fails.
    pub(crate) fn applied(&self, operations: &[Operation]) -> Result<Self, usize> {
        let mut document = self.clone();
        for (index, operation) in operations.iter().enumerate() {
            document.apply(operation).ok_or(index)?;
        }
        Ok(document)
    }

    /// May leave a half-done change where it fails.
    pub(crate) fn apply(&mut self, operation: &Operation) -> Option<()> {
        let path = operation.path().as_str();
        match operation {
            Operation::Add { value, .. } => self.add(path, Self::of(value)),
            Operation::Remove { .. } => self.remove(path).map(drop),
            Operation::Replace { value, .. } => {
                *self.at_mut(path)? = Self::of(value);
                Some(())
            }
            Operation::Move { from, .. } => {
                let from = from.as_str();
                self.at(from)?;
                if from == path {
                    return Some(());
                }
                if path.starts_with(&format!("{from}/")) {
                    return None;
                }
                let value = self.remove(from)?;
                self.add(path, value)
            }
            Operation::Copy { from, .. } => {
                let value = self.at(from.as_str())?.clone();
                self.add(path, value)
            }
            Operation::Test { value, .. } => self.at(path)?.equals(&Self::of(value)).then_some(()),
            Operation::Increment { by, .. } => {
                let Self::Number(number) = self.at_mut(path)? else {
                    return None;
                };
                *number = number.plus(&ModelNumber::read(&by.to_string()))?;
                Some(())
            }
            Operation::Splice {
                index,
                remove,
                insert,
                ..
            } => self.splice(path, *index, *remove, Self::of(insert)),
            _ => None,
        }
    }

    fn add(&mut self, path: &str, value: Self) -> Option<()> {
        let Some((parent, last)) = path.rsplit_once('/') else {
            *self = value;
            return Some(());
        };
        match self.at_mut(parent)? {
            Self::Array(items) => {
                let index = if last == "-" {
                    items.len()
                } else {
                    index(last)?
                };
                if index > items.len() {
                    return None;
                }
                items.insert(index, value);
            }
            Self::Object(members) => {
                members.insert(unescaped(last), value);
            }
            _ => return None,
        }
        Some(())
    }

    fn remove(&mut self, path: &str) -> Option<Self> {
        let (parent, last) = path.rsplit_once('/')?;
        match self.at_mut(parent)? {
            Self::Array(items) => {
                let index = index(last)?;
                (index < items.len()).then(|| items.remove(index))
            }
            Self::Object(members) => members.remove(&unescaped(last)),
            _ => None,
        }
    }

    fn splice(&mut self, path: &str, index: usize, remove: usize, insert: Self) -> Option<()> {
        let end = index.checked_add(remove)?;
        match (self.at_mut(path)?, insert) {
            (Self::Array(items), Self::Array(insert)) if end <= items.len() => {
                items.splice(index..end, insert);
            }
            (Self::String(text), Self::String(insert)) if end <= text.chars().count() => {
                let mut scalars: Vec<char> = text.chars().collect();
                scalars.splice(index..end, insert.chars());
                *text = scalars.into_iter().collect();
            }
            _ => return None,
        }
        Some(())
    }
}

impl ModelNumber {
    pub(crate) fn number(&self) -> Number {
        match self {
            Self::Double(bits) => Number::try_from(f64::from_bits(*bits)).expect("finite"),
            _ => Number::parse(&self.text()).expect("a number"),
        }
    }
}

/// A segment as it stands in a pointer.
pub(crate) fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split('/').skip(1).map(unescaped)
}

fn index(segment: &str) -> Option<usize> {
    let index: usize = segment.parse().ok()?;
    (index.to_string() == segment).then_some(index)
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for scalar in text.chars() {
        match scalar {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{8}' => quoted.push_str("\\b"),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\u{c}' => quoted.push_str("\\f"),
            '\r' => quoted.push_str("\\r"),
            '\0'..' ' => quoted.extend(format!("\\u{:04x}", u32::from(scalar)).chars()),
            _ => quoted.push(scalar),
        }
    }
    quoted + "\""
}
