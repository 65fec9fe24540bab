package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Pools;
import java.sql.SQLException;
import java.util.Set;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Names are the same where SQLite takes them for the same: without regard to case, in ASCII only. */
@SuppressWarnings("UnicodeInCode") // names that are not ASCII are what it tests
class NamesTest {
    @RegisterExtension
    final Pools pools = new Pools();

    /** Three columns that differ in case and underscores only. */
    public record Three(int a_b, int ab, int aB) {}

    /** Two letters of one that Java folds and SQLite does not. */
    public record Accents(int é, int É) {}

    /** Neither is there exactly. */
    public record Inexact(int userName, int ID) {}

    @Test
    void accentedLettersAreTwoColumns() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (é, É, Name)").join();
        pool.execute("INSERT INTO t VALUES (1, 2, 3)").join();
        assertThat(pool.<Integer>queryOne("SELECT * FROM t", row -> row.getInt("É"))
                        .join())
                .contains(2);
        assertThat(pool.<Integer>queryOne("SELECT * FROM t", row -> row.getInt("nAME"))
                        .join())
                .contains(3);
        assertThatThrownBy(() ->
                        pool.queryOne("SELECT é FROM t", row -> row.getInt("É")).join())
                .hasCauseInstanceOf(SQLException.class)
                .hasMessageContaining("There is no column É");
        assertThat(pool.queryOne("SELECT * FROM t", RowMapper.of(Accents.class)).join())
                .contains(new Accents(1, 2));
    }

    @Test
    void exactColumnComesFirst() {
        SqlitePool pool = pools.open();
        assertThat(pool.queryOne("SELECT 1 AS a_b, 2 AS ab, 3 AS aB", RowMapper.of(Three.class))
                        .join())
                .contains(new Three(1, 2, 3));
        assertThat(pool.queryOne("SELECT 3 AS aB, 2 AS ab, 1 AS a_b", RowMapper.of(Three.class))
                        .join())
                .contains(new Three(1, 2, 3));
        assertThat(pool.queryOne("SELECT 1 AS user_name, 2 AS USERNAME, 3 AS _id, 4 AS id", RowMapper.of(Inexact.class))
                        .join())
                .contains(new Inexact(2, 4));
        assertThat(pool.<Integer>queryOne("SELECT 1 AS a, 2 AS A", row -> row.getInt("A"))
                        .join())
                .contains(2);
    }

    @Test
    void accentedLettersAreTwoTablesInChanges() throws InterruptedException {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE é (x)").join();
        pool.execute("CREATE TABLE É (x)").join();
        pool.execute("CREATE TABLE Plain (x)").join();
        LinkedBlockingQueue<Set<String>> heard = new LinkedBlockingQueue<>();
        pool.changes("É", "pLAIN").subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                subscription.request(Long.MAX_VALUE);
            }

            @Override
            public void onNext(Set<String> tables) {
                heard.add(tables);
            }

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onComplete() {}
        });
        pool.execute("INSERT INTO é VALUES (1)").join();
        pool.execute("INSERT INTO plain VALUES (1)").join();
        Set<String> next = heard.poll(60, TimeUnit.SECONDS);
        assertThat(next).containsExactly("pLAIN");
        pool.execute("INSERT INTO É VALUES (1)").join();
        assertThat(heard.poll(60, TimeUnit.SECONDS)).containsExactly("É");
    }
}
