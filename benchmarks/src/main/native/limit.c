/*
 * What SQLite itself can do on this machine: no pool, no Java. Each client is a thread with a connection of its own and statements that
 * are prepared once, and does one operation after the other.
 *
 *   limit <database> <workload> <clients> <seconds> <full|normal>
 *
 * The database exists, with the tables of Contender.java, whose SQL this is. Prints one line: operations, seconds from the start to the
 * last end, latencies in microseconds, the operations of the slowest client, and the seconds of processor time.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { ROWS = 10000, SCANNED = 1000, BATCH = 100 };

enum { BEGIN, COMMIT, TOUCH, INSERT, READ, SET, SCAN, STATEMENTS };

static const char *const SQL[STATEMENTS] = {
    "BEGIN IMMEDIATE",
    "COMMIT",
    "UPDATE item SET value = value + 1 WHERE id = ?",
    "INSERT INTO event (client) VALUES (?)",
    "SELECT value FROM item WHERE id = ?",
    "UPDATE item SET value = ? WHERE id = ?",
    "SELECT id, value, name FROM item WHERE id BETWEEN ? AND ? + 999",
};

typedef struct {
    int64_t id;
    int64_t value;
    char *name;
} item;

typedef struct {
    pthread_t thread;
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS];
    int number; /* from 1 on */
    unsigned random;
    int64_t *nanos; /* a latency each */
    size_t count;
    size_t room;
    int64_t end;
} client;

typedef void (*operation)(client *);

static operation operate;
static double seconds;
static int64_t start;
static pthread_barrier_t ready;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "limit: %s: %s\n", what, why);
    exit(1);
}

static void *needed(void *memory) {
    if (memory == NULL) {
        fail("memory", "there is no more");
    }
    return memory;
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static double processor(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* A number from 1 to most. */
static int any(client *c, int most) {
    return 1 + rand_r(&c->random) % most;
}

/* Steps a statement that returns no rows. */
static void run(client *c, int statement) {
    if (sqlite3_step(c->statements[statement]) != SQLITE_DONE) {
        fail(SQL[statement], sqlite3_errmsg(c->database));
    }
    sqlite3_reset(c->statements[statement]);
}

static void update(client *c, int statement, int64_t value) {
    sqlite3_bind_int64(c->statements[statement], 1, value);
    run(c, statement);
}

static int64_t read_value(client *c, int key) {
    sqlite3_stmt *read = c->statements[READ];
    sqlite3_bind_int64(read, 1, key);
    if (sqlite3_step(read) != SQLITE_ROW) {
        fail(SQL[READ], sqlite3_errmsg(c->database));
    }
    int64_t value = sqlite3_column_int64(read, 0);
    sqlite3_reset(read);
    return value;
}

static void query(client *c) {
    read_value(c, any(c, ROWS));
}

static void scan(client *c) {
    sqlite3_stmt *rows = c->statements[SCAN];
    int from = any(c, ROWS - SCANNED);
    sqlite3_bind_int64(rows, 1, from);
    sqlite3_bind_int64(rows, 2, from);
    item items[SCANNED];
    int count = 0;
    while (sqlite3_step(rows) == SQLITE_ROW && count < SCANNED) {
        const char *name = (const char *) sqlite3_column_text(rows, 2);
        items[count++] = (item) {sqlite3_column_int64(rows, 0), sqlite3_column_int64(rows, 1), needed(strdup(name))};
    }
    sqlite3_reset(rows);
    if (count != SCANNED) {
        fail(SQL[SCAN], sqlite3_errmsg(c->database));
    }
    for (int i = 0; i < count; i++) {
        free(items[i].name);
    }
}

static void execute(client *c) {
    update(c, INSERT, c->number);
}

static void transaction(client *c) {
    run(c, BEGIN);
    update(c, TOUCH, c->number);
    update(c, INSERT, c->number);
    run(c, COMMIT);
}

static void read_modify_write(client *c) {
    run(c, BEGIN);
    sqlite3_bind_int64(c->statements[SET], 2, c->number);
    update(c, SET, read_value(c, c->number) + 1);
    update(c, INSERT, c->number);
    run(c, COMMIT);
}

static void batch(client *c) {
    run(c, BEGIN);
    for (int i = 0; i < BATCH; i++) {
        update(c, INSERT, c->number);
    }
    run(c, COMMIT);
}

static operation operation_called(const char *name) {
    static const struct {
        const char *name;
        operation operate;
    } all[] = {
        {"query", query},
        {"scan", scan},
        {"execute", execute},
        {"transaction", transaction},
        {"batch", batch},
        {"readModifyWrite", read_modify_write},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return all[i].operate;
        }
    }
    fail(name, "there is no such workload");
    return NULL;
}

static void open_database(client *c, const char *path, const char *synchronous) {
    if (sqlite3_open_v2(path, &c->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        fail(path, c->database == NULL ? "no memory" : sqlite3_errmsg(c->database));
    }
    char pragmas[100];
    snprintf(pragmas, sizeof pragmas, "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s", synchronous);
    sqlite3_busy_timeout(c->database, 60000);
    if (sqlite3_exec(c->database, pragmas, NULL, NULL, NULL) != SQLITE_OK) {
        fail(pragmas, sqlite3_errmsg(c->database));
    }
    for (int i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(c->database, SQL[i], -1, SQLITE_PREPARE_PERSISTENT, &c->statements[i], NULL) != SQLITE_OK) {
            fail(SQL[i], sqlite3_errmsg(c->database));
        }
    }
}

static void close_database(client *c) {
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(c->statements[i]);
    }
    sqlite3_close(c->database);
}

static void record(client *c, int64_t nanos) {
    if (c->count == c->room) {
        c->room = c->room == 0 ? 1024 : c->room * 2;
        c->nanos = needed(realloc(c->nanos, c->room * sizeof *c->nanos));
    }
    c->nanos[c->count++] = nanos;
}

static void *loop(void *argument) {
    client *c = argument;
    pthread_barrier_wait(&ready); /* the connections are open */
    pthread_barrier_wait(&ready); /* the clock runs */
    int64_t end = start + (int64_t) (seconds * 1e9);
    int64_t before;
    do {
        before = now();
        operate(c);
        c->end = now();
        record(c, c->end - before);
    } while (c->end < end);
    return NULL;
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *) a;
    int64_t y = *(const int64_t *) b;
    return (x > y) - (x < y);
}

static void print(const client *clients, int count, double cpu) {
    size_t operations = 0;
    size_t slowest = SIZE_MAX;
    int64_t end = start;
    for (int i = 0; i < count; i++) {
        const client *c = &clients[i];
        operations += c->count;
        slowest = c->count < slowest ? c->count : slowest;
        end = c->end > end ? c->end : end;
    }
    int64_t *all = needed(malloc(operations * sizeof *all));
    size_t copied = 0;
    for (int i = 0; i < count; i++) {
        memcpy(all + copied, clients[i].nanos, clients[i].count * sizeof *all);
        copied += clients[i].count;
    }
    qsort(all, operations, sizeof *all, compare);
    size_t last = operations - 1;
    printf("operations=%zu seconds=%.6f p50=%.3f p99=%.3f p999=%.3f max=%.3f slowest=%zu cpu=%.6f\n",
           operations, (end - start) / 1e9, all[last / 2] / 1e3, all[(size_t) (last * 0.99)] / 1e3,
           all[(size_t) (last * 0.999)] / 1e3, all[last] / 1e3, slowest, cpu);
    free(all);
}

int main(int argc, char **argv) {
    if (argc != 6 || atoi(argv[3]) < 1) {
        fprintf(stderr, "usage: limit <database> <workload> <clients> <seconds> <full|normal>\n");
        return 2;
    }
    operate = operation_called(argv[2]);
    int count = atoi(argv[3]);
    seconds = atof(argv[4]);
    client *clients = needed(calloc((size_t) count, sizeof *clients));
    pthread_barrier_init(&ready, NULL, (unsigned) count + 1);
    for (int i = 0; i < count; i++) {
        clients[i].number = i + 1;
        clients[i].random = (unsigned) i + 1;
        open_database(&clients[i], argv[1], strcmp(argv[5], "full") == 0 ? "FULL" : "NORMAL");
        if (pthread_create(&clients[i].thread, NULL, loop, &clients[i]) != 0) {
            fail("thread", "it could not be started");
        }
    }
    pthread_barrier_wait(&ready);
    double cpu = processor();
    start = now();
    pthread_barrier_wait(&ready);
    for (int i = 0; i < count; i++) {
        pthread_join(clients[i].thread, NULL);
    }
    cpu = processor() - cpu;
    print(clients, count, cpu);
    for (int i = 0; i < count; i++) {
        close_database(&clients[i]);
        free(clients[i].nanos);
    }
    free(clients);
    return 0;
}
