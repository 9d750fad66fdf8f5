// JDBC: prepared statements, cursors, types, and every method of DatabaseMetaData.
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.math.BigDecimal;
import java.sql.*;
import java.util.*;

public class JdbcScript {
    static void same(Object expected, Object found) {
        if (!Objects.equals(expected, found)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    static List<List<String>> rows(ResultSet of) throws SQLException {
        List<List<String>> rows = new ArrayList<>();
        int columns = of.getMetaData().getColumnCount();
        while (of.next()) {
            List<String> row = new ArrayList<>();
            for (int column = 1; column <= columns; column++) row.add(of.getString(column));
            rows.add(row);
        }
        return rows;
    }

    // A table is named, then nothing is.
    static Object[] arguments(Method method, boolean named) {
        Class<?>[] types = method.getParameterTypes();
        Object[] values = new Object[types.length];
        int texts = 0;
        for (int at = 0; at < types.length; at++) {
            if (types[at] == String.class && named) {
                values[at] = new String[] {null, "word_count", "counts", "%"}[Math.min(texts % 3 == 0 && texts > 0 ? 3 : texts, 3)];
                texts++;
            } else if (types[at] == int.class) values[at] = 0;
            else if (types[at] == boolean.class) values[at] = false;
            else if (types[at] == Class.class) values[at] = DatabaseMetaData.class;
        }
        return values;
    }

    static int metadata(DatabaseMetaData of) throws Exception {
        List<String> failed = new ArrayList<>();
        int answered = 0;
        for (Method method : DatabaseMetaData.class.getMethods()) {
            if (method.getName().equals("unwrap")) continue;
            for (boolean named : new boolean[] {true, false}) {
                try {
                    Object answer = method.invoke(of, arguments(method, named));
                    if (answer instanceof ResultSet) rows((ResultSet) answer);
                    answered++;
                } catch (InvocationTargetException error) {
                    // What the driver itself does not have.
                    if (error.getCause() instanceof SQLFeatureNotSupportedException) continue;
                    failed.add(method.getName() + ": " + error.getCause());
                } catch (SQLException error) {
                    failed.add(method.getName() + ": " + error);
                }
            }
        }
        if (!failed.isEmpty()) throw new AssertionError(String.join("\n", failed));
        return answered;
    }

    public static void main(String[] none) throws Exception {
        Map<String, String> env = System.getenv();
        String url = "jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" + env.get("PGDATABASE");
        try (Connection connection = DriverManager.getConnection(url, env.get("PGUSER"), "")) {
            try (PreparedStatement find = connection.prepareStatement("SELECT n FROM counts WHERE word = ? LIMIT ?")) {
                // More often than the driver needs to prepare it on the server.
                for (int turn = 0; turn < 8; turn++) {
                    find.setString(1, "often");
                    find.setInt(2, 1);
                    ResultSet found = find.executeQuery();
                    found.next();
                    same(3000L, found.getLong(1));
                }
            }
            String sql = "SELECT key, price, day, at, raw, flag FROM types.samples WHERE price > ? AND key = ANY(?) ORDER BY key";
            try (PreparedStatement some = connection.prepareStatement(sql)) {
                some.setBigDecimal(1, new BigDecimal("-20000.5"));
                some.setArray(2, connection.createArrayOf("int8", new Long[] {6L, 7L}));
                ResultSet found = some.executeQuery();
                found.next();
                same(new BigDecimal("-17776.80"), found.getBigDecimal("price"));
                same(Types.NUMERIC, found.getMetaData().getColumnType(2));
                same(Types.DATE, found.getMetaData().getColumnType(3));
                found.getDate("day");
                found.getBytes("raw");
                found.getObject("flag");
            }
            connection.setAutoCommit(false);
            try (Statement all = connection.createStatement()) {
                all.setFetchSize(500);
                same(3001, rows(all.executeQuery("SELECT word FROM counts")).size());
            }
            connection.commit();
            connection.setReadOnly(true);
            connection.setAutoCommit(true);
            DatabaseMetaData of = connection.getMetaData();
            int answered = metadata(of);
            List<List<String>> columns = rows(of.getColumns(null, "word_count", "counts", "%"));
            same(Arrays.asList("word", "n"), Arrays.asList(columns.get(0).get(3), columns.get(1).get(3)));
            same(String.valueOf(Types.BIGINT), columns.get(1).get(4));
            same(1, rows(of.getTables(null, "word_count", "counts", null)).size());
            try {
                connection.createStatement().executeQuery("SELECT 1/0");
                throw new AssertionError("a division by zero");
            } catch (SQLException error) {
                same("22012", error.getSQLState());
            }
            System.out.println("JDBC: right, " + answered + " answers of DatabaseMetaData");
        }
    }
}
