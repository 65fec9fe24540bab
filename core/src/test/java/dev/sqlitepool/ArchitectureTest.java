package dev.sqlitepool;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.IOException;
import java.io.InputStream;
import java.lang.module.ModuleDescriptor;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The folders below {@code internal}, and what each may know of the others. ARCHITECTURE.md draws them. Whoever adds an arrow adds it to
 * {@link #FOLDERS}, and so sees whether it goes down.
 */
class ArchitectureTest {
    private static final String API = "dev.sqlitepool";
    private static final String INTERNAL = API + ".internal";

    /** What all parts are given: settings, workers, refusals. */
    private static final String ROOT = "";

    /** Each folder with those that it may know. From the lowest to the highest: a row names only rows above it. All know the API. */
    private static final List<Folder> FOLDERS = List.of(
            new Folder("telemetry"),
            new Folder(ROOT, "telemetry"),
            new Folder("sql"),
            new Folder("file", ROOT, "telemetry"),
            new Folder("engine"),
            new Folder("engine.sqlite", ROOT, "telemetry", "sql", "file", "engine"),
            new Folder("lane", ROOT, "telemetry", "sql", "engine"),
            new Folder("session", ROOT, "telemetry", "sql", "engine", "lane"),
            new Folder("jdbc", "sql", "engine", "lane", "session"),
            new Folder("feed", ROOT, "telemetry", "sql", "engine"),
            new Folder("log", ROOT, "telemetry", "file", "engine", "lane"),
            new Folder("dispatch", ROOT, "telemetry", "sql", "engine", "lane", "session", "jdbc", "feed", "log"),
            new Folder("upkeep", ROOT, "telemetry", "file", "engine", "lane", "feed", "log", "dispatch"),
            new Folder(
                    "pool",
                    ROOT,
                    "telemetry",
                    "sql",
                    "file",
                    "engine",
                    "engine.sqlite", // chosen in Parts, and known nowhere else
                    "lane",
                    "session",
                    "feed",
                    "log",
                    "dispatch",
                    "upkeep"));

    private static final int LARGEST_KNOT = 4;
    private static final int FILES_IN_A_FOLDER = 20;
    private static final int LINES_OF_A_FILE = 350;

    /** Files with one argument that cannot be cut, and the two that are documentation. None may grow. */
    private static final Map<String, Integer> LONGER = Map.of(
            "LaneGroup.java", 540, // one lock, and why nobody waits beside an idle lane
            "SyncGate.java", 490, // one lock, and why each outcome is settled once and in order
            "RowStream.java", 500, // one state machine of demand, turn and end
            "SqlitePool.java", 380,
            "SqlitePoolBuilder.java", 545);

    private static final JavaClasses CLASSES = new ClassFileImporter().importPath(classes());

    /** A folder below {@code internal}. */
    private record Folder(String name, Set<String> known) {
        Folder(String name, String... known) {
            this(name, Set.of(known));
        }
    }

    private static Path classes() {
        try {
            return Path.of(SqlitePool.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    // ---- arrows between folders

    @Test
    void theTableOfFoldersGoesOneWay() {
        Set<String> lower = new HashSet<>();
        for (Folder folder : FOLDERS) {
            assertThat(lower).as("below " + folder.name()).containsAll(folder.known());
            lower.add(folder.name());
        }
    }

    @Test
    void aFolderKnowsOnlyThoseOfTheTable() {
        Map<String, Set<String>> known = new TreeMap<>();
        FOLDERS.forEach(folder -> known.put(folder.name(), folder.known()));
        Set<String> wrong = new TreeSet<>();
        for (JavaClass from : CLASSES) {
            for (JavaClass to : usedBy(from)) {
                String above = folder(from);
                String below = folder(to);
                if (above != null
                        && below != null
                        && !above.equals(below)
                        && !known.getOrDefault(above, Set.of()).contains(below)) {
                    wrong.add(name(from) + " -> " + name(to));
                }
            }
        }
        assertThat(wrong).isEmpty();
    }

    @Test
    void eachFolderIsInTheTable() {
        Set<String> folders = new TreeSet<>();
        for (JavaClass one : CLASSES) {
            if (folder(one) != null) {
                folders.add(folder(one));
            }
        }
        assertThat(folders)
                .containsExactlyInAnyOrderElementsOf(
                        FOLDERS.stream().map(Folder::name).toList());
    }

    @Test
    void theApiReachesTheHiddenPackagesInOnePlace() {
        noClasses()
                .that()
                .resideInAPackage(API)
                .and()
                .doNotHaveFullyQualifiedName(SqlitePoolBuilder.class.getName())
                .should()
                .dependOnClassesThat(resideInAPackage(INTERNAL + ".."))
                .check(CLASSES);
    }

    @Test
    void nothingBelowThePoolHoldsThePool() {
        noClasses()
                .that()
                .resideInAPackage(INTERNAL + "..")
                .and()
                .doNotHaveSimpleName("LanePool")
                .and()
                .doNotHaveSimpleName("BlockingView")
                .should()
                .dependOnClassesThat()
                .areAssignableTo(SqlitePool.class)
                .check(CLASSES);
    }

    @Test
    void onlyTheEngineOfSqliteKnowsTheDriver() {
        noClasses()
                .that()
                .resideOutsideOfPackage(INTERNAL + ".engine.sqlite")
                .should()
                .dependOnClassesThat(resideInAPackage("org.sqlite.."))
                .check(CLASSES);
    }

    /** The order in which tasks get connections is the same for every engine. */
    @Test
    void whatSchedulesSpeaksNoJdbcButItsExceptions() {
        noClasses()
                .that()
                .resideInAnyPackage(
                        INTERNAL + ".sql",
                        INTERNAL + ".lane",
                        INTERNAL + ".feed",
                        INTERNAL + ".log",
                        INTERNAL + ".dispatch",
                        INTERNAL + ".upkeep",
                        INTERNAL + ".pool")
                .should()
                .dependOnClassesThat()
                .haveNameMatching("java\\.sql\\.(Connection|Statement|PreparedStatement|ResultSet)")
                .check(CLASSES);
    }

    @Test
    void theModuleShowsTheApiAndToItsOwnModulesHowSqlIsRead() throws IOException {
        Path compiled = classes().resolve("module-info.class");
        assumeTrue(Files.exists(compiled), "compiled as a module");
        try (InputStream in = Files.newInputStream(compiled)) {
            assertThat(ModuleDescriptor.read(in).exports())
                    .extracting(ModuleDescriptor.Exports::source, ModuleDescriptor.Exports::targets)
                    .containsExactlyInAnyOrder(
                            tuple(API, Set.of()),
                            tuple(INTERNAL + ".sql", Set.of(API + ".r2dbc", API + ".spring.data.r2dbc")));
        }
    }

    // ---- inside a folder

    @Test
    void noKnotIsLargerThanFourClasses() {
        Map<String, Map<String, Set<String>>> folders = new TreeMap<>();
        for (JavaClass from : CLASSES) {
            if (folder(from) == null) {
                continue; // in the API the exceptions are sealed, and so know one another
            }
            Set<String> used = folders.computeIfAbsent(folder(from), name -> new TreeMap<>())
                    .computeIfAbsent(name(from), name -> new TreeSet<>());
            for (JavaClass to : usedBy(from)) {
                if (folder(from).equals(folder(to))) {
                    used.add(name(to));
                }
            }
        }
        List<Set<String>> knots = new ArrayList<>();
        folders.values().forEach(folder -> knots.addAll(knots(folder)));
        assertThat(knots).allSatisfy(knot -> assertThat(knot).hasSizeLessThanOrEqualTo(LARGEST_KNOT));
    }

    /** The sets of classes of which each reaches each other. */
    private static Collection<Set<String>> knots(Map<String, Set<String>> used) {
        Map<String, Set<String>> reached = new TreeMap<>();
        used.keySet().forEach(from -> reached.put(from, reachedFrom(from, used)));
        Set<Set<String>> knots = new HashSet<>();
        reached.forEach((from, all) -> {
            Set<String> knot = new TreeSet<>(all);
            knot.removeIf(to -> !reached.get(to).contains(from));
            knots.add(knot);
        });
        return knots;
    }

    private static Set<String> reachedFrom(String from, Map<String, Set<String>> used) {
        Set<String> reached = new TreeSet<>();
        List<String> next = new ArrayList<>(List.of(from));
        while (!next.isEmpty()) {
            String one = next.remove(next.size() - 1);
            if (reached.add(one)) {
                next.addAll(used.getOrDefault(one, Set.of()));
            }
        }
        return reached;
    }

    @Test
    void foldersStaySmall() throws IOException {
        Map<String, Integer> files = new TreeMap<>();
        for (Path file : sources()) {
            if (file.getParent().toString().contains("internal")) {
                files.merge(file.getParent().toString(), 1, Integer::sum);
            }
        }
        files.values().removeIf(count -> count <= FILES_IN_A_FOLDER);
        assertThat(files).as("two questions?").isEmpty();
    }

    @Test
    void filesStaySmall() throws IOException {
        Map<String, Long> longer = new TreeMap<>();
        for (Path file : sources()) {
            String name = file.getFileName().toString();
            try (Stream<String> lines = Files.lines(file)) {
                long count = lines.count();
                if (count > LONGER.getOrDefault(name, LINES_OF_A_FILE)) {
                    longer.put(name, count);
                }
            }
        }
        assertThat(longer).as("two responsibilities?").isEmpty();
    }

    @Test
    void noNameSaysNothing() {
        noClasses()
                .should()
                .haveNameMatching(".*(Impl|Utils?|Helper|Manager|Handler|Processor|Base)")
                .orShould()
                .haveSimpleNameStartingWith("Abstract")
                .check(CLASSES);
    }

    private static List<Path> sources() throws IOException {
        try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
            return files.filter(file -> file.toString().endsWith(".java")).toList();
        }
    }

    // ---- classes by their files

    /** Without those of arrays, and of the class itself. */
    private static List<JavaClass> usedBy(JavaClass from) {
        return from.getDirectDependenciesFromSelf().stream()
                .map(Dependency::getTargetClass)
                .map(JavaClass::getBaseComponentType)
                .filter(to -> to.getPackageName().startsWith(API))
                .toList();
    }

    /** The folder below {@code internal}; null for the API, the driver and the JDK. */
    private static String folder(JavaClass one) {
        String name = one.getPackageName();
        return name.equals(INTERNAL)
                ? ROOT
                : name.startsWith(INTERNAL + ".") ? name.substring(INTERNAL.length() + 1) : null;
    }

    /** The class of the file. */
    private static String name(JavaClass one) {
        int nested = one.getName().indexOf('$');
        return nested < 0 ? one.getName() : one.getName().substring(0, nested);
    }
}
