//! Statements of BI tools that are not installed here: Apache Superset, Grafana, Metabase.
//!
//! Each list has the statements that a tool sends for a purpose, in its own form, with the rows that
//! PostgreSQL returns for the same events. Those of Superset were recorded while it ran on a PostgreSQL
//! server; those of Grafana and Metabase are in the sources of their PostgreSQL drivers. Statements whose
//! rows PostgreSQL itself can compare are in `tests/fixtures/postgres/8-tools.sql`, and the lists of
//! tables and columns that Superset reads with SQLAlchemy are tested in `clients.rs`.

use super::server::{Server, run};
use super::texts::rows;
use crate::project::Project;

/// Apache Superset 6.1.0: the dialog of a database, a data set and a chart.
const SUPERSET: [(&str, &[&str]); 9] = [
    (
        "SELECT t.oid, typarray\nFROM pg_type t JOIN pg_namespace ns\n    ON typnamespace = ns.oid\n\
         WHERE typname = 'hstore';\n",
        &[],
    ),
    ("SELECT pg_backend_pid() > 0", &["t"]),
    ("set search_path = \"public\"", &[]),
    (
        "\nSELECT datname FROM pg_database\nWHERE datistemplate = false;\n            ",
        &["headcount"],
    ),
    (
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE \
         n.nspname = 'public' AND c.relkind IN ('v', 'm')",
        &["amau", "gmau", "mau", "smau", "xmau"],
    ),
    (
        "SELECT \"user_id\" AS \"user_id\", \"plan\" AS \"plan\" FROM \"public\".\"visits\" \
         ORDER BY 1, 2\nLIMIT 2",
        &["1|free", "1|free"],
    ),
    (
        "SELECT DATE_TRUNC('month', period_start) AS __timestamp, stage AS stage, \
         sum(users) AS \"SUM(users)\" \nFROM public.smau \nWHERE period_start >= \
         TO_DATE('2026-01-01', 'YYYY-MM-DD') AND period_start < TO_DATE('2026-02-01', 'YYYY-MM-DD') \
         GROUP BY stage, DATE_TRUNC('month', period_start) ORDER BY \"SUM(users)\" DESC \n LIMIT 50000",
        &["2026-01-01 00:00:00+00|reading|2", "2026-01-01 00:00:00+00|writing|1"],
    ),
    (
        "SELECT COUNT(*) AS rowcount FROM (SELECT plan AS plan FROM \
         (SELECT plan, user_id FROM visits) AS virtual_table GROUP BY plan LIMIT 1000) AS rowcount_qry",
        &["2"],
    ),
    (
        "SELECT plan AS plan, COUNT(DISTINCT user_id) AS \"COUNT_DISTINCT(user_id)\" FROM \
         (SELECT * FROM visits) AS virtual_table WHERE plan IN ('free', 'paid') GROUP BY plan \
         HAVING ((COUNT(DISTINCT user_id) > 1)) ORDER BY plan ASC LIMIT 100",
        &["free|2", "paid|2"],
    ),
];

/// The condition of Grafana's query builder for tables on the search path.
const ON_SEARCH_PATH: &str = "quote_ident(table_schema) IN (SELECT CASE WHEN trim(s[i]) = \
    '\"$user\"' THEN user ELSE trim(s[i]) END FROM generate_series(array_lower(string_to_array(\
    current_setting('search_path'),','),1), array_upper(string_to_array(\
    current_setting('search_path'),','),1)) as i, \
    string_to_array(current_setting('search_path'),',') s)";

/// Grafana 12.2: its query builder (with `$ON_PATH` for [`ON_SEARCH_PATH`]), and what its macros become.
const GRAFANA: [(&str, &[&str]); 12] = [
    ("SELECT 1", &["1"]),
    ("SELECT current_setting('server_version_num')::int/100 as version", &["1600"]),
    ("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'", &[]),
    (
        "SELECT schema_name AS \"name\" FROM information_schema.schemata WHERE schema_name NOT IN \
         ('information_schema', 'pg_catalog', 'pg_toast', '_timescaledb_cache', \
         '_timescaledb_catalog', '_timescaledb_internal', '_timescaledb_config', \
         'timescaledb_information', 'timescaledb_experimental') ORDER BY schema_name",
        &["dictionary", "public"],
    ),
    // The tables of all schemas.
    (
        "SELECT CASE WHEN $ON_PATH THEN quote_ident(table_name) ELSE quote_ident(table_schema) || \
         '.' || quote_ident(table_name) END AS \"table\" FROM information_schema.tables WHERE \
         quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', \
         '_timescaledb_cache', '_timescaledb_catalog', '_timescaledb_internal', \
         '_timescaledb_config', 'timescaledb_information', 'timescaledb_experimental') \
         ORDER BY CASE WHEN $ON_PATH THEN 0 ELSE 1 END, 1",
        &[
            "amau",
            "events",
            "gmau",
            "mau",
            "metrics",
            "smau",
            "stages",
            "visits",
            "xmau",
            "dictionary.events",
            "dictionary.metrics",
            "dictionary.stages",
        ],
    ),
    (
        "SELECT quote_ident(table_name) AS \"table\" FROM information_schema.tables \
         WHERE quote_ident(table_schema) = 'public' ORDER BY 1",
        &["amau", "events", "gmau", "mau", "metrics", "smau", "stages", "visits", "xmau"],
    ),
    (
        "SELECT quote_ident(column_name) AS \"column\", data_type AS \"type\" \
         FROM information_schema.columns WHERE CASE WHEN array_length(parse_ident('visits'),1) = 2 \
         THEN quote_ident(table_schema) = (parse_ident('visits'))[1] \
         AND quote_ident(table_name) = (parse_ident('visits'))[2] \
         ELSE quote_ident(table_name) = 'visits' AND $ON_PATH END",
        &["at|text", "user_id|text", "event|text", "plan|text"],
    ),
    (
        "SELECT quote_ident(column_name) AS \"column\", data_type AS \"type\" \
         FROM information_schema.columns WHERE CASE WHEN \
         array_length(parse_ident('dictionary.events'),1) = 2 \
         THEN quote_ident(table_schema) = (parse_ident('dictionary.events'))[1] \
         AND quote_ident(table_name) = (parse_ident('dictionary.events'))[2] \
         ELSE quote_ident(table_name) = 'dictionary.events' AND $ON_PATH END",
        &[
            "event|text",
            "aliases|ARRAY",
            "category|text",
            "description|text",
            "identifiers|ARRAY",
            "\"group\"|text",
            "status|text",
            "file|text",
            "line|bigint",
        ],
    ),
    // $__timeGroupAlias(at, 1d), $__timeFilter(at)
    (
        "SELECT floor(extract(epoch from at)/86400)*86400 AS \"time\", \
         count(DISTINCT user_id) AS \"users\" FROM (SELECT CAST(at AS TIMESTAMP) AS at, user_id \
         FROM visits) AS v WHERE at BETWEEN '2026-01-31T00:00:00Z' AND '2026-02-28T23:59:59Z' \
         GROUP BY 1 ORDER BY 1",
        &["1769817600|1", "1769904000|1", "1770681600|1", "1772236800|1"],
    ),
    // $__time(period_start), $__timeFilter(period_start)
    (
        "SELECT period_start AS \"time\", stage AS metric, users FROM smau WHERE period_start \
         BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-31T00:00:00Z' ORDER BY 1, 2",
        &["2026-01-01|reading|2", "2026-01-01|writing|1"],
    ),
    // $__timeEpoch(at), $__unixEpochFilter(at)
    (
        "SELECT extract(epoch from at) AS \"time\", count(*) FROM (SELECT CAST(at AS TIMESTAMP) AS \
         at FROM visits) AS v WHERE extract(epoch from at) >= 1772236800 \
         AND extract(epoch from at) <= 1772323200 GROUP BY 1 ORDER BY 1",
        &["1772280000|1", "1772323200|1"],
    ),
    (
        "SELECT \"time\" AS \"time\", sum(\"users\") AS \"users\" FROM (SELECT period_start AS \
         \"time\", users FROM mau) AS q GROUP BY \"time\" ORDER BY \"time\" LIMIT 50",
        &["2026-01-01|2", "2026-02-01|3", "2026-03-01|1"],
    ),
];

/// Metabase: synchronisation, fingerprints, questions.
const METABASE: [(&str, &[&str]); 14] = [
    ("SELECT 1", &["1"]),
    ("SET ROLE NONE;", &[]),
    ("SET SESSION TIMEZONE TO 'UTC';", &[]),
    ("show timezone;", &["UTC"]),
    (
        "SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
         WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)",
        &[],
    ),
    // Tables.
    (
        "SELECT \"n\".\"nspname\" AS \"schema\", \"c\".\"relname\" AS \"name\", CASE \
         \"c\".\"relkind\" WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN \
         'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS \
         \"type\", \"d\".\"description\" AS \"description\", \"stat\".\"n_live_tup\" AS \
         \"estimated_row_count\" FROM \"pg_catalog\".\"pg_class\" AS \"c\" INNER JOIN \
         \"pg_catalog\".\"pg_namespace\" AS \"n\" ON \"c\".\"relnamespace\" = \"n\".\"oid\" LEFT \
         JOIN \"pg_catalog\".\"pg_description\" AS \"d\" ON (\"c\".\"oid\" = \"d\".\"objoid\") AND \
         (\"d\".\"objsubid\" = 0) AND (\"d\".\"classoid\" = 'pg_class'::regclass) LEFT JOIN \
         \"pg_stat_user_tables\" AS \"stat\" ON (\"n\".\"nspname\" = \"stat\".\"schemaname\") AND \
         (\"c\".\"relname\" = \"stat\".\"relname\") WHERE (\"c\".\"relnamespace\" = \"n\".\"oid\") \
         AND (\"n\".\"nspname\" !~ '^pg_') AND (\"n\".\"nspname\" <> 'information_schema') AND \
         c.relkind in ('r', 'p', 'v', 'f', 'm') AND (\"c\".\"relname\" IN ('visits', 'smau')) \
         ORDER BY \"type\" ASC, \"schema\" ASC, \"name\" ASC",
        &["public|visits|TABLE|-|-", "public|smau|VIEW|-|-"],
    ),
    // Which of them can be read.
    (
        "with table_privileges as (\n select\n   NULL as role,\n   t.schemaname as schema,\n   \
         t.objectname as table,\n   $PRIVILEGE(has_any_column_privilege,update),\n   \
         $PRIVILEGE(has_any_column_privilege,select),\n   \
         $PRIVILEGE(has_any_column_privilege,insert),\n   $PRIVILEGE(has_table_privilege,delete)\n \
         from (\n   select schemaname, tablename as objectname from pg_catalog.pg_tables\n   union\n   \
         select schemaname, viewname as objectname from pg_catalog.pg_views\n   union\n   \
         select schemaname, matviewname as objectname from pg_catalog.pg_matviews\n ) t\n \
         where t.schemaname !~ '^pg_'\n   and t.schemaname <> 'information_schema'\n   \
         and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')\n)\n\
         select t.*\nfrom table_privileges t where t.table in ('smau', 'visits') order by 3",
        &["-|public|smau|f|t|f|f", "-|public|visits|f|t|f|f"],
    ),
    // Columns.
    (
        "SELECT \"c\".\"column_name\" AS \"name\", CASE WHEN \"c\".\"udt_schema\" IN ('public', \
         'pg_catalog') THEN FORMAT('%s', \"c\".\"udt_name\") ELSE FORMAT('\"%s\".\"%s\"', \
         \"c\".\"udt_schema\", \"c\".\"udt_name\") END AS \"database-type\", \
         \"c\".\"ordinal_position\" - 1 AS \"database-position\", \"c\".\"table_schema\" AS \
         \"table-schema\", \"c\".\"table_name\" AS \"table-name\", \"pk\".\"column_name\" IS NOT \
         NULL AS \"pk?\", COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST(\"c\".\"table_schema\" AS \
         TEXT), CAST(\"c\".\"table_name\" AS TEXT)) AS REGCLASS) AS OID), \
         \"c\".\"ordinal_position\") AS \"field-comment\", ((\"column_default\" IS NULL) OR \
         (LOWER(\"column_default\") = 'null')) AND (\"is_nullable\" = 'NO') AND NOT \
         (((\"column_default\" IS NOT NULL) AND (\"column_default\" LIKE '%nextval(%')) OR \
         (\"is_identity\" <> 'NO')) AS \"database-required\", ((\"column_default\" IS NOT NULL) AND \
         (\"column_default\" LIKE '%nextval(%')) OR (\"is_identity\" <> 'NO') AS \
         \"database-is-auto-increment\" FROM \"information_schema\".\"columns\" AS \"c\" LEFT JOIN \
         (SELECT \"tc\".\"table_schema\", \"tc\".\"table_name\", \"kc\".\"column_name\" FROM \
         \"information_schema\".\"table_constraints\" AS \"tc\" INNER JOIN \
         \"information_schema\".\"key_column_usage\" AS \"kc\" ON (\"tc\".\"constraint_name\" = \
         \"kc\".\"constraint_name\") AND (\"tc\".\"table_schema\" = \"kc\".\"table_schema\") AND \
         (\"tc\".\"table_name\" = \"kc\".\"table_name\") WHERE \"tc\".\"constraint_type\" = \
         'PRIMARY KEY') AS \"pk\" ON (\"c\".\"table_schema\" = \"pk\".\"table_schema\") AND \
         (\"c\".\"table_name\" = \"pk\".\"table_name\") AND (\"c\".\"column_name\" = \
         \"pk\".\"column_name\") WHERE c.table_schema !~ \
         '^information_schema|catalog_history|pg_' AND (\"c\".\"table_name\" IN ('mau')) UNION ALL \
         SELECT \"pa\".\"attname\" AS \"name\", CASE WHEN \"ptn\".\"nspname\" IN ('public', \
         'pg_catalog') THEN FORMAT('%s', \"pt\".\"typname\") ELSE FORMAT('\"%s\".\"%s\"', \
         \"ptn\".\"nspname\", \"pt\".\"typname\") END AS \"database-type\", \"pa\".\"attnum\" - 1 AS \"database-position\", \"pn\".\"nspname\" AS \
         \"table-schema\", \"pc\".\"relname\" AS \"table-name\", FALSE AS \"pk?\", NULL AS \
         \"field-comment\", FALSE AS \"database-required\", FALSE AS \
         \"database-is-auto-increment\" FROM \"pg_catalog\".\"pg_class\" AS \"pc\" INNER JOIN \
         \"pg_catalog\".\"pg_namespace\" AS \"pn\" ON \"pn\".\"oid\" = \"pc\".\"relnamespace\" INNER \
         JOIN \"pg_catalog\".\"pg_attribute\" AS \"pa\" ON \"pa\".\"attrelid\" = \"pc\".\"oid\" \
         INNER JOIN \"pg_catalog\".\"pg_type\" AS \"pt\" ON \"pt\".\"oid\" = \"pa\".\"atttypid\" \
         INNER JOIN \"pg_catalog\".\"pg_namespace\" AS \"ptn\" ON \"ptn\".\"oid\" = \
         \"pt\".\"typnamespace\" WHERE (\"pc\".\"relkind\" = 'm') AND (\"pa\".\"attnum\" >= 1) ORDER BY \"table-schema\" \
         ASC, \"table-name\" ASC, \"database-position\" ASC LIMIT 2",
        &["window|text|0|public|mau|f|-|t|f", "period_start|date|1|public|mau|f|-|t|f"],
    ),
    // Foreign keys.
    (
        "SELECT \"fk_ns\".\"nspname\" AS \"fk-table-schema\", \"fk_table\".\"relname\" AS \
         \"fk-table-name\", \"fk_column\".\"attname\" AS \"fk-column-name\", \
         \"pk_ns\".\"nspname\" AS \"pk-table-schema\", \"pk_table\".\"relname\" AS \
         \"pk-table-name\", \"pk_column\".\"attname\" AS \"pk-column-name\" FROM \
         \"pg_constraint\" AS \"c\" INNER JOIN \"pg_class\" AS \"fk_table\" ON \
         \"c\".\"conrelid\" = \"fk_table\".\"oid\" INNER JOIN \"pg_namespace\" AS \"fk_ns\" ON \
         \"c\".\"connamespace\" = \"fk_ns\".\"oid\" INNER JOIN \"pg_attribute\" AS \"fk_column\" ON \
         \"c\".\"conrelid\" = \"fk_column\".\"attrelid\" INNER JOIN \"pg_class\" AS \"pk_table\" ON \
         \"c\".\"confrelid\" = \"pk_table\".\"oid\" INNER JOIN \"pg_namespace\" AS \"pk_ns\" ON \
         \"pk_table\".\"relnamespace\" = \"pk_ns\".\"oid\" INNER JOIN \"pg_attribute\" AS \
         \"pk_column\" ON \"c\".\"confrelid\" = \"pk_column\".\"attrelid\" WHERE fk_ns.nspname !~ \
         '^information_schema|catalog_history|pg_' AND (\"c\".\"contype\" = 'f'::char) AND \
         (\"fk_column\".\"attnum\" = ANY(c.conkey)) AND (\"pk_column\".\"attnum\" = \
         ANY(c.confkey)) ORDER BY \"fk-table-schema\" ASC, \"fk-table-name\" ASC",
        &[],
    ),
    // Fingerprints.
    (
        "SELECT \"public\".\"visits\".\"plan\" AS \"plan\", SUBSTRING(\"public\".\"visits\".\"event\", \
         1, 1234) AS \"substring1\" FROM \"public\".\"visits\" ORDER BY 1, 2 LIMIT 1",
        &["free|page_viewed"],
    ),
    (
        "SELECT MIN(\"public\".\"mau\".\"period_start\") AS \"min\", \
         MAX(\"public\".\"mau\".\"period_start\") AS \"max\", COUNT(*) AS \"count\" FROM \
         \"public\".\"mau\"",
        &["2026-01-01|2026-03-01|3"],
    ),
    // Values of a field, for a filter.
    (
        "SELECT \"public\".\"visits\".\"plan\" AS \"plan\" FROM \"public\".\"visits\" GROUP BY \
         \"public\".\"visits\".\"plan\" ORDER BY \"public\".\"visits\".\"plan\" ASC LIMIT 1001",
        &["free", "paid"],
    ),
    // Questions.
    (
        "SELECT CAST(DATE_TRUNC('month', \"public\".\"mau\".\"period_start\") AS date) AS \
         \"period_start\", SUM(\"public\".\"mau\".\"users\") AS \"sum\" FROM \"public\".\"mau\" \
         WHERE (\"public\".\"mau\".\"period_start\" >= CAST('2026-01-01' AS date)) AND \
         (\"public\".\"mau\".\"period_start\" < CAST('2026-03-01' AS date)) GROUP BY \
         CAST(DATE_TRUNC('month', \"public\".\"mau\".\"period_start\") AS date) ORDER BY \
         CAST(DATE_TRUNC('month', \"public\".\"mau\".\"period_start\") AS date) ASC",
        &["2026-01-01|2", "2026-02-01|3"],
    ),
    (
        "SELECT \"source\".\"plan\" AS \"plan\", COUNT(DISTINCT \"source\".\"user_id\") AS \
         \"count\" FROM (SELECT \"public\".\"visits\".\"plan\" AS \"plan\", \
         \"public\".\"visits\".\"user_id\" AS \"user_id\" FROM \"public\".\"visits\") AS \"source\" \
         GROUP BY \"source\".\"plan\" ORDER BY \"source\".\"plan\" ASC LIMIT 2000",
        &["free|2", "paid|2"],
    ),
];

/// Expands `$PRIVILEGE(function,privilege)` to Metabase's question whether the user has the privilege.
fn with_privileges(sql: &str) -> String {
    let mut expanded = String::new();
    let mut parts = sql.split("$PRIVILEGE(");
    expanded.push_str(parts.next().unwrap());
    for part in parts {
        let (arguments, rest) = part.split_once(')').unwrap();
        let (function, privilege) = arguments.split_once(',').unwrap();
        let quoted = |name: &str| format!("'\"' || replace(t.{name}, '\"', '\"\"') || '\"'");
        let (schema, object) = (quoted("schemaname"), quoted("objectname"));
        expanded.push_str(&format!(
            "pg_catalog.{function}(current_user, {schema} || '.' || {object},  '{privilege}') as \
             {privilege}{rest}"
        ));
    }
    expanded
}

/// Runs the statements, one after the other in a connection.
fn check(statements: &[(&str, &[&str])]) {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        for (sql, expected) in statements {
            let sql = with_privileges(&sql.replace("$ON_PATH", ON_SEARCH_PATH));
            let found = rows(&client, &sql).await;
            let same = found.iter().zip(*expected).all(|(row, expected)| same(row, expected));
            assert!(same && found.len() == expected.len(), "{sql}: {found:#?}");
        }
    });
    server.assert_healthy();
}

/// Whether rows have the same values; a number may be written with decimals or without.
fn same(row: &str, expected: &str) -> bool {
    let values = row.split('|').zip(expected.split('|'));
    let same = |(value, expected): (&str, &str)| {
        let numbers = (value.parse::<f64>(), expected.parse::<f64>());
        value == expected || matches!(numbers, (Ok(value), Ok(expected)) if value == expected)
    };
    row.split('|').count() == expected.split('|').count() && values.into_iter().all(same)
}

#[test]
fn superset_finds_tables_and_draws_charts() {
    check(&SUPERSET);
}

#[test]
fn grafana_builds_queries_and_expands_macros() {
    check(&GRAFANA);
}

#[test]
fn metabase_synchronises_and_asks() {
    check(&METABASE);
}
