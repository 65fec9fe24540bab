package dev.sqlitepool.spring.data.r2dbc.boot;

import java.time.Instant;
import org.springframework.data.annotation.Id;
import org.springframework.data.relational.core.mapping.Table;

// snippet: boot-entity
@Table("notes")
record Note(@Id Long id, String title, boolean pinned, Instant created) {}
// end
