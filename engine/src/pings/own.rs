//! The project file's block `installation:`: what the project's own pings say of it.

use super::flatten::IDENTITY_KEYS;
use super::upload::PLACEHOLDER;
use crate::metric::yaml::View;

/// The keys of the block that are texts of a ping, in their order there.
const TEXTS: [&str; 7] = [
    "uuid",
    "hostname",
    "version",
    "edition",
    "installation_type",
    "license_subscription_id",
    "license_expires_at",
];
const USERS: &str = "license_user_count";
const DEDICATED: &str = "gitlab_dedicated";
const SKETCHES: &str = "sketches";

/// A value of the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityValue {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// True or false.
    Bool(bool),
}

/// The installation that the project describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnInstallation {
    /// What its pings say of it, by key, besides the time.
    pub identity: Vec<(&'static str, IdentityValue)>,
    /// How its sketches are made, if that is configured.
    pub sketches: Option<SketchSettings>,
}

/// How sketches are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SketchSettings {
    /// The file with the salt; a relative path starts at the project.
    pub salt_file: String,
    /// The column of every source that identifies a user in all installations.
    pub user: String,
}

impl OwnInstallation {
    /// Reads the block of a project file.
    pub(crate) fn read(project: &View<'_>) -> Option<Self> {
        let view = project.get("installation")?;
        if view.node().as_map().is_none() {
            view.wrong_type("a mapping");
            return None;
        }
        view.only(&[&TEXTS[..], &[USERS, DEDICATED, SKETCHES]].concat());
        view.required_text_of("uuid")?;
        let text = |key| Some((key, IdentityValue::Text(view.text_of(key)?.to_owned())));
        let mut identity: Vec<_> = TEXTS.into_iter().filter_map(text).collect();
        for (key, value) in &identity {
            let at = view.get(key).unwrap_or_else(|| view.clone());
            match value {
                IdentityValue::Text(text) if text.is_empty() => at.error("the text is empty", None),
                IdentityValue::Text(text) if *key == "version" && text.contains(PLACEHOLDER) => {
                    let message = format!("pings whose version contains {PLACEHOLDER} are refused");
                    at.error(message, None);
                }
                _ => {}
            }
        }
        identity.extend(view.number_of(USERS).map(|users| (USERS, IdentityValue::Number(users))));
        identity.extend(view.bool_of(DEDICATED).map(|is| (DEDICATED, IdentityValue::Bool(is))));
        let sketches = view.get(SKETCHES).and_then(|part| SketchSettings::read(&part));
        Some(Self { identity, sketches })
    }

    /// Whether a key at the top of a ping is taken by the identity.
    pub fn is_identity(key: &str) -> bool {
        TEXTS.contains(&key) || IDENTITY_KEYS.contains(&key)
    }
}

impl SketchSettings {
    fn read(view: &View<'_>) -> Option<Self> {
        if view.node().as_map().is_none() {
            view.wrong_type("a mapping");
            return None;
        }
        view.only(&["salt_file", "user"]);
        let salt_file = view.required_text_of("salt_file").map(str::to_owned);
        let user = view.required_text_of("user").map(str::to_owned);
        Some(Self { salt_file: salt_file?, user: user? })
    }
}
