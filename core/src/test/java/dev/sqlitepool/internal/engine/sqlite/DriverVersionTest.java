package dev.sqlitepool.internal.engine.sqlite;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.SQLException;
import org.junit.jupiter.api.Test;

/** A driver that is too old is refused with the version that is needed. */
class DriverVersionTest {
    @Test
    void aDriverThatIsTooOldIsRefusedWithTheLeastVersion() {
        for (String old : new String[] {"3.45.3.0", "3.8.11.2", "3.36.0.3"}) {
            assertThatThrownBy(() -> SqliteVersion.requireDriver(old))
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("sqlite-jdbc " + old + " is too old")
                    .hasMessageContaining("needs 3.46.0.0 or later");
        }
    }

    @Test
    void aNewerOneAndOneThatDoesNotTellAreTaken() {
        for (String fine : new String[] {"3.46.0.0", "3.46.1.3", "3.54.1.0", "4.0.0.0", "unknown"}) {
            assertThatCode(() -> SqliteVersion.requireDriver(fine)).doesNotThrowAnyException();
        }
    }
}
