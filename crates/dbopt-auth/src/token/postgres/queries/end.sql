-- $1 session.
DELETE FROM dbopt.auth_session WHERE id = $1::text::uuid
