//! Metadata listings.

use arrow::array::AsArray;
use arrow::datatypes::Schema;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetTables, SqlInfo};

use super::{client, csv, rows_of};
use crate::server::in_process::InProcessServer;

#[test]
fn metadata_can_be_listed() {
    let (_project, in_process) = InProcessServer::good();
    let mut client = client(&in_process);
    let client = &mut client;
    in_process.runtime.block_on(async {
        let info = client.get_catalogs().await.unwrap();
        assert_eq!(csv(&rows_of(client, info).await.unwrap()), "catalog_name\nheadcount\n");
        let schemas = |pattern: Option<&str>| CommandGetDbSchemas {
            catalog: None,
            db_schema_filter_pattern: pattern.map(str::to_owned),
        };
        for (pattern, expected) in [
            (None, "headcount,dictionary\nheadcount,public\n"),
            (Some("pub%"), "headcount,public\n"),
            (Some("%c"), "headcount,public\n"),
            (Some("no"), ""),
        ] {
            let info = client.get_db_schemas(schemas(pattern)).await.unwrap();
            let rows = csv(&rows_of(client, info).await.unwrap());
            assert_eq!(rows, format!("catalog_name,db_schema_name\n{expected}"));
        }
        let all = CommandGetTables {
            catalog: None,
            db_schema_filter_pattern: None,
            table_name_filter_pattern: None,
            table_types: Vec::new(),
            include_schema: false,
        };
        let like = |pattern: &str| CommandGetTables {
            table_name_filter_pattern: Some(pattern.to_owned()),
            ..all.clone()
        };
        for (of, names) in [
            (
                all.clone(),
                "events metrics stages amau events gmau mau metrics smau stages visits xmau",
            ),
            (like("%mau"), "amau gmau mau smau xmau"),
            (like("v_sits"), "visits"),
            (
                CommandGetTables { table_types: vec!["VIEW".to_owned()], ..all.clone() },
                "amau gmau mau smau xmau",
            ),
            (
                CommandGetTables {
                    db_schema_filter_pattern: Some("dictionary".to_owned()),
                    ..all.clone()
                },
                "events metrics stages",
            ),
            (CommandGetTables { catalog: Some("none".to_owned()), ..all.clone() }, ""),
        ] {
            let info = client.get_tables(of).await.unwrap();
            let rows = rows_of(client, info).await.unwrap();
            let found: Vec<_> = rows.column(2).as_string::<i32>().iter().flatten().collect();
            assert_eq!(found.join(" "), names);
        }
        let with_columns = CommandGetTables { include_schema: true, ..like("visits") };
        let info = client.get_tables(with_columns).await.unwrap();
        let rows = rows_of(client, info).await.unwrap();
        assert_eq!(rows.column(3).as_string::<i32>().value(0), "TABLE");
        let bytes = rows.column(4).as_binary::<i32>().value(0).to_vec();
        let schema = Schema::try_from(arrow_flight::IpcMessage(bytes.into())).unwrap();
        let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        assert_eq!(names, ["at", "user_id", "event", "plan"]);
        let info = client.get_table_types().await.unwrap();
        assert_eq!(csv(&rows_of(client, info).await.unwrap()), "table_type\nTABLE\nVIEW\n");
        let wanted = vec![SqlInfo::FlightSqlServerName, SqlInfo::FlightSqlServerReadOnly];
        let info = client.get_sql_info(wanted).await.unwrap();
        assert_eq!(rows_of(client, info).await.unwrap().num_rows(), 2);
        let info = client.get_xdbc_type_info(Default::default()).await.unwrap();
        assert!(rows_of(client, info).await.unwrap().num_rows() > 10);
        let info = client.get_primary_keys(Default::default()).await.unwrap();
        assert_eq!(rows_of(client, info).await.unwrap().num_rows(), 0);
        let info = client.get_exported_keys(Default::default()).await.unwrap();
        assert_eq!(rows_of(client, info).await.unwrap().num_rows(), 0);
        let info = client.get_imported_keys(Default::default()).await.unwrap();
        assert_eq!(rows_of(client, info).await.unwrap().num_rows(), 0);
        let info = client.get_cross_reference(Default::default()).await.unwrap();
        assert_eq!(rows_of(client, info).await.unwrap().num_rows(), 0);
    });
}
