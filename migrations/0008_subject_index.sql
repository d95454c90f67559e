-- What was recorded about somebody is looked up by action and person: the requests of all persons, and what was exported and erased
-- for one, without reading the whole record.

CREATE INDEX audit_record_subject ON dbopt.audit_record (action, subject, sequence) WHERE subject IS NOT NULL;

COMMENT ON INDEX dbopt.audit_record_subject IS 'Finds what was recorded about a person';
