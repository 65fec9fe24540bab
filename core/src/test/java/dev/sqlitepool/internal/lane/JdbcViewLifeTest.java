package dev.sqlitepool.internal.lane;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.Connection;
import org.junit.jupiter.api.Test;

class JdbcViewLifeTest {
    private final OpenResults results = new OpenResults();
    private int made;

    @Test
    void aViewThatEndsWithItsWorkIsMadeAgainForTheNext() {
        JdbcView first = results.view(() -> view(true));
        results.endWork();
        assertThat(results.mayBeOpen(null)).isFalse();
        assertThat(results.view(() -> view(true))).isNotSameAs(first);
        assertThat(made).isEqualTo(2);
    }

    @Test
    void aViewThatOutlivesItsWorkIsTheSameInTheNext() {
        JdbcView first = results.view(() -> view(false));
        results.endWork();
        assertThat(results.mayBeOpen(null)).isTrue();
        assertThat(results.view(() -> view(false))).isSameAs(first);
        assertThat(made).isEqualTo(1);
    }

    private JdbcView view(boolean endsWithWork) {
        made++;
        return new JdbcView() {
            @Override
            public Connection connection() {
                throw new UnsupportedOperationException();
            }

            @Override
            public boolean hasOpenResults() {
                return false;
            }

            @Override
            public void closeStatements(String reason) {}

            @Override
            public void closeWriting() {}

            @Override
            public boolean endsWithWork() {
                return endsWithWork;
            }
        };
    }
}
