package dev.sqlitepool.spring.data.r2dbc.boot;

import java.time.Instant;
import org.springframework.data.domain.Pageable;
import org.springframework.data.r2dbc.repository.Query;
import org.springframework.data.repository.reactive.ReactiveCrudRepository;
import reactor.core.publisher.Flux;

// snippet: boot-repository
interface Notes extends ReactiveCrudRepository<Note, Long> {
    Flux<Note> findByPinnedTrueOrderByCreatedDesc(Pageable page);

    @Query("SELECT * FROM notes WHERE created >= :since AND title LIKE :pattern ORDER BY id")
    Flux<Note> search(Instant since, String pattern);
}
// end
