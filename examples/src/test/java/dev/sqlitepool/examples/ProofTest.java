package dev.sqlitepool.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.SqlitePool;
import java.nio.file.Path;
import java.sql.Connection;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(300)
class ProofTest {
    @TempDir
    Path directory;

    private Path database;
    private ShopSchema.Numbers numbers;
    private final Answers answers = new Answers();

    @BeforeEach
    void sell() throws Exception {
        database = directory.resolve("shop.db");
        try (SqlitePool pool = SqlitePool.open(database)) {
            numbers = pool.transaction(tx -> ShopSchema.begin(tx, 200)).join();
            new Customers(new Shop(pool), answers, numbers).placeAll(10).join();
        }
    }

    private List<String> failedClaims() throws Exception {
        return Proof.of(database, numbers, answers).stream()
                .filter(line -> !line.holds())
                .map(Proof.Line::claim)
                .toList();
    }

    @Test
    void holdsForAnUntouchedDatabase() throws Exception {
        assertThat(failedClaims()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "DELETE FROM shop_orders WHERE state = 'SOLD_OUT' AND id % 2 = 0 | no acknowledged order is lost",
                "INSERT INTO shop_orders SELECT id + 1000, number, customer, state, total FROM shop_orders"
                        + " WHERE state = 'SOLD_OUT' LIMIT 1 | no order is recorded twice",
                "UPDATE shop_orders SET customer = 0, state = 'PAID' WHERE state = 'SOLD_OUT'"
                        + " | orders are recorded as acknowledged",
                "UPDATE shop_products SET stock = stock - 1000 WHERE id = 1 | no product is oversold",
                "UPDATE shop_products SET stock = stock + 1 WHERE id = 1 | received = left + sold",
                "UPDATE shop_order_lines SET product_id = product_id % 100 + 1 | received = left + sold",
                "UPDATE shop_payments SET amount = amount + 1 WHERE id = 1 | payments = order totals = order lines",
                "INSERT INTO shop_payments (order_id, amount) SELECT order_id, 0 FROM shop_payments LIMIT 1"
                        + " | payments = order totals = order lines",
                "DELETE FROM shop_orders WHERE state = 'PAID' | every line and payment has its order",
            })
    void tamperingIsFound(String tampering, String claim) throws Exception {
        Jdbc.execute(database, tampering);
        assertThat(failedClaims()).contains(claim);
    }

    @Test
    void declinedOrderThatStayedIsFound() throws Exception {
        long declined = answers.receipts().stream()
                .filter(receipt -> receipt.state() == Shop.State.DECLINED)
                .findFirst()
                .orElseThrow()
                .number();
        Jdbc.execute(
                database,
                "INSERT INTO shop_orders (number, customer, state, total) VALUES (" + declined + ", 1, 'SOLD_OUT', 0)");
        assertThat(failedClaims()).containsExactly("declined orders left nothing behind");
    }

    @Test
    void orderAnsweredTwiceIsFound() throws Exception {
        answers.add(answers.receipts().iterator().next(), 1);
        assertThat(failedClaims()).containsExactly("every order was answered, once");
    }

    @Test
    void databaseThatIsStillOpenIsFound() throws Exception {
        try (Connection open = Jdbc.open(database)) {
            open.createStatement().execute("UPDATE shop_runs SET id = id");
            assertThat(failedClaims()).containsExactly("no -wal file was left after close");
        }
    }
}
