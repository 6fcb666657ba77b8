//! One message to many receivers in one process, by channels: one that all receivers share, or one for
//! each.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc};

/// Encoded once, and shared by all who receive it.
pub(crate) type Message = Arc<[u8]>;

/// How many messages may wait for a receiver. Few, which favours those whose queues are rings of that
/// length: with more, the rings of thousands leave the caches.
pub(crate) const CAPACITY: usize = 16;

/// A library's way from one sender to many receivers.
pub(crate) trait Channel: Sized {
    const NAME: &'static str;

    fn with_receivers(receivers: usize) -> Self;

    /// Hands a message to all receivers, none of which waits for it.
    fn send(&self, message: &Message);

    /// Takes the next message at each receiver.
    fn receive(&mut self, taken: impl FnMut(Message));
}

/// The one channel that all receivers share.
pub(crate) struct Broadcast {
    pub(crate) sender: broadcast::Sender<Message>,
    pub(crate) receivers: Vec<broadcast::Receiver<Message>>,
}

impl Channel for Broadcast {
    const NAME: &'static str = "tokio broadcast";

    fn with_receivers(receivers: usize) -> Self {
        let (sender, _) = broadcast::channel(CAPACITY);
        let receivers = (0..receivers).map(|_| sender.subscribe()).collect();
        Self { sender, receivers }
    }

    fn send(&self, message: &Message) {
        let sent = self.sender.send(Arc::clone(message));
        sent.expect("there are receivers");
    }

    fn receive(&mut self, mut taken: impl FnMut(Message)) {
        for receiver in &mut self.receivers {
            taken(receiver.try_recv().expect("a message was sent"));
        }
    }
}

/// A channel for each receiver.
pub(crate) struct Mpsc(pub(crate) Vec<(mpsc::Sender<Message>, mpsc::Receiver<Message>)>);

impl Channel for Mpsc {
    const NAME: &'static str = "tokio mpsc";

    fn with_receivers(receivers: usize) -> Self {
        Self((0..receivers).map(|_| mpsc::channel(CAPACITY)).collect())
    }

    fn send(&self, message: &Message) {
        for (sender, _) in &self.0 {
            let sent = sender.try_send(Arc::clone(message));
            sent.expect("there is room");
        }
    }

    fn receive(&mut self, mut taken: impl FnMut(Message)) {
        for (_, receiver) in &mut self.0 {
            taken(receiver.try_recv().expect("a message was sent"));
        }
    }
}

/// A channel for each receiver.
pub(crate) struct Kanal(
    pub(crate) Vec<(kanal::AsyncSender<Message>, kanal::AsyncReceiver<Message>)>,
);

impl Channel for Kanal {
    const NAME: &'static str = "kanal";

    fn with_receivers(receivers: usize) -> Self {
        let channels = (0..receivers).map(|_| kanal::bounded_async(CAPACITY));
        Self(channels.collect())
    }

    fn send(&self, message: &Message) {
        for (sender, _) in &self.0 {
            let sent = sender.try_send(Arc::clone(message));
            assert_eq!(sent, Ok(true), "there is room");
        }
    }

    fn receive(&mut self, mut taken: impl FnMut(Message)) {
        for (_, receiver) in &self.0 {
            let message = receiver.try_recv().expect("it is open");
            taken(message.expect("a message was sent"));
        }
    }
}

/// A channel for each receiver.
pub(crate) struct Flume(pub(crate) Vec<(flume::Sender<Message>, flume::Receiver<Message>)>);

impl Channel for Flume {
    const NAME: &'static str = "flume";

    fn with_receivers(receivers: usize) -> Self {
        let channels = (0..receivers).map(|_| flume::bounded(CAPACITY));
        Self(channels.collect())
    }

    fn send(&self, message: &Message) {
        for (sender, _) in &self.0 {
            let sent = sender.try_send(Arc::clone(message));
            sent.expect("there is room");
        }
    }

    fn receive(&mut self, mut taken: impl FnMut(Message)) {
        for (_, receiver) in &self.0 {
            taken(receiver.try_recv().expect("a message was sent"));
        }
    }
}
