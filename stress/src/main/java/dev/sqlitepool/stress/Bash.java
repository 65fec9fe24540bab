package dev.sqlitepool.stress;

import java.io.IOException;
import java.util.concurrent.TimeUnit;

/** Commands of the system, in processes of their own. */
final class Bash {
    private static final int PATIENCE_SECONDS = 60;

    private Bash() {}

    /** Whether a command is there, and succeeds. */
    static boolean succeeds(String... command) throws InterruptedException {
        Process process;
        try {
            process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException e) {
            return false;
        }
        try {
            return process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS) && process.exitValue() == 0;
        } finally {
            process.destroyForcibly();
        }
    }

    /** Runs a line of the shell, which must succeed. */
    static void run(String line) throws InterruptedException {
        if (!succeeds("bash", "-c", line)) {
            throw new IllegalStateException("This failed: " + line);
        }
    }
}
