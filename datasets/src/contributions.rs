//! The small real data set, as part of the program: a project with contributions to Rails and Jekyll.

/// Its files by their path in the project.
pub const CONTRIBUTIONS: [(&str, &[u8]); 14] = [
    ("data/jekyll.parquet", include_bytes!("../contributions/data/jekyll.parquet")),
    ("data/rails.parquet", include_bytes!("../contributions/data/rails.parquet")),
    ("dictionary/events/files.yml", include_bytes!("../contributions/dictionary/events/files.yml")),
    (
        "dictionary/metrics/content.yml",
        include_bytes!("../contributions/dictionary/metrics/content.yml"),
    ),
    ("dictionary/metrics/data.yml", include_bytes!("../contributions/dictionary/metrics/data.yml")),
    (
        "dictionary/metrics/documentation.yml",
        include_bytes!("../contributions/dictionary/metrics/documentation.yml"),
    ),
    (
        "dictionary/metrics/foundation.yml",
        include_bytes!("../contributions/dictionary/metrics/foundation.yml"),
    ),
    (
        "dictionary/metrics/messaging.yml",
        include_bytes!("../contributions/dictionary/metrics/messaging.yml"),
    ),
    (
        "dictionary/metrics/quality.yml",
        include_bytes!("../contributions/dictionary/metrics/quality.yml"),
    ),
    ("dictionary/metrics/site.yml", include_bytes!("../contributions/dictionary/metrics/site.yml")),
    (
        "dictionary/metrics/upkeep.yml",
        include_bytes!("../contributions/dictionary/metrics/upkeep.yml"),
    ),
    ("dictionary/metrics/web.yml", include_bytes!("../contributions/dictionary/metrics/web.yml")),
    ("dictionary/stages.yml", include_bytes!("../contributions/dictionary/stages.yml")),
    ("headcount.yaml", include_bytes!("../contributions/headcount.yaml")),
];
