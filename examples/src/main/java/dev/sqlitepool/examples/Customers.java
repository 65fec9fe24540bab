package dev.sqlitepool.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

/**
 * Customers who share the orders of one run. Each is a chain of futures and no thread: the answer to one order places the
 * next.
 */
final class Customers {
    private static final int MOST_LINES = 4;
    private static final int MOST_UNITS = 3;

    private final Shop shop;
    private final Answers answers;
    private final AtomicLong nextNumber;
    private final long lastNumber;

    Customers(Shop shop, Answers answers, ShopSchema.Numbers numbers) {
        this.shop = shop;
        this.answers = answers;
        this.nextNumber = new AtomicLong(numbers.first());
        this.lastNumber = numbers.last();
    }

    /**
     * Lets them all begin.
     *
     * @return completes when every order is answered, or fails when one failed and those on their way are answered
     */
    CompletableFuture<Void> placeAll(int customers) {
        return CompletableFuture.allOf(IntStream.rangeClosed(1, customers)
                .mapToObj(customer -> placeNext(customer, new SplittableRandom(nextNumber.get() * 31 + customer))
                        .whenComplete((done, error) -> {
                            if (error != null) {
                                stop();
                            }
                        }))
                .toArray(CompletableFuture[]::new));
    }

    /** No further orders; those on their way are answered. */
    private void stop() {
        nextNumber.set(lastNumber + 1);
    }

    private CompletableFuture<Void> placeNext(int customer, SplittableRandom random) {
        long number = nextNumber.getAndIncrement();
        if (number > lastNumber) {
            return CompletableFuture.completedFuture(null);
        }
        Shop.Order order = new Shop.Order(number, customer, random.nextLong(5_000, 60_000), lines(random));
        long asked = System.nanoTime();
        return shop.place(order)
                .thenAccept(receipt -> answers.add(receipt, System.nanoTime() - asked))
                .thenCompose(told -> placeNext(customer, random));
    }

    /** One to four different products, the first ones of the catalogue far more often than the last. */
    private static List<Shop.Line> lines(SplittableRandom random) {
        int[] products = IntStream.generate(() -> popular(random))
                .distinct()
                .limit(1 + random.nextInt(MOST_LINES))
                .toArray();
        List<Shop.Line> lines = new ArrayList<>(products.length);
        for (int product : products) {
            lines.add(new Shop.Line(product, 1 + random.nextInt(MOST_UNITS)));
        }
        return lines;
    }

    private static int popular(SplittableRandom random) {
        double chance = random.nextDouble();
        return 1 + (int) (ShopSchema.PRODUCTS * chance * chance);
    }
}
