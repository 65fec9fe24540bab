package dev.sqlitepool;

/**
 * How far a backup has come. Immutable.
 *
 * @param copiedPages the pages of the copy that are written, at most {@code totalPages}
 * @param totalPages the pages that the copy will have, at least 1; an estimate until the last report, in which both are equal
 */
public record BackupProgress(long copiedPages, long totalPages) {
    /**
     * The part that is done.
     *
     * @return from 0 to 1
     */
    public double fraction() {
        return (double) copiedPages / totalPages;
    }
}
