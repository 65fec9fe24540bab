package dev.sqlitepool.stress;

import dev.sqlitepool.SqlitePool;
import dev.sqlitepool.programs.Trial;
import java.io.Closeable;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Processes that reach a limit: of a file's size, of descriptors, of permissions, of memory. Each is one of its own, and must live. */
final class Confined {
    private static final int PATIENCE_SECONDS = 300;
    private static final int DESCRIPTORS = 200;

    private final Trial trial;
    private final int numbers;
    private int databases;

    private Confined(Trial trial) {
        this.trial = trial;
        this.numbers = Scene.numbers(trial);
    }

    static void run(Trial trial) throws Exception {
        Confined confined = new Confined(trial);
        if (!Bash.succeeds("prlimit", "--version")) {
            trial.out().println("Left out: the limit of a file's size. It takes prlimit (Debian: util-linux).");
        } else {
            confined.child("file-size", List.of(), Map.of());
        }
        confined.child(
                "descriptors", List.of("bash", "-c", "ulimit -n " + DESCRIPTORS + "; exec \"$@\"", "bash"), Map.of());
        permissions(confined);
        Allocations.Library library = Allocations.compiled(trial.directory());
        if (library == null) {
            trial.out()
                    .println(
                            "Left out: no memory for SQLite. It takes a C compiler and glibc (Debian: gcc, libc6-dev).");
        } else {
            confined.child("memory", List.of(), library.environment(Allocations.control(trial.directory())));
        }
    }

    /** Root may do everything, whatever the permissions say, until it has given up its capabilities: then it is an owner as others. */
    private static void permissions(Confined confined) throws Exception {
        if (!System.getProperty("user.name").equals("root")) {
            confined.child("permissions", List.of(), Map.of());
        } else if (Bash.succeeds("setpriv", "--inh-caps=-all", "--bounding-set=-all", "true")) {
            confined.child("permissions", List.of("setpriv", "--inh-caps=-all", "--bounding-set=-all"), Map.of());
        } else {
            confined.trial
                    .out()
                    .println("Left out: missing permissions. For root they take setpriv (Debian: util-linux).");
        }
    }

    private Path directory() throws IOException {
        return Files.createDirectory(trial.directory().toRealPath().resolve("confined-" + databases++));
    }

    private void child(String scene, List<String> before, Map<String, String> environment) throws Exception {
        List<String> command = new ArrayList<>(before);
        command.addAll(Java.command(Confined.class, scene, directory().toString(), trial.isShort() ? "short" : "long"));
        Path said = trial.directory().resolve("said");
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        boolean ended;
        try {
            ended = process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
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
        Confined confined = new Confined(trial);
        switch (arguments[0]) {
            case "file-size" -> confined.fileSize();
            case "descriptors" -> confined.descriptors();
            case "permissions" -> confined.permissions();
            default -> confined.memory();
        }
        System.exit(trial.holds() ? 0 : 1);
    }

    private void fileSize() throws Exception {
        Scene scene = new Scene(trial, directory(), SqlitePool.builder());
        String process = Long.toString(ProcessHandle.current().pid());
        long size = Files.size(scene.database());
        Bash.run("prlimit --pid " + process + " --fsize=" + size + ":unlimited");
        scene.users().work(numbers);
        Bash.run("prlimit --pid " + process + " --fsize=unlimited:unlimited");
        scene.conclude("the limit of a file's size is reached, and then raised");
    }

    private void descriptors() throws Exception {
        Scene scene = new Scene(trial, directory(), SqlitePool.builder().maxIdleTime(Duration.ofMillis(50)));
        scene.awaitNoConnection();
        loadClasses(SqlitePool.class);
        loadClasses(Confined.class);
        List<Closeable> open = new ArrayList<>();
        try {
            while (true) {
                open.add(Files.newInputStream(Path.of("/dev/null")));
            }
        } catch (IOException e) {
            scene.users().work(numbers);
        } finally {
            for (Closeable file : open) {
                file.close();
            }
        }
        scene.conclude("no file descriptors are left, and then there are some");
    }

    /** All classes of a directory, as a build has them: to load one later takes a descriptor. A jar is open already. */
    private static void loadClasses(Class<?> one) throws Exception {
        Path root =
                Path.of(one.getProtectionDomain().getCodeSource().getLocation().toURI());
        if (!Files.isDirectory(root)) {
            return;
        }
        List<String> names;
        try (Stream<Path> files = Files.walk(root.resolve(one.getPackageName().replace('.', '/')))) {
            names = files.map(file -> root.relativize(file).toString())
                    .filter(name -> name.endsWith(".class"))
                    .map(name ->
                            name.substring(0, name.length() - ".class".length()).replace('/', '.'))
                    .toList();
        }
        for (String name : names) {
            Class<?> unused = Class.forName(name, false, one.getClassLoader());
        }
    }

    // Permissions

    private void permissions() throws Exception {
        Path file = Files.createFile(directory().resolve("file"));
        permit(file, PosixFilePermissions.fromString("r--r--r--"));
        if (Files.isWritable(file)) {
            throw new IllegalStateException("This user may do everything.");
        }
        for (boolean idle : new boolean[] {true, false}) {
            without("", "r--r--r--", idle, "the database");
            without("-wal", "r--r--r--", idle, "the -wal");
            without("-shm", "r--r--r--", idle, "the -shm");
            without(null, "r-xr-xr-x", idle, "the directory");
        }
    }

    /**
     * Takes the permission to write from a file, or from the directory if there is no suffix, and gives it back. The pool has no connection
     * open then, and another process keeps the -wal and the -shm there; or it works and replaces its connections all the time.
     */
    private void without(String suffix, String permissions, boolean idle, String what) throws Exception {
        Path directory = directory();
        Scene scene = new Scene(
                trial,
                directory,
                idle
                        ? SqlitePool.builder().maxIdleTime(Duration.ofMillis(50))
                        : SqlitePool.builder().maxConnectionAge(Duration.ofMillis(50)));
        Path file = suffix == null ? directory : Path.of(scene.database() + suffix);
        boolean beside = idle && suffix != null && !suffix.isEmpty();
        try (OtherReader other = beside ? new OtherReader(scene.database(), "SELECT count(*) FROM n", false) : null) {
            scene.users().work(10); // to an empty -wal SQLite gives the right permissions by itself
            if (idle) {
                scene.awaitNoConnection();
            }
            Set<PosixFilePermission> before =
                    PosixFilePermissions.fromString(suffix == null ? "rwxr-xr-x" : "rw-r--r--");
            Users.Act take = () -> permit(file, PosixFilePermissions.fromString(permissions));
            if (idle) {
                take.run();
            } else {
                scene.users().work(numbers, take);
            }
            scene.users().work(numbers / 4);
            scene.users().workInTurn(numbers / 4);
            permit(file, before);
            String fault =
                    what + " may not be written while the pool " + (idle ? "is idle" : "works") + ", and then it may";
            if (other != null) {
                other.end();
            }
            if (idle) {
                scene.conclude(fault);
            } else {
                scene.concludeUnfelt(fault); // what is open stays open
            }
        }
    }

    /** A file that SQLite has removed meanwhile, and will make again, is none to be permitted. */
    private static void permit(Path file, Set<PosixFilePermission> permissions) throws IOException {
        try {
            Files.setPosixFilePermissions(file, permissions);
        } catch (NoSuchFileException e) {
            // see above
        }
    }

    // Memory

    private void memory() throws Exception {
        Users.prepare(directory().resolve("first.db")); // loads the native library
        Allocations allocations = new Allocations();
        noMemory(allocations, false);
        noMemory(allocations, true);
        littleMemory(allocations);
        eachAllocation(allocations, true);
        eachAllocation(allocations, false);
    }

    private void noMemory(Allocations allocations, boolean idle) throws Exception {
        Scene scene = new Scene(trial, directory(), SqlitePool.builder().maxIdleTime(Duration.ofMillis(50)));
        if (idle) {
            scene.awaitNoConnection();
        }
        scene.users().work(numbers, () -> allocations.fail(1, Long.MAX_VALUE, 1));
        allocations.succeed();
        scene.conclude("there is no memory for SQLite while the pool " + (idle ? "opens" : "works")
                + ", and then there is some");
    }

    private void littleMemory(Allocations allocations) throws Exception {
        for (int every : trial.isShort() ? List.of(3, 30) : List.of(2, 3, 5, 10, 30, 100, 300, 1_000)) {
            Scene scene = new Scene(trial, directory(), SqlitePool.builder().maxConnectionAge(Duration.ofMillis(100)));
            allocations.fail(every, Long.MAX_VALUE, every);
            scene.users().work(numbers);
            scene.users().workInTurn(numbers / 4);
            allocations.succeed();
            String fault = String.format(
                    Locale.ROOT, "one in %,d allocations of SQLite fails (%,d)", every, allocations.failed());
            if (every < 100) {
                scene.conclude(fault);
            } else {
                scene.concludeUnfelt(fault); // SQLite can do without some of them
            }
        }
    }

    /** Each allocation of a small piece of work fails: by itself, or with all that come after it. */
    private void eachAllocation(Allocations allocations, boolean byItself) throws Exception {
        long count = small(allocations, Long.MAX_VALUE, true).count();
        long step = Math.max(1, count / (trial.isShort() ? 20 : 2_000));
        Users.Verdict all = null;
        int runs = 0;
        int felt = 0;
        int stuck = 0;
        for (long n = 1; n <= count; n += step) {
            Small small = small(allocations, n, byItself);
            runs++;
            felt += small.verdict().seen().isEmpty() ? 0 : 1;
            stuck += small.tries() == 0 ? 1 : 0;
            if (!small.verdict().isTrue()) {
                trial.out().println("  allocation " + n + ": " + small.verdict().words());
            }
            all = all == null ? small.verdict() : all.and(small.verdict());
        }
        String fault = byItself ? "one allocation of SQLite fails" : "one allocation of SQLite fails, and all after it";
        report(fault, all, 1);
        trial.check(
                felt > runs / 4 && stuck == 0,
                "each pool works again",
                String.format(
                        Locale.ROOT,
                        "%,d of %,d allocations tried, %,d were felt, %d pools do not work again",
                        runs,
                        count,
                        felt,
                        stuck));
    }

    /** What became of a small piece of work. */
    private record Small(Users.Verdict verdict, int tries, long count) {}

    private Small small(Allocations allocations, long failing, boolean byItself) throws Exception {
        Path database = directory().resolve("test.db");
        Users.prepare(database);
        SqlitePool pool =
                SqlitePool.builder().databasePath(database).poolSize(2).build();
        Users users = new Users(pool);
        allocations.fail(failing, byItself ? failing : Long.MAX_VALUE, 1);
        users.workInTurn(5);
        allocations.succeed();
        long count = allocations.count();
        int tries = users.triesUntilWorking();
        return new Small(users.close(database), tries, count);
    }

    /** As {@link Scene#report}; and each error says that it is for want of memory. */
    private void report(String fault, Users.Verdict verdict, int tries) {
        Scene.report(trial, fault, verdict, tries);
        List<String> others = verdict.seen().keySet().stream()
                .filter(words -> !words.contains("memory"))
                .toList();
        trial.check(
                others.isEmpty() && !verdict.seen().isEmpty(),
                "each error says that it is for want of memory",
                others.isEmpty() ? verdict.seen().size() + " kinds" : "" + others);
    }
}
