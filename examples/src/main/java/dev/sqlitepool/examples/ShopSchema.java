package dev.sqlitepool.examples;

import dev.sqlitepool.Transaction;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The shop's tables, and how a run begins in them.
 *
 * <p>There is on purpose no {@code CHECK (stock >= 0)} and no unique order number: that nothing is oversold or recorded twice
 * must come from the transactions, and the {@link Proof} looks whether it did.
 */
final class ShopSchema {
    static final int PRODUCTS = 100;
    /** Units for sale of each product, as a share of the orders of a run: too few for all of them. */
    private static final double SCARCITY = 0.05;

    private static final List<Table> TABLES = List.of(
            new Table(
                    "shop_runs",
                    "(id INTEGER PRIMARY KEY, first_number INTEGER NOT NULL, last_number INTEGER NOT NULL)"),
            new Table(
                    "shop_products",
                    "(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL,"
                            + " received INTEGER NOT NULL, stock INTEGER NOT NULL)"),
            new Table(
                    "shop_orders",
                    "(id INTEGER PRIMARY KEY, number INTEGER NOT NULL, customer INTEGER NOT NULL,"
                            + " state TEXT NOT NULL, total INTEGER NOT NULL)"),
            new Table(
                    "shop_order_lines",
                    "(id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES shop_orders,"
                            + " product_id INTEGER NOT NULL REFERENCES shop_products,"
                            + " quantity INTEGER NOT NULL, price INTEGER NOT NULL)"),
            new Table(
                    "shop_payments",
                    "(id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES shop_orders,"
                            + " amount INTEGER NOT NULL)"));

    private record Table(String name, String columns) {
        /** As SQLite keeps it in its schema. */
        String definition() {
            return "CREATE TABLE " + name + " " + columns;
        }
    }

    /**
     * A run's share of the order numbers.
     *
     * @param first the first number
     * @param last the last number
     */
    record Numbers(long first, long last) {}

    private ShopSchema() {}

    /**
     * Creates the tables that are missing, fills the shelves and reserves the numbers of the orders to come.
     *
     * @throws IllegalStateException if the database has a table of such a name that is not the shop's
     */
    static Numbers begin(Transaction tx, int orders) throws SQLException {
        for (Table table : TABLES) {
            Optional<String> existing = tx.queryOne(
                    "SELECT sql FROM sqlite_schema WHERE name = ?", row -> row.getString("sql"), table.name());
            if (existing.isEmpty()) {
                tx.execute(table.definition());
            } else if (!existing.get().equals(table.definition())) {
                throw new IllegalStateException("The database has a table " + table.name()
                        + " that is not the busy shop's; choose another database.");
            }
        }
        restock(tx, orders);
        return tx.queryOne(
                        "INSERT INTO shop_runs (first_number, last_number)"
                                + " SELECT coalesce(max(last_number), 0) + 1, coalesce(max(last_number), 0) + ?"
                                + " FROM shop_runs RETURNING first_number, last_number",
                        row -> new Numbers(row.getLong("first_number"), row.getLong("last_number")),
                        orders)
                .orElseThrow();
    }

    /** Buys what is missing to the level that a run begins with. */
    private static void restock(Transaction tx, int orders) throws SQLException {
        List<Object[]> products = new ArrayList<>();
        for (int id = 1; id <= PRODUCTS; id++) {
            products.add(new Object[] {id, "product " + id, 299 + id * 701 % 3700});
        }
        tx.executeBatch("INSERT OR IGNORE INTO shop_products VALUES (?, ?, ?, 0, 0)", products);
        long level = Math.max(1, Math.round(orders * SCARCITY));
        tx.execute("UPDATE shop_products SET received = received + (?1 - stock), stock = ?1 WHERE stock < ?1", level);
    }
}
