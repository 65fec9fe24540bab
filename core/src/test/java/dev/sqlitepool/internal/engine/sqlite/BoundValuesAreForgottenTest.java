package dev.sqlitepool.internal.engine.sqlite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.testing.Pools;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.sqlite.core.Codes;
import org.sqlite.core.CoreStatement;
import org.sqlite.core.DB;

/** A statement that waits for its next run keeps no text and no bytes: neither their memory nor their secrets. */
class BoundValuesAreForgottenTest {
    @RegisterExtension
    final Pools pools = new Pools();

    @Test
    void textAndBytesAreNullWhenTheStatementRunsWithoutThem() throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + pools.file());
                PreparedStatement statement = connection.prepareStatement("SELECT ?")) {
            CoreStatement core = (CoreStatement) statement;
            SqlitePrepared prepared = new SqlitePrepared(statement);
            for (Object value : new Object[] {"secret", new byte[] {1}}) {
                prepared.start(new Object[] {value});
                assertThat(prepared.next()).isTrue();
                prepared.reset();
                prepared.forget();
                assertThat(core.pointer.safeRunInt(DB::step)).isEqualTo(Codes.SQLITE_ROW);
                assertThat(core.pointer.safeRunInt((d, p) -> d.column_type(p, 0)))
                        .isEqualTo(Codes.SQLITE_NULL);
                core.pointer.safeRunInt(DB::reset);
            }
        }
    }
}
