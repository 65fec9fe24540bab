package dev.sqlitepool.r2dbc;

import io.r2dbc.spi.Option;
import io.r2dbc.spi.TransactionDefinition;
import java.util.Map;

/** The definitions of transactions that tests use. */
record ReadOnly(Map<Option<?>, Object> attributes) implements TransactionDefinition {
    static final ReadOnly INSTANCE = new ReadOnly(Map.of(TransactionDefinition.READ_ONLY, true));

    static TransactionDefinition of(Option<?> option, Object value) {
        return new ReadOnly(Map.of(option, value));
    }

    @Override
    @SuppressWarnings("unchecked")
    public <T> T getAttribute(Option<T> option) {
        return (T) attributes.get(option);
    }
}
