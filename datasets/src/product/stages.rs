//! The invented product itself: 10 stages, 24 groups, 60 events. Only names.

/// One stage of the product.
pub(crate) struct Stage {
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) section: &'static str,
    /// Its part of all favourites, of 256.
    pub(super) share: usize,
    pub(crate) groups: &'static [Group],
}

/// One group of a stage.
pub(crate) struct Group {
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    /// Name and description of its events.
    pub(crate) events: &'static [(&'static str, &'static str)],
}

/// The stages, in the order of work.
pub(crate) const STAGES: [Stage; 10] = [
    stage(
        "manage",
        "Manage",
        "dev",
        34,
        &[
            group(
                "authentication",
                "Authentication",
                &[
                    ("user_signed_in", "Signed in"),
                    ("access_token_created", "Created an access token"),
                    ("two_factor_enabled", "Turned on a second factor"),
                ],
            ),
            group(
                "organization",
                "Organization",
                &[
                    ("project_created", "Created a project"),
                    ("member_added", "Added a member to a project"),
                    ("project_imported", "Imported a project"),
                ],
            ),
        ],
    ),
    stage(
        "plan",
        "Plan",
        "dev",
        50,
        &[
            group(
                "project_management",
                "Project Management",
                &[
                    ("issue_commented", "Commented on an issue"),
                    ("issue_created", "Created an issue"),
                    ("issue_board_viewed", "Viewed an issue board"),
                ],
            ),
            group(
                "product_planning",
                "Product Planning",
                &[("epic_edited", "Edited an epic"), ("roadmap_viewed", "Viewed a roadmap")],
            ),
            group("knowledge", "Knowledge", &[("wiki_page_edited", "Edited a wiki page")]),
        ],
    ),
    stage(
        "create",
        "Create",
        "dev",
        62,
        &[
            group(
                "source_code",
                "Source Code",
                &[("code_pushed", "Pushed commits"), ("repository_cloned", "Cloned a repository")],
            ),
            group(
                "code_review",
                "Code Review",
                &[
                    ("merge_request_reviewed", "Reviewed a merge request"),
                    ("merge_request_created", "Created a merge request"),
                ],
            ),
            group(
                "editor",
                "Editor",
                &[
                    ("file_edited_in_browser", "Edited a file in the browser"),
                    ("snippet_created", "Created a snippet"),
                ],
            ),
        ],
    ),
    stage(
        "verify",
        "Verify",
        "ops",
        44,
        &[
            group(
                "pipeline_execution",
                "Pipeline Execution",
                &[("pipeline_started", "Started a pipeline"), ("job_retried", "Retried a job")],
            ),
            group(
                "pipeline_authoring",
                "Pipeline Authoring",
                &[
                    ("pipeline_edited", "Edited a pipeline definition"),
                    ("pipeline_linted", "Checked a pipeline definition"),
                ],
            ),
            group(
                "runner",
                "Runner",
                &[
                    ("runner_registered", "Registered a runner"),
                    ("runner_paused", "Paused a runner"),
                ],
            ),
        ],
    ),
    stage(
        "package",
        "Package",
        "ops",
        16,
        &[
            group(
                "package_registry",
                "Package Registry",
                &[
                    ("package_pulled", "Pulled a package"),
                    ("package_published", "Published a package"),
                    ("package_deleted", "Deleted a package"),
                ],
            ),
            group(
                "container_registry",
                "Container Registry",
                &[
                    ("image_pulled", "Pulled a container image"),
                    ("image_pushed", "Pushed a container image"),
                    ("image_tag_deleted", "Deleted a tag of a container image"),
                ],
            ),
        ],
    ),
    stage(
        "release",
        "Release",
        "ops",
        14,
        &[
            group(
                "environments",
                "Environments",
                &[
                    ("deployment_started", "Started a deployment"),
                    ("environment_viewed", "Viewed an environment"),
                    ("deployment_rolled_back", "Rolled back a deployment"),
                ],
            ),
            group(
                "release_orchestration",
                "Release Orchestration",
                &[
                    ("release_published", "Published a release"),
                    ("feature_flag_toggled", "Toggled a feature flag"),
                    ("feature_flag_created", "Created a feature flag"),
                ],
            ),
        ],
    ),
    stage(
        "configure",
        "Configure",
        "ops",
        10,
        &[
            group(
                "infrastructure_as_code",
                "Infrastructure as Code",
                &[
                    ("infrastructure_plan_run", "Ran an infrastructure plan"),
                    ("infrastructure_applied", "Applied an infrastructure plan"),
                    ("module_published", "Published an infrastructure module"),
                ],
            ),
            group(
                "kubernetes_management",
                "Kubernetes Management",
                &[
                    ("cluster_agent_used", "Reached a cluster through its agent"),
                    ("cluster_viewed", "Viewed a cluster"),
                    ("cluster_connected", "Connected a cluster"),
                ],
            ),
        ],
    ),
    stage(
        "monitor",
        "Monitor",
        "ops",
        8,
        &[
            group(
                "incident_response",
                "Incident Response",
                &[
                    ("incident_viewed", "Viewed an incident"),
                    ("alert_acknowledged", "Acknowledged an alert"),
                    ("incident_created", "Created an incident"),
                ],
            ),
            group(
                "observability",
                "Observability",
                &[
                    ("metrics_viewed", "Viewed metrics"),
                    ("error_viewed", "Viewed a tracked error"),
                    ("trace_viewed", "Viewed a trace"),
                ],
            ),
        ],
    ),
    stage(
        "secure",
        "Secure",
        "sec",
        11,
        &[
            group(
                "static_analysis",
                "Static Analysis",
                &[
                    ("static_scan_run", "Ran a static scan"),
                    ("secret_scan_run", "Ran a scan for secrets"),
                ],
            ),
            group(
                "composition_analysis",
                "Composition Analysis",
                &[
                    ("dependency_scan_run", "Ran a dependency scan"),
                    ("container_scan_run", "Ran a container scan"),
                ],
            ),
            group(
                "dynamic_analysis",
                "Dynamic Analysis",
                &[("dynamic_scan_run", "Ran a dynamic scan"), ("fuzz_test_run", "Ran a fuzz test")],
            ),
        ],
    ),
    stage(
        "govern",
        "Govern",
        "sec",
        7,
        &[
            group(
                "threat_insights",
                "Threat Insights",
                &[
                    ("vulnerability_viewed", "Viewed a vulnerability"),
                    ("vulnerability_dismissed", "Dismissed a vulnerability"),
                    ("security_policy_edited", "Edited a security policy"),
                ],
            ),
            group(
                "compliance",
                "Compliance",
                &[
                    ("audit_log_viewed", "Viewed the audit log"),
                    ("compliance_report_viewed", "Viewed the compliance report"),
                    ("audit_log_exported", "Exported the audit log"),
                ],
            ),
        ],
    ),
];

const fn stage(
    key: &'static str,
    name: &'static str,
    section: &'static str,
    share: usize,
    groups: &'static [Group],
) -> Stage {
    Stage { key, name, section, share, groups }
}

const fn group(
    key: &'static str,
    name: &'static str,
    events: &'static [(&'static str, &'static str)],
) -> Group {
    Group { key, name, events }
}
