//! Prepared statements: parameters and values in their binary forms.

use std::time::{Duration, UNIX_EPOCH};

use tokio_postgres::types::Type;

use super::server::{Server, run};
use crate::project::Project;

#[test]
fn values_come_in_the_types_that_are_told() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        let sql = "SELECT period_start, stage, users, complete FROM smau ORDER BY 1, 2";
        let statement = client.prepare(sql).await.unwrap();
        let types: Vec<&Type> = statement.columns().iter().map(|column| column.type_()).collect();
        assert_eq!(types, [&Type::DATE, &Type::TEXT, &Type::INT8, &Type::BOOL]);
        let rows = client.query(&statement, &[]).await.unwrap();
        let users: i64 = rows.iter().map(|row| row.get::<_, i64>(2)).sum();
        let report = project.report(&["--level", "stage"]);
        assert_eq!(rows.len(), report.rows.len());
        let at = report.column("users");
        let expected: i64 = report.rows.iter().map(|row| row[at].parse::<i64>().unwrap()).sum();
        assert_eq!(users, expected);
        let row = client
            .query_one(
                "SELECT count(DISTINCT user_id), 1.5::DOUBLE, 'grün', x'00ff', ARRAY[1, 2]::BIGINT[], \
                 NULL::BIGINT, TIMESTAMP '2026-02-28 12:00:00.25', 7::SMALLINT, 8::INT, 0.5::REAL, \
                 bitmap_to_array(bitmap_agg(user_id::BIGINT)) FROM visits",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), 3);
        assert_eq!(row.get::<_, f64>(1), 1.5);
        assert_eq!(row.get::<_, &str>(2), "grün");
        assert_eq!(row.get::<_, &[u8]>(3), [0, 255]);
        assert_eq!(row.get::<_, Vec<i64>>(4), [1, 2]);
        assert_eq!(row.get::<_, Option<i64>>(5), None);
        let time = UNIX_EPOCH + Duration::from_millis(1_772_280_000_250);
        assert_eq!(row.get::<_, std::time::SystemTime>(6), time);
        assert_eq!((row.get::<_, i16>(7), row.get::<_, i32>(8)), (7, 8));
        assert_eq!(row.get::<_, f32>(9), 0.5);
        assert_eq!(row.columns()[10].type_(), &Type::INT8_ARRAY);
        // Told before it runs, and so when it runs.
        let mixed = "SELECT CASE WHEN value = 1 THEN 1 ELSE 2.5 END FROM generate_series(1, 2)";
        let rows = client.query(mixed, &[]).await.unwrap();
        let sum: f64 = rows.iter().map(|row| row.get::<_, f64>(0)).sum();
        assert_eq!(sum, 3.5);
    });
    server.is_well();
}
