use std::{
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

/// Why the program does not end with status 0: a line for a person, perhaps a second one that says
/// what to do, and the status.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    message: String,
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Status {
    DidNotHold = 1,
    NotUnderstood = 2,
}

impl Failure {
    /// What was asked for was understood, but does not hold: status 1.
    pub(crate) fn did_not_hold(message: impl Display) -> Self {
        Self::new(Status::DidNotHold, &message)
    }

    /// What was asked for was not understood, or could not be read or written: status 2.
    pub(crate) fn not_understood(message: impl Display) -> Self {
        Self::new(Status::NotUnderstood, &message)
    }

    fn new(status: Status, message: &impl Display) -> Self {
        Self {
            status,
            message: message.to_string(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Writes the lines to standard error and yields the status.
    pub(crate) fn report(&self) -> ExitCode {
        let mut stderr = io::stderr().lock();
        // Where standard error is gone the status alone must tell.
        let _best_effort = writeln!(stderr, "headwater: {}", self.message);
        if let Some(hint) = &self.hint {
            let _best_effort = writeln!(stderr, "hint: {hint}");
        }
        ExitCode::from(self.status as u8)
    }
}
