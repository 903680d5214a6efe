-- name: submission
SELECT answer FROM submissions WHERE thread_no = ?1 AND key = ?2;

-- name: submission_insert
INSERT INTO submissions (thread_no, key, answer, created_at) VALUES (?1, ?2, ?3, ?4);

-- name: submissions_delete
DELETE FROM submissions WHERE thread_no = ?1;

-- name: submissions_purge
DELETE FROM submissions WHERE (thread_no, key) IN (
    SELECT thread_no, key FROM submissions
    WHERE created_at < ?1
    ORDER BY created_at
    LIMIT ?2
);
