package dev.sqlitepool.internal.lane;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class KnownTextsTest {
    private final KnownTexts texts = new KnownTexts();

    @Test
    void aTextIsQuickIfItTookNoTimeWhenItLastRan() {
        assertThat(texts.isQuick("a")).isFalse();
        texts.took("a", 999_999);
        texts.took("b", 1_000_000);
        assertThat(texts.isQuick("a")).isTrue();
        assertThat(texts.isQuick("b")).isFalse();
        texts.took("a", 1_000_000);
        assertThat(texts.isQuick("a")).isFalse();
    }

    @Test
    void aTextThatHasFailedIsFallible() {
        texts.took("a", 0);
        assertThat(texts.isFallible("a")).isFalse();
        texts.failed("a");
        assertThat(texts.isFallible("a")).isTrue();
        assertThat(texts.isFallible("b")).isFalse();
    }

    @Test
    void aThousandTextsAreRemembered() {
        for (int i = 0; i < 1_000; i++) {
            texts.took("text " + i, 0);
        }
        texts.took("text 999", 0); // known already
        assertThat(texts.isQuick("text 0")).isTrue();
        texts.took("one more", 0);
        assertThat(texts.isQuick("text 0")).isFalse();
        assertThat(texts.isQuick("one more")).isFalse();
    }
}
