package dev.sqlitepool.examples;

import dev.sqlitepool.PoolConnection;
import dev.sqlitepool.RowMapper;
import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.Transaction;
import java.lang.invoke.MethodHandles;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** What customers and auditors can ask of the shop. Thread-safe. Money is counted in cents. */
final class Shop {
    /** What became of an order. */
    enum State {
        /** Recorded, taken from stock and paid. */
        PAID,
        /** Recorded as refused, since a product was short. */
        SOLD_OUT,
        /** Rolled back, since the customer could not pay: the database knows nothing of it. */
        DECLINED
    }

    record Line(int product, int quantity) {}

    /**
     * A customer's wish.
     *
     * @param number given by the customer, unique among all runs
     * @param customer who orders
     * @param purse the most the customer can pay
     * @param lines different products
     */
    record Order(long number, int customer, long purse, List<Line> lines) {}

    /**
     * What the customer is told.
     *
     * @param number the order's number
     * @param id the order's id in the database, 0 if it is not there
     * @param state what became of it
     * @param total what was paid
     */
    record Receipt(long number, long id, State state, long total) {}

    /** The whole shop at one moment. */
    record Summary(long received, long stock, long sold, long orderTotals, long lineTotals, long payments) {
        boolean isConsistent() {
            return received == stock + sold && orderTotals == payments && lineTotals == payments;
        }
    }

    record Product(long id, long price, long stock) {}

    /** Ends an order's transaction: nothing of it stays. */
    private static final class PaymentDeclined extends Exception {
        private static final long serialVersionUID = 1;

        PaymentDeclined(Order order) {
            super("customer " + order.customer() + " cannot pay order " + order.number());
        }
    }

    private static final RowMapper<Product> PRODUCT = RowMapper.of(Product.class, MethodHandles.lookup());

    private final SqlitePool pool;

    Shop(SqlitePool pool) {
        this.pool = pool;
    }

    /** Places an order: all of it in one transaction, or nothing. */
    CompletableFuture<Receipt> place(Order order) {
        return pool.transaction(tx -> sell(tx, order)).exceptionally(error -> {
            if (error instanceof PaymentDeclined) {
                return new Receipt(order.number(), 0, State.DECLINED, 0);
            }
            throw new CompletionException(error);
        });
    }

    private static Receipt sell(Transaction tx, Order order) throws SQLException, PaymentDeclined {
        List<Product> products = new ArrayList<>();
        long total = 0;
        for (Line line : order.lines()) {
            Product product = tx.queryOne(
                            "SELECT id, price, stock FROM shop_products WHERE id = ?", PRODUCT, line.product())
                    .orElseThrow();
            if (product.stock() < line.quantity()) {
                return new Receipt(order.number(), record(tx, order, State.SOLD_OUT, 0), State.SOLD_OUT, 0);
            }
            products.add(product);
            total += product.price() * line.quantity();
        }
        long id = record(tx, order, State.PAID, total);
        for (int i = 0; i < products.size(); i++) {
            Product product = products.get(i);
            int quantity = order.lines().get(i).quantity();
            // The new stock comes from what was read, so a write in between would be overwritten, and found by the
            // proof.
            tx.execute("UPDATE shop_products SET stock = ? WHERE id = ?", product.stock() - quantity, product.id());
            tx.execute(
                    "INSERT INTO shop_order_lines (order_id, product_id, quantity, price) VALUES (?, ?, ?, ?)",
                    id,
                    product.id(),
                    quantity,
                    product.price());
        }
        if (total > order.purse()) {
            throw new PaymentDeclined(order);
        }
        tx.execute("INSERT INTO shop_payments (order_id, amount) VALUES (?, ?)", id, total);
        return new Receipt(order.number(), id, State.PAID, total);
    }

    private static long record(Transaction tx, Order order, State state, long total) throws SQLException {
        return tx.queryOne(
                        "INSERT INTO shop_orders (number, customer, state, total) VALUES (?, ?, ?, ?) RETURNING id",
                        row -> row.getLong("id"),
                        order.number(),
                        order.customer(),
                        state,
                        total)
                .orElseThrow();
    }

    /** Adds up the whole shop: several statements that see one snapshot. */
    CompletableFuture<Summary> summary() {
        return pool.read(conn -> new Summary(
                sum(conn, "SELECT sum(received) FROM shop_products"),
                sum(conn, "SELECT sum(stock) FROM shop_products"),
                sum(conn, "SELECT sum(quantity) FROM shop_order_lines"),
                sum(conn, "SELECT sum(total) FROM shop_orders"),
                sum(conn, "SELECT sum(quantity * price) FROM shop_order_lines"),
                sum(conn, "SELECT sum(amount) FROM shop_payments")));
    }

    /** The only column of the only row; the sum of no rows is NULL, which {@code getLong} gives as 0. */
    private static long sum(PoolConnection conn, String sql) throws SQLException {
        return conn.queryOne(sql, row -> row.getLong(1)).orElseThrow();
    }
}
