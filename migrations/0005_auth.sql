-- Sessions of services that share them in this database, and which tokens were revoked. No table holds a token, nor what one could
-- be made from. All are logged: a crash must not let in again who was put out.

CREATE TABLE dbopt.auth_session (
    id uuid PRIMARY KEY,
    subject text NOT NULL,
    data text NOT NULL,
    epoch bigint NOT NULL,
    number bigint NOT NULL,
    rotated_at timestamptz NOT NULL,
    idle_until timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE dbopt.auth_session IS 'Sessions that may be refreshed';
COMMENT ON COLUMN dbopt.auth_session.id IS 'Random name of the session';
COMMENT ON COLUMN dbopt.auth_session.subject IS 'Whose it is';
COMMENT ON COLUMN dbopt.auth_session.data IS 'Tenant and roles of its tokens, as JSON';
COMMENT ON COLUMN dbopt.auth_session.epoch IS 'The subject''s epoch in which it began';
COMMENT ON COLUMN dbopt.auth_session.number IS 'Number of the refresh token that is valid';
COMMENT ON COLUMN dbopt.auth_session.rotated_at IS 'Since when that one is';
COMMENT ON COLUMN dbopt.auth_session.idle_until IS 'When it ends if it is not refreshed';
COMMENT ON COLUMN dbopt.auth_session.ends_at IS 'When it ends in any case';

CREATE TABLE dbopt.auth_subject (
    subject text PRIMARY KEY,
    epoch bigint NOT NULL,
    keep_until timestamptz NOT NULL
);

COMMENT ON TABLE dbopt.auth_subject IS 'Subjects of which all tokens and sessions were revoked';
COMMENT ON COLUMN dbopt.auth_subject.subject IS 'The subject';
COMMENT ON COLUMN dbopt.auth_subject.epoch IS 'Tokens and sessions of an earlier epoch are revoked; microseconds since 1970';
COMMENT ON COLUMN dbopt.auth_subject.keep_until IS 'When none of those can be valid any more';

CREATE TABLE dbopt.auth_token (
    token text PRIMARY KEY,
    keep_until timestamptz NOT NULL
);

COMMENT ON TABLE dbopt.auth_token IS 'Tokens that were revoked';
COMMENT ON COLUMN dbopt.auth_token.token IS 'Name of the token, its claim jti';
COMMENT ON COLUMN dbopt.auth_token.keep_until IS 'When the token cannot be valid any more';
