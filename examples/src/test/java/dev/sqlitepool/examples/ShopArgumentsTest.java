package dev.sqlitepool.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ShopArgumentsTest {
    private final Console console = new Console();

    @Test
    void defaultsAreTwoHundredCustomersAndTenThousandOrders() {
        assertThat(ShopArguments.parse()).isEqualTo(new ShopArguments(false, Optional.empty(), 200, 10_000, 3));
    }

    @Test
    void everyArgumentIsRead() {
        assertThat(ShopArguments.parse("--readers", "0", "--orders", "7", "--customers", "2", "--database", "a.db"))
                .isEqualTo(new ShopArguments(false, Optional.of(Path.of("a.db")), 2, 7, 0));
    }

    @Test
    void valueMayFollowAnEqualsSign() {
        assertThat(ShopArguments.parse("--orders=7", "--customers", "2", "--readers=0", "--database=a=b.db"))
                .isEqualTo(new ShopArguments(false, Optional.of(Path.of("a=b.db")), 2, 7, 0));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--orders            | --orders needs a value after it.",
                "--orders many       | --orders was many; it must be a whole number from 1 to 1000000.",
                "--orders 0          | --orders was 0; it must be a whole number from 1 to 1000000.",
                "--customers 5001    | --customers was 5001; it must be a whole number from 1 to 5000.",
                "--readers -1        | --readers was -1; it must be a whole number from 0 to 100.",
                "--database ''       | --database was blank; it must name a file.",
                "--fast              | Unknown argument: --fast",
                "--fast=1            | Unknown argument: --fast=1",
                "--help=1            | Unknown argument: --help=1",
                "--orders=           | --orders was empty; it must be a whole number from 1 to 1000000.",
                "--orders=0          | --orders was 0; it must be a whole number from 1 to 1000000.",
                "-x                  | Unknown argument: -x",
                "shop.db             | Unknown argument: shop.db",
            })
    void badArgumentsAreRefusedWithTheRule(String arguments, String message) throws Exception {
        Object[] parts = arguments.replace("''", "").split(" ", -1);
        assertThat(console.run(false, parts)).isEqualTo(2);
        assertThat(console.complained()).startsWith(message).contains("--help");
        assertThat(console.printed()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"--help", "-h"})
    void helpNamesEveryArgument(String help) throws Exception {
        assertThat(console.run(false, help)).isZero();
        assertThat(console.printed()).contains("--database PATH", "--customers N", "--orders N", "--readers N");
    }
}
