package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The document of the guarantees, the table of the README and the tests name the same guarantees, and the tests that they name exist. */
class GuaranteesAgreeTest {
    private static final Pattern ROW =
            Pattern.compile("^\\| \\[(.+?)]\\(docs/guarantees\\.md#(.+?)\\) \\|", Pattern.MULTILINE);
    private static final Pattern SECTION = Pattern.compile("^### (.+)\\n((?:(?!### ).*\\n)*)", Pattern.MULTILINE);
    private static final Pattern NAMED = Pattern.compile("`([A-Z]\\w*Test)(?:\\.(\\w+))?`");

    private static String read(String name) throws IOException {
        return Files.readString(Path.of("..").resolve(name)).replace("\r\n", "\n");
    }

    /** The sections of the document by their headings. */
    private static Map<String, String> sections() throws IOException {
        Map<String, String> sections = new LinkedHashMap<>();
        Matcher matcher = SECTION.matcher(read("docs/guarantees.md") + "\n");
        while (matcher.find()) {
            sections.put(matcher.group(1), matcher.group(2));
        }
        return sections;
    }

    /** As a method would be called. */
    private static String camelCase(String heading) {
        StringBuilder name = new StringBuilder();
        for (String word : heading.replace("'", "").split("[^A-Za-z]+")) {
            String lower = word.toLowerCase(Locale.ROOT);
            name.append(
                    name.length() == 0 ? lower : lower.substring(0, 1).toUpperCase(Locale.ROOT) + lower.substring(1));
        }
        return name.toString();
    }

    /** As GitHub makes it of a heading. */
    private static String anchor(String heading) {
        return heading.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9 -]", "").replace(' ', '-');
    }

    @Test
    void everyGuaranteeHasATestOfItsNameAndEveryTestAGuarantee() throws IOException {
        List<String> tests = Arrays.stream(GuaranteesTest.class.getDeclaredMethods())
                .filter(method -> method.isAnnotationPresent(Test.class))
                .map(Method::getName)
                .toList();
        assertThat(sections()).hasSize(14);
        assertThat(sections().keySet().stream().map(GuaranteesAgreeTest::camelCase))
                .containsExactlyInAnyOrderElementsOf(tests);
    }

    @Test
    void everySectionLinksItsTest() throws IOException {
        sections().forEach((heading, text) -> assertThat(text)
                .as(heading)
                .contains("[`GuaranteesTest." + camelCase(heading)
                        + "`](../core/src/test/java/dev/sqlitepool/GuaranteesTest.java)"));
    }

    @Test
    void theReadmeNamesTheSameInTheSameOrderAndLinksThem() throws IOException {
        List<String> names = new ArrayList<>();
        Matcher rows = ROW.matcher(read("README.md"));
        while (rows.find()) {
            names.add(rows.group(1));
            assertThat(rows.group(2)).isEqualTo(anchor(rows.group(1)));
        }
        assertThat(names).containsExactlyElementsOf(sections().keySet());
    }

    @Test
    void everyTestThatTheDocumentsNameExists() throws IOException {
        List<Path> sources;
        try (Stream<Path> all = Files.walk(Path.of("src/test/java"))) {
            sources = all.filter(file -> file.toString().endsWith(".java")).toList();
        }
        for (String document : List.of("docs/guarantees.md", "docs/behaviours.md")) {
            Matcher named = NAMED.matcher(read(document));
            while (named.find()) {
                List<Path> source = sources.stream()
                        .filter(file -> file.getFileName().toString().equals(named.group(1) + ".java"))
                        .toList();
                assertThat(source).as(named.group()).hasSize(1);
                if (named.group(2) != null) {
                    assertThat(source.get(0)).content().as(named.group()).contains(" " + named.group(2) + "(");
                }
            }
        }
    }
}
