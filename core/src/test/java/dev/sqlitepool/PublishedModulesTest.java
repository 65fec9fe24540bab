package dev.sqlitepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.xpath.XPath;
import javax.xml.xpath.XPathConstants;
import javax.xml.xpath.XPathFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;

/** What a release uploads: the libraries, and no program of ours. */
class PublishedModulesTest {
    private static final XPath XPATH = XPathFactory.newInstance().newXPath();

    private static Document pom(String directory) throws Exception {
        Path file = Path.of("..", directory, "pom.xml");
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file.toFile());
    }

    private static List<String> texts(Document pom, String path) throws Exception {
        NodeList nodes = (NodeList) XPATH.evaluate(path, pom, XPathConstants.NODESET);
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < nodes.getLength(); i++) {
            texts.add(nodes.item(i).getTextContent().trim());
        }
        return texts;
    }

    /** By the artifact's name, whether the module says of itself that it is not deployed, signed or documented. */
    private static Map<String, Boolean> modules() throws Exception {
        Map<String, Boolean> modules = new LinkedHashMap<>();
        for (String directory : texts(pom("."), "/project/modules/module")) {
            Document pom = pom(directory);
            List<List<String>> skips = new ArrayList<>();
            for (String what : List.of("maven.deploy.skip", "maven.javadoc.skip", "maven.source.skip", "gpg.skip")) {
                skips.add(texts(pom, "/project/properties/" + what));
            }
            assertThat(skips).as("%s skips all or nothing", directory).containsOnly(skips.get(0));
            modules.put(texts(pom, "/project/artifactId").get(0), skips.get(0).equals(List.of("true")));
        }
        return modules;
    }

    @Test
    void onlyTheLibrariesAreDeployed() throws Exception {
        assertThat(modules())
                .containsEntry("sqlitepool", false)
                .containsEntry("sqlitepool-r2dbc", false)
                .containsEntry("sqlitepool-spring-data-r2dbc", false);
        assertThat(modules().values().stream().filter(skips -> !skips)).hasSize(3);
    }

    @Test
    void whatIsNotDeployedIsNotUploadedEither() throws Exception {
        List<String> skipped = modules().entrySet().stream()
                .filter(Map.Entry::getValue)
                .map(Map.Entry::getKey)
                .toList();
        assertThat(texts(pom("."), "//excludeArtifacts/excludeArtifact")).containsExactlyInAnyOrderElementsOf(skipped);
    }
}
