#include "store/wf_sql_json.h"

/* What belongs to the management of a company and not to its traffic. */

#define INTEGRATIONS "wflows.integrations i"
#define INTEGRATIONS_WHERE                                                          \
    "i.company_id = $1::uuid and ($5::text is null or i.kind = $5)"                 \
    " and ($6::boolean is null or i.enabled = $6::boolean)"
#define OPT_OUTS "wflows.opt_outs o"
#define OPT_OUTS_WHERE                                                              \
    "o.company_id = $1::uuid and ($5::text is null or o.contact = $5)"              \
    " and ($6::text is null or o.category = $6)"                                    \
    " and ($7::boolean is null or o.active = $7::boolean)"

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
    WF_SQL_AT(WF_SQL_INTEGRATION_PAGE_NEWEST) =
        {"integration_page_newest",
         WF_SQL_PAGE_NEWEST(INTEGRATION_JSON, INTEGRATIONS, INTEGRATIONS_WHERE, "i.created_at",
                            "i.id"),
         6},
    WF_SQL_AT(WF_SQL_INTEGRATION_PAGE_OLDEST) =
        {"integration_page_oldest",
         WF_SQL_PAGE_OLDEST(INTEGRATION_JSON, INTEGRATIONS, INTEGRATIONS_WHERE, "i.created_at",
                            "i.id"),
         6},
    WF_SQL_AT(WF_SQL_INTEGRATION_FIND) = {"integration_find",
                                          "select " INTEGRATION_JSON " from " INTEGRATIONS
                                          " where i.company_id = $1::uuid and i.id = $2::uuid",
                                          2},
    WF_SQL_AT(WF_SQL_INTEGRATION_SECRET) =
        {"integration_secret",
         "select i.kind, i.config, i.secret from " INTEGRATIONS
         " where i.company_id = $1::uuid and i.id = $2::uuid for update",
         2},
    WF_SQL_AT(WF_SQL_INTEGRATION_INSERT) =
        {"integration_insert",
         "insert into wflows.integrations as i (company_id, id, kind, name, enabled, config, secret,"
         " secret_names, secrets_changed_at, created_by, updated_by)"
         " select $1::uuid, $2::uuid, n.kind, n.name, n.enabled, n.config, n.secret, n.secret_names,"
         " n.secrets_changed_at, $4, $4"
         " from jsonb_populate_record(null::wflows.integrations, $3::jsonb) n"
         " returning " INTEGRATION_JSON,
         4},
    WF_SQL_AT(WF_SQL_INTEGRATION_UPDATE) =
        {"integration_update",
         "update wflows.integrations i set (name, enabled, config, secret, secret_names,"
         " secrets_changed_at) = (select n.name, n.enabled, n.config, n.secret, n.secret_names,"
         " n.secrets_changed_at from jsonb_populate_record(i, $3::jsonb) n),"
         " updated_by = $4, updated_at = now()"
         " where i.company_id = $1::uuid and i.id = $2::uuid returning " INTEGRATION_JSON,
         4},
    WF_SQL_AT(WF_SQL_INTEGRATION_REMOVE) =
        {"integration_remove",
         "delete from wflows.integrations where company_id = $1::uuid and id = $2::uuid", 2},

    WF_SQL_AT(WF_SQL_FLAG_LIST) = {"flag_list",
                                   "select json_build_object('data', coalesce(json_agg(" FLAG_JSON
                                   " order by f.name), '[]'), 'next_cursor', null)"
                                   " from wflows.feature_flags f where f.company_id = $1::uuid",
                                   1},
    WF_SQL_AT(WF_SQL_FLAG_COUNT) = {"flag_count",
                                    "select count(*) from wflows.feature_flags f"
                                    " where f.company_id = $1::uuid and f.name <> $2",
                                    2},
    WF_SQL_AT(WF_SQL_FLAG_FIND) = {"flag_find",
                                   "select " FLAG_JSON " from wflows.feature_flags f"
                                   " where f.company_id = $1::uuid and f.name = $2",
                                   2},
    WF_SQL_AT(WF_SQL_FLAG_SAVE) =
        {"flag_save",
         "insert into wflows.feature_flags as f (company_id, name, enabled, value, updated_by)"
         " values ($1::uuid, $2, $3::boolean, $4::jsonb, $5)"
         " on conflict (company_id, name) do update set enabled = excluded.enabled,"
         " value = excluded.value, updated_by = excluded.updated_by, updated_at = now()"
         " returning " FLAG_JSON,
         5},
    WF_SQL_AT(WF_SQL_FLAG_REMOVE) = {"flag_remove",
                                     "delete from wflows.feature_flags"
                                     " where company_id = $1::uuid and name = $2",
                                     2},

    WF_SQL_AT(WF_SQL_OPT_OUT_PAGE_NEWEST) =
        {"opt_out_page_newest",
         WF_SQL_PAGE_NEWEST(OPT_OUT_JSON, OPT_OUTS, OPT_OUTS_WHERE, "o.changed_at", "o.id"), 7},
    WF_SQL_AT(WF_SQL_OPT_OUT_PAGE_OLDEST) =
        {"opt_out_page_oldest",
         WF_SQL_PAGE_OLDEST(OPT_OUT_JSON, OPT_OUTS, OPT_OUTS_WHERE, "o.changed_at", "o.id"), 7},
    WF_SQL_AT(WF_SQL_OPT_OUT_FIND) = {"opt_out_find",
                                      "select " OPT_OUT_JSON " from " OPT_OUTS
                                      " where o.company_id = $1::uuid and o.id = $2::uuid",
                                      2},
    WF_SQL_AT(WF_SQL_OPT_OUT_BY_CONTACT) =
        {"opt_out_by_contact",
         "select " OPT_OUT_JSON " from " OPT_OUTS
         " where o.company_id = $1::uuid and o.contact = $2 and o.category = $3",
         3},
    WF_SQL_AT(WF_SQL_OPT_OUT_ADD) =
        {"opt_out_add",
         "insert into wflows.opt_outs as o (company_id, contact, category, source, reason)"
         " values ($1::uuid, $2, $3, 'api', $4)"
         " on conflict (company_id, contact, category) do update set active = true, source = 'api',"
         " reason = excluded.reason, changed_at = now() returning " OPT_OUT_JSON,
         4},
    WF_SQL_AT(WF_SQL_OPT_OUT_TAKE_BACK) =
        {"opt_out_take_back",
         "update wflows.opt_outs o set active = false, source = 'api', changed_at = now()"
         " where o.company_id = $1::uuid and o.id = $2::uuid returning " OPT_OUT_JSON,
         2},
    /* How many are new, how many were taken back before. */
    WF_SQL_AT(WF_SQL_OPT_OUT_IMPORT) =
        {"opt_out_import",
         "with put as (insert into wflows.opt_outs as o (company_id, contact, category, source,"
         " reason) select distinct on (n.contact, n.category) $1::uuid, n.contact, n.category,"
         " 'import', n.reason from unnest($2::text[], $3::text[], $4::text[])"
         " n (contact, category, reason) order by n.contact, n.category"
         " on conflict (company_id, contact, category) do update set active = true,"
         " source = 'import', reason = coalesce(excluded.reason, o.reason), changed_at = now()"
         " where not o.active returning o.created_at = now() as is_new)"
         " select count(*) filter (where is_new), count(*) filter (where not is_new) from put",
         4},
};
