#include "store/wf_sql_json.h"

/* What belongs to the management of a company and not to its traffic. */

const wf_pg_stmt_t wf_sql_settings[] = {
    /* No row comes back where the key is taken: by an answer, or by a request that is still at work. One that has
     * left its lease behind is followed by the same request only. */
    WF_SQL_AT(WF_SQL_ONCE_BEGIN) =
        {"once_begin",
         "insert into wflows.idempotency_keys as k (company_id, subject, key, request_hash, claim,"
         " lease_until, expires_at) values ($1::uuid, $2, $3, decode($4, 'hex'), $5::uuid,"
         " now() + $6::bigint * interval '1 microsecond', now() + interval '24 hours')"
         " on conflict (company_id, subject, key) do update set status = 'in_flight',"
         " request_hash = excluded.request_hash, claim = excluded.claim,"
         " lease_until = excluded.lease_until, expires_at = excluded.expires_at,"
         " response_status = null, response_headers = null, response_body = null,"
         " created_at = now()"
         " where k.expires_at < now() or (k.status = 'in_flight' and k.lease_until < now()"
         "  and k.request_hash = excluded.request_hash) returning 1",
         6},
    WF_SQL_AT(WF_SQL_ONCE_FIND) =
        {"once_find",
         "select k.status, k.request_hash = decode($4, 'hex'), k.response_status,"
         " k.response_headers, k.response_body from wflows.idempotency_keys k"
         " where k.company_id = $1::uuid and k.subject = $2 and k.key = $3",
         4},
    WF_SQL_AT(WF_SQL_ONCE_DONE) =
        {"once_done",
         "update wflows.idempotency_keys set status = 'done', response_status = $5::int,"
         " response_headers = $6::json, response_body = $7"
         " where company_id = $1::uuid and subject = $2 and key = $3 and claim = $4::uuid",
         7},
    WF_SQL_AT(WF_SQL_ONCE_RELEASE) =
        {"once_release",
         "delete from wflows.idempotency_keys"
         " where company_id = $1::uuid and subject = $2 and key = $3 and claim = $4::uuid",
         4},
};
