"""The pool that sqlitepool was modelled on, aiosqlitepool with aiosqlite, under the load of the benchmarks.

    original.py <database> <workload> <clients> <seconds> <full|normal>

A client is a task that does one operation after the other. The database exists, with the tables of Contender.java, whose SQL this is.
Prints one line: operations, seconds from the start to the last end, latencies in microseconds, the operations of the slowest client,
and the seconds of processor time.
"""

import asyncio
import random
import sys
import time
from contextlib import AsyncExitStack
from typing import NamedTuple

import aiosqlite
from aiosqlitepool import SQLiteConnectionPool

ROWS = 10_000
SCANNED = 1_000
BATCH = 100
CONNECTIONS = 10

TOUCH = "UPDATE item SET value = value + 1 WHERE id = ?"
INSERT = "INSERT INTO event (client) VALUES (?)"
READ = "SELECT value FROM item WHERE id = ?"
SET = "UPDATE item SET value = ? WHERE id = ?"
SCAN = "SELECT id, value, name FROM item WHERE id BETWEEN ? AND ? + 999"


class Item(NamedTuple):
    id: int
    value: int
    name: str


def opener(database, synchronous):
    """What opens connections: with SQLite's own autocommit, so that a single statement is a single call."""

    async def open_connection():
        connection = await aiosqlite.connect(database, timeout=60, isolation_level=None)
        await connection.execute("PRAGMA busy_timeout = 60000")
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = " + synchronous)
        return connection

    return open_connection


async def acquire(connection, client):
    pass


async def query(connection, client):
    await connection.execute_fetchall(READ, (random.randint(1, ROWS),))


async def scan(connection, client):
    start = random.randint(1, ROWS - SCANNED)
    rows = await connection.execute_fetchall(SCAN, (start, start))
    return [Item(*row) for row in rows]


async def execute(connection, client):
    await connection.execute(INSERT, (client,))


async def transaction(connection, client):
    await connection.execute("BEGIN IMMEDIATE")
    await connection.execute(TOUCH, (client,))
    await connection.execute(INSERT, (client,))
    await connection.commit()


async def read_modify_write(connection, client):
    await connection.execute("BEGIN IMMEDIATE")
    [[value]] = await connection.execute_fetchall(READ, (client,))
    await connection.execute(SET, (value + 1, client))
    await connection.execute(INSERT, (client,))
    await connection.commit()


async def batch(connection, client):
    await connection.execute("BEGIN IMMEDIATE")
    await connection.executemany(INSERT, [(client,)] * BATCH)
    await connection.commit()


WORKLOADS = {
    "acquire": acquire,
    "query": query,
    "scan": scan,
    "execute": execute,
    "transaction": transaction,
    "batch": batch,
    "readModifyWrite": read_modify_write,
}


async def run_client(pool, operate, client, end):
    """Does operations until the end; returns what each took, and when the last ended, in nanoseconds."""
    latencies = []
    while True:
        begun = time.perf_counter_ns()
        async with pool.connection() as connection:
            await operate(connection, client)
        now = time.perf_counter_ns()
        latencies.append(now - begun)
        if now >= end:
            return latencies, now


async def open_all(pool):
    """Opens all connections, which the measured time shall not show."""
    async with AsyncExitStack() as taken:
        for _ in range(CONNECTIONS):
            await taken.enter_async_context(pool.connection())


async def main(database, workload, clients, seconds, synchronous):
    operate = WORKLOADS[workload]
    factory = opener(database, "FULL" if synchronous == "full" else "NORMAL")
    async with SQLiteConnectionPool(factory, pool_size=CONNECTIONS, acquisition_timeout=120) as pool:
        await open_all(pool)
        cpu = time.process_time()
        start = time.perf_counter_ns()
        end = start + int(float(seconds) * 1e9)
        results = await asyncio.gather(*(run_client(pool, operate, i + 1, end) for i in range(int(clients))))
        cpu = time.process_time() - cpu
    micros = sorted(nanos / 1e3 for latencies, _ in results for nanos in latencies)
    last = len(micros) - 1
    print(
        f"operations={len(micros)}",
        f"seconds={(max(ended for _, ended in results) - start) / 1e9:.6f}",
        f"p50={micros[last // 2]:.3f}",
        f"p99={micros[int(last * 0.99)]:.3f}",
        f"p999={micros[int(last * 0.999)]:.3f}",
        f"max={micros[last]:.3f}",
        f"slowest={min(len(latencies) for latencies, _ in results)}",
        f"cpu={cpu:.6f}",
    )


if __name__ == "__main__":
    if len(sys.argv) != 6 or sys.argv[2] not in WORKLOADS:
        sys.exit("usage: original.py <database> <workload> <clients> <seconds> <full|normal>")
    asyncio.run(main(*sys.argv[1:]))
