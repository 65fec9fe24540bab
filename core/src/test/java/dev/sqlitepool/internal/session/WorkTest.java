package dev.sqlitepool.internal.session;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sqlitepool.SqlWork;
import dev.sqlitepool.Transaction;
import java.sql.SQLException;
import org.junit.jupiter.api.Test;

class WorkTest {
    @Test
    void aFunctionIsCalledAfterTheClassThatItStandsIn() {
        SqlWork<Transaction, Integer, SQLException> function = connection -> 1;
        assertThat(new Work.Code<>(Form.CONNECTION, function, function).label()).isEqualTo("WorkTest");
    }

    @Test
    void theCommitOfALeaseIsCalledCommit() {
        assertThat(FreeSession.COMMIT.label()).isEqualTo("COMMIT");
    }
}
