DELETE FROM dbopt.limit_state WHERE durable = $1 AND sliding = $2 AND key = $3::text::uuid
