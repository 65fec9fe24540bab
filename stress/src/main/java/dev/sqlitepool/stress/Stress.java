package dev.sqlitepool.stress;

import dev.sqlitepool.programs.Programs;
import dev.sqlitepool.programs.Programs.Program;
import java.io.IOException;

/** The programs of this module: what becomes of the guarantees when everything goes wrong, shown over real files. */
public final class Stress {
    private static final Programs PROGRAMS = new Programs(
            "stress.jar",
            new Program(
                    "kill",
                    "[kills=200] [seed=random]",
                    "a process that writes is killed, again and again: nothing acknowledged is lost, nothing is there by half",
                    Kill::run),
            new Program(
                    "power-loss",
                    "[moments=500] [seed=random]",
                    "what a disk may hold when the power fails has all that was acknowledged (takes strace)",
                    PowerLoss::run),
            new Program(
                    "isolation",
                    "[transactions=100000] [seed=random]",
                    "what clients saw, of one process and of three, is strictly serializable",
                    Isolation::run),
            new Program(
                    "faults",
                    "",
                    "system calls that fail: what was told is true, and then the pool works again (takes strace)",
                    Faults::run),
            new Program(
                    "damage",
                    "",
                    "what surrounds the database breaks: disks, limits, files; the same pool works again (takes root for the disks)",
                    Damage::run),
            new Program(
                    "overload",
                    "[tasks=100000]",
                    "more tasks than the pool takes, and users who are slow: bounded, fair, and nobody else waits",
                    Overload::run),
            new Program(
                    "races",
                    "[minutes=10]",
                    "the pieces in which threads meet, each by itself, millions of times: nothing that is forbidden",
                    Races::run),
            new Program(
                    "hostile",
                    "[files=10000] [seed=random]",
                    "database files that are damaged, or mean harm: each is answered, none runs code",
                    Hostile::run),
            new Program(
                    "soak",
                    "[minutes=20]",
                    "everything at once for a long time: no BUSY, no error, nothing lost or doubled",
                    Soak::run),
            new Program(
                    "other-processes",
                    "[minutes=10]",
                    "a pool and three other processes write to one file: no BUSY in the pool, the sums are right",
                    OtherProcesses::run));

    private Stress() {}

    /**
     * Runs one of the programs and ends the process, see {@link Programs#run}.
     *
     * @param arguments the name of a program and its own arguments, or nothing for the list
     * @throws IOException if the temporary directory fails
     */
    public static void main(String[] arguments) throws IOException {
        System.exit(PROGRAMS.run(System.out, arguments));
    }

    /** The programs, without the process around them. */
    static Programs programs() {
        return PROGRAMS;
    }
}
