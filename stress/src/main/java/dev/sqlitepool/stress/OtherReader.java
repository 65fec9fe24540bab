package dev.sqlitepool.stress;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.util.concurrent.TimeUnit;

/**
 * Another process that holds a snapshot of a database, as a program does that copies the log elsewhere. Owned by one thread.
 *
 * <p>The process begins a read transaction, says what it sees, and holds it until it is told to let go; then it looks again, ends the
 * transaction, makes a checkpoint if it is to, and says what it saw and what the checkpoint said.
 */
final class OtherReader implements AutoCloseable {
    private static final int END_SECONDS = 60;

    private final Process process;
    private final BufferedReader output;
    private final String first;

    /** What it has seen: at the beginning and at the end of its snapshot; and 0 if its checkpoint was complete. */
    record Seen(String first, String last, String checkpoint) {}

    /** Begins, and returns when the snapshot is held. */
    OtherReader(Path database, String query, boolean checkpoint) throws IOException {
        process = new ProcessBuilder(
                        Java.command(OtherReader.class, database.toString(), query, Boolean.toString(checkpoint)))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        output = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        first = output.readLine();
        if (first == null) {
            throw new IllegalStateException("another reader could not begin");
        }
    }

    /** Lets go. */
    Seen end() throws IOException, InterruptedException {
        process.getOutputStream().close();
        Seen seen = new Seen(first, output.readLine(), output.readLine());
        if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS) || process.exitValue() != 0) {
            throw new IllegalStateException("another reader has failed");
        }
        return seen;
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    /**
     * The process. Ends when its standard input ends, and so with the process that has started it.
     *
     * @param arguments the database, the query, and whether to make a checkpoint
     */
    public static void main(String[] arguments) throws Exception {
        try (Connection connection = Bank.connect(arguments[0]);
                Statement statement = connection.createStatement()) {
            statement.execute("BEGIN");
            System.out.println(Bank.text(connection, arguments[1]));
            while (System.in.read() >= 0) {
                // only the end matters
            }
            System.out.println(Bank.text(connection, arguments[1]));
            statement.execute("COMMIT");
            boolean checkpoint = Boolean.parseBoolean(arguments[2]);
            System.out.println(checkpoint ? Bank.text(connection, "PRAGMA wal_checkpoint(TRUNCATE)") : "none");
        }
    }
}
