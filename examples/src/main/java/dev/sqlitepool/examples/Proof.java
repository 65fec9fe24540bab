package dev.sqlitepool.examples;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Compares what customers were told with what the database holds after the pool is closed. Asks through plain JDBC, so that
 * the pool is no witness in its own case.
 */
final class Proof {
    /**
     * One claim.
     *
     * @param holds whether it is true
     * @param claim what must be true
     * @param finding what was found
     */
    record Line(boolean holds, String claim, String finding) {}

    private final ShopSchema.Numbers numbers;
    private final Answers answers;
    private final List<Line> lines = new ArrayList<>();

    private Proof(ShopSchema.Numbers numbers, Answers answers) {
        this.numbers = numbers;
        this.answers = answers;
    }

    /** Checks the answers of one run, then the shop as a whole. The pool must be closed. */
    static List<Line> of(Path database, ShopSchema.Numbers numbers, Answers answers) throws SQLException, IOException {
        Proof proof = new Proof(numbers, answers);
        // Before this opens the database itself.
        boolean walGone = Files.notExists(Path.of(database.toRealPath() + "-wal"));
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database.toUri())) {
            connection.setAutoCommit(false); // one snapshot
            proof.checkAnswers(connection);
            proof.checkShop(connection);
            proof.checkFile(connection);
            connection.rollback();
        }
        proof.add(
                walGone, "no -wal file was left after close", walGone ? "none" : "still there; is it open elsewhere?");
        return List.copyOf(proof.lines);
    }

    private void checkAnswers(Connection connection) throws SQLException {
        Map<Long, Shop.Receipt> told = new HashMap<>();
        answers.receipts().forEach(receipt -> told.put(receipt.number(), receipt));
        long asked = numbers.last() - numbers.first() + 1;
        add(
                told.size() == asked && answers.count() == asked,
                "every order was answered, once",
                count(asked) + " placed, " + count(answers.count()) + " answered");

        Set<Long> found = new HashSet<>();
        long doubled = 0;
        long different = 0;
        long leftovers = 0;
        try (PreparedStatement statement = connection.prepareStatement(
                "SELECT id, number, state, total FROM shop_orders WHERE number BETWEEN ? AND ?")) {
            statement.setLong(1, numbers.first());
            statement.setLong(2, numbers.last());
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    long number = rows.getLong("number");
                    Shop.Receipt receipt = told.get(number);
                    if (!found.add(number)) {
                        doubled++;
                    } else if (receipt == null || receipt.state() == Shop.State.DECLINED) {
                        leftovers++;
                    } else if (receipt.id() != rows.getLong("id")
                            || !receipt.state().name().equals(rows.getString("state"))
                            || receipt.total() != rows.getLong("total")) {
                        different++;
                    }
                }
            }
        }
        long recorded = answers.count(Shop.State.PAID) + answers.count(Shop.State.SOLD_OUT);
        long lost = told.values().stream()
                .filter(receipt -> receipt.state() != Shop.State.DECLINED && !found.contains(receipt.number()))
                .count();
        add(lost == 0, "no acknowledged order is lost", count(recorded) + " acknowledged, " + count(lost) + " missing");
        add(
                doubled == 0,
                "no order is recorded twice",
                count(found.size()) + " recorded, " + count(doubled) + " twice");
        add(different == 0, "orders are recorded as acknowledged", count(different) + " differ in id, state or total");
        add(
                leftovers == 0,
                "declined orders left nothing behind",
                count(answers.count(Shop.State.DECLINED)) + " rolled back, " + count(leftovers) + " found");
    }

    private void checkShop(Connection connection) throws SQLException {
        long lowest = number(connection, "SELECT coalesce(min(stock), 0) FROM shop_products");
        add(lowest >= 0, "no product is oversold", "lowest stock " + count(lowest));
        long wrong = number(
                connection,
                "SELECT count(*) FROM shop_products AS p WHERE received <> stock + (SELECT coalesce(sum(quantity), 0)"
                        + " FROM shop_order_lines AS l WHERE l.product_id = p.id)");
        add(
                wrong == 0,
                "received = left + sold",
                count(number(connection, "SELECT sum(received) FROM shop_products")) + " = "
                        + count(number(connection, "SELECT sum(stock) FROM shop_products")) + " + "
                        + count(number(connection, "SELECT coalesce(sum(quantity), 0) FROM shop_order_lines"))
                        + (wrong == 0 ? "" : ", " + count(wrong) + " products wrong"));
        long unbalanced = number(
                connection,
                "SELECT count(*) FROM shop_orders AS o"
                        + " LEFT JOIN (SELECT order_id, sum(quantity * price) AS amount FROM shop_order_lines"
                        + " GROUP BY order_id) AS l ON l.order_id = o.id"
                        + " LEFT JOIN (SELECT order_id, sum(amount) AS amount, count(*) AS n FROM shop_payments"
                        + " GROUP BY order_id) AS p ON p.order_id = o.id"
                        + " WHERE o.total <> coalesce(l.amount, 0) OR o.total <> coalesce(p.amount, 0)"
                        + " OR coalesce(p.n, 0) <> (o.state = 'PAID')");
        long totals = number(connection, "SELECT coalesce(sum(total), 0) FROM shop_orders");
        long payments = number(connection, "SELECT coalesce(sum(amount), 0) FROM shop_payments");
        add(
                unbalanced == 0 && totals == payments,
                "payments = order totals = order lines",
                money(payments) + " = " + money(totals)
                        + (unbalanced == 0 ? "" : ", " + count(unbalanced) + " orders wrong"));
    }

    private void checkFile(Connection connection) throws SQLException {
        long orphans = number(
                connection,
                "SELECT count(*) FROM pragma_foreign_key_check WHERE \"table\" LIKE 'shop\\_%' ESCAPE '\\'");
        add(orphans == 0, "every line and payment has its order", count(orphans) + " orphans");
        String integrity = text(connection, "PRAGMA integrity_check");
        add(integrity.equals("ok"), "PRAGMA integrity_check", integrity);
    }

    private void add(boolean holds, String claim, String finding) {
        lines.add(new Line(holds, claim, finding));
    }

    private static long number(Connection connection, String sql) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql);
                ResultSet row = statement.executeQuery()) {
            row.next();
            return row.getLong(1);
        }
    }

    private static String text(Connection connection, String sql) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql);
                ResultSet row = statement.executeQuery()) {
            row.next();
            return row.getString(1);
        }
    }

    private static String count(long number) {
        return String.format(Locale.ROOT, "%,d", number);
    }

    private static String money(long cents) {
        return String.format(Locale.ROOT, "%,d.%02d", cents / 100, Math.abs(cents % 100));
    }
}
