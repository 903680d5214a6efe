SELECT json_build_object(
    'no', no, 'at_ms', floor(extract(epoch FROM at) * 1000)::bigint, 'txid', txid,
    'writer', writer, 'kind', kind, 'was', was, 'becomes', becomes
)
FROM chaos.transitions ORDER BY no;
