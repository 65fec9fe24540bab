package dev.sqlitepool.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class BusyShopTest {
    @TempDir
    Path directory;

    private Path database;
    private final Console console = new Console();

    @BeforeEach
    void nameDatabase() {
        database = directory.resolve("shop with a space.db");
    }

    private int run(int customers, int orders) throws Exception {
        return console.run(false, "--database", database, "--customers", customers, "--orders", orders);
    }

    private static int figure(String printed, String title) {
        Matcher line = Pattern.compile(title + " +([\\d,]+)").matcher(printed);
        assertThat(line.find()).as(title).isTrue();
        return Integer.parseInt(line.group(1).replace(",", ""));
    }

    @Test
    void quickStartsRunFirst() throws Exception {
        assertThat(run(1, 1)).isZero();
        assertThat(console.printed())
                .startsWith("Quick starts")
                .contains("by path: Found user: Alice", "by connection factory: Found user: id=1, name=Bob");
    }

    @Test
    void everyOrderIsAnsweredAndTheProofHolds() throws Exception {
        assertThat(run(20, 500)).as(console.complained()).isZero();
        assertThat(console.printed()).contains("The proof holds.").doesNotContain("FAILED");

        int paid = figure(console.printed(), "paid");
        int soldOut = figure(console.printed(), "sold out");
        int declined = figure(console.printed(), "payment declined");
        assertThat(paid + soldOut + declined).isEqualTo(500);
        assertThat(soldOut).as("scarce").isBetween(50, 350);
        assertThat(declined).isPositive();
        assertThat(figure(console.printed(), "summaries")).isPositive();
        assertThat(Jdbc.column(database, "SELECT count(*) FROM shop_payments")).containsExactly(paid + "");
        assertThat(Jdbc.column(database, "SELECT count(*) FROM shop_orders")).containsExactly(paid + soldOut + "");
    }

    @Test
    void runWithoutReadersClaimsNothingAboutSummaries() throws Exception {
        assertThat(console.run(false, "--customers=2", "--orders=20", "--readers=0"))
                .as(console.complained())
                .isZero();
        assertThat(console.printed())
                .contains("none, without readers", "The proof holds.")
                .doesNotContain("0 summaries", "each in one snapshot", "every summary");
    }

    @Test
    void secondRunGoesOnInTheSameFile() throws Exception {
        assertThat(run(20, 300)).isZero();
        assertThat(run(5, 200)).as(console.complained()).isZero();
        assertThat(console.printed()).contains("order numbers: 1 to 300", "order numbers: 301 to 500");
        assertThat(Jdbc.column(database, "SELECT count(*) > 0 FROM shop_orders WHERE number > 300"))
                .containsExactly("1");
    }

    @Test
    void tablesOfOthersAreLeftAlone() throws Exception {
        Jdbc.execute(
                database,
                "CREATE TABLE orders (note TEXT)",
                "INSERT INTO orders VALUES ('mine')",
                "CREATE TABLE products (note TEXT)");
        assertThat(run(20, 200)).as(console.complained()).isZero();
        assertThat(Jdbc.column(database, "SELECT note FROM orders")).containsExactly("mine");
        assertThat(Jdbc.column(database, "SELECT note FROM products")).isEmpty();
        assertThat(
                        Jdbc.column(
                                database,
                                "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'shop%' AND name NOT LIKE 'sqlite%' ORDER BY name"))
                .containsExactly("orders", "products");
    }

    @Test
    void tableThatOnlyHasAShopNameIsRefused() throws Exception {
        Jdbc.execute(database, "CREATE TABLE shop_orders (note TEXT)");
        assertThat(run(20, 200)).isEqualTo(1);
        assertThat(console.complained()).contains("a table shop_orders that is not the busy shop's");
        assertThat(Jdbc.column(database, "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'"))
                .containsExactly("shop_orders");
    }

    @Test
    void fileThatIsNoDatabaseIsAClearError() throws Exception {
        Files.writeString(database, "I am a shopping list, not a database. ".repeat(100));
        assertThat(run(1, 1)).isEqualTo(1);
        assertThat(console.complained()).contains("The run failed", database.toString());
    }

    @Test
    void damageFromBeforeFailsTheRun() throws Exception {
        assertThat(run(20, 300)).isZero();
        Jdbc.execute(database, "UPDATE shop_payments SET amount = amount + 1 WHERE id = 1");
        assertThat(run(20, 300)).isEqualTo(1);
        assertThat(console.printed())
                .contains("FAILED  payments = order totals = order lines")
                .contains("FAILED  every summary was consistent")
                .contains("THE PROOF FAILED: 2 of 12");
    }

    @Test
    void databaseOfItsOwnIsDeletedAtTheEnd() throws Exception {
        assertThat(console.run(false, "--orders", 10)).isZero();
        Matcher path =
                Pattern.compile("database: (.*) \\(deleted at the end\\)").matcher(console.printed());
        assertThat(path.find()).isTrue();
        assertThat(Path.of(path.group(1)).getParent()).doesNotExist();
    }

    @Test
    void terminalGetsABarOnOneLine() throws Exception {
        assertThat(console.run(true, "--database", database, "--orders", 100)).isZero();
        String bar = console.printed()
                .lines()
                .filter(line -> line.contains("\r[") || line.startsWith("["))
                .reduce((first, second) -> second)
                .orElseThrow();
        assertThat(bar).contains("[####################] 100 of 100 orders");
    }
}
