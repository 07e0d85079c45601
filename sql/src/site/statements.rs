//! SQL statements that give the numbers of the pages, month by month.

use arrow::datatypes::{DataType, Schema, TimeUnit};
use engine::Result;
use engine::active::Level;
use engine::calendar::TimeFormat;
use engine::metric::{Metric, Operator, Rule};
use engine::project::Project;
use engine::scan::{Format, Source, Value, file_schema};

use super::definition::{RuleGroup, rule_groups};

/// The table of a project whose only source can be counted in plain SQL: the result is that of a
/// report, whatever the events.
#[derive(Debug)]
pub(super) struct EventTable<'a> {
    source: &'a Source,
    event: &'a Value,
}

impl<'a> EventTable<'a> {
    /// `None` if the report applies something that a plain statement does not: several sources, text
    /// files, rejected rows, a time zone, scoped users, columns of other types than text.
    ///
    /// # Errors
    /// When a file of the source cannot be opened.
    pub(super) fn of(project: &'a Project, has_rejects: bool) -> Result<Option<Self>> {
        let [source] = project.sources.as_slice() else { return Ok(None) };
        let zones = [&project.zone, &source.time_zone];
        if has_rejects
            || zones.iter().any(|zone| zone.name() != "UTC")
            || project.no_events_after.is_some()
            || source.scope.is_some()
            || source.time_format != TimeFormat::Standard
            || source.time == Value::AnyTime
            || source.filter.is_some()
        {
            return Ok(None);
        }
        for file in source.find_files(&project.root, true)? {
            let is_plain = file.format == Format::Parquet
                && has_plain_columns(source, &*file_schema(source, &file)?);
            if !is_plain {
                return Ok(None);
            }
        }
        Ok(Some(Self { source, event: &source.event }))
    }

    /// The users of a metric by month.
    pub(super) fn users(&self, metric: &Metric) -> String {
        let groups: Vec<String> =
            rule_groups(metric).iter().map(|group| self.condition(group)).collect();
        let (time, user) = (name(self.source.time.text()), name(self.source.user.text()));
        let (month, table) = (
            format!("CAST(date_trunc('month', {time}) AS DATE) AS period_start"),
            name(&self.source.name),
        );
        let any = any_of(&groups);
        if metric.operator == Operator::Intersection && groups.len() > 1 {
            let all = groups.iter().map(|group| format!("count(*) FILTER (WHERE {group}) > 0"));
            let all = all.collect::<Vec<_>>().join("\n     AND ");
            return format!(
                "SELECT period_start, count(*) AS users\nFROM (\n  SELECT {month}, {user}\n  \
                 FROM {table}\n  WHERE {any}\n  GROUP BY 1, 2\n  HAVING {all}\n)\n\
                 GROUP BY 1\nORDER BY 1;"
            );
        }
        format!(
            "SELECT {month},\n       count(DISTINCT {user}) AS users\nFROM {table}\nWHERE {any}\n\
             GROUP BY 1\nORDER BY 1;"
        )
    }

    /// The users of an event by month.
    pub(super) fn users_of_event(&self, event: &str) -> String {
        self.users(&Metric::of_event(String::new(), event))
    }

    /// Which rows some rules select.
    fn condition(&self, group: &RuleGroup<'_>) -> String {
        let Rule { filter, .. } = group.rule;
        let filters = filter.iter().map(|(dimension, values)| {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            is_one_of(self.source.dimension(dimension), &values)
        });
        let event = is_one_of(Some(self.event), &group.events);
        let conditions = [event].into_iter().chain(filters).collect::<Option<Vec<_>>>();
        let Some(mut conditions) = conditions else { return "FALSE".to_owned() };
        conditions.retain(|condition| !condition.is_empty());
        match conditions.is_empty() {
            true => "TRUE".to_owned(),
            false => conditions.join(" AND "),
        }
    }
}

/// The rows of a report about a node of the tree; the keys are those of section, stage and group.
pub(super) fn of_node(level: Level, keys: [Option<&str>; 3]) -> String {
    let conditions: Vec<String> = ["section", "stage", "\"group\""]
        .into_iter()
        .zip(keys)
        .filter_map(|(column, key)| Some(format!("{column} = {}", text(key?))))
        .collect();
    from_report(level, &conditions.join(" AND "))
}

/// The rows of a report about a metric.
pub(super) fn of_metric(key_path: &str) -> String {
    from_report(Level::Action, &format!("metric = {}", text(key_path)))
}

/// The sums over installations at a key path.
pub(super) fn of_pings(key_path: &str) -> String {
    format!(
        "SELECT month, sum(recorded) AS recorded\nFROM ping_recorded\nWHERE key_path = {}\n\
         GROUP BY month\nORDER BY month;",
        text(key_path)
    )
}

fn from_report(level: Level, condition: &str) -> String {
    format!(
        "SELECT period_start, users\nFROM active_users('month', level => '{level}')\n\
         WHERE {condition}\nORDER BY period_start;"
    )
}

/// Whether SQL compares these columns as a report does.
fn has_plain_columns(source: &Source, schema: &Schema) -> bool {
    let has = |value: &Value, is: &dyn Fn(&DataType) -> bool| {
        let Value::Column(column) = value else { return matches!(value, Value::Const(_)) };
        schema.field_with_name(column).is_ok_and(|field| is(field.data_type()))
    };
    let is_time = |of: &DataType| match of {
        DataType::Date32 => true,
        DataType::Timestamp(unit, zone) => {
            *unit != TimeUnit::Second
                && zone.as_deref().is_none_or(|zone| matches!(zone, "UTC" | "+00:00"))
        }
        _ => false,
    };
    let is_key = |of: &DataType| of.is_integer() || is_text(of);
    let labels = [Some(&source.event), source.deployment.as_ref()].into_iter().flatten();
    let mut labels = labels.chain(source.dimensions.iter().map(|own| &own.value));
    has(&source.time, &is_time)
        && has(&source.user, &is_key)
        && labels.all(|value| has(value, &is_text))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// `column IN ('a', 'b')`; empty if it always holds, `None` if it never does.
fn is_one_of(value: Option<&Value>, values: &[&str]) -> Option<String> {
    match (value?, values) {
        (_, []) => None,
        (Value::Const(constant), values) => values.contains(&constant.as_str()).then(String::new),
        (value, values) => {
            let column = name(value.text());
            let values: Vec<String> = values.iter().map(|value| text(value)).collect();
            Some(match values.as_slice() {
                [value] => format!("{column} = {value}"),
                values => format!("{column} IN ({})", values.join(", ")),
            })
        }
    }
}

fn any_of(groups: &[String]) -> String {
    match groups {
        [] => "FALSE".to_owned(),
        [one] => one.clone(),
        groups => {
            let groups: Vec<String> = groups.iter().map(|group| format!("({group})")).collect();
            groups.join("\n   OR ")
        }
    }
}

/// A text in single quotes.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A name, in double quotes unless it is a plain word that SQL does not reserve.
fn name(name: &str) -> String {
    const RESERVED: [&str; 14] = [
        "all", "case", "end", "from", "group", "having", "limit", "offset", "order", "select",
        "time", "user", "where", "window",
    ];
    let small = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_word = name.starts_with(small) && name.chars().all(|c| small(c) || c.is_ascii_digit());
    match is_word && !RESERVED.contains(&name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}
