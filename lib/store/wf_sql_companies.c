#include "store/wf_sql_json.h"

#define COMPANIES "wflows.companies c"
#define FILTERED                                                                    \
    "c.deleted_at is null and ($1::uuid is null or c.id = $1::uuid)"                \
    " and ($5::text is null or c.status = $5)"                                      \
    " and ($6::text is null or c.subscription_plan = $6)"

const wf_pg_stmt_t wf_sql_companies[] = {
    WF_SQL_AT(WF_SQL_COMPANY_EXISTS) = {"company_exists",
                                        "select 1 from wflows.companies c"
                                        " where c.id = $1::uuid and c.deleted_at is null",
                                        1},
    WF_SQL_AT(WF_SQL_COMPANY_PAGE_NEWEST) =
        {"company_page_newest",
         WF_SQL_PAGE_NEWEST(COMPANY_SHOWN_COLUMNS(WF_SQL_TIME), COMPANIES, FILTERED, "c.created_at", "c.id"), 6},
    WF_SQL_AT(WF_SQL_COMPANY_PAGE_OLDEST) =
        {"company_page_oldest",
         WF_SQL_PAGE_OLDEST(COMPANY_SHOWN_COLUMNS(WF_SQL_TIME), COMPANIES, FILTERED, "c.created_at", "c.id"), 6},
    WF_SQL_AT(WF_SQL_COMPANY_PAGE_SLUG) =
        {"company_page_slug",
         WF_SQL_PAGE_TEXT(COMPANY_SHOWN_COLUMNS(WF_SQL_TIME), COMPANIES, FILTERED, "c.slug", "c.id"), 6},
    WF_SQL_AT(WF_SQL_TRIALS_OVER) =
        {"trials_over",
         "select c.id from wflows.companies c where c.trial_ends_at <= now()"
         " and c.status = 'active' and c.deleted_at is null order by c.trial_ends_at limit $1::int",
         1},
    WF_SQL_AT(WF_SQL_PLAN_LIST) = {"plan_list",
                                   "select json_build_object('data', coalesce(json_agg(" PLAN_JSON
                                   " order by p.name), '[]'), 'next_cursor', null)"
                                   " from wflows.plans p",
                                   0},
    WF_SQL_AT(WF_SQL_PLAN_ROW) = {"plan_row",
                                  "select " PLAN_JSON " from wflows.plans p where p.name = $1", 1},
    WF_SQL_AT(WF_SQL_PLAN_SAVE) =
        {"plan_save",
         "insert into wflows.plans as p (name, max_whatsapp_accounts, max_flows,"
         " max_monthly_messages, max_users, retention_days, approvals)"
         " select $1, n.max_whatsapp_accounts, n.max_flows, n.max_monthly_messages, n.max_users,"
         " n.retention_days, n.approvals from jsonb_populate_record(null::wflows.plans, $2::jsonb) n"
         " on conflict (name) do update set"
         " max_whatsapp_accounts = excluded.max_whatsapp_accounts, max_flows = excluded.max_flows,"
         " max_monthly_messages = excluded.max_monthly_messages, max_users = excluded.max_users,"
         " retention_days = excluded.retention_days, approvals = excluded.approvals,"
         " updated_at = now()"
         " returning " PLAN_JSON,
         2},
    /* The limits of its companies are cached with each of them: one cache row of the outbox for each. */
    WF_SQL_AT(WF_SQL_PLAN_FORGET) =
        {"plan_forget",
         "insert into wflows.outbox (company_id, id, consumer, event_type, payload, idempotency_key)"
         " select c.id, k.id, 'cache', 'cache.forget',"
         " json_build_object('slug', c.slug, 'contexts', true, 'flows', '[]'::json), k.id::text"
         " from wflows.companies c cross join lateral (select gen_random_uuid() as id, c.id as of) k"
         " where c.subscription_plan = $1 and c.deleted_at is null",
         1},
};
