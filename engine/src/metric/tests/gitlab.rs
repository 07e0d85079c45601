//! The real definitions of GitLab, as published from 2021 to 2026, load as they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::calendar::Day;
use crate::metric::{
    Dictionary, Event, Indicator, Metric, Operator, Paths, Placement, Rank, Severity, Status,
    TimeFrame, USER, Uncounted,
};

static GITLAB: LazyLock<Dictionary> = LazyLock::new(|| {
    let paths = |names: &[&str]| names.iter().map(|name| root().join(name)).collect::<Vec<_>>();
    let paths = Paths {
        stages: paths(&["stages.yml"]),
        events: paths(&["config/events", "spec/fixtures/**/events"]),
        metrics: paths(&["config/metrics", "spec/fixtures/scripts/internal_events/metrics"]),
        aggregates: paths(&["config/metrics/aggregates", "lib"]),
    };
    Dictionary::load(&paths).unwrap()
});

fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/gitlab")).to_owned()
}

fn metric(key_path: &str) -> &'static Metric {
    GITLAB.metric(key_path).unwrap_or_else(|| panic!("no metric {key_path}"))
}

fn field<'a>(other: &'a [(String, String)], name: &str) -> Option<&'a str> {
    other.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[test]
fn everything_loads_without_an_error() {
    let errors: Vec<String> = GITLAB
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors, [""; 0]);
    assert!(!GITLAB.has_errors());
    // 1 tree, 13 + 2 events, 2 files of aggregates, 31 + 3 metrics.
    assert_eq!((GITLAB.files.len(), GITLAB.events.len()), (52, 15));
    // 34 definitions, and 7 of the 9 aggregates: the other two have a definition.
    assert_eq!(GITLAB.metrics.len(), 41);
    let aggregates = |metric: &&Metric| metric.file.ends_with("common.yml");
    assert_eq!(GITLAB.metrics.iter().filter(aggregates).count(), 7);
    let tree = &GITLAB.tree;
    assert_eq!((tree.sections.len(), tree.stages.len(), tree.groups().count()), (10, 20, 60));
    let categories: usize = tree.groups().map(|group| group.categories.len()).sum();
    assert_eq!(categories, categories_in_the_text());
}

/// Counted in the text itself: the lines of the lists under `categories:`.
fn categories_in_the_text() -> usize {
    let text = std::fs::read_to_string(root().join("stages.yml")).unwrap();
    text.lines().filter(|line| line.starts_with("        - ")).count()
}

#[test]
fn the_folder_of_metrics_recognises_the_aggregates_in_it() {
    let paths = Paths { metrics: vec![root().join("config/metrics")], ..Paths::default() };
    let dictionary = Dictionary::load(&paths).unwrap();
    assert!(!dictionary.has_errors());
    // 31 definitions, and 5 of the 6 aggregates.
    assert_eq!((dictionary.files.len(), dictionary.metrics.len()), (32, 36));
}

#[test]
fn what_can_be_counted_and_why_the_rest_cannot() {
    let mut found = BTreeMap::new();
    for metric in &GITLAB.metrics {
        let reason = metric.counted().err().map_or("counted".to_owned(), |why| format!("{why:?}"));
        *found.entry(reason).or_insert(0) += 1;
    }
    let expected = [
        ("NoEvents", 20),
        ("NotUsers", 4),
        ("Removed", 2),
        ("SumOperator", 1),
        ("TimeFrame", 2),
        ("counted", 12),
    ];
    assert_eq!(found, expected.map(|(reason, count)| (reason.to_owned(), count)).into());
}

#[test]
fn the_quirks_of_metrics() {
    // `time_frame`: a word, or a list in any order.
    for (key_path, frames) in [
        ("counts.cycle_analytics_views", vec![TimeFrame::All]),
        ("uuid", vec![TimeFrame::None]),
        (
            "counts.count_total_list_mcp_tools",
            vec![TimeFrame::Week, TimeFrame::Month, TimeFrame::All],
        ),
        (
            "sums.sum_value_from_internal_events_cli_used",
            vec![TimeFrame::Month, TimeFrame::Week, TimeFrame::All],
        ),
    ] {
        assert_eq!(metric(key_path).time_frames, frames, "{key_path}");
    }

    // `status`: old words mean active.
    for (key_path, status, word) in [
        ("counts.ci_runners", Status::Active, None),
        ("topology", Status::Active, Some("data_available")),
        ("counts.ingress_modsecurity_packets_processed", Status::Removed, None),
    ] {
        let metric = metric(key_path);
        assert_eq!((metric.status, field(&metric.other, "status")), (status, word), "{key_path}");
    }

    // `data_source`: null, or a word of early 2021.
    for (key_path, data_source) in [
        ("license_trial_ends_on", None),
        ("usage_activity_by_stage_monthly.secure.user_dast_jobs", None),
        ("recorded_at", Some("ruby")),
        ("topology", Some("prometheus")),
    ] {
        assert_eq!(metric(key_path).data_source.as_deref(), data_source, "{key_path}");
    }

    // Fields without a meaning here are kept as they are written.
    for (key_path, name, value) in [
        ("recorded_at", "milestone", Some("8.10")),
        ("recorded_at", "distribution", Some("[ee, ce]")),
        ("counts.ingress_modsecurity_packets_processed", "milestone_removed", Some("14.0")),
        ("index_inconsistencies", "milestone", Some("15.10")),
        ("index_inconsistencies", "value_type", Some("object")),
        ("deactivate_dormant_users_period", "value_type", Some("boolean")),
        ("active_user_count", "data_category", Some("Optional")),
        ("topology", "product_category", None),
        ("counts_monthly.deployments", "options", Some("{type: all}")),
    ] {
        assert_eq!(field(&metric(key_path).other, name), value, "{key_path} {name}");
    }
    let both = &metric("counts.count_total_fallback_current_organization_to_default").other;
    assert_eq!(field(both, "distribution"), Some("[ce, ee]"));
    assert_eq!(field(both, "tier"), field(both, "tiers"));
    assert_eq!(field(both, "tiers"), Some("[free, premium, ultimate]"));

    // A plain description over several lines, and one without text.
    assert_eq!(
        metric("database.adapter").description,
        "This metric only returns a value of PostgreSQL in supported versions of GitLab. It could \
         be removed from the usage ping. Historically MySQL was also supported."
    );
    assert_eq!(
        metric("redis_hll_counters.analytics.g_analytics_contribution_monthly").description,
        ""
    );

    // Indicators.
    let visits = metric("analytics_unique_visits.analytics_unique_visits_for_any_target_monthly");
    assert_eq!(visits.indicators, [Indicator::Gmau, Indicator::PaidGmau]);
    assert_eq!(
        metric("counts.ci_runners").indicators,
        [Indicator::Other("customer_health_score".to_owned())]
    );
    assert!(metric("uuid").indicators.is_empty() && metric("topology").indicators.is_empty());
}

#[test]
fn the_quirks_of_rules() {
    let visits = metric("analytics_unique_visits.analytics_unique_visits_for_any_target_monthly");
    assert_eq!(visits.rules.len(), 29);
    assert_eq!(visits.counted(), Ok(()));

    // The same event four times with different filters: a union. The number 60 is text.
    let failed = "redis_hll_counters.count_distinct_user_id_from_failed_usage_attempts_under_60s";
    let failed = metric(failed);
    assert_eq!((failed.operator, failed.rules.len()), (Operator::Union, 4));
    let filters: Vec<String> = failed
        .rules
        .iter()
        .map(|rule| {
            assert_eq!(rule.event, "internal_events_cli_used");
            assert_eq!(rule.unique.as_deref(), Some(USER));
            let filter = rule.filter.iter().map(|(key, values)| format!("{key}={values:?}"));
            filter.collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(
        filters,
        [
            r#"label=["failure"] property=["metrics"] value=["60"]"#,
            r#"label=["failure"] property=["events"] value=["60"]"#,
            r#"label=["incomplete"] property=["metrics"] value=["60"]"#,
            r#"label=["incomplete"] property=["events"] value=["60"]"#,
        ]
    );

    // Plain counts and sums are not users.
    for (key_path, expected) in [
        ("counts.count_total_list_mcp_tools", Uncounted::NotUsers),
        ("counts.count_total_failed_usage_attempts", Uncounted::NotUsers),
        ("sums.sum_value_from_internal_events_cli_used", Uncounted::SumOperator),
        ("counts_monthly.deployments", Uncounted::NoEvents),
    ] {
        assert_eq!(metric(key_path).counted(), Err(expected), "{key_path}");
    }

    // The older form, `options.events`, with and without `aggregate`.
    let manage = metric("redis_hll_counters.manage.unique_active_users_monthly");
    assert_eq!(manage.rules[0].event, "unique_active_user");
    assert_eq!(manage.counted(), Ok(()));
    let weekly = "counts_weekly.aggregated_metrics.incident_management_alerts_total_unique_counts";
    let weekly = metric(weekly);
    assert_eq!((weekly.rules.len(), field(&weekly.other, "aggregate")), (4, None));
    assert!(weekly.rules.iter().all(|rule| rule.unique.as_deref() == Some(USER)));
    assert_eq!(weekly.counted(), Err(Uncounted::TimeFrame));
}

#[test]
fn the_aggregates_of_both_files() {
    let of = |name: &str| metric(&format!("counts_monthly.aggregated_metrics.{name}"));
    for (name, operator, events, counted) in [
        // In both files, the same: no problem.
        ("compliance_features_track_unique_visits_union", Operator::Union, 5, Ok(())),
        ("incident_management_incidents_total_unique_counts", Operator::Union, 11, Ok(())),
        // In the newer one.
        ("xmau_plan", Operator::Union, 3, Ok(())),
        // In the older one, whose lists end with a bracket that stands too far left.
        ("i_testing_paid_monthly_active_user_total", Operator::Union, 5, Ok(())),
        // With a definition that lends its owner and its status.
        ("incident_management_alerts_total_unique_counts", Operator::Union, 4, Ok(())),
        (
            "product_analytics_test_metrics_intersection",
            Operator::Intersection,
            3,
            Err(Uncounted::Removed),
        ),
    ] {
        let metric = of(name);
        assert_eq!(
            (metric.operator, metric.rules.len(), metric.counted()),
            (operator, events, counted),
            "{name}"
        );
    }
    assert_eq!(field(&of("xmau_plan").other, "feature_flag"), Some("track_work_items_activity"));
    let alerts = of("incident_management_alerts_total_unique_counts");
    assert_eq!(alerts.group.as_deref(), Some("monitor"));
    let place = field(&alerts.other, "aggregate").unwrap();
    assert!(place.ends_with("config/metrics/aggregates/common.yml:30"), "{place}");
}

#[test]
fn the_quirks_of_events() {
    let event = |action: &str, category: Option<&str>| {
        let named =
            |event: &&Event| event.action == action && event.category.as_deref() == category;
        GITLAB.events.iter().find(named).unwrap_or_else(|| panic!("no event {action}"))
    };
    // The action alone is not unique.
    let create = GITLAB.events.iter().filter(|event| event.action == "create");
    let categories: Vec<_> = create.filter_map(|event| event.category.as_deref()).collect();
    assert_eq!(categories, ["merge_request_action", "design_actions"]);

    for (action, category, identifiers) in [
        ("show", Some("group_overview"), [].as_slice()),
        ("select_deployment_target", Some("projects:new"), &[]),
        ("internal_events_cli_opened", None, &[]),
        ("list_mcp_tools", None, &["user"]),
        (
            "perform_integrations_action",
            Some("integrations class"),
            &["project", "user", "namespace"],
        ),
    ] {
        assert_eq!(event(action, category).identifiers, identifiers, "{action}");
    }
    for (action, category, group) in [
        ("create", Some("merge_request_action"), "code_review"),
        ("select_deployment_target", Some("projects:new"), "configure"),
        ("error_invalid_user", Some("Projects::GoogleCloud::ConfigurationController"), "5_min_app"),
    ] {
        assert_eq!(event(action, category).group.as_deref(), Some(group), "{action}");
    }
    let call = event("start_mcp_tool_call", None);
    for (event, name, description) in [
        (call, "session_id", "Session ID that"),
        (call, "tool_name", "Name of the MCP tool being called"),
        (
            event(
                "track_weak_password_error",
                Some("Gitlab::Tracking::Helpers::WeakPasswordErrorEvent"),
            ),
            "controller",
            "The controller which triggered the weak password check",
        ),
        (event("select_deployment_target", Some("projects:new")), "property", "selected option"),
    ] {
        let property = event.properties.iter().find(|property| property.name == name).unwrap();
        assert!(property.description.starts_with(description), "{property:?}");
    }
    assert_eq!(field(&call.other, "milestone"), Some("18.6"));
}

#[test]
fn the_owners_as_they_are_spelled() {
    let day: Day = "2022-11-01".parse().unwrap();
    for (key_path, section, stage, group) in [
        // group::code review, code_review
        (
            "usage_activity_by_stage_monthly.create.merge_requests_users",
            Some("dev"),
            Some("create"),
            Some("code_review"),
        ),
        (
            "redis_hll_counters.code_review.i_code_review_user_create_mr_monthly",
            Some("dev"),
            Some("create"),
            Some("code_review"),
        ),
        // A stage in the place of a group.
        (
            "redis_hll_counters.manage.unique_active_users_monthly",
            Some("dev"),
            Some("manage"),
            None,
        ),
        // A group that is called like its stage.
        (
            "usage_activity_by_stage_monthly.configure.clusters_applications_cert_managers",
            Some("ops"),
            Some("configure"),
            Some("configure"),
        ),
        // Unknown groups: the stage, the section, nothing.
        ("counts_monthly.deployments", Some("seg"), Some("deploy"), None),
        ("topology", Some("enablement"), None, None),
        ("counts.count_total_list_mcp_tools", None, None, None),
    ] {
        let place = GITLAB.tree.placement(metric(key_path), day);
        assert_eq!(place, Placement { section, stage, group }, "{key_path}");
    }
    let nodes = GITLAB.tree.nodes_on(day);
    assert_eq!(nodes.len(), 10 + 20 + 60);
    assert_eq!(nodes[2].name, "Authentication and Authorization");
    assert_eq!(GITLAB.tree.name_of(Rank::Stage, "platforms"), Some("SaaS Platforms"));
    assert_eq!(GITLAB.tree.name_of(Rank::Group, "5-min-app"), Some("Five Minute Production App"));
}

#[test]
fn what_is_missing_is_said_and_nothing_else() {
    let mut found = BTreeMap::new();
    for problem in &GITLAB.problems {
        let kinds = [
            "has no definition",
            "has no events",
            "has no product_group",
            "is not defined in the stages file",
            "a line inside brackets must be indented",
        ];
        let kind = kinds.into_iter().find(|kind| problem.message.contains(kind));
        *found.entry(kind.unwrap_or(&problem.message)).or_insert(0) += 1;
        assert!(problem.line > 0 && problem.file.starts_with(root()), "{problem}");
    }
    // Each unknown event once for each definition that names it.
    let expected = [
        ("has no definition", 78),
        ("has no product_group", 7),
        // Lists of events that end with a bracket below their key.
        ("a line inside brackets must be indented", 3),
        ("is not defined in the stages file", 10),
        ("has no events", 20),
    ];
    assert_eq!(found, expected.into());
}
