//! Settings of the planner.

use std::any::Any;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::common::config_err;
use datafusion::error::Result;

/// Settings of the planner, under the prefix `headcount`.
#[derive(Clone, Debug)]
pub struct Planning {
    /// Plan COUNT(DISTINCT x) onto the operator of this crate. The result is the same.
    pub exact_distinct: bool,
    /// Answer COUNT(DISTINCT user) over a source from the roll-up, as far as that goes. The result
    /// is the same.
    pub rollup: bool,
}

impl Default for Planning {
    fn default() -> Self {
        Self { exact_distinct: true, rollup: true }
    }
}

// Written by hand for the names in `entries`: those of DataFusion's macro lack the prefix, and
// SHOW would not find what was SET.
impl ExtensionOptions for Planning {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let setting = match key {
            "exact_distinct" => &mut self.exact_distinct,
            "rollup" => &mut self.rollup,
            _ => return config_err!("unknown setting `headcount.{key}`"),
        };
        match value.to_ascii_lowercase().parse() {
            Ok(value) => *setting = value,
            Err(_) => return config_err!("`headcount.{key}` must be true or false, not `{value}`"),
        }
        Ok(())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let entry = |name: &str, value: bool, description| ConfigEntry {
            key: format!("{}.{name}", Self::PREFIX),
            value: Some(value.to_string()),
            description,
        };
        vec![
            entry(
                "exact_distinct",
                self.exact_distinct,
                "Run COUNT(DISTINCT x) with Headcount's operator. The result is the same.",
            ),
            entry(
                "rollup",
                self.rollup,
                "Answer COUNT(DISTINCT user) over a source from the store. The result is the same.",
            ),
        ]
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
