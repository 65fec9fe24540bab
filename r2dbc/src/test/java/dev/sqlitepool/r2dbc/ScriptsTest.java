package dev.sqlitepool.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ScriptsTest {
    private final Scripts scripts = new Scripts();

    @Test
    void aTextIsReadOnce() {
        Script first = scripts.of("SELECT ?");
        assertThat(scripts.of("SELECT " + "?")).isSameAs(first);
        assertThat(scripts.of("SELECT :a")).isNotSameAs(first);
    }

    @Test
    void fiveHundredTextsAreKept() {
        Script first = scripts.of("SELECT 0");
        for (int i = 1; i < 500; i++) {
            scripts.of("SELECT " + i);
        }
        assertThat(scripts.of("SELECT 0")).isSameAs(first);
        Script oneMore = scripts.of("SELECT 500");
        assertThat(scripts.of("SELECT 0")).isNotSameAs(first);
        assertThat(scripts.of("SELECT 500")).isSameAs(oneMore);
    }

    @Test
    void aVeryLongTextIsNotKept() {
        String kept = "SELECT " + "1".repeat(3_993);
        assertThat(scripts.of(kept)).isSameAs(scripts.of(kept));
        String tooLong = kept + "1";
        assertThat(scripts.of(tooLong)).isNotSameAs(scripts.of(tooLong));
    }
}
