package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Waiting inside work for the lane that the work holds fails at once. */
class NonReentrancyTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @Test
    void joiningAWriteInsideATransactionFailsAtOnce() {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.useTransaction(
                                tx -> pool.execute("CREATE TABLE t (x)").join())
                        .join())
                .hasCauseInstanceOf(IllegalStateException.class)
                .hasMessageContaining("would wait for itself")
                .hasMessageContaining("only write lane");
        assertThatThrownBy(() -> pool.useTransaction(
                                tx -> pool.execute("CREATE TABLE u (x)").get(1, TimeUnit.HOURS))
                        .join())
                .hasMessageContaining("would wait for itself");
        assertThatThrownBy(() -> pool.useTransaction(tx -> pool.blocking().execute("CREATE TABLE v (x)"))
                        .join())
                .hasMessageContaining("would wait for itself");
        assertThatThrownBy(() ->
                        pool.blocking().useTransaction(tx -> pool.blocking().useTransaction(inner -> {})))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("would wait for itself");
    }

    @Test
    void submittingWithoutWaitingIsLegal() {
        SqlitePool pool = pools.open();
        CompletableFuture<CompletableFuture<Long>> outer = pool.transaction(tx -> pool.execute("CREATE TABLE t (x)"));
        assertThat(outer.join().join()).isZero();
        assertThat(pool.transaction(tx -> 1)
                        .thenCompose(n -> pool.execute("INSERT INTO t VALUES (?)", n))
                        .join())
                .isEqualTo(1);
    }

    @Test
    void readingOnAnotherLaneInsideATransactionIsLegal() {
        SqlitePool pool = pools.open();
        pool.execute("CREATE TABLE t (x)").join();
        assertThat(pool.transaction(tx -> {
                            tx.execute("INSERT INTO t VALUES (1)");
                            return pool.query("SELECT count(*) FROM t", row -> row.getInt(1))
                                    .join();
                        })
                        .join())
                .containsExactly(0);
    }

    @Test
    void holdingAllReadLanesInsideEachOtherFailsAtOnce() {
        SqlitePool pool = pools.open(b -> b.poolSize(3));
        assertThatThrownBy(() -> pool.blocking().useRead(a -> pool.blocking()
                        .useRead(b -> pool.blocking().query("SELECT 1", row -> row.getInt(1)))))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("all 2 read lanes");
    }

    @Test
    void aConnectionThatWouldMoveIntoItsOwnWriteLaneFailsAtOnce() {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.blocking()
                        .useTransaction(tx -> pool.blocking().useConnection(c -> c.execute("CREATE TABLE t (x)"))))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("would wait for itself");
    }

    @Test
    void poolOfOneFailsAtOnceForAnyNestedWait() {
        SqlitePool pool = pools.open(b -> b.poolSize(1));
        assertThatThrownBy(() -> pool.useRead(c ->
                                pool.query("SELECT 1", row -> row.getInt(1)).join())
                        .join())
                .hasMessageContaining("would wait for itself");
    }

    @Test
    void aWorkOfALeaseCannotWaitForTheNext() {
        SqlitePool pool = pools.open();
        Lease lease = pool.acquire().join();
        assertThatThrownBy(() -> lease.run(c -> lease.run(d -> 1).join()).join())
                .hasMessageContaining("same lease");
        lease.release().join();
    }

    @Test
    void closingInsideWorkFailsAndLeavesThePoolOpen() {
        SqlitePool pool = pools.open();
        assertThatThrownBy(() -> pool.useRead(c -> pool.close()).join())
                .hasCauseInstanceOf(IllegalStateException.class)
                .hasMessageContaining("would wait for the pool to close");
        assertThat(pool.query("SELECT 1", row -> row.getInt(1)).join()).containsExactly(1);
    }
}
