package dev.sqlitepool.stress;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.SqlitePoolBuilder;
import dev.sqlitepool.programs.Trial;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What surrounds the database breaks: the disk, the limits of the process, the files themselves. After each fault the error is clear,
 * nothing acknowledged is lost but what the fault itself has destroyed, and when the cause is gone the same pool works again.
 *
 * <p>Files of a database in use are touched by other processes only: closing one here would drop the locks that SQLite holds on it.
 */
final class Damage {
    private final Trial trial;
    private final int numbers;
    private int databases;

    private Damage(Trial trial) {
        this.trial = trial;
        this.numbers = Scene.numbers(trial);
    }

    static void run(Trial trial) throws Exception {
        Damage damage = new Damage(trial);
        damage.disks();
        damage.pageCount();
        damage.files();
        Confined.run(trial);
        damage.calls(false);
        damage.calls(true);
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
        if (!Bash.succeeds("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk.toString())) {
            trial.out().println("Left out: the full disk and the read-only one. Only root may mount a small disk.");
            return;
        }
        try {
            fullDisk(disk);
            Bash.run("rm -rf '" + disk + "'/*");
            readOnly(disk);
        } finally {
            Bash.run("umount -l '" + disk + "'");
        }
    }

    private void fullDisk(Path disk) throws Exception {
        Scene scene = new Scene(trial, disk, usual());
        Path filler = disk.resolve("filler");
        for (int i = 0; i < 3; i++) {
            try (OutputStream out = Files.newOutputStream(filler)) {
                for (int block = 0; block < 2_000; block++) {
                    out.write(new byte[1_024]);
                }
            } catch (IOException e) {
                // no room for so much
            }
            scene.users().work(numbers);
            Files.delete(filler);
        }
        Bash.run("mount -o remount,size=32m '" + disk + "'");
        scene.conclude("the disk is full, and then there is room");
    }

    /** Linux makes no file system read-only in which a file is open for writing, so the pool is idle then. */
    private void readOnly(Path disk) throws Exception {
        Scene scene = new Scene(trial, disk, usual().maxIdleTime(Duration.ofMillis(50)));
        Scene.await(() -> scene.pool().stats().live() == 0, "no connection is open");
        Bash.run("mount -o remount,ro '" + disk + "'");
        scene.users().work(numbers / 4);
        Bash.run("mount -o remount,rw '" + disk + "'");
        scene.conclude("the disk is read-only, and then it is not");
    }

    // Limits of SQLite

    private void pageCount() throws Exception {
        AtomicInteger most = new AtomicInteger(1 << 20);
        Scene scene = new Scene(trial, directory(), usual().onConnect(connection -> {
            limitPages(connection, most.get());
        }));
        most.set(1);
        scene.pool().useConnection(c -> c.execute("PRAGMA max_page_count = 1")).join(); // it becomes the present size
        scene.users().work(numbers);
        most.set(1 << 20);
        scene.pool()
                .useConnection(c -> c.execute("PRAGMA max_page_count = 1048576"))
                .join();
        scene.conclude("max_page_count is reached, and then raised");
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
        replaced(false);
        replaced(true);
        truncated();
        corrupted();
        withoutIndex();
        directoryGone();
    }

    private void deleted(boolean idle) throws Exception {
        Scene scene = new Scene(trial, directory(), usual());
        int mark = scene.copy();
        Users.Act delete = () -> Bash.run(
                "rm -f '" + scene.database() + "' '" + scene.database() + "-wal' '" + scene.database() + "-shm'");
        if (idle) {
            delete.run();
        } else {
            scene.users().work(numbers * 4, delete);
        }
        Scene.await(() -> scene.pool().stats().live() == 0, "the pool has noticed");
        scene.users().work(numbers / 4);
        scene.restore();
        scene.users().lose(mark);
        scene.conclude("the file is deleted while the pool " + (idle ? "is idle" : "works") + ", and put back");
    }

    /** If the log stays, SQLite would apply it to the new file. */
    private void replaced(boolean logStays) throws Exception {
        Scene scene = new Scene(trial, directory(), usual());
        Path copy = Path.of(scene.database() + ".copy");
        Users.prepare(copy);
        if (logStays) {
            Bash.run("mv '" + copy + "' '" + scene.database() + "'");
        } else {
            scene.restore();
        }
        Scene.await(
                () -> scene.pool()
                                .queryOne("SELECT count(*) FROM n", row -> row.getInt(1))
                                .join()
                                .orElseThrow()
                        == 0,
                "the pool has noticed");
        scene.users().lose(0);
        scene.concludeUnfelt("the file is replaced by another" + (logStays ? ", beside its own log" : ""));
    }

    private void truncated() throws Exception {
        Scene scene = new Scene(trial, directory(), usual());
        int mark = scene.copy();
        Bash.run("truncate -s " + Files.size(scene.database()) / 2 + " '" + scene.database() + "'");
        scene.users().work(numbers);
        scene.restore();
        scene.users().lose(mark);
        scene.conclude("the file is cut to half, and a copy is put in its place");
    }

    private void corrupted() throws Exception {
        Scene scene = new Scene(trial, directory(), usual());
        scene.pool().execute("CREATE TABLE other (x)").join();
        scene.pool().execute("INSERT INTO other SELECT n.filling FROM n").join();
        scene.copy();
        int page = scene.pool()
                .queryOne("SELECT rootpage FROM sqlite_schema WHERE name = 'other'", row -> row.getInt(1))
                .join()
                .orElseThrow();
        String copying = " of='" + scene.database() + "' bs=4096 count=1 conv=notrunc status=none seek=" + (page - 1);
        Bash.run("dd if=/dev/zero" + copying);
        scene.users().work(numbers);
        boolean sound = !scene.users().anyTrouble();
        boolean refused = !scene.users().works("SELECT count(x) FROM other");
        Bash.run("dd if='" + scene.database() + ".copy' skip=" + (page - 1) + copying);
        boolean read = scene.users().works("SELECT count(x) FROM other");
        trial.check(
                sound && refused && read,
                "a page is damaged: its table is refused, others work",
                "others " + (sound ? "work" : "FAIL") + ", its own " + (refused ? "refused" : "READ")
                        + ", and when it is put right " + (read ? "read" : "REFUSED"));
        scene.conclude("a page is damaged, and put right");
    }

    private void withoutIndex() throws Exception {
        Scene scene = new Scene(trial, directory(), usual());
        scene.users().work(numbers * 2, () -> Bash.run("rm -f '" + scene.database() + "-shm'"));
        scene.concludeUnfelt("the -shm file is deleted");
    }

    /** Files that are open stay open, and what is written to them is there when the directory is back. */
    private void directoryGone() throws Exception {
        Path directory = directory();
        Scene scene = new Scene(trial, directory, usual());
        scene.users().work(numbers, () -> Bash.run("mv '" + directory + "' '" + directory + "-away'"));
        Scene.await(() -> scene.pool().stats().live() == 0, "the pool has noticed");
        scene.users().work(numbers / 4);
        Bash.run("mv '" + directory + "-away' '" + directory + "'");
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
        Scene.report(trial, fault, all, 1);
        trial.check(stuck == 0, "each pool works again", stuck + " do not");
        trial.check(open == 0, "no connection is open after its pool", open + " open");
    }
}
