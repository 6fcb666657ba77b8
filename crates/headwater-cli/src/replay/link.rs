use std::{cmp::Reverse, collections::BinaryHeap};

/// A link that loses, repeats and reorders what is sent over it, by a seed.
///
/// Time goes in slots; in each, at most one packet is sent. A packet takes 0 to `window` slots, so that
/// up to `window` packets sent after it can arrive before it.
pub(crate) struct Link<P> {
    rng: fastrand::Rng,
    loss: f64,
    duplicate: f64,
    window: u64,
    slot: u64,
    sent: u64,
    /// By the slot of arrival; of those that arrive together, by the order of sending.
    under_way: BinaryHeap<Reverse<(u64, u64, P)>>,
}

impl<P: Copy + Ord> Link<P> {
    pub(crate) fn new(seed: u64, loss: f64, duplicate: f64, window: usize) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            loss,
            duplicate,
            window: window as u64,
            slot: 0,
            sent: 0,
            under_way: BinaryHeap::new(),
        }
    }

    /// The present slot.
    pub(crate) const fn slot(&self) -> u64 {
        self.slot
    }

    /// Whether a packet sent in that slot has arrived by now if it was not lost.
    pub(crate) const fn should_have_arrived(&self, sent: u64) -> bool {
        self.slot > sent + self.window
    }

    /// Sends a packet, perhaps twice; each copy may be lost.
    pub(crate) fn send(&mut self, packet: P) {
        let copies = 1 + u32::from(self.rng.f64() < self.duplicate);
        for _ in 0..copies {
            if self.rng.f64() < self.loss {
                continue;
            }
            let arrival = self.slot + self.rng.u64(0..=self.window);
            self.sent += 1;
            self.under_way.push(Reverse((arrival, self.sent, packet)));
        }
    }

    /// The next packet that arrives in this slot.
    pub(crate) fn receive(&mut self) -> Option<P> {
        let Reverse((arrival, ..)) = self.under_way.peek()?;
        if *arrival > self.slot {
            return None;
        }
        self.under_way.pop().map(|Reverse((.., packet))| packet)
    }

    /// Goes on to the next slot.
    pub(crate) const fn advance(&mut self) {
        self.slot += 1;
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(link: &mut Link<u64>, packets: u64) -> Vec<u64> {
        let mut arrived = Vec::new();
        for packet in 0..packets {
            link.send(packet);
            while let Some(packet) = link.receive() {
                arrived.push(packet);
            }
            link.advance();
        }
        while !link.is_idle() {
            arrived.extend(link.receive());
            link.advance();
        }
        arrived
    }

    #[test]
    fn a_perfect_link_keeps_order() {
        let mut link = Link::new(1, 0.0, 0.0, 0);
        assert_eq!(arrivals(&mut link, 100), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn no_packet_is_overtaken_by_more_than_the_window() {
        let arrived = arrivals(&mut Link::new(7, 0.0, 0.0, 8), 1_000);
        assert_eq!(arrived.len(), 1_000);
        assert!(!arrived.is_sorted());
        for (at, packet) in arrived.iter().enumerate() {
            let overtaken = arrived[..at].iter().filter(|other| *other > packet).count();
            assert!(overtaken <= 8, "{packet} by {overtaken}");
        }
    }

    #[test]
    fn a_share_is_lost_and_a_share_repeated() {
        let lost = 10_000 - arrivals(&mut Link::new(3, 0.2, 0.0, 0), 10_000).len();
        assert!((1_800..2_200).contains(&lost), "{lost}");
        let repeated = arrivals(&mut Link::new(3, 0.0, 0.3, 0), 10_000).len() - 10_000;
        assert!((2_800..3_200).contains(&repeated), "{repeated}");
    }
}
