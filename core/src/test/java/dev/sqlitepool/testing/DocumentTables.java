package dev.sqlitepool.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The tables of a page of the documentation, for tests that do what a table says. */
public final class DocumentTables {
    private DocumentTables() {}

    /**
     * The rows of the table whose header begins with these cells, without the header. Backticks are left in the cells.
     *
     * @param page below the repository, such as {@code docs/ends.md}
     */
    public static List<List<String>> rows(String page, String... header) throws IOException {
        List<List<String>> rows = new ArrayList<>();
        boolean inside = false;
        for (String line : Files.readAllLines(Path.of("..").resolve(page))) {
            List<String> cells = cells(line);
            if (inside && cells.isEmpty()) {
                return rows;
            }
            if (inside && !cells.get(0).startsWith("---")) {
                rows.add(cells);
            }
            inside |= cells.size() >= header.length
                    && cells.subList(0, header.length).equals(Arrays.asList(header));
        }
        if (rows.isEmpty()) {
            throw new IllegalStateException("no table " + Arrays.toString(header) + " in " + page);
        }
        return rows;
    }

    private static List<String> cells(String line) {
        if (!line.startsWith("| ") && !line.startsWith("|-")) {
            return List.of();
        }
        String[] cells = line.substring(1).split("(?<!\\\\)\\|", -1);
        return Arrays.stream(cells)
                .limit(cells.length - 1L)
                .map(cell -> cell.strip().replace("\\|", "|"))
                .toList();
    }
}
