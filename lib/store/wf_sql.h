/* The only SQL outside schema/: every statement that a store runs, prepared once per connection.
 * Internal to lib/store. */
#ifndef WF_SQL_H
#define WF_SQL_H

#include "pg/wf_pg.h"

typedef enum {
    WF_SQL_ROLE_PLATFORM,
    WF_SQL_AUDIT_ADD,
    WF_SQL_OUTBOX_CACHE_ADD,
    WF_SQL_OUTBOX_DONE,
    WF_SQL_OUTBOX_CLAIM,
    WF_SQL_OUTBOX_FINISH,
    WF_SQL_OUTBOX_RELEASE,
    WF_SQL_OUTBOX_WAKE,
    WF_SQL_OUTBOX_LISTEN,
    WF_SQL_OUTBOX_DEPTH,
    WF_SQL_OUTBOX_SUMMARY,
    WF_SQL_OUTBOX_DOCUMENT,
    WF_SQL_OUTBOX_MATCH,
    WF_SQL_OUTBOX_REPLAY,

    WF_SQL_MIGRATE_LOCK,
    WF_SQL_MIGRATE_TIMEOUTS,
    WF_SQL_MIGRATE_TABLE_EXISTS,
    WF_SQL_MIGRATE_APPLIED,
    WF_SQL_MIGRATE_RECORD,
    WF_SQL_SCHEMA_EXISTS,
    WF_SQL_SCHEMA_VERSION,
    WF_SQL_DATABASE_REPORT,

    WF_SQL_TENANT_RECORD,
    WF_SQL_TENANT_OTHERS,

    WF_SQL_COMPANY_CREATE_LOCK,
    WF_SQL_COMPANY_COUNT,
    WF_SQL_COMPANY_INSERT,
    WF_SQL_COMPANY_LOCK,
    WF_SQL_COMPANY_ROW,
    WF_SQL_COMPANY_LIST,
    WF_SQL_COMPANY_FIND,
    WF_SQL_COMPANY_UPDATE,
    WF_SQL_COMPANY_REMOVE,
    WF_SQL_COMPANY_FLOW_NAMES,

    WF_SQL_DATA_KEY_INSERT,
    WF_SQL_DATA_KEY_CURRENT,
    WF_SQL_DATA_KEY_BY_ID,
    WF_SQL_DATA_KEY_STALE,
    WF_SQL_DATA_KEY_STALE_COUNT,
    WF_SQL_DATA_KEY_REWRAP,
    WF_SQL_DATA_KEY_USAGE,

    WF_SQL_FLOW_ROW,
    WF_SQL_FLOW_ROW_BY_NAME,
    WF_SQL_FLOW_COUNT,
    WF_SQL_FLOW_INSERT,
    WF_SQL_FLOW_VERSION_INSERT,
    WF_SQL_FLOW_UPDATE,
    WF_SQL_FLOW_LIST,
    WF_SQL_FLOW_FIND,
    WF_SQL_FLOW_PLAN,
    WF_SQL_FLOW_NAME,
    WF_SQL_FLOW_SOURCE,

    WF_SQL_BILLING_LOCK,
    WF_SQL_BILLING_EVENT_KNOWN,
    WF_SQL_BILLING_COMPANY,
    WF_SQL_BILLING_EVENT_ADD,
    WF_SQL_BILLING_ADOPT,
    WF_SQL_BILLING_EVENTS,
    WF_SQL_BILLING_ROW,
    WF_SQL_BILLING_SAVE,
    WF_SQL_BILLING_OVERDUE,

    WF_SQL_JOB_LOCK,
    WF_SQL_JOB_MAKE,
    WF_SQL_JOB_DUE,
    WF_SQL_JOB_DONE,
    WF_SQL_SESSIONS_EXPIRE,
    WF_SQL_IDEMPOTENCY_SWEEP,
    WF_SQL_ACCOUNTS_MARK_STALE,
    WF_SQL_ACCOUNTS_REMIND,
    WF_SQL_COUNTS_FOLD_NEXT,
    WF_SQL_OUTBOX_BURY,
    WF_SQL_SWEEP_COMPANY,
    WF_SQL_SWEEP_CACHE_ROWS,
    WF_SQL_SWEEP_EVENTS,
    WF_SQL_SWEEP_OUTBOX,
    WF_SQL_SWEEP_RESPONSES,
    WF_SQL_SWEEP_FLOW_MESSAGES,
    WF_SQL_SWEEP_SENT_MESSAGES,
    WF_SQL_SWEEP_FLOW_HEALTH,
    WF_SQL_SWEEP_SESSIONS,

    WF_SQL_USAGE_ADD,
    WF_SQL_USAGE_LOAD,

    WF_SQL_SESSION_STEPS,
    WF_SQL_SESSION_LOAD,
    WF_SQL_FLOW_ERROR_EVENT,

    WF_SQL_MEDIA_LOAD,
    WF_SQL_MEDIA_LIST,
    WF_SQL_MEDIA_DONE,
    WF_SQL_MEDIA_EXPIRE,
    WF_SQL_WEBHOOK_SECRETS,
    WF_SQL_INTAKE,

    WF_SQL_CORE_END,

    /* Each further area has its own file, wf_sql_<area>.c, and its statements have numbers of their own. */
    WF_SQL_AREA_COMPANIES = 1 << 8,
    WF_SQL_COMPANY_EXISTS,
    WF_SQL_COMPANY_PAGE_NEWEST,
    WF_SQL_COMPANY_PAGE_OLDEST,
    WF_SQL_COMPANY_PAGE_SLUG,
    WF_SQL_TRIALS_OVER,
    WF_SQL_PLAN_LIST,
    WF_SQL_PLAN_ROW,
    WF_SQL_PLAN_SAVE,
    WF_SQL_PLAN_FORGET,
    WF_SQL_COMPANY_STATISTICS,
    WF_SQL_COMPANY_ONBOARDING,
    WF_SQL_COMPANY_CACHED,
    WF_SQL_USAGE_MONTHS,
    WF_SQL_USAGE_DAYS,
    WF_SQL_WEBHOOK_VERIFIED,

    WF_SQL_AREA_PEOPLE = 2 << 8,
    WF_SQL_AUTH_KEY,
    WF_SQL_AUTH_KEY_USED,
    WF_SQL_AUTH_KEY_ADDRESS,
    WF_SQL_AUTH_USER,
    WF_SQL_AUTH_COMPANY,
    WF_SQL_API_KEY_ROW,
    WF_SQL_API_KEY_LIST,
    WF_SQL_API_KEY_PAGE_NEWEST,
    WF_SQL_API_KEY_PAGE_OLDEST,
    WF_SQL_API_KEY_PAGE_NAME,
    WF_SQL_API_KEY_ACCOUNTS,
    WF_SQL_API_KEY_INSERT,
    WF_SQL_API_KEY_REPLACE,
    WF_SQL_API_KEY_REVOKE,
    WF_SQL_USER_FIND,
    WF_SQL_USER_LIST,
    WF_SQL_USER_PAGE_NEWEST,
    WF_SQL_USER_PAGE_OLDEST,
    WF_SQL_USER_PAGE_EMAIL,
    WF_SQL_USER_COUNT,
    WF_SQL_USER_ELSEWHERE,
    WF_SQL_USER_OTHERS,
    WF_SQL_USER_ADMINS,
    WF_SQL_USER_INSERT,
    WF_SQL_USER_UPDATE,
    WF_SQL_USER_SET_PASSWORD,
    WF_SQL_USER_REMOVE,
    WF_SQL_LOGIN_RECORD,
    WF_SQL_LOGIN_SESSION,
    WF_SQL_LOGIN_TOKEN,
    WF_SQL_LOGIN_SEEN,
    WF_SQL_LOGIN_REFRESH_RECORD,
    WF_SQL_LOGIN_REFRESH,
    WF_SQL_LOGIN_EXTEND,
    WF_SQL_LOGIN_REVOKE,
    WF_SQL_LOGIN_HASH,
    WF_SQL_LOGIN_SWEEP,

    WF_SQL_AREA_ACCOUNTS = 3 << 8,
    WF_SQL_ACCOUNT_COUNT,
    WF_SQL_ACCOUNT_INSERT,
    WF_SQL_ACCOUNT_ROW,
    WF_SQL_ACCOUNT_LIST,
    WF_SQL_ACCOUNT_FIND,
    WF_SQL_ACCOUNT_UPDATE,
    WF_SQL_ACCOUNT_CLEAR_DEFAULT,
    WF_SQL_ACCOUNT_SECRET,
    WF_SQL_ACCOUNT_PAGE_NEWEST,
    WF_SQL_ACCOUNT_PAGE_OLDEST,
    WF_SQL_ACCOUNT_PAGE_NAME,
    WF_SQL_MESSAGE_OPTED_OUT,
    WF_SQL_MESSAGE_BEGIN,
    WF_SQL_MESSAGE_OF_KEY,
    WF_SQL_MESSAGE_END,
    WF_SQL_MESSAGE_LINK,

    WF_SQL_AREA_FLOWS = 4 << 8,
    WF_SQL_FLOW_ONE,
    WF_SQL_FLOW_PAGE_NEWEST,
    WF_SQL_FLOW_PAGE_OLDEST,
    WF_SQL_FLOW_PAGE_NAME,
    WF_SQL_FLOW_VERSION_ONE,
    WF_SQL_FLOW_VERSION_PAGE,
    WF_SQL_SESSION_ONE,
    WF_SQL_SESSION_PAGE_NEWEST,
    WF_SQL_SESSION_PAGE_OLDEST,
    WF_SQL_SESSION_FLOW_PAGE_NEWEST,
    WF_SQL_SESSION_FLOW_PAGE_OLDEST,
    WF_SQL_RESPONSE_ONE,
    WF_SQL_RESPONSE_PAGE_NEWEST,
    WF_SQL_RESPONSE_PAGE_OLDEST,
    WF_SQL_RESPONSE_FLOW_PAGE_NEWEST,
    WF_SQL_RESPONSE_FLOW_PAGE_OLDEST,

    WF_SQL_AREA_AUDIT = 5 << 8,
    WF_SQL_AUDIT_PAGE_NEWEST,
    WF_SQL_AUDIT_PAGE_OLDEST,
    WF_SQL_AUDIT_GET,
    WF_SQL_AUDIT_RECENT,
    WF_SQL_AUDIT_REFUSAL,
    WF_SQL_AUDIT_HEAD,
    WF_SQL_AUDIT_CHAIN,
    WF_SQL_AUDIT_NEXT_CHAIN,
    WF_SQL_APPROVAL_PAGE_NEWEST,
    WF_SQL_APPROVAL_PAGE_OLDEST,
    WF_SQL_APPROVAL_GET,
    WF_SQL_APPROVAL_COUNT,
    WF_SQL_APPROVAL_ADD,
    WF_SQL_APPROVAL_LOCK,
    WF_SQL_APPROVAL_DECIDE,
    WF_SQL_APPROVALS_EXPIRE,
    WF_SQL_ERASURE_COMPANY,
    WF_SQL_ERASURE_ADD,
    WF_SQL_ERASURE_STOP,
    WF_SQL_ERASURE_FIND,
    WF_SQL_ERASURE_LIST,
    WF_SQL_ERASURES_OPEN,
    WF_SQL_ERASURE_ADVANCE,
    WF_SQL_ERASURE_FINISH,
    WF_SQL_ERASE_ROWS,
    WF_SQL_ERASE_AUDIT,
    WF_SQL_ERASE_LOCK,
    WF_SQL_ERASE_KEYS,
    WF_SQL_ERASE_REPLIES,
    WF_SQL_ERASE_COMPANY,

    WF_SQL_AREA_SETTINGS = 6 << 8,
    WF_SQL_ONCE_BEGIN,
    WF_SQL_ONCE_FIND,
    WF_SQL_ONCE_DONE,
    WF_SQL_ONCE_RELEASE,
    WF_SQL_INTEGRATION_PAGE_NEWEST,
    WF_SQL_INTEGRATION_PAGE_OLDEST,
    WF_SQL_INTEGRATION_FIND,
    WF_SQL_INTEGRATION_SECRET,
    WF_SQL_INTEGRATION_INSERT,
    WF_SQL_INTEGRATION_UPDATE,
    WF_SQL_INTEGRATION_REMOVE,
    WF_SQL_FLAG_LIST,
    WF_SQL_FLAG_COUNT,
    WF_SQL_FLAG_FIND,
    WF_SQL_FLAG_SAVE,
    WF_SQL_FLAG_REMOVE,
    WF_SQL_OPT_OUT_PAGE_NEWEST,
    WF_SQL_OPT_OUT_PAGE_OLDEST,
    WF_SQL_OPT_OUT_FIND,
    WF_SQL_OPT_OUT_BY_CONTACT,
    WF_SQL_OPT_OUT_ADD,
    WF_SQL_OPT_OUT_TAKE_BACK,
    WF_SQL_OPT_OUT_IMPORT,

    WF_SQL_AREA_TRAFFIC = 7 << 8,
    WF_SQL_EVENT_ONE,
    WF_SQL_EVENT_PAGE_NEWEST,
    WF_SQL_EVENT_PAGE_OLDEST,
    WF_SQL_DELIVERY_ONE,
    WF_SQL_DELIVERY_PAGE_NEWEST,
    WF_SQL_DELIVERY_PAGE_OLDEST,
    WF_SQL_MEDIA_ONE,
    WF_SQL_MEDIA_PAGE_NEWEST,
    WF_SQL_MEDIA_PAGE_OLDEST,

    WF_SQL_AREA_END
} wf_sql_id_t;

const wf_pg_stmt_t *wf_sql(wf_sql_id_t id);

/* ---- the files of the areas ------------------------------------------------------------------ */

#define WF_SQL_AT(id) [(id) & 0xff]

extern const wf_pg_stmt_t wf_sql_companies[];
extern const wf_pg_stmt_t wf_sql_settings[];
extern const wf_pg_stmt_t wf_sql_people[];
extern const wf_pg_stmt_t wf_sql_audit[];
extern const wf_pg_stmt_t wf_sql_accounts[];
extern const wf_pg_stmt_t wf_sql_flows[];
extern const wf_pg_stmt_t wf_sql_traffic[];

/* ---- one page of a list (wf_list.h) ----------------------------------------------------------- */

/* $1 company (NULL: the platform's lists), $2 rows, $3 and $4 where the page begins, $5… filters. Rows: the
 * sort key, the id, and the record: either one column with its JSON, or a column for each member, which costs
 * PostgreSQL half as much (20 audit rows: 130 us, not 300). `where` is a condition, or "true". What is compared with a missing
 * cursor lies beyond every key, so that one index scan serves the first page and all others. */

/* What a parameter is, or else. Never coalesce() in a condition of a tenant table: PostgreSQL does not know that it
 * leaks nothing, so that behind row security the condition becomes a filter and no index serves it (measured: a page behind
 * 18,000 rows costs 14 ms and not 0.15). */
#define WF_SQL_OR(value, otherwise) "case when " value " is null then " otherwise " else " value " end"
#define WF_SQL_TIME_OR(us, otherwise) \
    "case when " us "::bigint is null then " otherwise " else wflows.us_time(" us "::bigint) end"
#define WF_SQL_UUID_LEAST "'00000000-0000-0000-0000-000000000000'"
#define WF_SQL_UUID_MOST "'ffffffff-ffff-ffff-ffff-ffffffffffff'"

#define WF_SQL_PAGE(doc, from, where, key_text, key, id, compare, direction) \
    "select " key_text ", " id "::text, " doc " from " from                  \
    " where " where " and (" key ", " id ") " compare                        \
    " order by " key " " direction ", " id " " direction " limit $2::int"
#define WF_SQL_PAGE_NEWEST(doc, from, where, time, id)                             \
    WF_SQL_PAGE(doc, from, where, "wflows.time_us(" time ")::text", time, id,      \
                "< (" WF_SQL_TIME_OR("$3", "'infinity'") ", "                      \
                WF_SQL_OR("$4::uuid", WF_SQL_UUID_MOST) ")",                       \
                "desc")
#define WF_SQL_PAGE_OLDEST(doc, from, where, time, id)                             \
    WF_SQL_PAGE(doc, from, where, "wflows.time_us(" time ")::text", time, id,      \
                "> (" WF_SQL_TIME_OR("$3", "'-infinity'") ", "                     \
                WF_SQL_OR("$4::uuid", WF_SQL_UUID_LEAST) ")",                      \
                "asc")
/* By a text that is never empty. */
#define WF_SQL_PAGE_TEXT(doc, from, where, column, id)                             \
    WF_SQL_PAGE(doc, from, where, column, column, id,                              \
                "> (" WF_SQL_OR("$3::text", "''") ", "                             \
                WF_SQL_OR("$4::uuid", WF_SQL_UUID_LEAST) ")",                      \
                "asc")

/* By ids of version 7, which are in the order of time: the primary key serves. */
#define WF_SQL_PAGE_ID(doc, from, where, id, compare, otherwise, direction)      \
    "select '', " id "::text, " doc " from " from " where " where                \
    " and ($3::text is null or true) and " id " " compare " "                    \
    WF_SQL_OR("$4::uuid", otherwise)                                             \
    " order by " id " " direction " limit $2::int"
#define WF_SQL_PAGE_ID_NEWEST(doc, from, where, id) \
    WF_SQL_PAGE_ID(doc, from, where, id, "<", WF_SQL_UUID_MOST, "desc")
#define WF_SQL_PAGE_ID_OLDEST(doc, from, where, id) \
    WF_SQL_PAGE_ID(doc, from, where, id, ">", WF_SQL_UUID_LEAST, "asc")

/* "from" ($8) and before "to" ($9), microseconds or NULL. */
#define WF_SQL_WITHIN(time)                               \
    time " >= " WF_SQL_TIME_OR("$8", "'-infinity'")       \
    " and " time " < " WF_SQL_TIME_OR("$9", "'infinity'")
/* The same where ids of version 7 are what is indexed. An id is made a little before its row's time, or on
 * another machine: a minute to both sides. The times are compared in a CASE, or else a plan for any parameters
 * takes them to leave so few rows that it sorts them all. */
#define WF_SQL_WITHIN_ID(time, id)                                                            \
    "case when $8::bigint is null then true else " time " >= wflows.us_time($8::bigint) end"  \
    " and case when $9::bigint is null then true else " time " < wflows.us_time($9::bigint) end" \
    " and " id " >= wflows.uuid_from($8::bigint - 60000000)"                                  \
    " and " id " <= case when $9::bigint is null then " WF_SQL_UUID_MOST                      \
    " else wflows.uuid_from($9::bigint + 60000000) end"
/* Of the account $7, and of those in `all` (uuid[]); NULL: of any. */
#define WF_SQL_OF_ACCOUNT(column, all)                                                    \
    "($7::uuid is null or " column " = $7::uuid)"                                         \
    " and (" all "::uuid[] is null or " column " = any (" all "::uuid[]))"

#endif
