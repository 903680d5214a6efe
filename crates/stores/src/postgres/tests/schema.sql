-- The schema $1 as a list of lines, whatever the server's version; the days of events are left out.
WITH tables AS (
    SELECT c.oid, c.relname, c.relkind, c.reloptions, c.relispartition, c.relpartbound
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname !~ '^events_\d+'
)
SELECT line FROM (
    SELECT relname, 1 AS part, 0 AS place, relname
        || CASE WHEN relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(oid) ELSE '' END
        || CASE WHEN relispartition THEN ' PARTITION ' || pg_get_expr(relpartbound, oid) ELSE '' END
        || coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '') AS line
    FROM tables WHERE relkind IN ('r', 'p')
    UNION ALL
    SELECT relname, 2, a.attnum, relname || '.' || a.attname
        || ' ' || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attcollation NOT IN (0, 100) THEN ' COLLATE ' || o.collname ELSE '' END
        || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
        || CASE WHEN a.attidentity <> '' THEN ' IDENTITY' ELSE '' END
        || CASE WHEN a.attgenerated <> '' THEN ' GENERATED' ELSE '' END
        || coalesce(' ' || regexp_replace(pg_get_expr(d.adbin, d.adrelid), '\s+', ' ', 'g'), '')
    FROM tables JOIN pg_attribute AS a ON a.attrelid = tables.oid
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation AS o ON o.oid = a.attcollation
    WHERE relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT relname, 3, 0, relname || ' ' || pg_get_constraintdef(k.oid)
    FROM tables JOIN pg_constraint AS k ON k.conrelid = tables.oid
    WHERE relkind IN ('r', 'p') AND k.contype IN ('c', 'f', 'x')
    UNION ALL
    SELECT relname, 4, 0, replace(pg_get_indexdef(i.indexrelid), quote_ident($1) || '.', '')
        || CASE WHEN i.indisprimary THEN ' PRIMARY KEY' ELSE '' END
    FROM tables JOIN pg_index AS i ON i.indrelid = tables.oid
    UNION ALL
    SELECT relname, 5, 0, 'SEQUENCE ' || relname || ' INCREMENT BY ' || s.seqincrement
    FROM tables JOIN pg_sequence AS s ON s.seqrelid = tables.oid
) AS lines
ORDER BY relname, part, place, line
