//! Catalog queries of drivers and tools.

use super::server::{Server, fails, run};
use super::texts::rows;
use crate::project::Project;

/// `DatabaseMetaData.getTables` of the JDBC driver (42.7).
const JDBC_TABLES: &str = "SELECT current_database() AS \"TABLE_CAT\", n.nspname AS \"TABLE_SCHEM\", \
    c.relname AS \"TABLE_NAME\",  CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema'  \
    WHEN true THEN CASE  WHEN n.nspname = 'pg_catalog' OR n.nspname = 'information_schema' THEN \
    CASE c.relkind   WHEN 'r' THEN 'SYSTEM TABLE'   WHEN 'v' THEN 'SYSTEM VIEW'   WHEN 'i' THEN \
    'SYSTEM INDEX'   ELSE NULL   END  WHEN n.nspname = 'pg_toast' THEN CASE c.relkind   WHEN 'r' \
    THEN 'SYSTEM TOAST TABLE'   WHEN 'i' THEN 'SYSTEM TOAST INDEX'   ELSE NULL   END  ELSE CASE \
    c.relkind   WHEN 'r' THEN 'TEMPORARY TABLE'   WHEN 'p' THEN 'TEMPORARY TABLE'   WHEN 'i' THEN \
    'TEMPORARY INDEX'   WHEN 'S' THEN 'TEMPORARY SEQUENCE'   WHEN 'v' THEN 'TEMPORARY VIEW'   ELSE \
    NULL   END  END  WHEN false THEN CASE c.relkind  WHEN 'r' THEN 'TABLE'  WHEN 'p' THEN \
    'PARTITIONED TABLE'  WHEN 'i' THEN 'INDEX'  WHEN 'P' then 'PARTITIONED INDEX'  WHEN 'S' THEN \
    'SEQUENCE'  WHEN 'v' THEN 'VIEW'  WHEN 'c' THEN 'TYPE'  WHEN 'f' THEN 'FOREIGN TABLE'  WHEN 'm' \
    THEN 'MATERIALIZED VIEW'  ELSE NULL  END  ELSE NULL  END  AS \"TABLE_TYPE\", d.description AS \
    \"REMARKS\",  '' as \"TYPE_CAT\", '' as \"TYPE_SCHEM\", '' as \"TYPE_NAME\", '' AS \
    \"SELF_REFERENCING_COL_NAME\", '' AS \"REF_GENERATION\"  FROM pg_catalog.pg_namespace n, \
    pg_catalog.pg_class c  LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid \
    = 0  and d.classoid = 'pg_class'::regclass)  WHERE c.relnamespace = n.oid  AND (false  OR ( \
    c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' )  OR ( c.relkind \
    = 'v' AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' ) )  ORDER BY \
    \"TABLE_TYPE\",\"TABLE_SCHEM\",\"TABLE_NAME\" ";

/// `DatabaseMetaData.getColumns` of the JDBC driver (42.7).
const JDBC_COLUMNS: &str = "SELECT * FROM (SELECT current_database() AS current_database, \
    n.nspname,c.relname,a.attname,a.atttypid,a.attnotnull OR (t.typtype = 'd' AND t.typnotnull) AS \
    attnotnull,a.atttypmod,a.attlen,t.typtypmod,row_number() OVER (PARTITION BY a.attrelid ORDER BY \
    a.attnum) AS attnum, nullif(a.attidentity, '') as attidentity,nullif(a.attgenerated, '') as \
    attgenerated,pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS \
    adsrc,dsc.description,t.typbasetype,t.typtype  FROM pg_catalog.pg_namespace n  JOIN \
    pg_catalog.pg_class c ON (c.relnamespace = n.oid)  JOIN pg_catalog.pg_attribute a ON \
    (a.attrelid=c.oid)  JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid)  LEFT JOIN \
    pg_catalog.pg_attrdef def ON (a.attrelid=def.adrelid AND a.attnum = def.adnum)  LEFT JOIN \
    pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid)  LEFT JOIN \
    pg_catalog.pg_class dc ON (dc.oid=dsc.classoid AND dc.relname='pg_class')  LEFT JOIN \
    pg_catalog.pg_namespace dn ON (dc.relnamespace=dn.oid AND dn.nspname='pg_catalog')  WHERE \
    c.relkind in ('r','p','v','f','m') and a.attnum > 0 AND NOT a.attisdropped  AND c.relname LIKE \
    'smau') c WHERE true  ORDER BY nspname,c.relname,attnum ";

const JDBC_SCHEMAS: &str = "SELECT nspname AS \"TABLE_SCHEM\", current_database() AS \
    \"TABLE_CATALOG\" FROM pg_catalog.pg_namespace  WHERE nspname <> 'pg_toast' AND (nspname !~ \
    '^pg_temp_'  OR nspname = (pg_catalog.current_schemas(true))[1]) AND (nspname !~ \
    '^pg_toast_temp_'  OR nspname = replace((pg_catalog.current_schemas(true))[1], 'pg_temp_', \
    'pg_toast_temp_'))  ORDER BY \"TABLE_SCHEM\"";

/// `getPrimaryKeys` and `getIndexInfo` in short: lists are taken apart into composite values.
const JDBC_KEYS: [&str; 2] = [
    "SELECT result.COLUMN_NAME, result.KEY_SEQ, (result.KEYS).x FROM (SELECT a.attname AS \
     COLUMN_NAME, (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, \
     information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM FROM \
     pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid) JOIN \
     pg_catalog.pg_index i ON (a.attrelid = i.indrelid) WHERE ct.relname = 'visits' AND \
     i.indisprimary) result WHERE result.A_ATTNUM = (result.KEYS).x ORDER BY result.KEY_SEQ",
    "SELECT trim(both '\"' from pg_catalog.pg_get_indexdef(tmp.CI_OID, tmp.ORDINAL_POSITION, \
     false)) AS COLUMN_NAME, tmp.NON_UNIQUE FROM (SELECT NOT i.indisunique AS NON_UNIQUE, \
     (information_schema._pg_expandarray(i.indkey)).n AS ORDINAL_POSITION, ci.oid AS CI_OID FROM \
     pg_catalog.pg_index i JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid) JOIN \
     pg_catalog.pg_am am ON (ci.relam = am.oid)) AS tmp ORDER BY NON_UNIQUE",
];

#[test]
fn the_jdbc_driver_finds_no_keys() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        for sql in JDBC_KEYS {
            assert_eq!(rows(&client, sql).await, Vec::<String>::new(), "{sql}");
        }
    });
    server.assert_healthy();
}

#[test]
fn the_jdbc_driver_finds_tables_and_columns() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        let tables = rows(&client, JDBC_TABLES).await;
        let named = |name: &str, kind: &str| {
            let line = format!("headcount|public|{name}|{kind}|");
            assert!(tables.iter().any(|row| row.starts_with(&line)), "no {line} in {tables:#?}");
        };
        named("visits", "TABLE");
        named("smau", "VIEW");
        let columns = rows(&client, JDBC_COLUMNS).await;
        let columns: Vec<(String, String)> = columns
            .iter()
            .map(|row| row.split('|').map(str::to_owned).collect::<Vec<_>>())
            .map(|row| (row[3].clone(), row[4].clone()))
            .collect();
        let is = |name: &str, oid: &str| {
            let column = (name.to_owned(), oid.to_owned());
            assert!(columns.contains(&column), "no {column:?} in {columns:?}");
        };
        is("period_start", "1082");
        is("users", "20");
        is("stage", "25");
        is("complete", "16");
        assert_eq!(columns.len(), 17, "{columns:?}");
        let schemas = rows(&client, JDBC_SCHEMAS).await;
        assert!(schemas.iter().any(|row| row.starts_with("public|")), "{schemas:?}");
    });
    server.assert_healthy();
}

#[test]
fn the_first_queries_of_tools_are_answered() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        for (sql, expected) in [
            ("SELECT pg_catalog.version()", "PostgreSQL 16"),
            ("SELECT version()", "PostgreSQL 16"),
            ("SHOW server_version", "16"),
            ("SHOW server_version_num", "16"),
            ("SHOW standard_conforming_strings", "on"),
            ("SHOW transaction isolation level", "re"),
            ("SHOW max_identifier_length", "63"),
            ("SELECT current_schema()", "public"),
            ("SELECT pg_catalog.current_schema()", "public"),
            ("SELECT current_database()", "headcount"),
            ("SELECT current_catalog", "headcount"),
            ("SELECT datname FROM pg_database", "headcount"),
            ("SELECT DISTINCT table_catalog FROM information_schema.tables", "headcount"),
            ("SELECT count(*) FROM headcount.public.visits", "7"),
            ("SELECT current_setting('server_version_num')", "16"),
            ("SELECT current_setting('search_path')", "public"),
            ("SELECT set_config('application_name', 'x', false)", "x"),
            ("SELECT pg_backend_pid()", ""),
            ("SELECT pg_is_in_recovery()", "f"),
            (
                "SELECT table_name FROM information_schema.tables WHERE table_name = 'visits'",
                "visits",
            ),
            (
                "SELECT data_type FROM information_schema.columns WHERE table_name = 'visits' \
                 AND column_name = 'user_id'",
                "",
            ),
            ("SELECT 'visits'::regclass::oid > 0", "t"),
            ("SELECT typname FROM pg_type WHERE oid = 20", "int8"),
            ("SELECT format_type(20, NULL)", "bigint"),
            ("SELECT obj_description('visits'::regclass::oid, 'pg_class')", "-"),
            ("SELECT has_table_privilege('visits', 'SELECT')", "t"),
        ] {
            let found = rows(&client, sql).await;
            assert_eq!(found.len(), 1, "{sql}: {found:?}");
            assert!(found[0].starts_with(expected), "{sql}: {found:?}");
        }
    });
    server.assert_healthy();
}

#[test]
fn a_source_that_cannot_be_read_does_not_hide_the_others() {
    let project = Project::good();
    let yaml = std::fs::read_to_string(project.path("headcount.yaml")).unwrap();
    let missing = "  - {name: gone, files: gone.parquet, time: at, user: user_id, event: event}\n";
    project.write("headcount.yaml", &(yaml + missing));
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        let columns = "SELECT column_name, data_type FROM information_schema.columns \
                       WHERE table_name IN ('gone', 'visits') ORDER BY ordinal_position";
        let found = rows(&client, columns).await;
        assert_eq!(found, ["at|text", "user_id|text", "event|text", "plan|text"]);
        let tables = "SELECT relname FROM pg_class WHERE relname IN ('gone', 'visits') ORDER BY 1";
        assert_eq!(rows(&client, tables).await, ["gone", "visits"]);
        fails(client.simple_query("SELECT * FROM gone").await, "22000", &["gone.parquet"]);
    });
    server.assert_healthy();
}

/// Grafana's list of the tables of all schemas, those on the search path first.
const GRAFANA_TABLES: &str = "SELECT CASE WHEN $ON_PATH THEN quote_ident(table_name) \
    ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS \"table\" \
    FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('information_schema', \
    'pg_catalog') ORDER BY CASE WHEN $ON_PATH THEN 0 ELSE 1 END, 1";
const ON_PATH: &str = "quote_ident(table_schema) IN (SELECT CASE WHEN trim(s[i]) = '\"$user\"' THEN user \
    ELSE trim(s[i]) END FROM generate_series(array_lower(string_to_array(\
    current_setting('search_path'),','),1), array_upper(string_to_array(\
    current_setting('search_path'),','),1)) as i, \
    string_to_array(current_setting('search_path'),',') s)";

#[test]
fn grafana_lists_the_tables_of_all_schemas() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        let tables = rows(&client, &GRAFANA_TABLES.replace("$ON_PATH", ON_PATH)).await;
        let (on_path, others) = tables.split_at(tables.len() - 3);
        assert!(on_path.contains(&"visits".to_owned()) && on_path.is_sorted(), "{on_path:?}");
        assert_eq!(others, ["dictionary.events", "dictionary.metrics", "dictionary.stages"]);
    });
    server.assert_healthy();
}

#[test]
fn columns_have_postgresqls_types_and_views_their_queries() {
    let project = Project::good();
    project.run(&["ingest"]);
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        let columns = "SELECT column_name, data_type, udt_name, numeric_precision FROM \
                       information_schema.columns WHERE table_name = 'activity' ORDER BY ordinal_position";
        let found = rows(&client, columns).await;
        assert_eq!(found[0], "day|date|date|-");
        for expected in ["users|bytea|bytea|-", "user_count|bigint|int8|64"] {
            assert!(found.contains(&expected.to_owned()), "{found:?}");
        }
        let receives = "SELECT typinput, typreceive FROM pg_type WHERE typname = 'int8' AND \
                        typreceive <> 0 AND typinput = 'int8in'::regproc";
        assert_eq!(rows(&client, receives).await, ["int8in|int8recv"]);
        // A view's definition has the rows of the view.
        let views = "SELECT v.viewname, v.definition FROM pg_views v ORDER BY 1";
        let views = rows(&client, views).await;
        assert_eq!(views.len(), 5, "{views:?}");
        for view in views {
            let (name, definition) = view.split_once('|').unwrap();
            let order = "ORDER BY period_start, level, section, stage, \"group\", metric";
            let expected = rows(&client, &format!("SELECT * FROM {name} {order}")).await;
            assert!(!expected.is_empty());
            assert_eq!(rows(&client, &format!("{definition} {order}")).await, expected, "{name}");
            let sql = format!("SELECT pg_get_viewdef('{name}'::regclass, true)");
            assert_eq!(rows(&client, &sql).await, [definition]);
        }
    });
    server.assert_healthy();
}
