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
    WF_SQL_AT(WF_SQL_COMPANY_STATISTICS) =
        {"company_statistics",
         "select json_build_object("
         "'whatsapp_accounts', (select json_build_object('total', count(*),"
         "  'active', count(*) filter (where a.status = 'active')) from wflows.whatsapp_accounts a"
         "  where a.company_id = c.id and a.deleted_at is null),"
         " 'flows', (select json_build_object('total', count(*),"
         "  'active', count(*) filter (where f.status = 'active' and f.active_version is not null))"
         "  from wflows.flows f where f.company_id = c.id and f.deleted_at is null),"
         " 'users', (select count(*) from wflows.users u"
         "  where u.company_id = c.id and u.deleted_at is null),"
         " 'sessions', (select json_build_object('total', count(*),"
         "  'active', count(*) filter (where s.status = 'active'),"
         "  'completed', count(*) filter (where s.status = 'completed'),"
         "  'cancelled', count(*) filter (where s.status = 'cancelled'),"
         "  'expired', count(*) filter (where s.status = 'expired'))"
         "  from wflows.flow_sessions s where s.company_id = c.id),"
         " 'responses', (select count(*) from wflows.flow_responses r where r.company_id = c.id),"
         " 'messages', json_build_object('month', to_char(now() at time zone 'UTC', 'YYYY-MM'),"
         "  'used', " MONTH_COUNT("c.id", "flow_exchange") ","
         "  'limit', coalesce(c.max_monthly_messages, p.max_monthly_messages),"
         "  'received', " MONTH_COUNT("c.id", "message_received") ","
         "  'sent', " MONTH_COUNT("c.id", "message_sent") "),"
         " 'outbox', (select json_build_object("
         "  'pending', count(*) filter (where o.status in ('pending', 'leased')),"
         "  'dead', count(*) filter (where o.status = 'dead')) from wflows.outbox o"
         "  where o.company_id = c.id and o.consumer = 'callback'),"
         " 'opt_outs', (select count(*) from wflows.opt_outs o"
         "  where o.company_id = c.id and o.active),"
         " 'last_activity_at', wflows.time_text(greatest("
         "  (select max(a.last_activity_at) from wflows.whatsapp_accounts a"
         "   where a.company_id = c.id),"
         "  (select max(s.last_step_at) from wflows.flow_sessions s where s.company_id = c.id),"
         "  (select max(e.received_at) from wflows.webhook_events e where e.company_id = c.id))))"
         " from wflows.companies c join wflows.plans p on p.name = c.subscription_plan"
         " where c.id = $1::uuid",
         1},
    /* What is true now, and since when where that is known; nothing is ticked by hand. */
    WF_SQL_AT(WF_SQL_COMPANY_ONBOARDING) =
        {"company_onboarding",
         "with account as (select * from wflows.whatsapp_accounts a"
         "  where a.company_id = $1::uuid and a.deleted_at is null and a.status = 'active'),"
         " step (number, name, done, at) as (values"
         " (1, 'number_connected', exists (select from account a where a.access_token is not null),"
         "  (select min(a.created_at) from account a where a.access_token is not null)),"
         " (2, 'key_registered', exists (select from account a where a.private_key is not null),"
         "  (select min(a.key_generated_at) from account a where a.private_key is not null)),"
         " (3, 'webhook_verified', exists (select from account a"
         "   where a.webhook_verified_at is not null),"
         "  (select min(a.webhook_verified_at) from account a)),"
         " (4, 'first_flow_active', exists (select from wflows.flows f where f.company_id = $1::uuid"
         "   and f.deleted_at is null and f.status = 'active' and f.active_version is not null),"
         "  (select min(v.created_at) from wflows.flows f join wflows.flow_versions v"
         "   on v.company_id = f.company_id and v.flow_id = f.id and v.version = f.active_version"
         "   where f.company_id = $1::uuid and f.deleted_at is null and f.status = 'active')),"
         " (5, 'first_exchange', exists (select from wflows.flow_sessions s"
         "   where s.company_id = $1::uuid) or exists (select from wflows.usage_counters u"
         "   where u.company_id = $1::uuid and u.metric = 'flow_exchange' and u.n > 0),"
         "  null::timestamptz),"
         " (6, 'first_callback', exists (select from wflows.outbox o where o.company_id = $1::uuid"
         "   and o.consumer = 'callback' and o.status = 'done'),"
         "  (select min(o.done_at) from wflows.outbox o where o.company_id = $1::uuid"
         "   and o.consumer = 'callback' and o.status = 'done')))"
         " select json_build_object('complete', bool_and(s.done),"
         " 'steps', json_agg(json_build_object('step', s.name, 'done', s.done,"
         "  'at', wflows.time_text(s.at)) order by s.number)) from step s",
         1},
    WF_SQL_AT(WF_SQL_COMPANY_CACHED) =
        {"company_cached",
         "select json_build_object('slug', c.slug,"
         " 'accounts', (select coalesce(json_agg(a.id), '[]') from wflows.whatsapp_accounts a"
         "  where a.company_id = c.id and a.deleted_at is null and a.status = 'active'),"
         " 'flows', (select coalesce(json_agg(f.name), '[]') from wflows.flows f"
         "  where f.company_id = c.id and f.deleted_at is null and f.status = 'active'"
         "  and f.active_version is not null))"
         " from wflows.companies c where c.id = $1::uuid",
         1},
    WF_SQL_AT(WF_SQL_USAGE_MONTHS) =
        {"usage_months",
         "select coalesce(json_agg(json_build_object('period', m.month, 'metrics', m.metrics)"
         " order by m.month), '[]') from (select u.month,"
         " json_object_agg(u.metric, u.n order by u.metric) as metrics"
         " from wflows.usage_counters u where u.company_id = $1::uuid and u.month between $2 and $3"
         " group by u.month) m",
         3},
    WF_SQL_AT(WF_SQL_USAGE_DAYS) =
        {"usage_days",
         "select coalesce(json_agg(json_build_object('period', d.day, 'metrics', d.metrics)"
         " order by d.day), '[]') from (select u.day,"
         " json_object_agg(u.metric, u.n order by u.metric) as metrics"
         " from wflows.usage_days u where u.company_id = $1::uuid"
         " and u.day between $2::date and $3::date group by u.day) d",
         3},
    WF_SQL_AT(WF_SQL_WEBHOOK_VERIFIED) =
        {"webhook_verified",
         "update wflows.whatsapp_accounts set webhook_verified_at = now()"
         " where company_id = $1::uuid and id = $2::uuid and webhook_verified_at is null",
         2},
};
