#include "store/wf_sql_json.h"

#define AUDIT_COLUMNS(T)                                                                       \
    "l.id, l.company_id, l.seq, l.actor, l.user_id, l.action, l.resource_type,"             \
    " l.resource_id, l.ip_address, l.user_agent, l.request_id, l.old_values, l.new_values," \
    " l.metadata, l.salt is null as erased, encode(l.hash, 'hex') as hash, "            \
    T("l.created_at") " as created_at"
#define AUDIT_JSON WF_SQL_JSON_OF(AUDIT_COLUMNS(WF_SQL_TIME_TEXT))

#define AUDIT "wflows.audit_logs l"
/* The platform's own rows where no company is named. */
#define FILTERED                                                                            \
    "l.company_id = " WF_SQL_OR("$1::uuid", WF_SQL_UUID_LEAST)                              \
    " and ($5::text is null or l.action = $5) and ($6::text is null or l.actor = $6)"       \
    " and ($7::text is null or l.resource_type = $7)"                                       \
    " and ($8::text is null or l.resource_id = $8)"
#define FROM WF_SQL_TIME_OR("$9", "'-infinity'")
#define TO WF_SQL_TIME_OR("$10", "'infinity'")
#define PAGE(where, compare, direction)                                                     \
    WF_SQL_PAGE(AUDIT_COLUMNS(WF_SQL_TIME), AUDIT, FILTERED " and l.created_at " where,                     \
                "wflows.time_us(l.created_at)::text", "l.created_at", "l.id", compare, direction)
/* Cursor and the time that bounds the same side are one condition: an index scan begins at the first one that it
 * finds, and would walk over what the other one passes by. */
#define PAGE_NEWEST                                                                         \
    PAGE(">= " FROM,                                                                        \
         "< (least(" WF_SQL_TIME_OR("$3", "'infinity'") ", " TO "),"                        \
         " case when wflows.us_time($3::bigint) < " TO " then $4::uuid"                     \
         " else " WF_SQL_UUID_LEAST " end)",                                                \
         "desc")
#define PAGE_OLDEST                                                                         \
    PAGE("< " TO,                                                                           \
         "> (greatest(" WF_SQL_TIME_OR("$3", "'-infinity'") ", " FROM "),"                  \
         " case when wflows.us_time($3::bigint) >= " FROM " then $4::uuid"                  \
         " else " WF_SQL_UUID_LEAST " end)",                                                \
         "asc")

#define APPROVALS "wflows.approvals a"
/* Before the job has come by, too. */
#define APPROVAL_STATUS \
    "case when a.status = 'pending' and a.expires_at <= now() then 'expired' else a.status end"
#define APPROVAL_JSON                                                                       \
    "json_build_object('id', a.id, 'company_id', a.company_id, 'action', a.action,"         \
    " 'resource_type', a.resource_type, 'resource_id', a.resource_id,"                      \
    " 'request', a.request, 'status', " APPROVAL_STATUS ","                                 \
    " 'requested_by', a.requested_by, 'decided_by', a.decided_by, 'reason', a.reason,"      \
    " 'created_at', wflows.time_text(a.created_at),"                                        \
    " 'expires_at', wflows.time_text(a.expires_at),"                                        \
    " 'decided_at', wflows.time_text(a.decided_at))"
#define APPROVALS_FILTERED                                                                  \
    "a.company_id = $1::uuid and ($5::text is null or " APPROVAL_STATUS " = $5)"            \
    " and ($6::text is null or a.action = $6) and ($7::text is null or a.requested_by = $7)"

const wf_pg_stmt_t wf_sql_audit[] = {
    WF_SQL_AT(WF_SQL_AUDIT_PAGE_NEWEST) = {"audit_page_newest", PAGE_NEWEST, 10},
    WF_SQL_AT(WF_SQL_AUDIT_PAGE_OLDEST) = {"audit_page_oldest", PAGE_OLDEST, 10},
    WF_SQL_AT(WF_SQL_AUDIT_GET) = {"audit_get",
                                   "select " AUDIT_JSON " from " AUDIT
                                   " where l.company_id = $1::uuid and l.id = $2::uuid",
                                   2},
    WF_SQL_AT(WF_SQL_AUDIT_RECENT) =
        {"audit_recent",
         "select coalesce(json_agg(x.doc), '[]') from (select " AUDIT_JSON " as doc"
         " from wflows.audit_logs l where l.company_id = $1::uuid"
         " and ($2::text is null or l.action = $2) order by l.seq desc limit $3::int) x",
         3},
    WF_SQL_AT(WF_SQL_AUDIT_REFUSAL) =
        {"audit_refusal",
         "insert into wflows.audit_logs (company_id, id, user_id, actor, action, resource_type,"
         " resource_id, ip_address, user_agent, request_id)"
         " select $1::uuid, $2::uuid, $3::uuid, $4, 'access.denied', 'route', $5, $6, $7, $8"
         " where not exists (select from wflows.audit_logs l where l.company_id = $1::uuid"
         "  and l.created_at > now() - interval '1 minute' and l.action = 'access.denied'"
         "  and l.actor = $4 and l.resource_id = $5)",
         8},
    WF_SQL_AT(WF_SQL_AUDIT_HEAD) = {"audit_head",
                                    "select h.seq, encode(h.hash, 'hex') from wflows.audit_heads h"
                                    " where h.company_id = $1::uuid",
                                    1},
    WF_SQL_AT(WF_SQL_AUDIT_CHAIN) =
        {"audit_chain",
         "select l.seq, l.id, wflows.time_us(l.created_at), split_part(l.actor, ':', 1), l.action,"
         " l.resource_type, encode(l.salt, 'hex'), encode(l.details_hash, 'hex'),"
         " encode(l.hash, 'hex'), l.actor, l.user_id, l.resource_id, l.ip_address, l.user_agent,"
         " l.request_id, l.old_values, l.new_values, l.metadata"
         " from wflows.audit_logs l where l.company_id = $1::uuid and l.seq > $2::bigint"
         " order by l.seq limit 100",
         2},
    WF_SQL_AT(WF_SQL_AUDIT_NEXT_CHAIN) =
        {"audit_next_chain",
         "select n.id, (select c.slug from wflows.companies c where c.id = n.id) from (select least("
         "(select c.id from wflows.companies c where $1::uuid is null or c.id > $1::uuid"
         " order by c.id limit 1),"
         "(select h.company_id from wflows.audit_heads h"
         " where $1::uuid is null or h.company_id > $1::uuid order by h.company_id limit 1),"
         "(select l.company_id from wflows.audit_logs l"
         " where $1::uuid is null or l.company_id > $1::uuid order by l.company_id limit 1)"
         ") as id) n",
         1},

    WF_SQL_AT(WF_SQL_APPROVAL_PAGE_NEWEST) =
        {"approval_page_newest",
         WF_SQL_PAGE_NEWEST(APPROVAL_JSON, APPROVALS, APPROVALS_FILTERED, "a.created_at", "a.id"), 7},
    WF_SQL_AT(WF_SQL_APPROVAL_PAGE_OLDEST) =
        {"approval_page_oldest",
         WF_SQL_PAGE_OLDEST(APPROVAL_JSON, APPROVALS, APPROVALS_FILTERED, "a.created_at", "a.id"), 7},
    WF_SQL_AT(WF_SQL_APPROVAL_GET) = {"approval_get",
                                      "select " APPROVAL_JSON " from " APPROVALS
                                      " where a.company_id = $1::uuid and a.id = $2::uuid",
                                      2},
    WF_SQL_AT(WF_SQL_APPROVAL_COUNT) =
        {"approval_count",
         "select count(*) from wflows.approvals a where a.company_id = $1::uuid"
         " and a.status = 'pending' and a.expires_at > now()",
         1},
    WF_SQL_AT(WF_SQL_APPROVAL_ADD) =
        {"approval_add",
         "insert into wflows.approvals (company_id, id, operation, action, resource_type, resource_id,"
         " request, sealed, requested_by, expires_at) values ($1::uuid, $2::uuid, $3, $4, $5, $6,"
         " $7::json, $8, $9, wflows.us_time($10::bigint))",
         10},
    /* The last one: asked for by $3, or with an API key that $3 has made. */
    WF_SQL_AT(WF_SQL_APPROVAL_LOCK) =
        {"approval_lock",
         "select " APPROVAL_STATUS ", a.requested_by, a.operation, a.sealed, a.action,"
         " a.requested_by = $3 or exists (select from wflows.api_keys k"
         "  where k.company_id = a.company_id and 'key:' || k.id = a.requested_by"
         "  and k.created_by = $3)"
         " from " APPROVALS " where a.company_id = $1::uuid and a.id = $2::uuid for update of a",
         3},
    WF_SQL_AT(WF_SQL_APPROVAL_DECIDE) =
        {"approval_decide",
         "update wflows.approvals a set status = $3, sealed = null, decided_at = now(), reason = $5,"
         " decided_by = case when $3 in ('approved', 'rejected') then $4 end"
         " where a.company_id = $1::uuid and a.id = $2::uuid and a.status = 'pending'",
         5},
    WF_SQL_AT(WF_SQL_APPROVALS_EXPIRE) = {"approvals_expire",
                                          "select wflows.approvals_expire($1::int)", 1},

    /* A deleted company has no slug that is its own: only its id finds it. */
    WF_SQL_AT(WF_SQL_ERASURE_COMPANY) =
        {"erasure_company",
         "select c.id, c.slug, c.status, wflows.four_eyes(c) from wflows.companies c"
         " where c.id = $1::uuid or ($1::uuid is null and c.slug = $2 and c.deleted_at is null)"
         " for update",
         2},
    WF_SQL_AT(WF_SQL_ERASURE_ADD) =
        {"erasure_add",
         "insert into wflows.erasures (company_id, slug, requested_by) values ($1::uuid, $2, $3)", 3},
    WF_SQL_AT(WF_SQL_ERASURE_STOP) =
        {"erasure_stop",
         "update wflows.companies set status = 'erasing', updated_at = now() where id = $1::uuid", 1},
    WF_SQL_AT(WF_SQL_ERASURE_FIND) =
        {"erasure_find",
         "select wflows.erasure_json(e) from wflows.erasures e where e.company_id = $1::uuid", 1},
    WF_SQL_AT(WF_SQL_ERASURE_LIST) =
        {"erasure_list",
         "select coalesce(json_agg(wflows.erasure_json(x)), '[]') from (select e.*"
         " from wflows.erasures e order by e.requested_at desc limit 1000) x",
         0},
    WF_SQL_AT(WF_SQL_ERASURES_OPEN) =
        {"erasures_open",
         "select e.company_id, e.slug, e.step, wflows.time_us(e.requested_at), e.audit_seq,"
         " (select count(*) from wflows.media m where m.company_id = e.company_id"
         "  and m.status = 'stored')"
         " from wflows.erasures e where e.step <> 'done' order by e.requested_at limit $1::int",
         1},
    WF_SQL_AT(WF_SQL_ERASURE_ADVANCE) =
        {"erasure_advance",
         "update wflows.erasures e set step = $3, removed = case when $4::text is null then e.removed"
         " else e.removed || jsonb_build_object($4::text,"
         "  coalesce((e.removed ->> $4::text)::bigint, 0) + $5::bigint) end"
         " where e.company_id = $1::uuid and e.step = $2",
         5},
    WF_SQL_AT(WF_SQL_ERASURE_FINISH) =
        {"erasure_finish",
         "update wflows.erasures e set step = 'done', slug = null, report = $3,"
         " finished_at = wflows.us_time($2::bigint)"
         " where e.company_id = $1::uuid and e.step = 'cache'",
         3},
    WF_SQL_AT(WF_SQL_ERASE_ROWS) = {"erase_rows", "select wflows.erase_rows($1::uuid, $2::int)", 2},
    /* How many; 0: no more. */
    WF_SQL_AT(WF_SQL_ERASE_AUDIT) =
        {"erase_audit",
         "with gone as (select wflows.erase_audit($1::uuid, $2::bigint, $3::int) as last)"
         " update wflows.erasures e set audit_seq = coalesce(g.last, e.audit_seq) from gone g"
         " where e.company_id = $1::uuid returning coalesce(g.last - $2::bigint, 0)",
         3},
    WF_SQL_AT(WF_SQL_ERASE_LOCK) =
        {"erase_lock", "select from wflows.companies c where c.id = $1::uuid for update", 1},
    WF_SQL_AT(WF_SQL_ERASE_KEYS) =
        {"erase_keys",
         "with gone as (delete from wflows.data_keys k where k.company_id = $1::uuid returning 1)"
         " update wflows.erasures e set removed = e.removed"
         " || jsonb_build_object('data_keys', (select count(*) from gone), 'companies', 1)"
         " where e.company_id = $1::uuid",
         1},
    /* What POST /companies answered is kept for its repetition, under no company's id. */
    WF_SQL_AT(WF_SQL_ERASE_REPLIES) =
        {"erase_replies",
         "delete from wflows.idempotency_keys k"
         " where k.company_id = '00000000-0000-0000-0000-000000000000'"
         " and strpos(k.response_body, $1::uuid::text) > 0",
         1},
    WF_SQL_AT(WF_SQL_ERASE_COMPANY) =
        {"erase_company",
         "with gone as (delete from wflows.companies c where c.id = $1::uuid returning 1)"
         " update wflows.erasures e set step = 'cache', erased_at = now(),"
         " requested_by = split_part(e.requested_by, ':', 1) from (select count(*) from gone) g"
         " where e.company_id = $1::uuid returning e.removed",
         1},
};
