//! The project file's settings of pings: sources with `format: service_ping`, and the block `pings:`.

use glob::{MatchOptions, Pattern};

use crate::metric::yaml::View;

/// The word for [`PingSource`]s under `format:` of a source.
pub const FORMAT: &str = "service_ping";

/// The installation of GitLab.com.
const SAAS_UUID: &str = "ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f";
const SAAS_HOSTNAME: &str = "gitlab.com";
/// Hosts of GitLab Dedicated.
const DEDICATED_HOSTS: &str = "*.gitlab-dedicated.com";

/// Host names have no case, and `*` includes dots.
const HOST_OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: false,
    require_literal_separator: false,
    require_literal_leading_dot: false,
};

/// One set of files of pings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingSource {
    /// Name of the source, for messages.
    pub name: String,
    /// Files, folders or globs; relative ones start at the project.
    pub files: Vec<String>,
}

/// What counts the users of the SaaS installation, where events and pings both do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountedFrom {
    /// The events.
    #[default]
    Events,
    /// The pings.
    Pings,
}

/// The block `pings:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingSettings {
    /// `uuid` of the SaaS installation.
    pub saas_uuid: String,
    /// `hostname` of the SaaS installation.
    pub saas_hostname: String,
    /// What counts the users of the SaaS installation.
    pub counted_from: CountedFrom,
    /// Host names of dedicated installations.
    pub dedicated_hosts: Vec<Pattern>,
    /// Files of subscriptions; relative ones start at the project.
    pub subscriptions: Vec<String>,
    /// Files of releases; relative ones start at the project.
    pub releases: Vec<String>,
}

impl Default for PingSettings {
    fn default() -> Self {
        Self {
            saas_uuid: SAAS_UUID.to_owned(),
            saas_hostname: SAAS_HOSTNAME.to_owned(),
            counted_from: CountedFrom::Events,
            dedicated_hosts: Pattern::new(DEDICATED_HOSTS).into_iter().collect(),
            subscriptions: Vec::new(),
            releases: Vec::new(),
        }
    }
}

impl PingSettings {
    /// Whether this is the SaaS installation. Host names have no case.
    pub fn is_saas(&self, uuid: &str, hostname: Option<&str>) -> bool {
        uuid == self.saas_uuid
            && hostname.is_some_and(|name| name.eq_ignore_ascii_case(&self.saas_hostname))
    }

    /// Whether a host is one of the dedicated hosts.
    pub fn is_dedicated_host(&self, hostname: Option<&str>) -> bool {
        let matches =
            |name| self.dedicated_hosts.iter().any(|p| p.matches_with(name, HOST_OPTIONS));
        hostname.is_some_and(matches)
    }

    /// Reads the block `pings:` of a project file.
    pub(crate) fn read(project: &View<'_>) -> Self {
        let mut settings = Self::default();
        let Some(view) = project.get("pings") else { return settings };
        if view.node().as_map().is_none() {
            view.wrong_type("a mapping");
            return settings;
        }
        view.only(&["saas", "dedicated_hosts", "subscriptions", "releases"]);
        if let Some(saas) = view.get("saas") {
            saas.only(&["uuid", "hostname", "counted_from"]);
            if let Some(uuid) = saas.text_of("uuid") {
                uuid.clone_into(&mut settings.saas_uuid);
            }
            if let Some(hostname) = saas.text_of("hostname") {
                hostname.clone_into(&mut settings.saas_hostname);
            }
            match saas.text_of("counted_from") {
                None | Some("events") => {}
                Some("pings") => settings.counted_from = CountedFrom::Pings,
                Some(word) => {
                    let message = format!("unknown value `{word}` of `counted_from`");
                    saas.error(message, Some("use events or pings"));
                }
            }
        }
        if view.get("dedicated_hosts").is_some() {
            let hosts = view.texts_of("dedicated_hosts").into_iter().map(Pattern::new);
            match hosts.collect() {
                Ok(hosts) => settings.dedicated_hosts = hosts,
                Err(cause) => view.error(format!("invalid `dedicated_hosts`: {cause}"), None),
            }
        }
        let files = |key| view.texts_of(key).into_iter().map(str::to_owned).collect();
        settings.subscriptions = files("subscriptions");
        settings.releases = files("releases");
        settings
    }
}
