package dev.sqlitepool.spring.data.r2dbc;

import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Wrapped;
import org.jspecify.annotations.Nullable;
import org.springframework.r2dbc.core.binding.BindMarkersFactory;
import org.springframework.r2dbc.core.binding.BindMarkersFactoryResolver.BindMarkerFactoryProvider;

/**
 * Gives the bind markers to Spring, which finds this class in {@code META-INF/spring.factories}. It needs no Spring Data: {@code
 * DatabaseClient} is used without it too. Stateless.
 */
final class SqliteBindMarkersProvider implements BindMarkerFactoryProvider {
    private static final String NAME = "SQLite";

    /** {@code ?1}: a name that stands twice in a statement is bound once. */
    static final BindMarkersFactory BIND_MARKERS = BindMarkersFactory.indexed("?", 1);

    @Override
    public @Nullable BindMarkersFactory getBindMarkers(ConnectionFactory factory) {
        return isSqlite(factory) ? BIND_MARKERS : null;
    }

    /** Whether a factory, or one that it wraps, is of SQLite. */
    static boolean isSqlite(ConnectionFactory factory) {
        Object candidate = factory;
        while (candidate != null) {
            if (candidate instanceof ConnectionFactory found
                    && NAME.equalsIgnoreCase(found.getMetadata().getName())) {
                return true;
            }
            candidate = candidate instanceof Wrapped<?> wrapper ? wrapper.unwrap() : null;
        }
        return false;
    }
}
