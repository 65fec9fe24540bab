package dev.sqlitepool.benchmarks;

import java.util.List;
import java.util.Locale;

/** Bar charts as SVG. Stateless. */
final class Charts {
    private static final int WIDTH = 800;
    private static final int LABELS = 270;
    private static final int BAR = 22;
    private static final int TOP = 56;

    /**
     * A bar.
     *
     * @param ours whether it is shown in our colour
     */
    record Bar(String label, double value, boolean ours) {}

    private Charts() {}

    /** Horizontal bars on one scale, which begins at zero. */
    static String bars(String title, String unit, List<Bar> bars) {
        double most = bars.stream().mapToDouble(Bar::value).max().orElse(1);
        int height = TOP + bars.size() * (BAR + 6) + 12;
        StringBuilder svg = new StringBuilder();
        svg.append(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\""
                        + " font-family=\"sans-serif\" font-size=\"13\" role=\"img\" aria-label=\"%s\">%n",
                WIDTH,
                height,
                WIDTH,
                height,
                escaped(title)));
        svg.append("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
        svg.append(String.format(
                "<text x=\"12\" y=\"22\" font-size=\"14\" font-weight=\"bold\">%s</text>"
                        + "<text x=\"12\" y=\"42\">%s</text>%n",
                escaped(title), escaped(unit)));
        int y = TOP;
        for (Bar bar : bars) {
            double length = Math.max(1, bar.value() / most * (WIDTH - LABELS - 110));
            svg.append(String.format(
                    Locale.ROOT,
                    "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>"
                            + "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>"
                            + "<text x=\"%.1f\" y=\"%d\">%s</text>%n",
                    LABELS - 8,
                    y + 16,
                    escaped(bar.label()),
                    LABELS,
                    y,
                    length,
                    BAR,
                    bar.ours() ? "#1f6feb" : "#9aa4af",
                    LABELS + length + 6,
                    y + 16,
                    figure(bar.value())));
            y += BAR + 6;
        }
        return svg.append("</svg>\n").toString();
    }

    /** A figure with as many digits as it is worth. */
    static String figure(double value) {
        if (Double.isNaN(value)) {
            return "–";
        }
        return value >= 100 ? String.format(Locale.ROOT, "%,.0f", value) : String.format(Locale.ROOT, "%.2g", value);
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace("\"", "&quot;");
    }
}
