package dev.sqlitepool.stress;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/**
 * What surrounds the database breaks: the disk, the limits of the process, the files themselves. After each fault the error is clear,
 * nothing acknowledged is lost but what the fault itself has destroyed, and when the cause is gone the same pool works again.
 *
 * <p>Files of a database in use are touched by other processes only: closing one here would drop the locks that SQLite holds on it.
 */
final class Damage {
    private static final int PATIENCE_SECONDS = 60;
    private static final int DESCRIPTORS = 200;

    private final Trial trial;
    private final int numbers;
    private int databases;

    /** One pool over a database that exists and holds some numbers. */
    private final class Scene {
        private final Path database;
        private final SqlitePool pool;
        private final Users users;

        Scene(Path directory, SqlitePoolBuilder settings) throws Exception {
            database = directory.resolve("test.db");
            Users.prepare(database);
            pool = settings.databasePath(database)
                    .poolSize(3)
                    .walSizeLimit(1 << 18)
                    .acquireTimeout(Duration.ofSeconds(10))
                    .healthCheckInterval(Duration.ofMillis(50))
                    .build();
            users = new Users(pool);
            users.work(numbers);
            if (users.anyTrouble()) {
                throw new IllegalStateException("There is trouble before there is a fault.");
            }
        }

        /** All is in the database file, and a copy of it is kept. Returns the number that comes next. */
        int copy() throws Exception {
            pool.query("PRAGMA wal_checkpoint(TRUNCATE)", row -> row.getInt(1)).join();
            shell("cp '" + database + "' '" + database + ".copy'");
            return users.next();
        }

        /** Puts the copy in the place of what is there. */
        void restore() throws Exception {
            shell("rm -f '" + database + "-wal' '" + database + "-shm'; mv '" + database + ".copy' '" + database + "'");
        }

        /** The cause is gone; somebody must have felt the fault, or the trial has shown nothing. */
        void conclude(String fault) throws Exception {
            if (!users.anyTrouble()) {
                trial.check(false, fault, "but nobody has felt it");
            }
            concludeUnfelt(fault);
        }

        /** The cause is gone, and nobody need have felt it. */
        void concludeUnfelt(String fault) throws Exception {
            int tries = users.triesUntilWorking();
            users.work(numbers / 4);
            Users.Verdict verdict = users.close(database);
            report(fault, verdict, tries);
        }
    }

    private Damage(Trial trial) {
        this.trial = trial;
        this.numbers = trial.isShort() ? 40 : 400;
    }

    static void run(Trial trial) throws Exception {
        Damage damage = new Damage(trial);
        damage.disks();
        damage.pageCount();
        damage.files();
        damage.limits();
        damage.calls(false);
        damage.calls(true);
    }

    private void report(String fault, Users.Verdict verdict, int tries) {
        verdict.seen().forEach((words, count) -> trial.out().printf("  %,7d  %s%n", count, words));
        trial.check(
                verdict.isTrue() && tries > 0,
                fault,
                verdict.words()
                        + (tries == 0 ? ", and it NEVER works again" : tries == 1 ? "" : ", works at try " + tries));
    }

    private Path directory() throws IOException {
        return Files.createDirectory(trial.directory().toRealPath().resolve("damage-" + databases++));
    }

    private static SqlitePoolBuilder usual() {
        return SqlitePool.builder();
    }

    // Disks

    private void disks() throws Exception {
        Path disk = directory();
        if (!succeeds("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk.toString())) {
            trial.out().println("Left out: the full disk and the read-only one. Only root may mount a small disk.");
            return;
        }
        try {
            fullDisk(disk);
            shell("rm -rf '" + disk + "'/*");
            readOnly(disk);
        } finally {
            shell("umount -l '" + disk + "'");
        }
    }

    private void fullDisk(Path disk) throws Exception {
        Scene scene = new Scene(disk, usual());
        Path filler = disk.resolve("filler");
        for (int i = 0; i < 3; i++) {
            try (OutputStream out = Files.newOutputStream(filler)) {
                for (int block = 0; block < 2_000; block++) {
                    out.write(new byte[1_024]);
                }
            } catch (IOException e) {
                // no room for so much
            }
            scene.users.work(numbers);
            Files.delete(filler);
        }
        shell("mount -o remount,size=32m '" + disk + "'");
        scene.conclude("the disk is full, and then there is room");
    }

    /** Linux makes no file system read-only in which a file is open for writing, so the pool is idle then. */
    private void readOnly(Path disk) throws Exception {
        Scene scene = new Scene(disk, usual().maxIdleTime(Duration.ofMillis(50)));
        await(() -> scene.pool.stats().live() == 0, "no connection is open");
        shell("mount -o remount,ro '" + disk + "'");
        scene.users.work(numbers / 4);
        shell("mount -o remount,rw '" + disk + "'");
        scene.conclude("the disk is read-only, and then it is not");
    }

    // Limits of SQLite

    private void pageCount() throws Exception {
        AtomicInteger most = new AtomicInteger(1 << 20);
        Scene scene = new Scene(directory(), usual().onConnect(connection -> {
            limitPages(connection, most.get());
        }));
        most.set(1);
        scene.pool.execute("PRAGMA max_page_count = 1").join(); // it becomes the present size
        scene.users.work(numbers);
        most.set(1 << 20);
        scene.pool.execute("PRAGMA max_page_count = 1048576").join();
        scene.conclude("max_page_count is reached, and then raised");
        trial.out().println("Left out: no memory for SQLite. It does not count its memory in sqlite-jdbc.");
    }

    private static void limitPages(Connection connection, int most) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.execute("PRAGMA max_page_count = " + most);
        }
    }

    // Files

    private void files() throws Exception {
        deleted(true);
        deleted(false);
        replaced();
        truncated();
        corrupted();
        withoutIndex();
        directoryGone();
    }

    private void deleted(boolean idle) throws Exception {
        Scene scene = new Scene(directory(), usual());
        int mark = scene.copy();
        Users.Act delete =
                () -> shell("rm -f '" + scene.database + "' '" + scene.database + "-wal' '" + scene.database + "-shm'");
        if (idle) {
            delete.run();
        } else {
            scene.users.work(numbers * 4, delete);
        }
        await(() -> scene.pool.stats().live() == 0, "the pool has noticed");
        scene.users.work(numbers / 4);
        scene.restore();
        scene.users.lose(mark);
        scene.conclude("the file is deleted while the pool " + (idle ? "is idle" : "works") + ", and put back");
    }

    private void replaced() throws Exception {
        Scene scene = new Scene(directory(), usual());
        Users.prepare(Path.of(scene.database + ".copy"));
        scene.restore();
        await(
                () -> scene.pool
                                .queryOne("SELECT count(*) FROM n", row -> row.getInt(1))
                                .join()
                                .orElseThrow()
                        == 0,
                "the pool has noticed");
        scene.users.lose(0);
        scene.concludeUnfelt("the file is replaced by another");
    }

    private void truncated() throws Exception {
        Scene scene = new Scene(directory(), usual());
        int mark = scene.copy();
        shell("truncate -s " + Files.size(scene.database) / 2 + " '" + scene.database + "'");
        scene.users.work(numbers);
        scene.restore();
        scene.users.lose(mark);
        scene.conclude("the file is cut to half, and a copy is put in its place");
    }

    private void corrupted() throws Exception {
        Scene scene = new Scene(directory(), usual());
        scene.pool.execute("CREATE TABLE other (x)").join();
        scene.pool.execute("INSERT INTO other SELECT n.filling FROM n").join();
        scene.copy();
        int page = scene.pool
                .queryOne("SELECT rootpage FROM sqlite_schema WHERE name = 'other'", row -> row.getInt(1))
                .join()
                .orElseThrow();
        String copying = " of='" + scene.database + "' bs=4096 count=1 conv=notrunc status=none seek=" + (page - 1);
        shell("dd if=/dev/zero" + copying);
        scene.users.work(numbers);
        boolean sound = !scene.users.anyTrouble();
        boolean refused = !scene.users.works("SELECT count(x) FROM other");
        shell("dd if='" + scene.database + ".copy' skip=" + (page - 1) + copying);
        boolean read = scene.users.works("SELECT count(x) FROM other");
        trial.check(
                sound && refused && read,
                "a page is damaged: its table is refused, others work",
                "others " + (sound ? "work" : "FAIL") + ", its own " + (refused ? "refused" : "READ")
                        + ", and when it is put right " + (read ? "read" : "REFUSED"));
        scene.conclude("a page is damaged, and put right");
    }

    private void withoutIndex() throws Exception {
        Scene scene = new Scene(directory(), usual());
        scene.users.work(numbers * 2, () -> shell("rm -f '" + scene.database + "-shm'"));
        scene.concludeUnfelt("the -shm file is deleted");
    }

    /** Files that are open stay open, and what is written to them is there when the directory is back. */
    private void directoryGone() throws Exception {
        Path directory = directory();
        Scene scene = new Scene(directory, usual());
        scene.users.work(numbers, () -> shell("mv '" + directory + "' '" + directory + "-away'"));
        await(() -> scene.pool.stats().live() == 0, "the pool has noticed");
        scene.users.work(numbers / 4);
        shell("mv '" + directory + "-away' '" + directory + "'");
        scene.conclude("the directory is gone, and put back");
    }

    // Calls of the driver

    /** Each call of a small piece of work fails once: before it does anything, or when it has done it. */
    private void calls(boolean after) throws Exception {
        Users.Verdict all = null;
        int stuck = 0;
        int open = 0;
        int n = 1;
        Failing failing;
        do {
            Path database = directory().resolve("test.db");
            Users.prepare(database);
            failing = new Failing(database, n, after);
            SqlitePool pool = usual().connectionFactory(failing).poolSize(2).build();
            Users users = new Users(pool, false);
            users.workInTurn(5);
            if (users.triesUntilWorking() == 0) {
                stuck++;
                trial.out().println("  call " + n + ", " + failing.struck() + ": NEVER works again");
            }
            Users.Verdict verdict = users.close(database);
            open += failing.stillOpen();
            if (!verdict.isTrue()) {
                trial.out()
                        .println("  call " + n + ", " + failing.struck() + ": " + verdict.words() + " "
                                + verdict.seen());
            }
            all = all == null ? verdict : all.and(verdict);
            n += trial.isShort() ? 7 : 1;
        } while (failing.struck() != null);
        String fault = "each call of JDBC fails once, " + (after ? "when it is done" : "before it does anything");
        report(fault, all, 1);
        trial.check(stuck == 0, "each pool works again", stuck + " do not");
        trial.check(open == 0, "no connection is open after its pool", open + " open");
    }

    // Limits of the process, in processes of their own

    private void limits() throws Exception {
        if (!succeeds("prlimit", "--version")) {
            trial.out().println("Left out: the limit of a file's size. It takes prlimit (Debian: util-linux).");
        } else {
            child("file-size", "");
        }
        child("descriptors", "ulimit -n " + DESCRIPTORS + "; ");
    }

    private void child(String scene, String before) throws Exception {
        List<String> command = new ArrayList<>(List.of("bash", "-c", before + "exec \"$@\"", "bash"));
        command.addAll(Java.command(Damage.class, scene, directory().toString(), trial.isShort() ? "short" : "long"));
        Path said = trial.directory().resolve("said");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(said.toFile())
                .start();
        boolean ended;
        try {
            ended = process.waitFor(PATIENCE_SECONDS * 2, TimeUnit.SECONDS);
        } finally {
            process.destroyForcibly();
        }
        Files.readAllLines(said, StandardCharsets.UTF_8).forEach(trial.out()::println);
        trial.check(
                ended && process.exitValue() == 0,
                scene + ": the process lives, and all of its facts hold",
                ended ? "exit code " + process.exitValue() : "it hangs");
    }

    /** The process whose limits are reached. */
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        Trial trial =
                new Trial(arguments[2].equals("short") ? List.of("short") : List.of(), Path.of(arguments[1]), out);
        Damage damage = new Damage(trial);
        if (arguments[0].equals("file-size")) {
            damage.fileSize();
        } else {
            damage.descriptors();
        }
        System.exit(trial.holds() ? 0 : 1);
    }

    private void fileSize() throws Exception {
        Scene scene = new Scene(directory(), usual());
        String process = Long.toString(ProcessHandle.current().pid());
        long size = Files.size(scene.database);
        shell("prlimit --pid " + process + " --fsize=" + size + ":unlimited");
        scene.users.work(numbers);
        shell("prlimit --pid " + process + " --fsize=unlimited:unlimited");
        scene.conclude("the limit of a file's size is reached, and then raised");
    }

    private void descriptors() throws Exception {
        Scene scene = new Scene(directory(), usual().maxIdleTime(Duration.ofMillis(50)));
        await(() -> scene.pool.stats().live() == 0, "no connection is open");
        List<Closeable> open = new ArrayList<>();
        try {
            while (true) {
                open.add(Files.newInputStream(Path.of("/dev/null")));
            }
        } catch (IOException e) {
            scene.users.work(numbers);
        } finally {
            for (Closeable file : open) {
                file.close();
            }
        }
        scene.conclude("no file descriptors are left, and then there are some");
    }

    // Other processes

    private static boolean succeeds(String... command) throws InterruptedException {
        try {
            Process process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    private static void shell(String command) throws InterruptedException {
        if (!succeeds("bash", "-c", command)) {
            throw new IllegalStateException("This failed: " + command);
        }
    }

    private static void await(BooleanSupplier fact, String words) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS / 2);
        while (!fact.getAsBoolean()) {
            if (System.nanoTime() - deadline > 0) {
                throw new IllegalStateException("It did not happen: " + words);
            }
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }
}
