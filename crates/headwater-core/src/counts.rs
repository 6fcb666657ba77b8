use std::ops::AddAssign;

/// What became of the batches handed in, counted since the start. Promise P4:
/// `received = applied + rejected + duplicate + held + told`, at every step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Batches handed in, each delivery counted.
    pub received: u64,
    /// Applied.
    pub applied: u64,
    /// Decided and not applied.
    pub rejected: u64,
    /// Decided before, or held already.
    pub duplicate: u64,
    /// Waiting for their turn now.
    pub held: u64,
    /// Not taken, or given up while they waited, and their senders told.
    pub told: u64,
}

impl Counts {
    /// Whether every batch is accounted for.
    #[must_use]
    pub const fn balance(&self) -> bool {
        self.received == self.applied + self.rejected + self.duplicate + self.held + self.told
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.applied += other.applied;
        self.rejected += other.rejected;
        self.duplicate += other.duplicate;
        self.held += other.held;
        self.told += other.told;
    }
}
