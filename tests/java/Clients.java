import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.postgresql.PGConnection;

/** PostgreSQL's protocol with the JDBC driver: metadata, prepared statements, cursors, COPY. */
public final class Clients {
    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://" + arguments[0] + "/headcount?user=ada";
        try (Connection connection = DriverManager.getConnection(url)) {
            metadata(connection.getMetaData());
            rows(connection);
            copy(connection);
        }
    }

    private static void same(Object found, Object expected) {
        if (!Objects.equals(found, expected)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    /** The values of some columns, one text for each row. */
    private static List<String> lines(ResultSet rows, String... columns) throws SQLException {
        List<String> lines = new ArrayList<>();
        while (rows.next()) {
            List<String> values = new ArrayList<>();
            for (String column : columns) {
                values.add(rows.getString(column));
            }
            lines.add(String.join("|", values));
        }
        return lines;
    }

    private static void metadata(DatabaseMetaData metadata) throws SQLException {
        same(metadata.getDatabaseProductName(), "PostgreSQL");
        same(lines(metadata.getCatalogs(), "TABLE_CAT"), List.of("headcount"));
        List<String> schemas = lines(metadata.getSchemas(), "TABLE_SCHEM");
        if (!schemas.containsAll(List.of("public", "dictionary", "information_schema"))) {
            throw new AssertionError(schemas);
        }
        String[] kinds = {"TABLE", "VIEW"};
        List<String> tables =
                lines(metadata.getTables(null, "public", "%", kinds), "TABLE_NAME", "TABLE_TYPE");
        if (!tables.containsAll(List.of("visits|TABLE", "smau|VIEW", "activity|TABLE"))) {
            throw new AssertionError(tables);
        }
        same(
                lines(metadata.getColumns(null, "public", "mau", "%"), "COLUMN_NAME", "TYPE_NAME")
                        .subList(0, 4),
                List.of("window|text", "period_start|date", "period_end|date", "complete|bool"));
        same(lines(metadata.getPrimaryKeys(null, "public", "visits"), "COLUMN_NAME"), List.of());
        same(lines(metadata.getImportedKeys(null, "public", "visits"), "FKCOLUMN_NAME"), List.of());
        same(
                lines(metadata.getIndexInfo(null, "public", "visits", false, false), "INDEX_NAME"),
                List.of());
        List<String> functions = lines(metadata.getFunctions(null, "public", "bitmap_c%"), "FUNCTION_NAME");
        if (!functions.contains("bitmap_count")) {
            throw new AssertionError(functions);
        }
        if (lines(metadata.getTypeInfo(), "TYPE_NAME").isEmpty()) {
            throw new AssertionError("no types");
        }
    }

    private static void rows(Connection connection) throws SQLException {
        String report =
                "SELECT period_start, stage, users, complete FROM active_users(?, level => ?)"
                        + " WHERE period_start >= ? ORDER BY 1, 2 LIMIT ?";
        try (PreparedStatement statement = connection.prepareStatement(report)) {
            ResultSetMetaData described = statement.getMetaData();
            same(described.getColumnType(1), Types.DATE);
            same(described.getColumnType(3), Types.BIGINT);
            // After five executions the driver prepares the statement on the server.
            for (int run = 0; run < 8; run++) {
                statement.setString(1, "month");
                statement.setString(2, "stage");
                statement.setDate(3, Date.valueOf("2026-01-01"));
                statement.setInt(4, 1);
                ResultSet rows = statement.executeQuery();
                rows.next();
                same(rows.getObject(1, LocalDate.class), LocalDate.of(2026, 1, 1));
                same(rows.getString(2), "reading");
                same(rows.getLong(3), 2L);
                same(rows.getBoolean(4), true);
                same(rows.next(), false);
            }
        }
        String some = "SELECT count(*) FROM visits WHERE user_id = any(?)";
        try (PreparedStatement statement = connection.prepareStatement(some)) {
            statement.setArray(1, connection.createArrayOf("text", new String[] {"1", "2"}));
            ResultSet rows = statement.executeQuery();
            rows.next();
            same(rows.getInt(1), 5);
        }
        connection.setReadOnly(true);
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            // Fetched in parts.
            statement.setFetchSize(100);
            ResultSet rows = statement.executeQuery("SELECT value FROM generate_series(1, 1000) AS t(value)");
            long sum = 0;
            while (rows.next()) {
                sum += rows.getLong(1);
            }
            same(sum, 500500L);
        }
        connection.commit();
        connection.setAutoCommit(true);
        try (Statement statement = connection.createStatement()) {
            statement.executeUpdate("DELETE FROM visits");
            throw new AssertionError("not refused");
        } catch (SQLException error) {
            same(error.getSQLState(), "25006");
        }
    }

    private static void copy(Connection connection) throws Exception {
        var manager = connection.unwrap(PGConnection.class).getCopyAPI();
        var output = new java.io.StringWriter();
        String query = "COPY (SELECT plan, count(*) AS n FROM visits GROUP BY 1 ORDER BY 1) TO STDOUT (FORMAT csv, HEADER)";
        same(manager.copyOut(query, output), 2L);
        same(output.toString(), "plan,n\nfree,4\npaid,3\n");
    }
}
