use std::{
    io, process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::runtime;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, ctrl_c};

/// Hears Ctrl-C: the first one is for the load, to end early; the second one ends the program.
#[derive(Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// The exit status by which shells tell that SIGINT ended a program: 128 and its number.
const STATUS: i32 = 130;

impl Interrupt {
    /// Listens from now on, in a thread of its own: neither a busy engine nor a report that nobody
    /// reads keeps the second one from ending the program.
    ///
    /// # Errors
    ///
    /// The system's, which has no room for a thread or a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let mut interrupts = interrupts()?;
        drop(entered);
        let first = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&first);
        let listen = async move {
            if interrupts.recv().await.is_some() {
                // Relaxed: a wish, through which nothing else is published.
                heard.store(true, Ordering::Relaxed);
            }
            if interrupts.recv().await.is_some() {
                process::exit(STATUS);
            }
        };
        let thread = thread::Builder::new().name("interrupts".to_owned());
        // It lives as long as the program.
        let _detached = thread.spawn(move || runtime.block_on(listen))?;
        Ok(Self(first))
    }

    /// Whether the first one has come since the last call.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

#[cfg(unix)]
fn interrupts() -> io::Result<Signal> {
    signal(SignalKind::interrupt())
}

#[cfg(windows)]
fn interrupts() -> io::Result<CtrlC> {
    ctrl_c()
}
