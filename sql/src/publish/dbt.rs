//! The text files of a publication, which make it a dbt package.
//!
//! **Users cannot be added.** A person who uses two stages is one user, and so is one who is active in
//! two months. The semantic model leads MetricFlow to published numbers only:
//!
//! * Measures take the largest number (`max`), never the sum. Of the rows of one node this is the row over
//!   all values of the dimensions that a query does not group by.
//! * `non_additive_dimension`: a longer period than the published one has the number of its last period.
//! * A metric is NULL if its rows are of several nodes (section, stage, group, metric) or bases, or of
//!   several values of a dimension without the row over all of them.
//!
//! See <https://docs.getdbt.com/docs/build/measures#non-additive-dimensions>.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use arrow::datatypes::SchemaRef;
use engine::active::Level;
use engine::calendar::Window;
use engine::store::TableFormat;
use serde_json::Value;

use super::rows::TABLE;

/// The measure that is a metric's number.
const LARGEST: &str = "headcount_largest_users";

/// Entity of the semantic model: what dbt puts before the names of dimensions.
const ENTITY: &str = "headcount";

/// Columns of a report row, with their names in dbt's model and their meaning. Names that SQL reserves
/// get others, so that no query has to quote them.
const COLUMNS: [(&str, &str, &str); 17] = [
    ("window", "window_name", "Name of the window, such as month or trailing_28d"),
    ("period_start", "period_start", "First day of the period"),
    ("period_end", "period_end", "Last day of the period, inclusive"),
    ("complete", "complete", "Whether the data reach past the end of the period"),
    ("level", "level", "What is counted: total, combined, section, stage, group or action"),
    ("section", "section", "Key of the section; null where there is none"),
    ("stage", "stage", "Key of the stage; null where there is none"),
    ("group", "group_name", "Key of the group; null where there is none"),
    ("metric", "metric", "Key path of the metric; null above the level action"),
    ("method", "method", "How metrics are combined: union, indicator, max or sum"),
    ("basis", "basis", "recorded, estimated or predicted"),
    ("count", "count_type", "exact, or approx with a 95 % interval"),
    ("users", "users", "Number of users. Never add users of different rows"),
    ("users_low", "users_low", "Lower end of the 95 % interval; equals users if exact"),
    ("users_high", "users_high", "Upper end of the 95 % interval; equals users if exact"),
    ("previous_users", "previous_users", "Users in the period before; null if there is none"),
    ("change_pct", "change_pct", "Change against the period before, in per cent"),
];

/// Columns that dbt's model adds.
const ADDED: [(&str, &str); 2] = [
    ("node", "Keys of section, stage, group and metric, and the basis"),
    ("period_complete", "Whether all rows of the period and window are complete"),
];

/// Columns that a query can group by and filter with, besides dimensions.
const CATEGORIES: [&str; 10] = [
    "window", "complete", "level", "section", "stage", "group", "metric", "method", "basis",
    "count",
];

/// What the texts are about.
pub(crate) struct Package<'a> {
    /// Path or address of the table.
    pub(crate) table: String,
    pub(crate) format: TableFormat,
    pub(crate) schema: SchemaRef,
    pub(crate) windows: &'a [Window],
    pub(crate) levels: &'a BTreeSet<Level>,
}

/// A column of the table in dbt.
struct Column {
    /// Its name in the table.
    name: String,
    /// Its name in dbt's model.
    alias: String,
    description: String,
    is_category: bool,
    is_nullable: bool,
}

impl Column {
    /// Whether it is one of the dimensions of `--by`.
    fn is_dimension(&self) -> bool {
        COLUMNS.iter().all(|(known, ..)| *known != self.name)
    }
}

impl Package<'_> {
    /// The files by their path in the folder. The same contents give the same bytes.
    pub(crate) fn files(&self) -> Vec<(&'static str, String)> {
        let columns = self.columns();
        vec![
            ("dbt_project.yml", PROJECT.to_owned()),
            ("models/sources.yml", self.sources(&columns)),
            ("models/active_users.sql", model(&columns)),
            ("models/active_users.yml", self.semantic_model(&columns)),
            ("models/headcount_days.sql", DAYS.to_owned()),
        ]
    }

    fn columns(&self) -> Vec<Column> {
        let mut aliases = BTreeSet::new();
        let column = |field: &arrow::datatypes::FieldRef| {
            let name = field.name().clone();
            let is_nullable = field.is_nullable();
            match COLUMNS.iter().find(|(known, ..)| *known == name) {
                Some((_, alias, description)) => Column {
                    is_category: CATEGORIES.contains(&name.as_str()),
                    name,
                    alias: (*alias).to_owned(),
                    description: (*description).to_owned(),
                    is_nullable,
                },
                None => {
                    let alias = alias(&name, &mut aliases);
                    let description = "Dimension; null in rows over all its values".to_owned();
                    Column { name, alias, description, is_category: true, is_nullable }
                }
            }
        };
        self.schema.fields().iter().map(column).collect()
    }

    fn sources(&self, columns: &[Column]) -> String {
        let function = match self.format {
            TableFormat::Parquet => "read_parquet",
            TableFormat::Delta => "delta_scan",
        };
        // A text in a call in a template in a text: SQL, Jinja, dbt-duckdb's placeholders, YAML.
        let path = self.table.replace('\'', "''").replace('{', "{{").replace('}', "}}");
        let location = format!("{function}('{{{{ var(\"headcount_table\", {}) }}}}')", json(&path));
        let mut text = format!(
            "version: 2\n\
             sources:\n\
             \x20 - name: headcount\n\
             \x20   description: Active users, published by headcount\n\
             \x20   tables:\n\
             \x20     - name: {TABLE}\n\
             \x20       description: {}\n\
             \x20       config:\n\
             \x20         meta:\n\
             \x20           external_location: {}\n\
             \x20       columns:\n",
            json(DESCRIPTION),
            json(&location),
        );
        for Column { name, description, is_nullable, alias, .. } in columns {
            let _ = writeln!(text, "          - name: {}", json(name));
            let _ = writeln!(text, "            description: {}", json(description));
            if name != alias {
                text += "            quote: true\n";
            }
            if !is_nullable {
                text += "            data_tests: [not_null]\n";
            }
        }
        text
    }

    fn semantic_model(&self, columns: &[Column]) -> String {
        let mut text = format!(
            "version: 2\n\
             models:\n\
             \x20 - name: headcount_days\n\
             \x20   description: Days, as MetricFlow needs them\n\
             \x20   time_spine: {{standard_granularity_column: day}}\n\
             \x20   columns: [{{name: day, granularity: day}}]\n\
             \x20 - name: {TABLE}\n\
             \x20   description: {}\n\
             \x20   columns:\n",
            json(DESCRIPTION),
        );
        let described = columns.iter().map(|column| (&*column.alias, &*column.description));
        for (name, description) in described.chain(ADDED) {
            let _ = writeln!(text, "      - {{name: {name}, description: {}}}", json(description));
        }
        let _ = write!(
            text,
            "semantic_models:\n\
             \x20 - name: {TABLE}\n\
             \x20   description: {}\n\
             \x20   model: ref('{TABLE}')\n\
             \x20   primary_entity: {ENTITY}\n\
             \x20   defaults: {{agg_time_dimension: period_end}}\n\
             \x20   dimensions:\n\
             \x20     - {{name: period_end, type: time, type_params: {{time_granularity: day}}}}\n",
            json(DESCRIPTION),
        );
        let categories = columns.iter().filter(|column| column.is_category);
        let categories = categories.map(|column| column.alias.as_str());
        for name in categories.chain(["period_complete"]) {
            let _ = writeln!(text, "      - {{name: {name}, type: categorical}}");
        }
        let (measures, condition) = measures(columns);
        text += "    measures:\n";
        for Measure { name, aggregate, expression, meaning } in &measures {
            let _ = write!(
                text,
                "\x20     - name: {name}\n\
                 \x20       description: {meaning}\n\
                 \x20       agg: {aggregate}\n\
                 \x20       expr: {expression}\n\
                 \x20       non_additive_dimension: {{name: period_end, window_choice: max}}\n",
            );
        }
        text += "metrics:\n";
        for Measure { name, .. } in &measures {
            let _ = write!(
                text,
                "\x20 - name: {name}\n\
                 \x20   label: {name}\n\
                 \x20   description: Part of the other metrics\n\
                 \x20   type: simple\n\
                 \x20   type_params: {{measure: {name}}}\n",
            );
        }
        let inputs: Vec<&str> = measures.iter().map(|measure| measure.name.as_str()).collect();
        let inputs = inputs.join(", ");
        for window in self.windows {
            for level in self.levels {
                text += &metric(*window, *level, &inputs, &condition);
            }
        }
        text
    }
}

const DESCRIPTION: &str = "One row for each period, node and dimension value. Rows have users in \
    common, so their numbers cannot be added";

const PROJECT: &str = "\
# Written by headcount publish, and replaced by it.
name: headcount
version: 1.0.0
config-version: 2
model-paths: [models]
";

/// Days for MetricFlow, which wants a table of them in every project.
const DAYS: &str = "\
select cast(date_day as date) as day
from (
    {{ dbt.date_spine(\"day\", \"cast('1970-01-01' as date)\", \"cast('2100-01-01' as date)\") }}
) as days
";

/// What is computed of the rows that a query selects: its name, the aggregate, the expression, and its
/// meaning.
struct Measure {
    name: String,
    aggregate: &'static str,
    expression: String,
    meaning: &'static str,
}

/// The measures that metrics are made of, and the condition on which rows have one number.
fn measures(columns: &[Column]) -> (Vec<Measure>, String) {
    let mut measures = vec![
        Measure {
            name: LARGEST.to_owned(),
            aggregate: "max",
            expression: "users".to_owned(),
            meaning: "Largest number of users; of one node, the number over all dimension values",
        },
        Measure {
            name: "headcount_nodes".to_owned(),
            aggregate: "count_distinct",
            expression: "node".to_owned(),
            meaning: "Number of nodes and bases",
        },
    ];
    let mut condition = "headcount_nodes = 1".to_owned();
    for Column { alias, .. } in columns.iter().filter(|column| column.is_dimension()) {
        let (all, values) = (format!("headcount_{alias}_all"), format!("headcount_{alias}_values"));
        let _ = write!(condition, " and ({all} = 1 or {values} = 1)");
        measures.push(Measure {
            name: all,
            aggregate: "max",
            expression: format!("case when {alias} is null then 1 else 0 end"),
            meaning: "1 if there is the number over all values of the dimension",
        });
        measures.push(Measure {
            name: values,
            aggregate: "count_distinct",
            expression: alias.clone(),
            meaning: "Number of values of the dimension",
        });
    }
    (measures, condition)
}

fn model(columns: &[Column]) -> String {
    let mut text = "select\n".to_owned();
    for Column { name, alias, .. } in columns {
        match name == alias {
            true => text += &format!("    {name},\n"),
            false => {
                let name = json(&name.replace('"', "\"\""));
                text += &format!("    {{{{ adapter.quote({name}) }}}} as {alias},\n");
            }
        }
    }
    let part = |name: &str| format!("coalesce({name}, '')");
    let group = "{{ adapter.quote(\"group\") }}";
    let parts = ["section", "stage", group, "metric", "basis"].map(part);
    let _ = writeln!(text, "    {} as node,", parts.join("\n        || '/' || "));
    let (window, events, pings) =
        ("{{ adapter.quote(\"window\") }}", Window::Last28dOfMonth, Window::Ping28d);
    let _ = writeln!(
        text,
        "    min(case when complete then 1 else 0 end) over (\n\
         \x20       partition by\n\
         \x20           case when {window} = '{events}' then '{pings}' else {window} end,\n\
         \x20           period_end\n\
         \x20   ) = 1 as period_complete"
    );
    text + "from {{ source(\"headcount\", \"" + TABLE + "\") }}\n"
}

fn metric(window: Window, level: Level, inputs: &str, condition: &str) -> String {
    let dimension = |name: &str| format!("{{{{ Dimension('{ENTITY}__{name}') }}}}");
    // Rows that come from events alone say so.
    let windows = match window {
        Window::Ping28d => format!("'{window}', '{}'", Window::Last28dOfMonth),
        _ => format!("'{window}'"),
    };
    let filter = format!(
        "{} in ({windows}) and {} = '{level}' and {}",
        dimension("window_name"),
        dimension("level"),
        dimension("period_complete"),
    );
    let name = format!("{level}_users_{window}");
    let label = format!("Users, level {level}, window {window}");
    let description = format!(
        "Users in complete periods of the window {window}, at level {level}. NULL if a query selects \
         several nodes, bases or dimension values, because their users cannot be added"
    );
    format!(
        "\x20 - name: {name}\n\
         \x20   label: {}\n\
         \x20   description: {}\n\
         \x20   type: derived\n\
         \x20   type_params:\n\
         \x20     expr: case when {condition} then {LARGEST} end\n\
         \x20     metrics: [{inputs}]\n\
         \x20   filter: {}\n",
        json(&label),
        json(&description),
        json(&filter),
    )
}

/// The name of a dimension in dbt's model: `by_` and its letters, digits and single underscores. With the
/// prefix no name is reserved.
fn alias(name: &str, taken: &mut BTreeSet<String>) -> String {
    let name = name.to_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> =
        ["by"].into_iter().chain(words.skip_while(|word| *word == "by")).collect();
    let mut alias = words.join("_");
    while !taken.insert(alias.clone()) {
        alias += "_2";
    }
    alias
}

/// A text in double quotes, which JSON, YAML and Jinja read alike.
fn json(text: &str) -> String {
    Value::from(text).to_string()
}
