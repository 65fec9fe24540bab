package dev.sqlitepool.examples.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The documentation of the R2DBC driver and its users shows what is compiled, and run by the tests of these modules. */
class DocumentationTest {
    private static final List<String> DOCUMENTS = List.of("docs/r2dbc.md");
    private static final List<String> MODULES = List.of("r2dbc", "spring-data-r2dbc", "kotlin-tests", "examples-r2dbc");
    private static final Pattern BLOCK = Pattern.compile("```(?:java|kotlin|properties)\n(.*?)```", Pattern.DOTALL);
    private static final Pattern SNIPPET =
            Pattern.compile("(?://|#) snippet: [-a-z]+\n(.*?)(?://|#) end\n", Pattern.DOTALL);

    @Test
    void everyBlockOfCodeIsASnippetOfTheSources() throws IOException {
        Set<String> snippets = new HashSet<>();
        for (String module : MODULES) {
            try (Stream<Path> sources = Files.walk(project().resolve(module).resolve("src"))) {
                for (Path source : sources.filter(DocumentationTest::isSource).toList()) {
                    snippets.addAll(found(SNIPPET, source));
                }
            }
        }
        List<String> blocks = new ArrayList<>();
        for (String document : DOCUMENTS) {
            blocks.addAll(found(BLOCK, project().resolve(document)));
        }
        assertThat(blocks).hasSizeGreaterThan(5);
        assertThat(snippets).containsAll(blocks);
    }

    private static boolean isSource(Path file) {
        return file.toString().endsWith(".java")
                || file.toString().endsWith(".kt")
                || file.toString().endsWith(".properties");
    }

    private static List<String> found(Pattern pattern, Path file) throws IOException {
        String text = Files.readString(file).replace("\r\n", "\n");
        return pattern.matcher(text)
                .results()
                .map(match -> match.group(1).replaceAll("\\s", ""))
                .toList();
    }

    /** Wherever in the project the test is started. */
    private static Path project() {
        Path directory = Path.of("").toAbsolutePath();
        while (!Files.exists(directory.resolve("README.md")) || !Files.exists(directory.resolve("examples-r2dbc"))) {
            directory = directory.getParent();
        }
        return directory;
    }
}
