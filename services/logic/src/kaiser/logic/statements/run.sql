-- One run: what began it, and what ended it. Parameters: its id, its rule.
SELECT began.at, began.n, began.seq, began.type, began.body::text, ended.body::text
FROM decisions began
LEFT JOIN decisions ended ON ended.run_id = began.run_id AND ended.kind = 'ended'
WHERE began.run_id = $1::text AND began.run_id <> '' AND began.kind = 'started' AND began.rule_id = $2::text
LIMIT 1
