package dev.sqlitepool;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;

/** The arrows between the packages: imports go {@code pool → lane → engine → file}, and nothing reaches up. */
class ArchitectureTest {
    private static final String API = "dev.sqlitepool";
    private static final String INTERNAL = API + ".internal..";
    private static final String POOL = API + ".internal.pool..";
    private static final String LANE = API + ".internal.lane..";
    private static final String ENGINE = API + ".internal.engine..";
    private static final String SQLITE = API + ".internal.engine.sqlite..";
    private static final String FILE = API + ".internal.file..";
    private static final String TELEMETRY = API + ".internal.telemetry..";
    private static final String SETTINGS = API + ".internal";

    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages(API);

    @Test
    void theEngineKnowsNothingAboveIt() {
        noClasses()
                .that()
                .resideInAPackage(ENGINE)
                .should()
                .dependOnClassesThat(resideInAnyPackage(POOL, LANE))
                .check(CLASSES);
    }

    @Test
    void anEngineIsNotSqlite() {
        noClasses()
                .that()
                .resideInAPackage(API + ".internal.engine")
                .should()
                .dependOnClassesThat(resideInAPackage(SQLITE))
                .check(CLASSES);
    }

    @Test
    void theFileKnowsNothingAboveIt() {
        noClasses()
                .that()
                .resideInAPackage(FILE)
                .should()
                .dependOnClassesThat(resideInAnyPackage(POOL, LANE, ENGINE))
                .check(CLASSES);
    }

    @Test
    void theLaneKnowsNothingOfThePool() {
        noClasses()
                .that()
                .resideInAPackage(LANE)
                .should()
                .dependOnClassesThat(resideInAPackage(POOL))
                .check(CLASSES);
    }

    @Test
    void telemetryDependsOnTheApiAlone() {
        noClasses()
                .that()
                .resideInAPackage(TELEMETRY)
                .should()
                .dependOnClassesThat(resideInAnyPackage(POOL, LANE, ENGINE, SETTINGS))
                .check(CLASSES);
    }

    @Test
    void theApiReachesTheHiddenPackagesInOnePlace() {
        noClasses()
                .that()
                .resideInAPackage(API)
                .and()
                .doNotHaveFullyQualifiedName(SqlitePoolBuilder.class.getName())
                .should()
                .dependOnClassesThat(resideInAPackage(INTERNAL))
                .check(CLASSES);
    }

    @Test
    void onlyTheEngineOfSqliteKnowsTheDriver() {
        noClasses()
                .that()
                .resideOutsideOfPackage(SQLITE)
                .should()
                .dependOnClassesThat(resideInAPackage("org.sqlite.."))
                .check(CLASSES);
    }

    @Test
    void thePoolSpeaksNoJdbcButItsExceptions() {
        noClasses()
                .that()
                .resideInAPackage(POOL)
                .should()
                .dependOnClassesThat()
                .haveNameMatching("java\\.sql\\.(Connection|Statement|PreparedStatement|ResultSet)")
                .check(CLASSES);
    }

    @Test
    void hiddenPackagesHaveNoCycles() {
        SlicesRuleDefinition.slices()
                .matching("dev.sqlitepool.internal.(*)..")
                .should()
                .beFreeOfCycles()
                .check(CLASSES);
    }

    @Test
    void onePublicDoorForThePoolAndNoNamesThatSayNothing() {
        classes()
                .that()
                .resideInAPackage(POOL)
                .and()
                .arePublic()
                .should()
                .haveSimpleName("LanePool")
                .check(CLASSES);
        noClasses()
                .should()
                .haveSimpleNameEndingWith("Impl")
                .orShould()
                .haveSimpleNameEndingWith("Util")
                .orShould()
                .haveSimpleNameEndingWith("Utils")
                .orShould()
                .haveSimpleNameEndingWith("Helper")
                .orShould()
                .haveSimpleNameEndingWith("Manager")
                .orShould()
                .haveSimpleNameEndingWith("Handler")
                .orShould()
                .haveSimpleNameEndingWith("Processor")
                .orShould()
                .haveSimpleNameStartingWith("Abstract")
                .check(CLASSES);
    }

    @Test
    void filesStaySmall() throws IOException {
        try (Stream<Path> sources = Files.walk(Path.of("src/main/java"))) {
            List<String> long_ = sources.filter(file -> file.toString().endsWith(".java"))
                    .filter(file -> lines(file) > 720) // SyncGate, whose two roles share one lock
                    .map(Path::toString)
                    .toList();
            Assertions.assertThat(long_).as("two responsibilities?").isEmpty();
        }
    }

    private static long lines(Path file) {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.count();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
