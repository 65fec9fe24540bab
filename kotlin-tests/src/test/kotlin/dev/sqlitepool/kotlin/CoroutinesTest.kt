package dev.sqlitepool.kotlin

import dev.sqlitepool.SqlitePool
import dev.sqlitepool.r2dbc.SqliteConnectionFactory
import io.r2dbc.spi.Connection
import io.r2dbc.spi.R2dbcDataIntegrityViolationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.single
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.reactive.asFlow
import kotlinx.coroutines.reactive.awaitFirstOrNull
import kotlinx.coroutines.reactive.awaitSingle
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.yield
import org.assertj.core.api.Assertions.assertThat
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import org.sqlite.Function
import java.nio.file.Files
import java.nio.file.Path
import kotlin.time.Duration.Companion.seconds

// snippet: kotlin-use
/** Runs a block with a connection, which is given back whatever happens, cancellation too. */
suspend fun <T> SqliteConnectionFactory.use(block: suspend (Connection) -> T): T {
    val connection = create().awaitSingle()
    try {
        return block(connection)
    } finally {
        withContext(NonCancellable) { connection.close().awaitFirstOrNull() }
    }
}

/** Runs a block in a transaction: it commits when the block returns, and is rolled back when it throws. */
suspend fun <T> SqliteConnectionFactory.transaction(block: suspend (Connection) -> T): T =
    use { connection ->
        connection.beginTransaction().awaitFirstOrNull()
        val result = block(connection)
        connection.commitTransaction().awaitFirstOrNull()
        result // without a commit, closing the connection rolls back
    }
// end

/** The driver under coroutines, through kotlinx-coroutines-reactive. */
class CoroutinesTest {
    @TempDir
    lateinit var directory: Path

    private lateinit var pool: SqlitePool
    private lateinit var factory: SqliteConnectionFactory

    /** Completes when a statement that calls `running()` runs. */
    private val running = CompletableDeferred<Unit>()

    @BeforeEach
    fun open() {
        pool =
            SqlitePool
                .builder()
                .databasePath(directory.resolve("test.db"))
                .poolSize(2)
                .onConnect { connection -> Function.create(connection, "running", Signal(running)) }
                .build()
        factory = SqliteConnectionFactory.of(pool)
        pool.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE)").join()
    }

    @AfterEach
    fun close() {
        runBlocking { awaitIdle() }
        pool.close()
        assertThat(Files.list(directory).use { files -> files.map { it.fileName.toString() }.toList() })
            .containsExactly("test.db")
    }

    private class Signal(
        private val signal: CompletableDeferred<Unit>,
    ) : Function() {
        override fun xFunc() {
            signal.complete(Unit)
            result(1)
        }
    }

    private fun test(block: suspend CoroutineScope.() -> Unit) = runBlocking(Dispatchers.Default) { withTimeout(240.seconds, block) }

    private suspend fun awaitIdle() =
        withTimeout(60.seconds) {
            while (listOf(pool.stats().readConnections(), pool.stats().writeConnections()).any { it.idle() < it.live() || it.waiting() > 0 }) {
                yield()
            }
        }

    private suspend fun insert(
        connection: Connection,
        title: String,
    ): Long =
        connection
            .createStatement("INSERT INTO notes (title) VALUES (:title)")
            .bind("title", title)
            .execute()
            .awaitSingle()
            .rowsUpdated
            .awaitSingle()

    private fun titles(connection: Connection): Flow<String> =
        flow {
            // snippet: kotlin-flow
            val result = connection.createStatement("SELECT title FROM notes ORDER BY id").execute().awaitSingle()
            val titles: Flow<String> = result.map { row -> row.get("title", String::class.java)!! }.asFlow()
            // end
            titles.collect { emit(it) }
        }

    @Test
    fun aStatementIsAwaited() =
        test {
            assertThat(factory.use { insert(it, "a") }).isEqualTo(1)
            assertThat(factory.use { titles(it).single() }).isEqualTo("a")
        }

    @Test
    fun rowsAreAFlow() =
        test {
            factory.transaction { connection -> repeat(1000) { insert(connection, "note $it") } }
            assertThat(factory.use { titles(it).toList() }).hasSize(1000).startsWith("note 0").endsWith("note 999")
        }

    @Test
    fun whoTakesTheFirstRowsReturnsTheLane() =
        test {
            factory.transaction { connection -> repeat(1000) { insert(connection, "note $it") } }
            factory.use { connection ->
                assertThat(titles(connection).take(2).toList()).containsExactly("note 0", "note 1")
                awaitIdle()
            }
        }

    @Test
    fun aTransactionIsRolledBackWhenItsBlockThrows() =
        test {
            assertThrows<R2dbcDataIntegrityViolationException> {
                factory.transaction { connection ->
                    insert(connection, "a")
                    insert(connection, "a")
                }
            }
            assertThat(factory.use { titles(it).toList() }).isEmpty()
        }

    @Test
    fun coroutinesWriteOneAfterTheOther() =
        test {
            (1..50).map { i -> async { factory.transaction { insert(it, "note $i") } } }.awaitAll()
            assertThat(factory.use { titles(it).toList() }).hasSize(50)
        }

    @Test
    fun cancellingACoroutineInterruptsItsQueryAndReturnsTheLane() =
        test {
            val query =
                launch {
                    factory.use { connection ->
                        connection
                            .createStatement("$ENDLESS SELECT 0, count(*) FROM n")
                            .execute()
                            .awaitSingle()
                            .map { row -> row.get(1, Long::class.javaObjectType)!! }
                            .awaitSingle()
                    }
                }
            running.await()
            query.cancelAndJoin()
            awaitIdle()
            assertThat(pool.stats().interrupts()).isPositive()
        }

    @Test
    fun cancellingACoroutineRollsItsTransactionBack() =
        test {
            val inserted = CompletableDeferred<Unit>()
            val transaction =
                launch {
                    factory.transaction { connection ->
                        insert(connection, "a")
                        inserted.complete(Unit)
                        CompletableDeferred<Unit>().await()
                    }
                }
            inserted.await()
            transaction.cancelAndJoin()
            awaitIdle()
            assertThat(factory.use { titles(it).toList() }).isEmpty()
        }

    private companion object {
        const val ENDLESS = "WITH RECURSIVE n(i) AS (SELECT running() UNION ALL SELECT i + 1 FROM n)"
    }
}
