use std::{
    fmt,
    io::{self, BufWriter, ErrorKind, Write as _},
};

use headwater::Value;

use crate::failure::Failure;

/// Prints to standard output, buffered.
///
/// A reader that has seen enough and closed the pipe is no failure.
pub(crate) fn print(text: impl fmt::Display) -> Result<(), Failure> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::not_understood(
            format_args!("standard output: cannot be written: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Prints a value and a newline: indented, or else its canonical form.
pub(crate) fn print_value(value: &Value, pretty: bool) -> Result<(), Failure> {
    if pretty {
        print(format_args!("{value:#}\n"))
    } else {
        print(format_args!("{}\n", Canonical(value)))
    }
}

/// Displays the canonical form of a value (RFC 8785), without holding it as a whole.
pub(crate) struct Canonical<'a>(pub(crate) &'a Value);

impl fmt::Display for Canonical<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_canonical(f)
    }
}
