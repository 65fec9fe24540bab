package dev.sqlitepool.spring.data.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.dao.DuplicateKeyException;
import org.springframework.dao.OptimisticLockingFailureException;
import org.springframework.data.annotation.Id;
import org.springframework.data.annotation.Version;
import org.springframework.data.domain.Example;
import org.springframework.data.domain.Limit;
import org.springframework.data.domain.PageRequest;
import org.springframework.data.domain.Pageable;
import org.springframework.data.domain.Sort;
import org.springframework.data.r2dbc.core.R2dbcEntityTemplate;
import org.springframework.data.r2dbc.repository.Modifying;
import org.springframework.data.r2dbc.repository.Query;
import org.springframework.data.r2dbc.repository.R2dbcRepository;
import org.springframework.data.r2dbc.repository.support.R2dbcRepositoryFactory;
import org.springframework.data.relational.core.mapping.Table;
import org.springframework.data.relational.core.query.Criteria;
import org.springframework.data.relational.core.query.Update;
import org.springframework.data.relational.core.sql.LockMode;
import org.springframework.data.relational.repository.Lock;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** Repositories and the entity template of Spring Data R2DBC over the driver. */
class RepositoriesTest {
    @RegisterExtension
    final Database database = new Database(
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE, stars INTEGER NOT NULL, pinned BOOLEAN NOT NULL,"
                    + " version INTEGER)",
            "CREATE TABLE \"order\" (\"group\" TEXT PRIMARY KEY, \"select\" TEXT)");

    private R2dbcEntityTemplate template;
    private Notes notes;

    @BeforeEach
    void aRepository() {
        template = database.template();
        notes = new R2dbcRepositoryFactory(template).getRepository(Notes.class);
    }

    @Table("notes")
    record Note(
            @Id Long id,
            String title,
            int stars,
            boolean pinned,
            @Version Integer version) {
        static Note of(String title, int stars) {
            return new Note(null, title, stars, false, null);
        }

        Note withStars(int other) {
            return new Note(id, title, other, pinned, version);
        }
    }

    record TitleOnly(String title) {}

    interface Notes extends R2dbcRepository<Note, Long> {
        Flux<Note> findByStarsGreaterThanEqualOrderByTitleDesc(int stars);

        Flux<Note> findByTitleStartingWith(String prefix, Pageable page);

        Flux<Note> findByTitleContainingIgnoreCase(String part);

        Flux<Note> findByStarsIn(List<Integer> stars, Sort sort);

        Flux<Note> findByPinnedTrue();

        Flux<TitleOnly> findTitleByStarsBetween(int least, int most);

        Flux<Note> findTop2ByOrderByStarsDesc();

        Flux<Note> findByStarsLessThan(int stars, Limit limit);

        Mono<Boolean> existsByTitle(String title);

        Mono<Long> countByStarsLessThan(int stars);

        Mono<Integer> deleteByStars(int stars);

        @Lock(LockMode.PESSIMISTIC_WRITE)
        Mono<Note> findByTitle(String title);

        @Query("SELECT * FROM notes WHERE stars > :stars OR title = :title OR :title = 'all' ORDER BY id")
        Flux<Note> search(String title, int stars);

        @Query("SELECT max(stars) FROM notes")
        Mono<Integer> mostStars();

        @Modifying
        @Query("UPDATE notes SET stars = stars + :more WHERE title IN (:titles)")
        Mono<Long> addStars(List<String> titles, int more);
    }

    private Flux<Note> five() {
        return notes.saveAll(Flux.range(1, 5).map(i -> Note.of("note " + i, i)));
    }

    private static List<String> titles(List<Note> found) {
        return found.stream().map(Note::title).toList();
    }

    private void assertTitles(Flux<Note> found, String... titles) {
        found.map(Note::title).as(StepVerifier::create).expectNext(titles).verifyComplete();
    }

    @Test
    void anInsertReturnsTheGeneratedId() {
        five().map(Note::id)
                .as(StepVerifier::create)
                .expectNext(1L, 2L, 3L, 4L, 5L)
                .verifyComplete();
        notes.count().as(StepVerifier::create).expectNext(5L).verifyComplete();
    }

    @Test
    void aSavedEntityIsUpdatedFoundAndDeleted() {
        notes.save(Note.of("a", 1))
                .flatMap(saved -> notes.save(saved.withStars(7)))
                .flatMap(saved -> notes.findById(saved.id()))
                .as(StepVerifier::create)
                .expectNext(new Note(1L, "a", 7, false, 1))
                .verifyComplete();
        notes.existsById(1L).as(StepVerifier::create).expectNext(true).verifyComplete();
        notes.deleteById(1L).as(StepVerifier::create).verifyComplete();
        notes.findById(1L).as(StepVerifier::create).verifyComplete();
        notes.existsById(1L).as(StepVerifier::create).expectNext(false).verifyComplete();
    }

    @Test
    void anIdBeyondAnIntComesBack() {
        database.client()
                .sql("INSERT INTO notes VALUES (9007199254740993, 'a', 1, 0, 0)")
                .then()
                .then(notes.save(Note.of("b", 1)))
                .map(Note::id)
                .as(StepVerifier::create)
                .expectNext(9007199254740994L)
                .verifyComplete();
    }

    @Test
    void queriesAreDerivedFromNamesOfMethods() {
        five().blockLast();
        assertTitles(notes.findByStarsGreaterThanEqualOrderByTitleDesc(4), "note 5", "note 4");
        assertTitles(notes.findByTitleContainingIgnoreCase("OTE 3"), "note 3");
        assertTitles(notes.findByStarsIn(List.of(1, 5), Sort.by("stars").descending()), "note 5", "note 1");
        assertTitles(notes.findTop2ByOrderByStarsDesc(), "note 5", "note 4");
        assertTitles(notes.findByStarsLessThan(9, Limit.of(2)), "note 1", "note 2");
        notes.findByPinnedTrue().as(StepVerifier::create).verifyComplete();
        notes.existsByTitle("note 1").as(StepVerifier::create).expectNext(true).verifyComplete();
        notes.countByStarsLessThan(3).as(StepVerifier::create).expectNext(2L).verifyComplete();
        notes.deleteByStars(3).as(StepVerifier::create).expectNext(1).verifyComplete();
        notes.findTitleByStarsBetween(2, 4)
                .as(StepVerifier::create)
                .expectNext(new TitleOnly("note 2"), new TitleOnly("note 4"))
                .verifyComplete();
    }

    @Test
    void pagesFollowEachOther() {
        five().blockLast();
        Pageable first = PageRequest.of(0, 2, Sort.by("title"));
        assertTitles(notes.findByTitleStartingWith("note", first), "note 1", "note 2");
        assertTitles(notes.findByTitleStartingWith("note", first.next()), "note 3", "note 4");
        assertTitles(notes.findByTitleStartingWith("note", first.next().next()), "note 5");
        Example<Note> like = Example.of(
                Note.of("note 3", 3),
                org.springframework.data.domain.ExampleMatcher.matching().withIgnorePaths("version"));
        notes.findBy(like, query -> query.page(first))
                .as(StepVerifier::create)
                .assertNext(page -> {
                    assertThat(titles(page.getContent())).containsExactly("note 3");
                    assertThat(page.getTotalElements()).isEqualTo(1);
                })
                .verifyComplete();
    }

    @Test
    void nullsAreSortedWhereOneSays() {
        database.client()
                .sql("INSERT INTO notes VALUES (1, 'a', 1, 0, NULL), (2, 'b', 1, 0, 5)")
                .then()
                .block();
        assertTitles(notes.findAll(Sort.by(Sort.Order.asc("version").nullsLast())), "b", "a");
        assertTitles(notes.findAll(Sort.by(Sort.Order.asc("version").nullsFirst())), "a", "b");
    }

    @Test
    void anOffsetNeedsNoLimit() {
        five().blockLast();
        assertTitles(
                template.select(
                        org.springframework.data.relational.core.query.Query.empty()
                                .sort(Sort.by("id"))
                                .offset(3),
                        Note.class),
                "note 4",
                "note 5");
    }

    @Test
    void namedParametersOfAQueryAreBound() {
        five().blockLast();
        assertTitles(notes.search("note 1", 4), "note 1", "note 5");
        notes.addStars(List.of("note 1", "note 2"), 10)
                .as(StepVerifier::create)
                .expectNext(2L)
                .verifyComplete();
        notes.mostStars().as(StepVerifier::create).expectNext(12).verifyComplete();
    }

    @Test
    void aLockOfAQueryChangesNothing() {
        five().blockLast();
        notes.findByTitle("note 2")
                .map(Note::stars)
                .as(StepVerifier::create)
                .expectNext(2)
                .verifyComplete();
    }

    @Test
    void whoSavesAnOldVersionIsRefused() {
        Note saved = notes.save(Note.of("a", 1)).block();
        notes.save(saved.withStars(2))
                .as(StepVerifier::create)
                .expectNextCount(1)
                .verifyComplete();
        notes.save(saved.withStars(3)).as(StepVerifier::create).verifyError(OptimisticLockingFailureException.class);
        assertThat(database.number("SELECT stars FROM notes")).isEqualTo(2);
    }

    @Test
    void aDuplicateIsThatOfSpring() {
        notes.save(Note.of("a", 1))
                .then(notes.save(Note.of("a", 1)))
                .as(StepVerifier::create)
                .verifyError(DuplicateKeyException.class);
    }

    @Test
    void theTemplateSelectsUpdatesAndDeletes() {
        five().blockLast();
        Criteria few = Criteria.where("stars").lessThan(3);
        template.update(Note.class)
                .matching(org.springframework.data.relational.core.query.Query.query(few))
                .apply(Update.update("pinned", true))
                .as(StepVerifier::create)
                .expectNext(2L)
                .verifyComplete();
        assertTitles(notes.findByPinnedTrue(), "note 1", "note 2");
        template.delete(Note.class)
                .matching(org.springframework.data.relational.core.query.Query.query(few))
                .all()
                .as(StepVerifier::create)
                .expectNext(2L)
                .verifyComplete();
        template.select(Note.class)
                .count()
                .as(StepVerifier::create)
                .expectNext(3L)
                .verifyComplete();
    }

    @Table("order")
    record Order(@Id String group, String select) {}

    @Test
    void namesThatAreKeywordsAreQuoted() {
        ((org.springframework.data.relational.core.mapping.RelationalMappingContext)
                        template.getConverter().getMappingContext())
                .setForceQuote(true);
        template.insert(new Order("g", "s"))
                .thenMany(template.select(Order.class).all())
                .as(StepVerifier::create)
                .expectNext(new Order("g", "s"))
                .verifyComplete();
    }
}
