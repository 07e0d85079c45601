//! Settings of the planner.

use datafusion::common::config::{ConfigExtension, ConfigOptions};
use datafusion::common::extensions_options;

extensions_options! {
    /// Settings of the planner, under the prefix `headcount`.
    pub struct Planning {
        /// Plan COUNT(DISTINCT x) onto the operator of this crate. The result is the same.
        pub exact_distinct: bool, default = true
        /// Answer COUNT(DISTINCT user) over a source from the roll-up, as far as that goes. The
        /// result is the same.
        pub rollup: bool, default = true
    }
}

impl ConfigExtension for Planning {
    const PREFIX: &'static str = "headcount";
}

impl Planning {
    /// The settings of a session; the default where it has none.
    pub fn of(config: &ConfigOptions) -> Self {
        config.extensions.get::<Self>().cloned().unwrap_or_default()
    }
}
