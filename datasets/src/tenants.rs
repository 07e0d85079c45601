//! Where users act: installations, their namespaces, and the plan of a namespace.
//!
//! Every person has one home installation. Every 65,536 consecutive people are spread over the
//! installations in the same way, so the position of a person among the people of an installation
//! is arithmetic, and an installation can number its own people without a gap.

use crate::random::{RandomStream, Shuffle, below, key, mix, unit};

/// Names of the plans, from the cheapest.
pub(crate) const PLANS: [&str; 3] = ["free", "premium", "ultimate"];
/// Names of the deployments.
pub(crate) const DEPLOYMENTS: [&str; 3] = ["saas", "self_managed", "dedicated"];

/// People after whom the spreading over installations repeats.
const BLOCK_SIZE: usize = 1 << 16;
/// People of a block on installation 1, the only one that is `saas`.
const SAAS_SLOTS: usize = 40_632;
/// Number of `dedicated` installations, and their people of a block.
const DEDICATED: (usize, usize) = (20, 3_277);
/// Number of `self_managed` installations; the rest of the block is theirs.
const SELF_MANAGED: usize = 1_980;
/// Namespaces of an installation that is not `saas`.
const NAMESPACES_PER_INSTALLATION: u64 = 16;
/// People for each namespace on `saas`.
const PEOPLE_PER_NAMESPACE: u64 = 75;

/// Where one event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tenant {
    /// The installation, from 1.
    pub(crate) installation: u32,
    /// The namespace, from 1; it belongs to one installation.
    pub(crate) namespace: u32,
    /// Position in [`DEPLOYMENTS`].
    pub(crate) deployment: u8,
    /// Position in [`PLANS`].
    pub(crate) plan: u8,
}

/// One person's home, the same for every block.
#[derive(Clone, Copy, Default)]
struct Slot {
    installation: u16,
    /// Position among the people of the block who have the same home.
    position: u16,
}

/// All installations and namespaces.
pub(crate) struct Tenants {
    slots: Vec<Slot>,
    /// People of a block, for each installation.
    sizes: Vec<u16>,
    hosted: Shuffle,
    hosted_count: u64,
    scoped: bool,
    days: u64,
    habits: u64,
    contracts: u64,
}

impl Tenants {
    /// The tenants for `users` people over `days` days.
    pub(crate) fn new(users: u64, days: u64, scoped: bool, seed: u64) -> Self {
        let sizes = sizes();
        let mut slots: Vec<Slot> = Vec::with_capacity(BLOCK_SIZE);
        for (at, size) in sizes.iter().enumerate() {
            let slot = Slot { installation: at as u16, position: 0 };
            slots.extend(std::iter::repeat_n(slot, usize::from(*size)));
        }
        let mut random = RandomStream::at(key(seed, 4), 0);
        for at in (1..slots.len()).rev() {
            slots.swap(at, below(random.next(), at as u64 + 1) as usize);
        }
        // Counting after the shuffling keeps the order of sign-up inside each installation.
        let mut count = vec![0; sizes.len()];
        for slot in &mut slots {
            slot.position = count[usize::from(slot.installation)];
            count[usize::from(slot.installation)] += 1;
        }
        let hosted_count = (users / PEOPLE_PER_NAMESPACE).max(8);
        Self {
            slots,
            sizes,
            hosted: Shuffle::new(hosted_count, key(seed, 5)),
            hosted_count,
            scoped,
            days,
            habits: key(seed, 6),
            contracts: key(seed, 7),
        }
    }

    /// The number of a person's account, from 1. When keys are scoped, the home installation
    /// counts only its own people.
    pub(crate) fn account(&self, person: u64) -> u64 {
        if !self.scoped {
            return person + 1;
        }
        let slot = self.slots[person as usize % BLOCK_SIZE];
        let size = self.sizes[usize::from(slot.installation)];
        person / BLOCK_SIZE as u64 * u64::from(size) + u64::from(slot.position) + 1
    }

    /// Where a person with these `traits` acts on a day, counted from the start.
    pub(crate) fn tenant(&self, person: u64, traits: u64, day: u64, random: u64) -> Tenant {
        let home = self.slots[person as usize % BLOCK_SIZE].installation;
        // One in eight of the others also works on `saas`, in a quarter of the events. With
        // scoped keys that would be another account, and so another person.
        let guest = !self.scoped && traits >> 61 == 0 && random & 3 == 0;
        if home == 0 || guest {
            self.saas_tenant(traits, day, random)
        } else {
            self.home_tenant(home, traits, day, random)
        }
    }

    fn saas_tenant(&self, traits: u64, day: u64, random: u64) -> Tenant {
        // Three events of four happen in one namespace, the others in a second.
        let choice = u64::from((random >> 2) & 3 == 0);
        let share = unit(mix(traits ^ self.habits.wrapping_add(choice))) + 0.02;
        // Low ranks have most people; at the largest namespace it is about one in 50.
        let rank = share * share * share / 1.062 * self.hosted_count as f64;
        let rank = (rank as u64).min(self.hosted_count - 1);
        let namespace = self.hosted.position(rank) as u32 + 1;
        let terms = mix(u64::from(namespace) ^ self.contracts);
        // The larger a namespace, the sooner it pays.
        let free = if rank * 20 < self.hosted_count { 90 } else { 190 };
        let plan = self.plan(terms, free, free + 40, day);
        Tenant { installation: 1, namespace, deployment: 0, plan }
    }

    fn home_tenant(&self, home: u16, traits: u64, day: u64, random: u64) -> Tenant {
        let share = unit(mix(traits ^ self.habits)) * unit(random << 2);
        let nth = u64::from(home - 1) * NAMESPACES_PER_INSTALLATION
            + (share * NAMESPACES_PER_INSTALLATION as f64) as u64;
        let dedicated = usize::from(home) <= DEDICATED.0;
        let terms = mix(u64::from(home) ^ !self.contracts);
        let plan =
            if dedicated { self.plan(terms, 0, 90, day) } else { self.plan(terms, 128, 216, day) };
        Tenant {
            installation: u32::from(home) + 1,
            namespace: (self.hosted_count + nth) as u32 + 1,
            deployment: if dedicated { 2 } else { 1 },
            plan,
        }
    }

    /// The plan on a day. The first two thresholds, out of 256, divide free, premium and ultimate;
    /// one organisation in ten moves up by one plan on a day of its own.
    fn plan(&self, terms: u64, premium: u64, ultimate: u64, day: u64) -> u8 {
        let draw = terms & 0xFF;
        let plan = u8::from(draw >= premium) + u8::from(draw >= ultimate);
        let upgrades = (terms >> 8) & 0xFF < 26;
        let since = (((terms >> 16) & 0xFFFF) * self.days) >> 16;
        (plan + u8::from(upgrades && day >= since)).min(2)
    }
}

/// People of a block for each installation: `saas`, then dedicated, then self-managed, the large
/// ones first.
fn sizes() -> Vec<u16> {
    let mut sizes = vec![SAAS_SLOTS as u16];
    let (dedicated, dedicated_slots) = DEDICATED;
    sizes.extend(divide_slots(dedicated_slots, dedicated));
    sizes.extend(divide_slots(BLOCK_SIZE - SAAS_SLOTS - dedicated_slots, SELF_MANAGED));
    sizes
}

/// Divides `slots` between `parts` in proportion to 1/(10 + position). Every part has at least 1.
fn divide_slots(slots: usize, parts: usize) -> Vec<u16> {
    let weight = |part: usize| 1_000_000 / (part + 10);
    let total: usize = (0..parts).map(weight).sum();
    let free = slots - parts;
    let mut sum = 0;
    let mut assigned = 0;
    let mut sizes = Vec::with_capacity(parts);
    for part in 0..parts {
        sum += weight(part);
        let until = free * sum / total;
        sizes.push((until - assigned + 1) as u16);
        assigned = until;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::{BLOCK_SIZE, Tenants, mix, sizes};

    #[test]
    fn installations_fill_the_block() {
        let sizes = sizes();
        assert_eq!(sizes.iter().map(|s| usize::from(*s)).sum::<usize>(), BLOCK_SIZE);
        assert_eq!(sizes.len(), 2_001);
        assert!(sizes.iter().all(|size| *size > 0));
    }

    #[test]
    fn scoped_accounts_count_the_people_of_their_installation() {
        let tenants = Tenants::new(200_000, 31, true, 3);
        let mut last: HashMap<u32, u64> = HashMap::new();
        for person in 0..200_000 {
            let tenant = tenants.tenant(person, mix(person), 0, mix(!person));
            let last = last.entry(tenant.installation).or_default();
            *last += 1;
            assert_eq!(tenants.account(person), *last, "person {person}");
        }
        assert!(last.len() > 1_900, "{} installations", last.len());
    }

    #[test]
    fn a_namespace_belongs_to_one_installation_and_plans_only_rise() {
        let tenants = Tenants::new(100_000, 365, false, 3);
        let mut owner = HashMap::new();
        let mut plans = HashMap::new();
        let mut seen = HashSet::new();
        let mut raised = 0;
        for person in 0..100_000 {
            for (day, random) in [(0, mix(person)), (200, mix(person)), (364, mix(person))] {
                let tenant = tenants.tenant(person, mix(person ^ 77), day, random);
                let home = *owner.entry(tenant.namespace).or_insert(tenant.installation);
                assert_eq!(home, tenant.installation);
                let (last, plan) = plans.entry(tenant.namespace).or_insert((day, tenant.plan));
                assert!(*last > day || *plan <= tenant.plan);
                raised += u32::from(*last < day && *plan < tenant.plan);
                (*last, *plan) = (day.max(*last), tenant.plan.max(*plan));
                seen.insert((tenant.deployment, tenant.plan));
            }
        }
        // All plans in all deployments, except that nobody has a dedicated installation for free.
        assert_eq!(seen.len(), 8, "{seen:?}");
        assert!(raised > 100, "{raised} upgrades");
    }
}
