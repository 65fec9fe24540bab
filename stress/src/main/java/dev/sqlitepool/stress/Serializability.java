package dev.sqlitepool.stress;

import dev.sqlitepool.stress.Observed.Fate;
import dev.sqlitepool.stress.Observed.Step;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Tells whether a history of transactions that append to lists and read them is strictly serializable. Not thread-safe.
 *
 * <p>Lists that only grow, of values that are unique, show everything: a read tells which appends it saw and in what order. So for each
 * key the order of versions is known from its list at the end, and with it what must have come before what: who appended before who
 * appended after (ww), who appended before who saw it (wr), who did not see it before who appended it (rw), and who was acknowledged
 * before who began after that. A strictly serializable history is one that has an order in which all this holds, so one without a cycle
 * among these; and a cycle means that there is no such order. Nothing is guessed, so nothing is accused wrongly. (Kingsbury and Alvaro:
 * <a href="https://www.vldb.org/pvldb/vol14/p268-alvaro.pdf">Elle</a>, 2020.)
 *
 * <p>Time is not an edge between each two transactions: each acknowledgement has a node of its own, these are a chain in the order of
 * time, and a transaction comes after the last of them that was before its beginning.
 */
final class Serializability {
    private final List<Observed> history;
    private final Map<Integer, List<Long>> ends;
    private final Map<Long, Integer> writers = new HashMap<>();
    private final List<String> wrongs = new ArrayList<>();
    private final List<List<Integer>> after = new ArrayList<>();

    private Serializability(List<Observed> history, Map<Integer, List<Long>> ends) {
        this.history = history;
        this.ends = ends;
    }

    /**
     * Checks a history.
     *
     * @param ends the lists at the end, by their keys
     * @return what is wrong, in words; empty if it is strictly serializable
     */
    static List<String> wrongs(List<Observed> history, Map<Integer, List<Long>> ends) {
        Serializability check = new Serializability(history, ends);
        check.check();
        return check.wrongs;
    }

    private void check() {
        Map<Long, Integer> tries = new HashMap<>();
        for (int i = 0; i < history.size(); i++) {
            for (Step step : history.get(i).steps()) {
                if (step.append()) {
                    tries.put(step.values().get(0), i);
                }
            }
            after.add(new ArrayList<>());
        }
        ends.forEach((key, list) -> lookAtEnd(key, list, tries));
        for (int i = 0; i < history.size(); i++) {
            Observed one = history.get(i);
            boolean part = one.fate() == Fate.COMMITTED || one.steps().stream().anyMatch(this::isThere);
            if (part) {
                lookAt(i, one);
            }
        }
        if (wrongs.isEmpty()) {
            follow();
            inTime();
            order();
        }
    }

    private boolean isThere(Step step) {
        return step.append() && writers.containsKey(step.values().get(0));
    }

    private void lookAtEnd(int key, List<Long> list, Map<Long, Integer> tries) {
        for (Long value : list) {
            Integer writer = tries.get(value);
            if (writer == null || history.get(writer).fate() == Fate.ROLLED_BACK) {
                wrongs.add("key " + key + " has " + value + ", which nobody has committed");
            } else if (writers.put(value, writer) != null) {
                wrongs.add("key " + key + " has " + value + " twice");
            }
        }
    }

    /** All of it is there, and what it read are beginnings of the lists. */
    private void lookAt(int number, Observed one) {
        Map<Integer, Integer> mine = new HashMap<>();
        for (Step step : one.steps()) {
            List<Long> end = ends.getOrDefault(step.key(), List.of());
            if (step.append()) {
                mine.merge(step.key(), 1, Integer::sum);
                if (!isThere(step)) {
                    wrongs.add("lost: " + step.values() + " of " + one.line());
                }
            } else if (step.values().size() > end.size()
                    || !end.subList(0, step.values().size()).equals(step.values())) {
                wrongs.add("read another order than that of the end: key " + step.key() + " in " + one.line());
            } else {
                int own = mine.getOrDefault(step.key(), 0);
                List<Long> tail = step.values()
                        .subList(
                                Math.max(0, step.values().size() - own),
                                step.values().size());
                if (tail.size() < own || tail.stream().anyMatch(value -> writers.get(value) != number)) {
                    wrongs.add("did not read what it had written itself: key " + step.key() + " in " + one.line());
                }
            }
        }
    }

    private void edge(int from, int to) {
        if (from != to) {
            after.get(from).add(to);
        }
    }

    /** What each read and each append says about the order. */
    private void follow() {
        for (List<Long> list : ends.values()) {
            for (int i = 1; i < list.size(); i++) {
                edge(writers.get(list.get(i - 1)), writers.get(list.get(i)));
            }
        }
        for (int i = 0; i < history.size(); i++) {
            for (Step step : history.get(i).steps()) {
                if (!step.append() && isPart(i)) {
                    sees(
                            i,
                            ends.getOrDefault(step.key(), List.of()),
                            step.values().size());
                }
            }
        }
    }

    private boolean isPart(int number) {
        Observed one = history.get(number);
        return one.fate() == Fate.COMMITTED || one.steps().stream().anyMatch(this::isThere);
    }

    private void sees(int reader, List<Long> end, int length) {
        for (int i = length - 1; i >= 0; i--) {
            int writer = writers.get(end.get(i));
            if (writer != reader) {
                edge(writer, reader);
                break;
            }
        }
        for (int i = length; i < end.size(); i++) {
            int writer = writers.get(end.get(i));
            if (writer != reader) {
                edge(reader, writer);
                break;
            }
        }
    }

    private void inTime() {
        List<Integer> byEnd = IntStream.range(0, history.size())
                .filter(i -> history.get(i).fate() == Fate.COMMITTED)
                .boxed()
                .sorted(Comparator.comparingLong(i -> history.get(i).ended()))
                .toList();
        List<Integer> byBeginning = IntStream.range(0, history.size())
                .boxed()
                .sorted(Comparator.comparingLong(i -> history.get(i).began()))
                .toList();
        int acknowledged = 0;
        int moment = -1;
        for (int one : byBeginning) {
            while (acknowledged < byEnd.size()
                    && history.get(byEnd.get(acknowledged)).ended()
                            < history.get(one).began()) {
                int next = after.size();
                after.add(new ArrayList<>());
                if (moment >= 0) {
                    edge(moment, next);
                }
                edge(byEnd.get(acknowledged++), next);
                moment = next;
            }
            if (moment >= 0) {
                edge(moment, one);
            }
        }
    }

    /** Takes away again and again what nothing comes before; what is left is in cycles, or behind them. */
    private void order() {
        int[] before = new int[after.size()];
        after.forEach(list -> list.forEach(to -> before[to]++));
        Deque<Integer> free = new ArrayDeque<>();
        for (int i = 0; i < before.length; i++) {
            if (before[i] == 0) {
                free.add(i);
            }
        }
        int taken = 0;
        while (!free.isEmpty()) {
            taken++;
            for (int to : after.get(free.remove())) {
                if (--before[to] == 0) {
                    free.add(to);
                }
            }
        }
        if (taken < before.length) {
            wrongs.add("a cycle: " + cycle(before));
        }
    }

    /** Whatever is left has something left before it: so going back ends in a cycle. */
    private String cycle(int[] before) {
        Map<Integer, Integer> comesFrom = new HashMap<>();
        for (int from = 0; from < before.length; from++) {
            for (int to : after.get(from)) {
                if (before[from] > 0 && before[to] > 0) {
                    comesFrom.put(to, from);
                }
            }
        }
        int at = comesFrom.keySet().iterator().next();
        for (int i = 0; i < before.length; i++) {
            at = comesFrom.get(at);
        }
        List<String> lines = new ArrayList<>();
        int first = at;
        do {
            lines.add(at < history.size() ? history.get(at).line() : "(then)");
            at = comesFrom.get(at);
        } while (at != first);
        java.util.Collections.reverse(lines);
        return String.join("\n    before ", lines.subList(0, Math.min(10, lines.size())));
    }
}
