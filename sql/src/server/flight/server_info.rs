//! Server metadata: its capabilities (`GetSqlInfo`) and its types (`GetXdbcTypeInfo`).

use arrow::array::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{
    SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{
    CommandGetSqlInfo, CommandGetXdbcTypeInfo, Nullable, Searchable, SqlInfo,
    SqlSupportedCaseSensitivity, SqlSupportedTransaction, XdbcDataType,
};
use engine::{Error, Result};

/// The types: name, ODBC type, precision, whether literals are quoted.
const TYPES: [(&str, XdbcDataType, Option<i32>, bool); 17] = [
    ("BOOLEAN", XdbcDataType::XdbcBit, Some(1), false),
    ("TINYINT", XdbcDataType::XdbcTinyint, Some(3), false),
    ("TINYINT UNSIGNED", XdbcDataType::XdbcTinyint, Some(3), false),
    ("SMALLINT", XdbcDataType::XdbcSmallint, Some(5), false),
    ("SMALLINT UNSIGNED", XdbcDataType::XdbcSmallint, Some(5), false),
    ("INTEGER", XdbcDataType::XdbcInteger, Some(10), false),
    ("INTEGER UNSIGNED", XdbcDataType::XdbcInteger, Some(10), false),
    ("BIGINT", XdbcDataType::XdbcBigint, Some(19), false),
    ("BIGINT UNSIGNED", XdbcDataType::XdbcBigint, Some(20), false),
    ("REAL", XdbcDataType::XdbcReal, Some(7), false),
    ("DOUBLE", XdbcDataType::XdbcDouble, Some(15), false),
    ("DECIMAL", XdbcDataType::XdbcDecimal, Some(76), false),
    ("VARCHAR", XdbcDataType::XdbcVarchar, None, true),
    ("VARBINARY", XdbcDataType::XdbcVarbinary, None, true),
    ("DATE", XdbcDataType::XdbcDate, Some(10), true),
    ("TIMESTAMP", XdbcDataType::XdbcTimestamp, Some(29), true),
    ("INTERVAL", XdbcDataType::XdbcInterval, None, true),
];

/// The requested capabilities.
///
/// # Errors
/// When they cannot be encoded.
pub(super) fn sql_info(of: CommandGetSqlInfo) -> Result<RecordBatch> {
    capabilities().and_then(|all| of.into_builder(&all).build()).map_err(|cause| broken(&cause))
}

fn capabilities() -> Result<SqlInfoData, FlightError> {
    let mut all = SqlInfoDataBuilder::new();
    all.append(SqlInfo::FlightSqlServerName, "headcount");
    all.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    all.append(SqlInfo::FlightSqlServerArrowVersion, arrow::ARROW_VERSION);
    all.append(SqlInfo::FlightSqlServerReadOnly, true);
    all.append(SqlInfo::FlightSqlServerSql, true);
    all.append(SqlInfo::FlightSqlServerSubstrait, false);
    all.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    all.append(SqlInfo::FlightSqlServerCancel, true);
    all.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    // Handles contain their statements and never expire.
    all.append(SqlInfo::FlightSqlServerStatementTimeout, 0_i32);
    all.append(SqlInfo::FlightSqlServerTransactionTimeout, 0_i32);
    for ddl in [SqlInfo::SqlDdlCatalog, SqlInfo::SqlDdlSchema, SqlInfo::SqlDdlTable] {
        all.append(ddl, false);
    }
    let lower = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32;
    all.append(SqlInfo::SqlIdentifierCase, lower);
    all.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    let insensitive = SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i32;
    all.append(SqlInfo::SqlQuotedIdentifierCase, insensitive);
    all.build()
}

/// The requested types.
///
/// # Errors
/// When they cannot be encoded.
pub(super) fn type_info(of: CommandGetXdbcTypeInfo) -> Result<RecordBatch> {
    types().and_then(|all| of.into_builder(&all).build()).map_err(|cause| broken(&cause))
}

fn types() -> Result<XdbcTypeInfoData, FlightError> {
    let mut all = XdbcTypeInfoDataBuilder::new();
    for (name, kind, size, quoted) in TYPES {
        let is_number = size.is_some() && !quoted && kind != XdbcDataType::XdbcBit;
        let quote = quoted.then(|| "'".to_owned());
        all.append(XdbcTypeInfo {
            type_name: name.to_owned(),
            data_type: kind,
            column_size: size,
            literal_prefix: quote.clone(),
            literal_suffix: quote,
            nullable: Nullable::NullabilityNullable,
            case_sensitive: kind == XdbcDataType::XdbcVarchar,
            searchable: Searchable::Full,
            unsigned_attribute: is_number.then(|| name.ends_with("UNSIGNED")),
            auto_increment: Some(false),
            local_type_name: Some(name.to_owned()),
            sql_data_type: kind,
            num_prec_radix: is_number.then_some(10),
            ..XdbcTypeInfo::default()
        });
    }
    all.build()
}

fn broken(cause: &FlightError) -> Error {
    Error::internal(format!("cannot describe the server: {cause}"))
}

#[cfg(test)]
mod tests {
    use arrow_flight::sql::{CommandGetSqlInfo, CommandGetXdbcTypeInfo};

    use super::{TYPES, sql_info, type_info};

    #[test]
    fn requested_or_all_entries_are_returned() {
        let count = |info: Vec<u32>| sql_info(CommandGetSqlInfo { info }).unwrap().num_rows();
        assert_eq!((count(vec![0, 3]), count(vec![9999])), (2, 0));
        assert!(count(Vec::new()) > 10);
        let count = |data_type| type_info(CommandGetXdbcTypeInfo { data_type }).unwrap().num_rows();
        assert_eq!((count(None), count(Some(12)), count(Some(-5))), (TYPES.len(), 1, 2));
    }
}
