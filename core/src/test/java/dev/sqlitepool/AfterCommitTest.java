package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sqlitepool.testing.Gate;
import dev.sqlitepool.testing.Logged;
import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is done after a commit, and only then. With the sync of the WAL: SyncGateTest. */
class AfterCommitTest {
    @RegisterExtension
    final Logged logged = new Logged("is open in the pool", "an afterCommit hook failed");

    @RegisterExtension
    final Pools pools = new Pools();

    private final List<String> ran = Collections.synchronizedList(new ArrayList<>());
    private SqlitePool pool;

    @BeforeEach
    void open() {
        pool = pools.open();
        pool.execute("CREATE TABLE t (x INTEGER PRIMARY KEY)").join();
    }

    private Runnable log(String name) {
        return () -> ran.add(name);
    }

    private static Throwable failure(CompletableFuture<?> future) {
        try {
            future.join();
            throw new AssertionError("it did not fail");
        } catch (CompletionException e) {
            return e.getCause();
        }
    }

    @Test
    void hooksRunOnceInTheirOrderBeforeTheFutureIsDone() {
        pool.useTransaction(tx -> {
                    tx.afterCommit(log("a"));
                    tx.execute("INSERT INTO t VALUES (1)");
                    tx.afterCommit(log("b"));
                    tx.afterCommit(log("c"));
                    assertThat(ran).isEmpty();
                })
                .join();
        assertThat(ran).containsExactly("a", "b", "c");
        pool.useTransaction(tx -> tx.execute("INSERT INTO t VALUES (2)")).join();
        assertThat(ran).hasSize(3);
    }

    @Test
    void hooksOfATransactionThatOnlyReadsRunToo() {
        pool.useTransaction(tx -> tx.afterCommit(log("a"))).join();
        assertThat(ran).containsExactly("a");
    }

    @Test
    void nothingRunsAfterARollback() throws Exception {
        assertThat(failure(pool.useTransaction(tx -> {
                    tx.afterCommit(log("thrown"));
                    throw new IllegalStateException("no");
                })))
                .hasMessage("no");
        pool.useTransaction(tx -> {
                    tx.afterCommit(log("rollbackOnly"));
                    tx.rollbackOnly();
                })
                .join();
        Gate gate = new Gate();
        CompletableFuture<Void> cancelled = pool.useTransaction(tx -> {
            tx.afterCommit(log("cancelled"));
            gate.pass();
        });
        gate.awaitReached();
        cancelled.cancel(true);
        gate.open();
        pool.execute("CREATE TABLE c (p REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
                .join();
        assertThat(failure(pool.useTransaction(tx -> {
                    tx.execute("INSERT INTO c VALUES (99)");
                    tx.afterCommit(log("constraint"));
                })))
                .isInstanceOf(SQLException.class);
        assertThat(failure(pool.useTransaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (1)");
                    tx.afterCommit(log("rolled back by SQLite"));
                    tx.execute("INSERT OR ROLLBACK INTO t VALUES (1)");
                })))
                .isInstanceOf(SQLException.class);
        pool.close();
        assertThat(ran).isEmpty();
    }

    @Test
    void whatASavepointThatIsUndoneRegisteredDoesNotRun() {
        pool.useTransaction(tx -> {
                    tx.afterCommit(log("1"));
                    tx.savepoint(inner -> {
                        inner.afterCommit(log("2"));
                        inner.savepoint(innermost -> {
                            innermost.afterCommit(log("3"));
                            return null;
                        });
                        assertThatThrownBy(() -> inner.savepoint(innermost -> {
                                    innermost.afterCommit(log("not this"));
                                    throw new IllegalStateException();
                                }))
                                .isInstanceOf(IllegalStateException.class);
                        inner.afterCommit(log("4"));
                        return null;
                    });
                    assertThatThrownBy(() -> tx.savepoint(inner -> {
                                inner.afterCommit(log("nor this"));
                                inner.savepoint(innermost -> {
                                    innermost.afterCommit(log("nor this inside"));
                                    return null;
                                });
                                throw new IllegalStateException();
                            }))
                            .isInstanceOf(IllegalStateException.class);
                    tx.afterCommit(log("5"));
                })
                .join();
        assertThat(ran).containsExactly("1", "2", "3", "4", "5");
    }

    @Test
    void savepointsOfJdbcCountToo() {
        pool.useTransaction(tx -> {
                    Connection jdbc = tx.jdbc();
                    tx.afterCommit(log("1"));
                    Savepoint savepoint = jdbc.setSavepoint();
                    tx.afterCommit(log("not this"));
                    jdbc.rollback(savepoint);
                    tx.afterCommit(log("nor this"));
                    jdbc.rollback(savepoint);
                    tx.afterCommit(log("2"));
                    jdbc.releaseSavepoint(savepoint);
                    tx.afterCommit(log("3"));
                })
                .join();
        assertThat(ran).containsExactly("1", "2", "3");
    }

    @Test
    void aHookThatFailsChangesNothing() {
        assertThat(pool.transaction(tx -> {
                            tx.afterCommit(() -> {
                                throw new IllegalStateException("the test wants this in the log");
                            });
                            tx.afterCommit(() -> {
                                throw new AssertionError("and this");
                            });
                            tx.afterCommit(log("next"));
                            return tx.execute("INSERT INTO t VALUES (1)");
                        })
                        .join())
                .isEqualTo(1);
        assertThat(ran).containsExactly("next");
    }

    @Test
    void aHookThatInterruptsItsThreadDisturbsNobody() {
        pool.useTransaction(tx -> {
                    tx.afterCommit(() -> Thread.currentThread().interrupt());
                    tx.afterCommit(() -> {
                        ran.add("interrupted: " + Thread.currentThread().isInterrupted());
                        Thread.currentThread().interrupt();
                    });
                })
                .thenRun(() ->
                        ran.add("stage interrupted: " + Thread.currentThread().isInterrupted()))
                .join();
        assertThat(ran).containsExactly("interrupted: false", "stage interrupted: false");
    }

    @Test
    void hooksHoldNoConnectionAndMayUseThePool() {
        SqlitePool single =
                pools.build(SqlitePool.builder().databasePath(pools.file()).poolSize(1));
        single.useTransaction(tx -> {
                    tx.execute("INSERT INTO t VALUES (1)");
                    tx.afterCommit(() -> {
                        assertThat(single.execute("INSERT INTO t VALUES (2)").join())
                                .isEqualTo(1);
                        ran.add(Thread.currentThread().getName());
                    });
                })
                .join();
        assertThat(ran).singleElement().asString().startsWith(single.stats().pool());
        assertThat(pool.queryOne("SELECT count(*) FROM t", row -> row.getInt(1)).join())
                .contains(2);
    }

    @Test
    void inTheBlockingViewTheyRunOnAThreadOfThePoolToo() throws Exception {
        pool.blocking().useRead(outer -> pool.blocking().useTransaction(tx -> {
            tx.afterCommit(() -> ran.add(Thread.currentThread().getName()));
        }));
        assertThat(ran).singleElement().asString().startsWith(pool.stats().pool());
    }

    @Test
    void anExecutorOfTheUsersWithTheOnlyThreadThatWaitsIsNoDeadlock() throws Exception {
        ExecutorService one = Executors.newSingleThreadExecutor();
        try {
            SqlitePool own =
                    pools.build(SqlitePool.builder().databasePath(pools.file()).executor(one));
            one.submit(() -> own.useTransaction(tx -> tx.afterCommit(log("a"))).join())
                    .get();
            assertThat(ran).containsExactly("a");
        } finally {
            one.shutdown();
        }
    }

    @Test
    void waitingForItsOwnTransactionFailsAtOnce() {
        CompletableFuture<CompletableFuture<Void>> self = new CompletableFuture<>();
        AtomicReference<Throwable> error = new AtomicReference<>();
        CompletableFuture<Void> future = pool.useTransaction(tx -> {
            tx.afterCommit(() -> {
                try {
                    self.join().join();
                } catch (Throwable e) {
                    error.set(e);
                }
            });
        });
        self.complete(future);
        future.join();
        assertThat(error.get()).isInstanceOf(IllegalStateException.class).hasMessageContaining("its own task");
    }

    @Test
    void itIsForATransactionThatIsNotOver() {
        AtomicReference<Transaction> kept = new AtomicReference<>();
        pool.useTransaction(tx -> {
                    kept.set(tx);
                    assertThatThrownBy(() -> tx.afterCommit(null)).isInstanceOf(NullPointerException.class);
                    tx.afterCommit(() -> {
                        assertThatThrownBy(() -> tx.afterCommit(log("late"))).isInstanceOf(IllegalStateException.class);
                        ran.add("refused");
                    });
                })
                .join();
        assertThatThrownBy(() -> kept.get().afterCommit(log("late"))).isInstanceOf(IllegalStateException.class);
        assertThat(ran).containsExactly("refused");
    }

    @Test
    void aHookThatNeverReturnsDoesNotOutliveThePool() {
        SqlitePool closing = pools.open(b -> b.closeGrace(Duration.ofMillis(50)));
        CountDownLatch reached = new CountDownLatch(1);
        CompletableFuture<Integer> written = closing.transaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1)");
            tx.afterCommit(() -> {
                reached.countDown();
                try {
                    new CountDownLatch(1).await();
                } catch (InterruptedException e) {
                    ran.add("interrupted");
                }
            });
            tx.afterCommit(log("after it"));
            return 7;
        });
        Pools.await("the hook runs", () -> reached.getCount() == 0);
        closing.close();
        assertThat(written).isCompletedWithValue(7); // it is committed
        assertThat(ran).containsExactly("interrupted");
    }

    @Test
    void aHookThatIgnoresTheInterruptHoldsUpNeitherTheFutureNorTheClose() {
        SqlitePool closing = pools.open(b -> b.closeGrace(Duration.ofMillis(50)));
        Gate gate = new Gate();
        CompletableFuture<Void> written = closing.useTransaction(tx -> {
            tx.execute("INSERT INTO t VALUES (1)");
            tx.afterCommit(gate::pass);
        });
        gate.awaitReached();
        closing.close();
        assertThat(written).isCompleted();
        gate.open();
    }

    @Test
    void thePoolIsClosedWhenTheHooksHaveRun() {
        for (Durability durability : Durability.values()) {
            SqlitePool closing = pools.open(b -> b.durability(durability));
            Gate gate = new Gate();
            CompletableFuture<Void> written = closing.useTransaction(tx -> {
                tx.execute("INSERT INTO t VALUES (1)");
                tx.execute("DELETE FROM t");
                tx.afterCommit(gate::pass);
                tx.afterCommit(log("second"));
            });
            gate.awaitReached();
            CompletableFuture<Void> closed = closing.closeAsync();
            Pools.await("nothing is left but the hook", () -> closing.stats().live() == 0);
            assertThat(closed).isNotDone();
            gate.open();
            closed.join();
            assertThat(ran).containsExactly("second");
            ran.clear();
            Pools.await("acknowledged", written::isDone);
        }
    }
}
