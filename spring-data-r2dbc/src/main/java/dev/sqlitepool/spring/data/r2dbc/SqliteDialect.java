package dev.sqlitepool.spring.data.r2dbc;

import java.util.Collection;
import java.util.Locale;
import org.springframework.data.r2dbc.dialect.R2dbcDialect;
import org.springframework.data.relational.core.dialect.AbstractDialect;
import org.springframework.data.relational.core.dialect.InsertRenderContext;
import org.springframework.data.relational.core.dialect.LimitClause;
import org.springframework.data.relational.core.dialect.LockClause;
import org.springframework.data.relational.core.sql.IdentifierProcessing;
import org.springframework.data.relational.core.sql.IdentifierProcessing.LetterCasing;
import org.springframework.data.relational.core.sql.IdentifierProcessing.Quoting;
import org.springframework.data.relational.core.sql.LockOptions;
import org.springframework.data.relational.core.sql.SqlIdentifier;
import org.springframework.r2dbc.core.binding.BindMarkersFactory;

/**
 * The dialect of SQLite, for sqlitepool's R2DBC driver. Thread-safe: immutable.
 *
 * <p>Spring Data R2DBC finds it by the connection factory; name it where no factory is at hand.
 *
 * <p>Entities may have properties of any type that the driver binds: numbers, {@code Boolean}, {@code String}, enums, {@code byte[]}, {@code
 * UUID}, {@code BigDecimal} and the times of {@code java.time} that have a date or a time of day. There are no arrays.
 */
public final class SqliteDialect extends AbstractDialect implements R2dbcDialect {
    /** The only one. */
    public static final SqliteDialect INSTANCE = new SqliteDialect();

    /** SQLite finds names whatever their case. */
    private static final IdentifierProcessing IDENTIFIERS =
            IdentifierProcessing.create(Quoting.ANSI, LetterCasing.AS_IS);

    private SqliteDialect() {}

    @Override
    public BindMarkersFactory getBindMarkersFactory() {
        return SqliteBindMarkersProvider.BIND_MARKERS;
    }

    @Override
    public IdentifierProcessing getIdentifierProcessing() {
        return IDENTIFIERS;
    }

    /** The driver quotes them itself. */
    @Override
    public String renderForGeneratedValues(SqlIdentifier identifier) {
        return identifier.getReference();
    }

    @Override
    public Collection<Object> getConverters() {
        return Reads.CONVERTERS;
    }

    @Override
    public LimitClause limit() {
        return Limit.INSTANCE;
    }

    /** None: a transaction that may write is alone with the database from its beginning. */
    @Override
    public LockClause lock() {
        return NoLock.INSTANCE;
    }

    @Override
    public InsertRenderContext getInsertRenderContext() {
        return () -> " DEFAULT VALUES";
    }

    private enum Limit implements LimitClause {
        INSTANCE;

        @Override
        public String getLimit(long limit) {
            return String.format(Locale.ROOT, "LIMIT %d", limit);
        }

        /** There is no OFFSET without a LIMIT, and <a href="https://www.sqlite.org/lang_select.html#limitoffset">a negative one is none</a>. */
        @Override
        public String getOffset(long offset) {
            return getLimitOffset(-1, offset);
        }

        @Override
        public String getLimitOffset(long limit, long offset) {
            return String.format(Locale.ROOT, "LIMIT %d OFFSET %d", limit, offset);
        }

        @Override
        public LimitClause.Position getClausePosition() {
            return LimitClause.Position.AFTER_ORDER_BY;
        }
    }

    private enum NoLock implements LockClause {
        INSTANCE;

        @Override
        public String getLock(LockOptions options) {
            return "";
        }

        @Override
        public LockClause.Position getClausePosition() {
            return LockClause.Position.AFTER_ORDER_BY;
        }
    }
}
