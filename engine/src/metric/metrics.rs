//! Reads metric definitions: the present form with `events`, and the older `options.events`.

use std::collections::HashMap;

use super::model::{Indicator, Metric, Operator, TimeFrame};
use super::yaml::View;
use super::{fields, rules, validity};

/// Fields with a place of their own. `options` is not among them: it is shown as well as used.
const USED: [&str; 13] = [
    "key_path",
    "description",
    "product_group",
    "product_stage",
    "product_section",
    "status",
    "time_frame",
    "performance_indicator_type",
    "data_source",
    "operator",
    "events",
    "valid_from",
    "valid_to",
];

/// Indicator words that mean nothing to the reports but are no mistakes.
const OTHER_INDICATORS: [&str; 4] =
    ["customer_health_score", "devops_report", "lighthouse", "leading_indicator"];

/// Reads definitions; of two with the same `key_path` the first is kept.
pub(super) fn read(definitions: &[View<'_>]) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for view in definitions {
        let Some(metric) = metric(view) else { continue };
        if let Some(first) = known.get(&metric.key_path) {
            let first = &metrics[*first];
            let place = format!("{}:{}", first.file.display(), first.line);
            let message =
                format!("`{}` is defined twice; the first is in {place}", metric.key_path);
            let key_path = view.get("key_path").unwrap_or_else(|| view.clone());
            key_path.error(message, Some("remove one of them"));
            continue;
        }
        known.insert(metric.key_path.clone(), metrics.len());
        metrics.push(metric);
    }
    metrics
}

fn metric(view: &View<'_>) -> Option<Metric> {
    if view.node().as_map().is_none() {
        view.wrong_type("a metric definition");
        return None;
    }
    let key_path = view.required_text_of("key_path")?;
    let mut other = fields::other(view, &USED);
    let data_source = view.text_of("data_source").map(str::to_lowercase);
    let options = view.get("options").filter(|options| options.node().as_map().is_some());
    let aggregate = options.as_ref().and_then(|options| options.get("aggregate"));
    let events = view.get("events").or_else(|| options.as_ref()?.get("events"));
    let implied = match aggregate.as_ref().and_then(|aggregate| aggregate.text_of("attribute")) {
        Some(attribute) => Some(rules::subject(attribute)),
        None => {
            let class = view.text_of("instrumentation_class").unwrap_or_default();
            let counts_users = matches!(data_source.as_deref(), None | Some("redis_hll"))
                || matches!(class, "RedisHLLMetric" | "AggregatedMetric");
            counts_users.then(|| rules::subject("user"))
        }
    };
    Some(Metric {
        key_path: key_path.to_owned(),
        description: view.text_of("description").unwrap_or_default().to_owned(),
        group: fields::owner(view, "product_group"),
        stage_hint: fields::owner(view, "product_stage"),
        section_hint: fields::owner(view, "product_section"),
        status: fields::status(view, &mut other),
        time_frames: time_frames(view),
        has_frame_list: view.node().get("time_frame").is_some_and(|node| node.as_list().is_some()),
        indicators: indicators(view),
        data_source,
        operator: match view.get("operator") {
            Some(_) => operator(view),
            None => aggregate.as_ref().map_or(Operator::Union, operator),
        },
        rules: events.map_or_else(Vec::new, |events| rules::read(&events, implied.as_deref())),
        valid: validity::read(view),
        file: view.file().to_owned(),
        line: view.line(),
        other,
        key: view.key().to_owned(),
        owner_line: view.get("product_group").map_or(view.line(), |group| group.line()),
    })
}

/// Reads `operator` of a metric or an aggregate.
pub(super) fn operator(view: &View<'_>) -> Operator {
    let Some(word) = view.text_of("operator") else { return Operator::Union };
    match word.to_ascii_lowercase().as_str() {
        "or" | "union" => Operator::Union,
        "and" | "intersection" => Operator::Intersection,
        _ => {
            let place = view.get("operator").unwrap_or_else(|| view.clone());
            place.error(format!("unknown operator `{word}`"), Some("use OR or AND"));
            Operator::Union
        }
    }
}

/// Reads `time_frame`: a word or a list, in any order.
pub(super) fn time_frames(view: &View<'_>) -> Vec<TimeFrame> {
    let mut frames = Vec::new();
    for item in view.get("time_frame").iter().flat_map(View::items) {
        let Some(word) = item.text() else { continue };
        match TimeFrame::WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, frame)) if frames.contains(frame) => {}
            Some((_, frame)) => frames.push(*frame),
            None => {
                let help = "use 7d, 28d, all or none";
                item.error(format!("unknown time frame `{word}`"), Some(help));
            }
        }
    }
    frames
}

fn indicators(view: &View<'_>) -> Vec<Indicator> {
    let items = view.get("performance_indicator_type");
    let read = |item: View<'_>| {
        let word = item.text()?;
        Some(match word {
            "smau" => Indicator::Smau,
            "gmau" => Indicator::Gmau,
            "paid_gmau" => Indicator::PaidGmau,
            "umau" => Indicator::Umau,
            _ => {
                if !OTHER_INDICATORS.contains(&word) {
                    let help = "reports use smau, gmau, paid_gmau and umau";
                    item.warning(format!("unknown indicator `{word}`"), Some(help));
                }
                Indicator::Other(word.to_owned())
            }
        })
    };
    items.iter().flat_map(View::items).filter_map(read).collect()
}
