#include "store/wf_sql_json.h"

/* $1 of every tenant statement is the company; row security is the second lock. Names are schema
 * qualified, and the session's search_path is pinned. */

/* The oldest $3 rows of a company that are more than $2 days old. */
#define SWEEP(table, time)                                                                \
    "delete from wflows." table " t where t.ctid = any (array(select e.ctid from wflows." \
    table " e where e.company_id = $1::uuid and e." time                                  \
    " < now() - $2::int * interval '1 day' order by e." time                              \
    " limit $3::int for update skip locked))"

static const wf_pg_stmt_t core[WF_SQL_CORE_END] = {
    /* set_config and not SET LOCAL ROLE: it may stand in a pipeline without a warning. */
    [WF_SQL_ROLE_PLATFORM] = {"role_platform",
                              "select pg_catalog.set_config('role', 'wflows_platform', true)", 0},
    [WF_SQL_AUDIT_ADD] =
        {"audit_add",
         "insert into wflows.audit_logs (company_id, id, user_id, actor, action, resource_type,"
         " resource_id, ip_address, user_agent, request_id, old_values, new_values, metadata)"
         " values ($1::uuid, $2::uuid, $3::uuid, $4, $5, $6, $7, $8, $9, $10, $11::json,"
         " $12::json, $13::json)",
         13},
    /* Not due at once: whoever made the change deletes the keys itself right after the commit. */
    [WF_SQL_OUTBOX_CACHE_ADD] =
        {"outbox_cache_add",
         "insert into wflows.outbox (company_id, id, consumer, event_type, payload,"
         " idempotency_key, next_attempt_at)"
         " values ($1::uuid, $2::uuid, 'cache', 'cache.forget', $3::json, $2,"
         " now() + interval '10 seconds')",
         3},
    [WF_SQL_OUTBOX_DONE] =
        {"outbox_done",
         "update wflows.outbox set status = 'done', done_at = now(), attempts = attempts + 1,"
         " lease_until = null, lease_owner = null"
         " where company_id = $1::uuid and id = $2::uuid and status <> 'done'",
         2},
    [WF_SQL_OUTBOX_CLAIM] = {"outbox_claim",
                             "select c.* from wflows.outbox_claim($1, $2, $3::bigint, $4::int,"
                             " $5::int, $6::uuid, $7::uuid, $8::text[]) c",
                             8},
    [WF_SQL_OUTBOX_FINISH] = {"outbox_finish", "select wflows.outbox_finish($1::text[])", 1},
    [WF_SQL_OUTBOX_RELEASE] = {"outbox_release", "select wflows.outbox_release($1::text[])", 1},
    /* There is nothing to make durable. */
    [WF_SQL_OUTBOX_WAKE] = {"outbox_wake",
                            "select pg_catalog.set_config('synchronous_commit', 'off', true),"
                            " pg_catalog.pg_notify('wflows_outbox', '')",
                            0},
    [WF_SQL_OUTBOX_LISTEN] = {"outbox_listen", "listen wflows_outbox", 0},
    [WF_SQL_OUTBOX_DEPTH] = {"outbox_depth",
                             "select d.depth, d.oldest_due_us from wflows.outbox_depth($1) d", 1},
    [WF_SQL_OUTBOX_SUMMARY] = {"outbox_summary", "select wflows.outbox_summary($1::uuid, $2)", 2},
    [WF_SQL_OUTBOX_DOCUMENT] = {"outbox_document",
                                "select wflows.outbox_document($1::uuid, $2::boolean)", 2},
    [WF_SQL_OUTBOX_MATCH] = {"outbox_match",
                             "select m.id, m.doc from wflows.outbox_match($1::uuid, $2,"
                             " $3::text[], $4, $5::uuid, $6::bigint, $7::bigint, $8::uuid, $9::int) m",
                             9},
    [WF_SQL_OUTBOX_REPLAY] = {"outbox_replay",
                              "select wflows.outbox_replay($1::uuid, $2::uuid[])", 2},

    [WF_SQL_MIGRATE_LOCK] = {"migrate_lock",
                             "select pg_catalog.set_config('lock_timeout', '60s', true),"
                             " pg_catalog.pg_advisory_xact_lock(131311467689843)",
                             0},
    /* A migration that cannot get its lock soon must not queue every request behind itself. */
    [WF_SQL_MIGRATE_TIMEOUTS] = {"migrate_timeouts",
                                 "select pg_catalog.set_config('lock_timeout', '5s', true),"
                                 " pg_catalog.set_config('statement_timeout', '0', true)",
                                 0},
    [WF_SQL_MIGRATE_TABLE_EXISTS] = {"migrate_table_exists",
                                     "select pg_catalog.to_regclass('wflows.schema_migrations')"
                                     " is not null",
                                     0},
    [WF_SQL_MIGRATE_APPLIED] = {"migrate_applied",
                                "select version, name, checksum from wflows.schema_migrations"
                                " order by version",
                                0},
    [WF_SQL_MIGRATE_RECORD] = {"migrate_record",
                               "insert into wflows.schema_migrations (version, name, checksum)"
                               " values ($1::int, $2, $3)",
                               3},
    [WF_SQL_SCHEMA_EXISTS] = {"schema_exists",
                              "select exists (select from pg_catalog.pg_proc p"
                              " join pg_catalog.pg_namespace n on n.oid = p.pronamespace"
                              " where n.nspname = 'wflows' and p.proname = 'schema_version')",
                              0},
    [WF_SQL_SCHEMA_VERSION] = {"schema_version", "select wflows.schema_version()", 0},

    /* Names of roles and of the schema are looked up, never cast: none of them need be there. */
    [WF_SQL_DATABASE_REPORT] =
        {"database_report",
         "select json_build_object("
         "'server_version', current_setting('server_version'),"
         " 'server_version_num', current_setting('server_version_num')::int,"
         " 'now_us', (extract(epoch from clock_timestamp()) * 1000000)::bigint,"
         " 'role', current_user, 'superuser', r.rolsuper, 'bypassrls', r.rolbypassrls,"
         " 'owner', exists (select from pg_catalog.pg_namespace n"
         "  where n.nspname = 'wflows' and pg_has_role(current_user, n.nspowner, 'usage')),"
         " 'platform_inherited', exists (select from pg_catalog.pg_roles p"
         "  where p.rolname = 'wflows_platform' and pg_has_role(current_user, p.oid, 'usage')),"
         " 'tenant_tables', coalesce(t.n, 0), 'unprotected', coalesce(t.open, '[]'))"
         " from pg_catalog.pg_roles r,"
         " (select count(*) as n, json_agg(c.relname order by c.relname)"
         "   filter (where not (c.relrowsecurity and c.relforcerowsecurity)) as open"
         "  from pg_catalog.pg_class c"
         "  join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = 'wflows'"
         "  where c.relkind in ('r', 'p') and (c.relname = 'companies' or exists ("
         "   select from pg_catalog.pg_attribute a where a.attrelid = c.oid"
         "   and a.attname = 'company_id' and not a.attisdropped))) t"
         " where r.rolname = current_user",
         0},

    [WF_SQL_TENANT_RECORD] = {"tenant_record", "select wflows.tenant_record($1, $2)", 2},
    [WF_SQL_TENANT_OTHERS] = {"tenant_others",
                              "select wflows.tenant_record_others($1::uuid, $2::uuid)", 2},

    /* Two companies made at once must not both see room for one more. */
    [WF_SQL_COMPANY_CREATE_LOCK] = {"company_create_lock",
                                    "select pg_catalog.pg_advisory_xact_lock(131311467689844)", 0},
    [WF_SQL_COMPANY_COUNT] = {"company_count",
                              "select count(*) from wflows.companies where deleted_at is null", 0},
    [WF_SQL_COMPANY_INSERT] =
        {"company_insert",
         "insert into wflows.companies as c (id, name, slug, display_name, email, phone,"
         " subscription_plan, max_whatsapp_accounts, max_flows, max_monthly_messages, settings,"
         " metadata, status, trial_ends_at, activation_date, created_by, updated_by)"
         " select $1::uuid, n.name, n.slug, n.display_name, n.email, n.phone,"
         " n.subscription_plan, n.max_whatsapp_accounts, n.max_flows, n.max_monthly_messages,"
         " n.settings, n.metadata, n.status, n.trial_ends_at, case when n.status = 'active' then now() end, $3, $3"
         " from jsonb_populate_record(null::wflows.companies, $2::jsonb) n"
         " returning " COMPANY_JSON,
         3},
    /* The first statement of every change below a company: changes of one company take turns, so
     * that limits, version numbers and the default account need no locks of their own. */
    [WF_SQL_COMPANY_LOCK] =
        {"company_lock",
         "select c.id, c.slug,"
         " coalesce(c.max_whatsapp_accounts, (select p.max_whatsapp_accounts from wflows.plans p"
         "  where p.name = c.subscription_plan)),"
         " coalesce(c.max_flows, (select p.max_flows from wflows.plans p"
         "  where p.name = c.subscription_plan)), wflows.four_eyes(c)"
         " from wflows.companies c where c.id = $1::uuid and c.deleted_at is null"
         " for no key update of c",
         1},
    [WF_SQL_COMPANY_ROW] = {"company_row",
                            "select " COMPANY_JSON " from wflows.companies c where c.id = $1::uuid",
                            1},
    [WF_SQL_COMPANY_LIST] = {"company_list",
                             "select coalesce(json_agg(l.doc order by l.id), '[]') from ("
                             "select c.id, " COMPANY_JSON " as doc from wflows.companies c"
                             " where c.deleted_at is null and ($1::uuid is null or c.id > $1::uuid)"
                             " order by c.id limit $2::int) l",
                             2},
    [WF_SQL_COMPANY_FIND] = {"company_find",
                             "select " COMPANY_SHOWN " from wflows.companies c"
                             " where c.deleted_at is null and (c.id = $1::uuid or c.slug = $2)"
                             " order by (c.id = $1::uuid) desc nulls last limit 1",
                             2},
    [WF_SQL_COMPANY_UPDATE] =
        {"company_update",
         "update wflows.companies c set (name, display_name, email, phone, subscription_plan,"
         " max_whatsapp_accounts, max_flows, max_monthly_messages, settings, metadata, status,"
         " activation_date, suspension_reason, trial_ends_at)"
         " = (select n.name, n.display_name, n.email, n.phone, n.subscription_plan,"
         " n.max_whatsapp_accounts, n.max_flows, n.max_monthly_messages, n.settings, n.metadata,"
         " n.status, coalesce(n.activation_date, case when n.status = 'active' then now() end),"
         " case when n.status = 'suspended' then n.suspension_reason end,"
         /* Whoever is made active after its trial is active, and not for the job to suspend again. */
         " case when n.status <> 'active' or c.status = 'active' or n.trial_ends_at > now()"
         "  then n.trial_ends_at end"
         " from jsonb_populate_record(c, $2::jsonb) n),"
         " updated_by = $3, updated_at = now()"
         " where c.id = $1::uuid and c.deleted_at is null returning " COMPANY_JSON,
         3},
    [WF_SQL_COMPANY_REMOVE] =
        {"company_remove",
         "update wflows.companies c set deleted_at = now(), updated_at = now(), updated_by = $2"
         " where c.id = $1::uuid and c.deleted_at is null",
         2},
    [WF_SQL_COMPANY_FLOW_NAMES] = {"company_flow_names",
                                   "select distinct f.name from wflows.flows f"
                                   " where f.company_id = $1::uuid",
                                   1},

    [WF_SQL_DATA_KEY_INSERT] = {"data_key_insert",
                                "insert into wflows.data_keys (company_id, id, wrapped)"
                                " values ($1::uuid, $2::uuid, $3)",
                                3},
    [WF_SQL_DATA_KEY_CURRENT] = {"data_key_current",
                                 "select k.company_id, k.id, k.wrapped from wflows.data_keys k"
                                 " where k.company_id = $1::uuid and k.retired_at is null",
                                 1},
    [WF_SQL_DATA_KEY_BY_ID] = {"data_key_by_id",
                               "select k.company_id, k.id, k.wrapped from wflows.data_keys k"
                               " where k.company_id = $1::uuid and k.id = $2::uuid",
                               2},
    /* Keyset order, so that a key that cannot be rewrapped is passed by and not met again. */
    [WF_SQL_DATA_KEY_STALE] =
        {"data_key_stale",
         "select k.company_id, k.id, k.wrapped, c.slug from wflows.data_keys k"
         " join wflows.companies c on c.id = k.company_id"
         " where k.master_key_id <> $1"
         " and ($2::uuid is null or (k.company_id, k.id) > ($2::uuid, $3::uuid))"
         " order by k.company_id, k.id limit 100",
         3},
    [WF_SQL_DATA_KEY_STALE_COUNT] =
        {"data_key_stale_count",
         "select count(*) from wflows.data_keys k where k.master_key_id <> $1", 1},
    [WF_SQL_DATA_KEY_REWRAP] =
        {"data_key_rewrap",
         "update wflows.data_keys k set wrapped = $4, rewrapped_at = now()"
         " where k.company_id = $1::uuid and k.id = $2::uuid and k.wrapped = $3",
         4},
    [WF_SQL_DATA_KEY_USAGE] =
        {"data_key_usage",
         "select coalesce(json_object_agg(u.master_key_id, u.n order by u.master_key_id), '{}')"
         " from (select k.master_key_id, count(*) as n from wflows.data_keys k"
         " group by k.master_key_id) u",
         0},

    [WF_SQL_FLOW_ROW] = {"flow_row",
                         "select " FLOW_JSON " from wflows.flows f"
                         " where f.company_id = $1::uuid and f.id = $2::uuid"
                         " and f.deleted_at is null",
                         2},
    [WF_SQL_FLOW_ROW_BY_NAME] = {"flow_row_by_name",
                                 "select " FLOW_JSON " from wflows.flows f"
                                 " where f.company_id = $1::uuid and f.name = $2"
                                 " and f.deleted_at is null",
                                 2},
    [WF_SQL_FLOW_COUNT] = {"flow_count",
                           "select count(*) from wflows.flows f"
                           " where f.company_id = $1::uuid and f.deleted_at is null",
                           1},
    [WF_SQL_FLOW_INSERT] =
        {"flow_insert",
         "insert into wflows.flows (company_id, id, name, display_name, created_by, updated_by)"
         " values ($1::uuid, $2::uuid, $3, $3, $4, $4)",
         4},
    [WF_SQL_FLOW_VERSION_INSERT] =
        {"flow_version_insert",
         "insert into wflows.flow_versions (company_id, flow_id, version, flow_json, logic, plan,"
         " created_by)"
         " select $1::uuid, $2::uuid, coalesce(max(v.version), 0) + 1, $3, $4, $5, $6"
         " from wflows.flow_versions v where v.company_id = $1::uuid and v.flow_id = $2::uuid"
         " returning version",
         6},
    /* Members absent from $3 stay as they are. */
    [WF_SQL_FLOW_UPDATE] =
        {"flow_update",
         "update wflows.flows f set (account_id, display_name, status, active_version, deleted_at,"
         " meta_flow_id, meta_status, meta_version, meta_published_at)"
         " = (select n.account_id, n.display_name, n.status, n.active_version, n.deleted_at,"
         " n.meta_flow_id, n.meta_status, n.meta_version, n.meta_published_at"
         " from jsonb_populate_record(f, $3::jsonb) n),"
         " updated_by = $4, updated_at = now()"
         " where f.company_id = $1::uuid and f.id = $2::uuid and f.deleted_at is null"
         " returning " FLOW_JSON,
         4},
    [WF_SQL_FLOW_LIST] = {"flow_list",
                          "select coalesce(json_agg(" FLOW_JSON " order by f.name), '[]')"
                          " from wflows.flows f"
                          " where f.company_id = $1::uuid and f.deleted_at is null",
                          1},
    [WF_SQL_FLOW_FIND] =
        {"flow_find",
         "select " FLOW_JSON ", (select coalesce(json_agg(json_build_object('version', v.version,"
         " 'created_by', v.created_by, 'created_at', wflows.time_text(v.created_at))"
         " order by v.version desc), '[]') from wflows.flow_versions v"
         " where v.company_id = f.company_id and v.flow_id = f.id)"
         " from wflows.flows f"
         " where f.company_id = $1::uuid and f.deleted_at is null"
         " and (f.id = $2::uuid or f.name = $3)"
         " order by (f.id = $2::uuid) desc nulls last limit 1",
         3},
    [WF_SQL_FLOW_PLAN] = {"flow_plan",
                          "select flow_id, version, plan"
                          " from wflows.flow_plan($1::uuid, $2, $3::int)",
                          3},
    [WF_SQL_FLOW_NAME] = {"flow_name",
                          "select f.name from wflows.flows f where f.company_id = $1::uuid"
                          " and f.id = $2::uuid and f.deleted_at is null",
                          2},
    [WF_SQL_FLOW_SOURCE] =
        {"flow_source",
         "select v.flow_json, v.logic from wflows.flows f"
         " join wflows.flow_versions v on v.company_id = f.company_id and v.flow_id = f.id"
         "  and v.version = case when $3::int = 0 then f.active_version else $3::int end"
         " where f.company_id = $1::uuid and f.name = $2 and f.deleted_at is null",
         3},

    /* As wflows_platform, all of these. An event that names a company must not miss one of the same
     * subscription that is being stored without: they take turns. */
    [WF_SQL_BILLING_LOCK] = {"billing_lock",
                             "select pg_catalog.pg_advisory_xact_lock(131311467689846)", 0},
    [WF_SQL_BILLING_EVENT_KNOWN] = {"billing_event_known",
                                    "select from wflows.billing_events e where e.id = $1", 1},
    /* Whose is it: by the event's own words (id, slug), else as the subscription's or the customer's other
     * events. */
    [WF_SQL_BILLING_COMPANY] =
        {"billing_company",
         "select c.id, c.slug from wflows.companies c where c.id = coalesce("
         "(select o.id from wflows.companies o where o.id = $1::uuid),"
         " (select o.id from wflows.companies o where o.slug = $2 and o.deleted_at is null),"
         " (select e.company_id from wflows.billing_events e where e.stripe_subscription_id = $3"
         "  and e.company_id <> '00000000-0000-0000-0000-000000000000'"
         "  order by e.created_at desc, e.id desc limit 1),"
         " (select e.company_id from wflows.billing_events e where e.stripe_customer_id = $4"
         "  and e.company_id <> '00000000-0000-0000-0000-000000000000'"
         "  order by e.created_at desc, e.id desc limit 1))",
         4},
    /* A price may be called after its plan with something behind it: pro_monthly, pro-yearly. */
    [WF_SQL_BILLING_EVENT_ADD] =
        {"billing_event_add",
         "insert into wflows.billing_events (company_id, id, type, kind, created_at, object_id,"
         " stripe_customer_id, stripe_subscription_id, plan, stripe_status, period_end, payload)"
         " values (coalesce($1::uuid, '00000000-0000-0000-0000-000000000000'), $2, $3, $4,"
         " wflows.us_time($5::bigint), $6, $7, $8, (select p.name from wflows.plans p"
         "  where $9 = p.name or starts_with($9, p.name || '_') or starts_with($9, p.name || '-')"
         "  order by char_length(p.name) desc limit 1), $10, wflows.us_time($11::bigint),"
         " $12::json) returning plan",
         12},
    [WF_SQL_BILLING_ADOPT] =
        {"billing_adopt",
         "update wflows.billing_events e set company_id = $1::uuid"
         " where e.company_id = '00000000-0000-0000-0000-000000000000'"
         " and (e.stripe_subscription_id = $2 or e.stripe_customer_id = $3)",
         3},
    [WF_SQL_BILLING_EVENTS] =
        {"billing_events",
         "select e.id, e.type, e.kind, extract(epoch from e.created_at)::bigint,"
         " e.stripe_customer_id, e.stripe_subscription_id, e.plan, e.stripe_status,"
         " extract(epoch from e.period_end)::bigint from wflows.billing_events e"
         " where e.company_id = $1::uuid and e.stripe_subscription_id is not null",
         1},
    [WF_SQL_BILLING_ROW] =
        {"billing_row",
         "select " BILLING_JSON ", b.plan, extract(epoch from b.suspended_for)::bigint"
         " from wflows.billing_subscriptions b where b.company_id = $1::uuid",
         1},
    [WF_SQL_BILLING_SAVE] =
        {"billing_save",
         "insert into wflows.billing_subscriptions as b (company_id, stripe_customer_id,"
         " stripe_subscription_id, plan, status, period_end, past_due_since, suspended_for,"
         " last_event_at)"
         " values ($1::uuid, $2, $3, $4, $5, wflows.us_time($6::bigint),"
         " wflows.us_time($7::bigint), wflows.us_time($8::bigint), wflows.us_time($9::bigint))"
         " on conflict (company_id) do update set"
         " stripe_customer_id = excluded.stripe_customer_id,"
         " stripe_subscription_id = excluded.stripe_subscription_id, plan = excluded.plan,"
         " status = excluded.status, period_end = excluded.period_end,"
         " past_due_since = excluded.past_due_since, suspended_for = excluded.suspended_for,"
         " last_event_at = excluded.last_event_at, updated_at = now()"
         " returning " BILLING_JSON,
         9},
    [WF_SQL_BILLING_OVERDUE] =
        {"billing_overdue",
         "select b.company_id from wflows.billing_subscriptions b"
         " join wflows.companies c on c.id = b.company_id"
         " where b.past_due_since <= wflows.us_time($1::bigint)"
         " and b.suspended_for is distinct from b.past_due_since"
         " and c.status = 'active' and c.deleted_at is null"
         " order by b.past_due_since limit $2::int",
         2},

    [WF_SQL_JOB_LOCK] = {"job_lock",
                         "select pg_catalog.pg_try_advisory_xact_lock(1313114677,"
                         " pg_catalog.hashtext($1))",
                         1},
    [WF_SQL_JOB_MAKE] = {"job_make",
                         "insert into wflows.job_runs (name) values ($1)"
                         " on conflict (name) do nothing",
                         1},
    [WF_SQL_JOB_DUE] = {"job_due",
                        "select from wflows.job_runs j where j.name = $1 and j.next_at <= now()", 1},
    [WF_SQL_JOB_DONE] =
        {"job_done",
         "update wflows.job_runs set outcome = $2, done = $3::bigint,"
         " finished_at = clock_timestamp(),"
         " next_at = clock_timestamp() + $4::bigint * interval '1 microsecond' where name = $1",
         4},
    /* Rows that somebody works on are passed by and met again in the next run. */
    [WF_SQL_SESSIONS_EXPIRE] =
        {"sessions_expire",
         "update wflows.flow_sessions s set status = 'expired', expiry_slot = null"
         " where s.ctid = any (array("
         "select e.ctid from wflows.flow_sessions e where e.status = 'active'"
         " and e.expiry_slot <= extract(epoch from now())::bigint / 3600 and e.expires_at <= now()"
         " order by e.expiry_slot limit $1::int for update skip locked))",
         1},
    [WF_SQL_IDEMPOTENCY_SWEEP] =
        {"idempotency_sweep",
         "delete from wflows.idempotency_keys k where k.ctid = any (array("
         "select e.ctid from wflows.idempotency_keys e where e.expires_at < now()"
         " order by e.expires_at limit $1::int for update skip locked))",
         1},
    [WF_SQL_ACCOUNTS_MARK_STALE] =
        {"accounts_mark_stale",
         "with stale as (update wflows.whatsapp_accounts a set verification_status = 'stale',"
         " updated_at = now()"
         " where a.ctid = any (array(select e.ctid from wflows.whatsapp_accounts e"
         " where e.last_verified_at < now() - interval '30 days' and e.deleted_at is null"
         " and e.verification_status is distinct from 'stale'"
         " limit $1::int for update skip locked)) returning a.company_id, a.id)"
         " insert into wflows.audit_logs (company_id, id, actor, action, resource_type,"
         " resource_id, new_values) select s.company_id, gen_random_uuid(), 'job:verification',"
         " 'account.updated', 'account', s.id, '{\"verification_status\": \"stale\"}'"
         " from stale s order by s.company_id, s.id",
         1},
    [WF_SQL_COUNTS_FOLD_NEXT] = {"counts_fold_next", "select wflows.counts_fold_next()", 0},
    [WF_SQL_OUTBOX_BURY] =
        {"outbox_bury", "select b.company_id, b.account_id, b.reason, b.rows"
                        " from wflows.outbox_bury($1::int) b", 1},
    [WF_SQL_ACCOUNTS_REMIND] =
        {"accounts_remind",
         "select r.company_id, r.account_id, r.due_at from wflows.accounts_remind($1::int) r", 1},
    /* Deleted companies too: what they leave behind ages as before. */
    [WF_SQL_SWEEP_COMPANY] =
        {"sweep_company",
         "select c.id, p.retention_days from wflows.companies c"
         " join wflows.plans p on p.name = c.subscription_plan"
         " where $1::uuid is null or c.id > $1::uuid order by c.id limit 1",
         1},
    [WF_SQL_SWEEP_CACHE_ROWS] =
        {"sweep_cache_rows",
         "delete from wflows.outbox o where o.ctid = any (array("
         "select e.ctid from wflows.outbox e where e.company_id = $1::uuid"
         " and e.status in ('done', 'dead') and e.consumer = 'cache'"
         " and e.created_at < now() - interval '1 hour' and $2::int is not null"
         " order by e.created_at limit $3::int for update skip locked))",
         3},
    [WF_SQL_SWEEP_EVENTS] = {"sweep_events", SWEEP("webhook_events", "received_at"), 3},
    /* Their attempts go with them. */
    [WF_SQL_SWEEP_OUTBOX] =
        {"sweep_outbox",
         "delete from wflows.outbox o where o.ctid = any (array("
         "select e.ctid from wflows.outbox e where e.company_id = $1::uuid"
         " and e.status in ('done', 'dead') and e.created_at < now() - $2::int * interval '1 day'"
         " order by e.created_at limit $3::int for update skip locked))",
         3},
    [WF_SQL_SWEEP_RESPONSES] = {"sweep_responses", SWEEP("flow_responses", "created_at"), 3},
    [WF_SQL_SWEEP_FLOW_MESSAGES] = {"sweep_flow_messages", SWEEP("flow_messages", "created_at"), 3},
    [WF_SQL_SWEEP_SENT_MESSAGES] = {"sweep_sent_messages", SWEEP("sent_messages", "created_at"), 3},
    [WF_SQL_SWEEP_FLOW_HEALTH] = {"sweep_flow_health", SWEEP("flow_health", "at"), 3},
    /* The next $3 sessions by key: how many of them were deleted, and the last key (NULL: no more). */
    [WF_SQL_SWEEP_SESSIONS] =
        {"sweep_sessions",
         "with page as (select s.ctid, s.token_hash, s.status <> 'active'"
         "  and s.last_step_at < now() - $2::int * interval '1 day' as old"
         " from wflows.flow_sessions s where s.company_id = $1::uuid"
         " and s.token_hash > decode($4, 'hex') order by s.token_hash limit $3::int),"
         " gone as (delete from wflows.flow_sessions s where s.ctid = any (array("
         "  select p.ctid from page p where p.old)) and s.company_id = $1::uuid"
         "  and s.status <> 'active' returning 1)"
         " select (select count(*) from gone),"
         " case when (select count(*) from page) = $3::int"
         "  then (select encode(p.token_hash, 'hex') from page p"
         "   order by p.token_hash desc limit 1) end",
         4},

    [WF_SQL_USAGE_ADD] =
        {"usage_add",
         "with by_day as (insert into wflows.usage_days as d (company_id, day, metric, n)"
         " values ($1::uuid, (now() at time zone 'UTC')::date, $3, $4::bigint)"
         " on conflict (company_id, day, metric) do update set n = d.n + excluded.n)"
         " insert into wflows.usage_counters as u (company_id, month, metric, n)"
         " values ($1::uuid, $2, $3, $4::bigint)"
         " on conflict (company_id, month, metric) do update set n = u.n + excluded.n",
         4},
    [WF_SQL_USAGE_LOAD] = {"usage_load",
                           "select u.n from wflows.usage_counters u where u.company_id = $1::uuid"
                           " and u.month = $2 and u.metric = $3",
                           3},

    /* The next three set the tenant inside the function: no wf_pg_exec_as, one round trip. */
    [WF_SQL_SESSION_STEPS] = {"session_steps",
                              "select s.number, s.stored from wflows.session_steps($1::text[]) s",
                              1},
    [WF_SQL_SESSION_LOAD] = {"session_load", "select wflows.session_load($1::uuid, $2)", 2},
    [WF_SQL_FLOW_ERROR_EVENT] = {"flow_error_event",
                                 "select wflows.flow_error_event($1::uuid, $2::uuid, $3,"
                                 " $4::json)",
                                 4},
    [WF_SQL_MEDIA_LOAD] =
        {"media_load",
         "select m.company_id, m.id, m.account_id, m.source, m.media_id, m.status, m.sha256,"
         " m.mime_type, m.file_name, m.size, m.reason, m.reference, m.file_key,"
         " (select a.access_token from wflows.whatsapp_accounts a where a.company_id = m.company_id"
         "  and a.id = m.account_id),"
         " (select json_object_agg(k.id, k.wrapped) from wflows.data_keys k"
         "  where k.company_id = m.company_id)"
         " from wflows.media m where m.company_id = $1::uuid and (m.id = $2::uuid or m.media_id = $3)"
         " order by m.id = $2::uuid desc nulls last, m.created_at desc limit 1",
         3},
    [WF_SQL_MEDIA_LIST] =
        {"media_list",
         "select coalesce(json_agg(x.doc), '[]') from (select wflows.media_json(m) as doc"
         " from wflows.media m where m.company_id = $1::uuid"
         " and ($2::uuid is null or m.session_id = $2::uuid)"
         " and ($3::uuid is null or m.response_id = $3::uuid) and ($4::text is null or m.status = $4)"
         " order by m.created_at desc, m.id desc limit $5::int) x",
         5},
    [WF_SQL_MEDIA_DONE] = {"media_done",
                           "select wflows.media_done($1::uuid, $2::uuid, $3, $4, $5::bigint, $6,"
                           " $7)",
                           7},
    /* $4: files can be removed. What waits to be fetched does not need to be any more. */
    [WF_SQL_MEDIA_EXPIRE] =
        {"media_expire",
         "with gone as (delete from wflows.media where company_id = $1::uuid and id in"
         " (select m.id from wflows.media m where m.company_id = $1::uuid"
         " and m.created_at < wflows.us_time($2::bigint) and ($4::boolean or m.status <> 'stored')"
         " order by m.created_at limit $3::int for update skip locked) returning id),"
         " unfetched as (delete from wflows.outbox o using gone g where o.company_id = $1::uuid"
         " and o.consumer = 'media' and o.idempotency_key = g.id::text and o.status = 'pending')"
         " select g.id from gone g",
         4},

    [WF_SQL_WEBHOOK_SECRETS] = {"webhook_secrets",
                                "select wflows.webhook_secrets($1::uuid, $2::int)", 2},
    [WF_SQL_INTAKE] =
        {"intake",
         "select i.number, i.outcome, i.token_hash from wflows.intake($1::uuid, $2::uuid,"
         " $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],"
         " $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],"
         " $16::text[], $17::text[], $18::text[]) i",
         18},
};

static const wf_pg_stmt_t *const areas[(WF_SQL_AREA_END >> 8) + 1] = {
    [0] = core,
    [WF_SQL_AREA_COMPANIES >> 8] = wf_sql_companies,
    [WF_SQL_AREA_PEOPLE >> 8] = wf_sql_people,
    [WF_SQL_AREA_AUDIT >> 8] = wf_sql_audit,
    [WF_SQL_AREA_ACCOUNTS >> 8] = wf_sql_accounts,
    [WF_SQL_AREA_FLOWS >> 8] = wf_sql_flows,
    [WF_SQL_AREA_SETTINGS >> 8] = wf_sql_settings,
    [WF_SQL_AREA_TRAFFIC >> 8] = wf_sql_traffic,
};

const wf_pg_stmt_t *wf_sql(wf_sql_id_t id)
{
    return &areas[id >> 8][id & 0xff];
}
