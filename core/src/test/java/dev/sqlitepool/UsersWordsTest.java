package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What users read speaks of connections, functions and tasks, and not in the words of the pool's inside. Pages for those who work on the
 * pool may use these: ARCHITECTURE.md, CONTRIBUTING.md, the decision records, and of docs/reliability.md the part about mutation tests.
 */
class UsersWordsTest {
    private static final Path ROOT = Path.of("..");

    /** "It works", "slow work" and "move the file" are plain English; a lane, a work and a move to a connection are ours. */
    private static final Pattern OURS = Pattern.compile(
            "\\b(?:lanes?|twins?|housekeepers?|anew"
                    + "|(?:a|another|each|every|one|same|this|whose) work(?= )|(?:all|of|several|these|those|two) works"
                    + "|(?:its|the) works?(?= (?:ends|goes|has|holds|is|itself|may|must|returns|runs|that|waits|was)\\b)"
                    + "|(?:sync|the) gates?"
                    + "|(?:each|every|its|other|the|this|void) forms?(?! of\\b)"
                    + "|(?:the|its) moves?|must move|moves? to the (?:write|read|writing|reading)"
                    + "|(?:reading|writing) connections?)\\b",
            Pattern.CASE_INSENSITIVE);

    private static final Pattern COMMENT = Pattern.compile("/\\*.*?\\*/|//[^\n]*", Pattern.DOTALL);
    private static final Pattern JAVADOC = Pattern.compile("/\\*\\*.*?\\*/", Pattern.DOTALL);
    private static final Pattern LITERAL = Pattern.compile("\"(?:\\\\.|[^\"\\\\\n])*\"");
    private static final Pattern TARGET = Pattern.compile("]\\([^)]*\\)");
    private static final Pattern INSIDE =
            Pattern.compile("^## Mutants.*?(?=^## |\\z)", Pattern.DOTALL | Pattern.MULTILINE);

    @Test
    void thePagesSpeakTheWordsOfTheUsers() throws IOException {
        List<String> found = new ArrayList<>();
        List<Path> pages = new ArrayList<>(List.of(ROOT.resolve("README.md"), ROOT.resolve("SECURITY.md")));
        try (Stream<Path> docs = Files.list(ROOT.resolve("docs"))) {
            docs.filter(page -> page.toString().endsWith(".md")).forEach(pages::add);
        }
        assertThat(pages).hasSizeGreaterThan(5);
        for (Path page : pages) {
            String text = TARGET.matcher(read(page)).replaceAll("]");
            find(page, page.endsWith("reliability.md") ? INSIDE.matcher(text).replaceAll("") : text, found);
        }
        // the old names stand where the renaming is told
        find(
                ROOT.resolve("CHANGELOG.md"),
                read(ROOT.resolve("CHANGELOG.md")).replaceAll("\\*No lost lanes\\*|`PoolStats\\.Lanes`", ""),
                found);
        assertThat(found).isEmpty();
    }

    @Test
    void theJavadocOfPublicTypesSpeaksTheWordsOfTheUsers() throws IOException {
        List<String> found = new ArrayList<>();
        for (Path source : sources(file -> !file.toString().contains("internal"))) {
            String text = read(source);
            if (source.endsWith("package-info.java") || text.contains("\npublic ")) {
                find(source, matches(JAVADOC, text), found);
            }
        }
        assertThat(found).isEmpty();
    }

    @Test
    void theMessagesSpeakTheWordsOfTheUsers() throws IOException {
        List<String> found = new ArrayList<>();
        for (Path source : sources(file -> true)) {
            String code = COMMENT.matcher(read(source)).replaceAll(" ");
            LITERAL.matcher(code)
                    .results()
                    .map(MatchResult::group)
                    .filter(literal -> literal.contains(" "))
                    .forEach(sentence -> find(source, sentence, found));
        }
        assertThat(found).isEmpty();
    }

    @Test
    void aLaneIsFoundAndPlainEnglishIsNot() {
        List<String> found = new ArrayList<>();
        Path page = Path.of("page");
        find(page, "the write lane is busy", found);
        find(page, " * The void twin of it, for all works of\n     * a lease, whose work\n * has returned.", found);
        find(page, "The function moves to the write connection.", found);
        assertThat(found).hasSize(5);
        found.clear();
        find(
                page,
                "WAL does not work there. It works with Java. Do slow work outside it. Move the file away, in the form of a copy.",
                found);
        assertThat(found).isEmpty();
    }

    /** The Java sources of the libraries. */
    private static List<Path> sources(Predicate<Path> wanted) throws IOException {
        List<Path> sources = new ArrayList<>();
        for (String module : List.of("core", "r2dbc", "spring-data-r2dbc")) {
            try (Stream<Path> all = Files.walk(ROOT.resolve(module).resolve("src/main/java"))) {
                all.filter(file -> file.toString().endsWith(".java"))
                        .filter(wanted)
                        .forEach(sources::add);
            }
        }
        assertThat(sources).hasSizeGreaterThan(20);
        return sources;
    }

    private static String matches(Pattern pattern, String text) {
        StringBuilder all = new StringBuilder();
        pattern.matcher(text).results().forEach(match -> all.append(match.group())
                .append(".\n"));
        return all.toString();
    }

    /** Adds each word of ours with what stands around it. Lines that are broken, in Javadoc too, are one text. */
    private static void find(Path file, String text, List<String> found) {
        String line = text.replaceAll("\\s+(?:\\* )?\\s*", " ");
        OURS.matcher(line)
                .results()
                .forEach(match -> found.add(file + ": … "
                        + line.substring(Math.max(0, match.start() - 40), Math.min(line.length(), match.end() + 40))
                        + " …"));
    }

    private static String read(Path file) throws IOException {
        return Files.readString(file).replace("\r\n", "\n");
    }
}
