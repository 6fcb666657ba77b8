use std::borrow::Cow;

use crate::{
    failure::excerpt,
    limits::Limits,
    parse::{Fault, ParseError, Parser},
    patch::{Extensions, Operation, Operations, Patch},
    pointer::{Pointer, PointerError},
    value::{Value, View},
};

/// Why a text or value is no patch (RFC 6902 section 3). The fault is the sender's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPatch {
    /// The text is no JSON.
    #[error(transparent)]
    Text(#[from] ParseError),
    /// The JSON is not an array (RFC 6902 section 3).
    #[error("a patch is an array of operations")]
    NotAnArray,
    /// An element of it is no operation.
    #[error("operation {operation}: {reason}")]
    Operation {
        /// Its index in the patch, from 0.
        operation: usize,
        /// What is wrong with it.
        reason: InvalidOperation,
    },
}

/// What is wrong with an operation (RFC 6902 section 4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOperation {
    /// It is not an object.
    #[error("not an object")]
    NotAnObject,
    /// A member that it needs is not there.
    #[error("no member {member:?}")]
    Missing {
        /// The member's name.
        member: &'static str,
    },
    /// A member is of another type.
    #[error("{member:?} is not {expected}")]
    WrongType {
        /// The member's name.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A path is no JSON Pointer (RFC 6901).
    #[error("{member:?} {error}")]
    BadPointer {
        /// The member's name.
        member: &'static str,
        /// What is wrong with it.
        error: PointerError,
    },
    /// There is no such operation.
    #[error("unknown operation {op:?}")]
    UnknownOperation {
        /// What stands in `op`, its first 64 characters.
        op: String,
    },
    /// It is an extension that is not allowed here.
    #[error("the extension {op:?} is not allowed here")]
    ExtensionOff {
        /// The operation.
        op: &'static str,
    },
}

/// Reads a patch from text, without a value of the whole between.
pub(crate) fn read_text(
    text: &[u8],
    limits: &Limits,
    extensions: Extensions,
) -> Result<Patch, InvalidPatch> {
    let mut parser = Parser::new(text, limits).map_err(not_json)?;
    parser.skip_blanks();
    if parser.peek() != Some(b'[') {
        parser.document().map_err(not_json)?;
        parser.end().map_err(not_json)?;
        return Err(InvalidPatch::NotAnArray);
    }
    parser.step();
    parser.skip_blanks();
    let mut operations = Operations::new();
    while !parser.eat(b']') {
        if !operations.is_empty() {
            if !parser.eat(b',') {
                return Err(not_json(parser.expected("',' or ']'")));
            }
            parser.skip_blanks();
        }
        let operation = read_operation(&mut parser, extensions, operations.len())?;
        operations.push(operation);
        parser.skip_blanks();
    }
    parser.end().map_err(not_json)?;
    Ok(Patch::of(operations))
}

#[expect(clippy::boxed_local, reason = "what the parser returns is boxed")]
fn not_json(fault: Fault) -> InvalidPatch {
    InvalidPatch::Text(*fault)
}

fn read_operation(
    parser: &mut Parser<'_>,
    extensions: Extensions,
    operation: usize,
) -> Result<Operation, InvalidPatch> {
    let start = parser.mark();
    let mut fields = Fields::default();
    if read_fields(parser, &mut fields).is_some()
        && let Ok(read) = fields.operation(extensions)
    {
        return Ok(read);
    }
    // Whatever is unusual is read again as any other value: that finds what is wrong with it, or that
    // it only has members more than it needs.
    parser.back_to(start);
    let value = parser.operation().map_err(not_json)?;
    read_value(&value, extensions).map_err(|reason| InvalidPatch::Operation { operation, reason })
}

/// Reads an operation of which every member is known, of its type, and there once.
fn read_fields<'a>(parser: &mut Parser<'a>, fields: &mut Fields<'a>) -> Option<()> {
    if !parser.eat(b'{') {
        return None;
    }
    parser.skip_blanks();
    loop {
        // Most members, as most write them, are known without looking for the end of a name.
        let field = if parser.eat_all(b"\"op\":") {
            Field::Text(&mut fields.op)
        } else if parser.eat_all(b"\"path\":") {
            Field::Text(&mut fields.path)
        } else if parser.eat_all(b"\"value\":") {
            Field::Value(&mut fields.value)
        } else {
            let name = parser.name().ok()?;
            fields.named(&name)?
        };
        parser.skip_blanks();
        let repeated = match field {
            Field::Text(text) => text.replace(parser.text().ok()?).is_some(),
            Field::Value(value) => value.replace(parser.document().ok()?).is_some(),
        };
        parser.skip_blanks();
        if repeated {
            return None;
        }
        if parser.eat(b'}') {
            return Some(());
        }
        if !parser.eat(b',') {
            return None;
        }
        parser.skip_blanks();
    }
}

/// A member to be read.
enum Field<'f, 'a> {
    Text(&'f mut Option<Cow<'a, str>>),
    Value(&'f mut Option<Value>),
}

/// Reads an operation from the object that stands for it.
pub(crate) fn read_value(
    value: &Value,
    extensions: Extensions,
) -> Result<Operation, InvalidOperation> {
    let object = value.as_object().ok_or(InvalidOperation::NotAnObject)?;
    let text = |member: &'static str| match object.get(member).map(Value::view) {
        None => Ok(None),
        Some(View::String(text)) => Ok(Some(text.to_cow())),
        Some(_) => Err(InvalidOperation::WrongType {
            member,
            expected: "a string",
        }),
    };
    let op = text("op")?;
    // What the operation does not use may be of any type.
    let from = match op.as_deref() {
        Some("move" | "copy") => text("from")?,
        _ => None,
    };
    let mut fields = Fields {
        op,
        path: text("path")?,
        from,
        value: object.get("value").cloned(),
        by: object.get("by").cloned(),
        index: object.get("index").cloned(),
        remove: object.get("remove").cloned(),
        insert: object.get("insert").cloned(),
    };
    fields.operation(extensions)
}

/// The members of an operation, as far as any operation uses them.
#[derive(Default)]
struct Fields<'a> {
    op: Option<Cow<'a, str>>,
    path: Option<Cow<'a, str>>,
    from: Option<Cow<'a, str>>,
    value: Option<Value>,
    by: Option<Value>,
    index: Option<Value>,
    remove: Option<Value>,
    insert: Option<Value>,
}

impl<'a> Fields<'a> {
    fn named(&mut self, name: &str) -> Option<Field<'_, 'a>> {
        Some(match name {
            "op" => Field::Text(&mut self.op),
            "path" => Field::Text(&mut self.path),
            "from" => Field::Text(&mut self.from),
            "value" => Field::Value(&mut self.value),
            "by" => Field::Value(&mut self.by),
            "index" => Field::Value(&mut self.index),
            "remove" => Field::Value(&mut self.remove),
            "insert" => Field::Value(&mut self.insert),
            _ => return None,
        })
    }

    /// Makes the operation, of which the values are taken out: in place, since to hand over all that an
    /// operation may have takes longer than to read what it has.
    fn operation(&mut self, extensions: Extensions) -> Result<Operation, InvalidOperation> {
        let off = |op| Err(InvalidOperation::ExtensionOff { op });
        let op = there("op", self.op.as_deref())?;
        let path = || pointer("path", self.path.as_deref());
        let from = || pointer("from", self.from.as_deref());
        Ok(match op {
            "add" => Operation::Add {
                path: path()?,
                value: there("value", self.value.take())?,
            },
            "remove" => Operation::Remove { path: path()? },
            "replace" => Operation::Replace {
                path: path()?,
                value: there("value", self.value.take())?,
            },
            "move" => Operation::Move {
                from: from()?,
                path: path()?,
            },
            "copy" => Operation::Copy {
                from: from()?,
                path: path()?,
            },
            "test" => Operation::Test {
                path: path()?,
                value: there("value", self.value.take())?,
            },
            "increment" if !extensions.increment => return off("increment"),
            "increment" => Operation::Increment {
                path: path()?,
                by: match there("by", self.by.take())?.as_number() {
                    Some(number) => number.clone(),
                    None => {
                        return Err(InvalidOperation::WrongType {
                            member: "by",
                            expected: "a number",
                        });
                    }
                },
            },
            "splice" if !extensions.splice => return off("splice"),
            "splice" => Operation::Splice {
                path: path()?,
                index: count("index", self.index.take())?,
                remove: count("remove", self.remove.take())?,
                insert: there("insert", self.insert.take())?,
            },
            unknown => {
                return Err(InvalidOperation::UnknownOperation {
                    op: excerpt(unknown),
                });
            }
        })
    }
}

fn there<T>(member: &'static str, field: Option<T>) -> Result<T, InvalidOperation> {
    field.ok_or(InvalidOperation::Missing { member })
}

fn pointer(member: &'static str, field: Option<&str>) -> Result<Pointer, InvalidOperation> {
    Pointer::parse(there(member, field)?)
        .map_err(|error| InvalidOperation::BadPointer { member, error })
}

fn count(member: &'static str, field: Option<Value>) -> Result<usize, InvalidOperation> {
    there(member, field)?
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())
        .ok_or(InvalidOperation::WrongType {
            member,
            expected: "a count",
        })
}
