package dev.sqlitepool.spring.data.r2dbc.boot;

import java.time.Instant;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

// snippet: boot-service
@Service
class Desk {
    private final Notes notes;

    Desk(Notes notes) {
        this.notes = notes;
    }

    @Transactional
    public Flux<Note> writeDown(String... titles) { // all of them, or none
        return notes.saveAll(Flux.fromArray(titles).map(title -> new Note(null, title, true, Instant.now())));
    }

    @Transactional(readOnly = true)
    public Mono<Long> count() { // beside a writer, in a snapshot; a write would be refused
        return notes.count();
    }
}
// end
