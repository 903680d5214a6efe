-- One statement, one transaction, one turn at the lock that every NOTIFY takes at its commit.
SELECT pg_notify(said.channel, said.payload)
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS said (channel, payload, place)
ORDER BY said.place
