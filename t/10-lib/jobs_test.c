#include "wf_test_store.h"

#include "service/wf_jobs.h"
#include "store/wf_jobs_store.h"

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every job against PostgreSQL, with rows of several companies. */

static wf_service_t service;
static wf_metrics_t metrics;

static wf_jobs_t *jobs_make(void)
{
    memset(&metrics, 0, sizeof(metrics));
    service = (wf_service_t){.store = &store, .ring = ring, .metrics = &metrics};
    service.conf.billing_grace = apr_time_from_sec(86400);
    return wf_jobs_make(test_ctx, test_pool, &service);
}

/* Makes every job due, and takes one turn. */
static void turn(wf_jobs_t *jobs)
{
    OK(script_as(superuser, "delete from wflows.job_runs"));
    wf_jobs_turn(test_ctx, jobs);
}

static const char *outcome(const char *job)
{
    return ask("select outcome from wflows.job_runs where name = '%s'", job);
}

static void sessions(const char *company, int count, const char *prefix, const char *status,
                     const char *expires, const char *last_step)
{
    OK(script_as(
        superuser,
        apr_psprintf(test_pool,
                     "insert into wflows.flow_sessions (company_id, id, account_id, flow_id,"
                     " flow_name, flow_version, token_hash, status, step, record, expires_at,"
                     " expiry_slot, last_step_at) select '%s', gen_random_uuid(), gen_random_uuid(),"
                     " gen_random_uuid(), 'f', 1, sha256(('%s' || i)::bytea), '%s', 1, '{}',"
                     " now() + interval '%s', case when '%s' = 'active' then"
                     " extract(epoch from now() + interval '%s')::bigint / 3600 end,"
                     " now() - interval '%s' from generate_series(1, %d) i",
                     company, prefix, status, expires, status, expires, last_step, count)));
}

START_TEST(sessions_of_all_companies_expire_when_their_time_is_over)
{
    const char *a = new_company("exp-a"), *b = new_company("exp-b");
    wf_jobs_t *jobs = jobs_make();

    sessions(a, 1300, "old", "active", "-3 hours", "1 day");
    sessions(b, 3, "old", "active", "-1 second", "1 day");
    sessions(b, 2, "new", "active", "1 hour", "1 hour");
    sessions(b, 4, "done", "completed", "-3 hours", "1 day");
    turn(jobs);
    ck_assert_str_eq(outcome("sessions"), "ok");
    ck_assert_str_eq(ask("select string_agg(status || ':' || n, ' ' order by status) from (select"
                         " status::text, count(*) as n from wflows.flow_sessions where company_id in"
                         " ('%s', '%s') group by 1) g",
                         a, b),
                     "active:2 completed:4 expired:1303");
    ck_assert_int_eq((int)metrics.jobs[WF_JOB_SESSIONS].rows, 1303);
    ck_assert_int_eq((int)metrics.jobs[WF_JOB_SESSIONS].ok, 1);
}
END_TEST

/* One row of each kind, this old. */
static void aged(const char *company, const char *age)
{
    OK(script_as(
        superuser,
        apr_psprintf(
            test_pool,
            "create temp table aged on commit drop as"
            " select '%s'::uuid as company, '%s' as age, now() - interval '%s' as at;"
            "insert into wflows.outbox (company_id, id, consumer, event_type, payload,"
            " idempotency_key, status, created_at) select company, gen_random_uuid(), 'callback',"
            " 'x', '{}', age || s, s, at from aged, unnest(array['done', 'dead', 'pending']) s;"
            "insert into wflows.outbox_attempts (company_id, outbox_id, attempt)"
            " select o.company_id, o.id, 1 from wflows.outbox o, aged where o.company_id = company"
            " and o.consumer = 'callback' on conflict do nothing;"
            "insert into wflows.webhook_events (company_id, id, event_type, dedup_key, payload,"
            " received_at) select company, gen_random_uuid(), 'x', age, '{}', at from aged;"
            "insert into wflows.flow_responses (company_id, id, account_id, source, response,"
            " created_at) select company, gen_random_uuid(), gen_random_uuid(), 'webhook', '{}', at"
            " from aged;"
            "insert into wflows.flow_messages select company, age, '', at from aged;"
            "insert into wflows.flow_health select company, age, 'x', at, '{}' from aged;"
            "insert into wflows.media (company_id, id, source, media_id, sha256, status, file_key,"
            " created_at) select company, gen_random_uuid(), 'cdn', s, repeat('a', 64), s,"
            " case s when 'stored' then 'wf1:x' end, at from aged,"
            " unnest(array['pending', 'stored', 'failed', 'expired']) s",
            company, age, age)));
    sessions(company, 1, age, "completed", "-1 day", age);
    sessions(company, 1, apr_pstrcat(test_pool, "active", age, NULL), "active", "1 day", age);
}

static const char *counts(const char *company)
{
    return ask("select concat_ws(' ', (select count(*) from wflows.outbox where company_id = c"
               " and consumer = 'callback'), (select count(*) from wflows.outbox_attempts where"
               " company_id = c), (select count(*) from wflows.webhook_events where company_id = c),"
               " (select count(*) from wflows.flow_responses where company_id = c),"
               " (select count(*) from wflows.flow_sessions where company_id = c),"
               " (select count(*) from wflows.flow_messages where company_id = c),"
               " (select count(*) from wflows.flow_health where company_id = c),"
               " (select count(*) from wflows.media where company_id = c))"
               " from (select '%s'::uuid as c) x",
               company);
}

START_TEST(what_is_older_than_the_plan_keeps_goes_and_nothing_else)
{
    const char *starter = new_company_on("ret-starter", "starter");
    const char *pro = new_company_on("ret-pro", "pro");
    const char *ever = new_company_on("ret-ever", "enterprise");
    const char *companies[] = {starter, pro, ever};
    wf_jobs_t *jobs = jobs_make();
    size_t i;

    for (i = 0; i < 3; i++) {
        aged(companies[i], "100 days");
        aged(companies[i], "89 days");
        aged(companies[i], "400 days");
    }
    OK(script_as(superuser, "update wflows.outbox set created_at = now() - interval '2 hours'"
                            " where consumer = 'cache'"));
    turn(jobs);
    ck_assert_str_eq(outcome("retention"), "ok");
    ck_assert_str_eq(counts(starter), "5 5 1 1 4 1 1 6"); /* pending rows, active sessions, files elsewhere stay */
    ck_assert_str_eq(counts(pro), "7 7 2 2 5 2 2 9");
    ck_assert_str_eq(counts(ever), "9 9 3 3 6 3 3 12");
    ck_assert_str_eq(ask("select count(*) from wflows.outbox where consumer = 'cache'"), "0");
}
END_TEST

START_TEST(a_plan_that_keeps_nothing_keeps_events_for_their_deduplication)
{
    const char *id;
    wf_jobs_t *jobs = jobs_make();

    OK(script_as(superuser, "insert into wflows.plans values ('brief', 0, 0, 0, 0, 1)"
                            " on conflict do nothing"));
    id = new_company_on("brief", "brief");
    aged(id, "7 days");
    aged(id, "9 days");
    turn(jobs);
    ck_assert_str_eq(counts(id), "2 2 1 0 2 0 0 2");
}
END_TEST

START_TEST(a_large_table_is_swept_in_many_small_batches)
{
    const char *id = new_company_on("large", "starter");
    wf_sweep_t sweep = {.table = 0};
    int done, more = 1, most = 0, total = 0;

    sessions(id, 2500, "l", "completed", "-100 days", "100 days");
    sessions(id, 700, "m", "expired", "-1 days", "1 day");
    while (more) {
        OK(wf_retention_sweep(test_ctx, &done, &more, &store, &sweep, 100));
        most = done > most ? done : most;
        total += done;
    }
    ck_assert_int_le(most, 100);
    ck_assert_int_ge(total, 2500);
    ck_assert_str_eq(ask("select count(*) from wflows.flow_sessions where company_id = '%s'", id),
                     "700");
}
END_TEST

/* A file of a row; answers its path. */
static const char *file_of(const char *dir, const char *company, const char *id, const char *suffix)
{
    const char *folder = apr_pstrcat(test_pool, dir, "/", company, NULL);
    const char *path = apr_pstrcat(test_pool, folder, "/", id, suffix, NULL);
    apr_file_t *file;

    apr_dir_make(folder, APR_FPROT_OS_DEFAULT, test_pool);
    ck_assert_int_eq(apr_file_open(&file, path, APR_FOPEN_CREATE | APR_FOPEN_WRITE,
                                   APR_FPROT_OS_DEFAULT, test_pool),
                     APR_SUCCESS);
    apr_file_close(file);
    return path;
}

static int is_there(const char *path)
{
    apr_finfo_t info;

    return apr_stat(&info, path, APR_FINFO_TYPE, test_pool) == APR_SUCCESS;
}

START_TEST(files_go_with_their_rows_and_a_folder_that_cannot_be_written_holds_up_nobody_else)
{
    char template[] = "/tmp/wflows-jobs-XXXXXX";
    const char *dir = mkdtemp(template);
    const char *first = new_company_on("files-a", "starter");
    const char *second = new_company_on("files-b", "starter");
    const char *old, *kept, *part, *id;
    wf_jobs_t *jobs;

    aged(first, "100 days");
    aged(first, "10 days");
    aged(second, "100 days");
    id = ask("select id from wflows.media where company_id = '%s' and status = 'stored'"
             " order by created_at limit 1", first);
    old = file_of(dir, first, id, "");
    part = file_of(dir, first, id, ".part");
    kept = file_of(dir, first, ask("select id from wflows.media where company_id = '%s' and status ="
                                   " 'stored' order by created_at desc limit 1", first), "");
    jobs_make();
    service.conf.media_dir = dir;
    jobs = wf_jobs_make(test_ctx, test_pool, &service);
    /* Where a file should be is a folder: it cannot be removed. */
    apr_file_remove(old, test_pool);
    apr_dir_make(old, APR_FPROT_OS_DEFAULT, test_pool);
    turn(jobs);
    ck_assert_str_eq(outcome("retention"), "ok");
    ck_assert_str_eq(ask("select string_agg(n::text, ' ' order by slug) from (select c.slug, count(m.id)"
                         " as n from wflows.companies c left join wflows.media m on m.company_id = c.id"
                         " where c.slug like 'files-%%' group by 1) x"),
                     "8 0");
    apr_dir_remove(old, test_pool);
    file_of(dir, first, id, "");
    turn(jobs);
    ck_assert_str_eq(ask("select count(*) from wflows.media where company_id = '%s'", first), "4");
    ck_assert(!is_there(old) && !is_there(part) && is_there(kept));
    apr_file_remove(kept, test_pool);
    apr_dir_remove(apr_pstrcat(test_pool, dir, "/", first, NULL), test_pool);
    apr_dir_remove(dir, test_pool);
}
END_TEST

START_TEST(a_failed_cache_invalidation_is_made_up_for)
{
    const char *id = new_company("cached");
    wf_jobs_t *jobs = jobs_make();
    wf_redis_t *redis = store.redis;

    store.redis = redis_at("/nonexistent/redis.sock");
    OK(wf_company_update(test_ctx, &store, id, json("{\"name\": \"Other\"}"), &operator_root));
    store.redis = redis;
    wf_ctx_clear(test_ctx);
    REDIS("SET", "wf:{cached}:ctx:default", "old");
    OK(script_as(superuser, "update wflows.outbox set next_attempt_at = now() - interval '1 s'"
                            " where consumer = 'cache' and status = 'pending'"));
    turn(jobs);
    ck_assert_str_eq(outcome("cache"), "ok");
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cached}:ctx:default"), "0");
    ck_assert_str_eq(outbox_statuses(id), "done");
}
END_TEST

START_TEST(a_cache_that_is_still_down_leaves_the_row_for_later)
{
    const char *id = new_company("down");
    wf_jobs_t *jobs = jobs_make();
    wf_redis_t *redis = store.redis;

    store.redis = redis_at("/nonexistent/redis.sock");
    OK(wf_company_update(test_ctx, &store, id, json("{\"name\": \"Other\"}"), &operator_root));
    wf_ctx_clear(test_ctx);
    OK(script_as(superuser, "update wflows.outbox set next_attempt_at = now() - interval '1 s'"
                            " where consumer = 'cache' and status = 'pending'"));
    turn(jobs);
    store.redis = redis;
    wf_ctx_clear(test_ctx);
    ck_assert_str_eq(ask("select concat_ws('|', status, attempts, next_attempt_at > now(),"
                         " last_error is not null) from wflows.outbox where company_id = '%s'"
                         " and status <> 'done'",
                         id),
                     "pending|1|t|t");
}
END_TEST

START_TEST(sessions_that_could_not_be_forgotten_are_forgotten_later)
{
    const char *id = new_company("walkers");
    apr_array_header_t *hashes = apr_array_make(test_pool, 2, sizeof(const char *));
    wf_jobs_t *jobs = jobs_make();
    int i;

    for (i = 0; i < 2; i++) {
        APR_ARRAY_PUSH(hashes, const char *) = wf_sha256_hex(test_pool, i ? "tok-b" : "tok-a", 5);
        REDIS("SET", WF_KEY_SESSION(test_pool, "wf:", "walkers", APR_ARRAY_IDX(hashes, i, const char *)), "old");
    }
    REDIS("SET", WF_KEY_SESSION(test_pool, "wf:", "walkers", "another"), "kept");
    REDIS("SET", "wf:{walkers}:ctx:default", "kept");
    OK(wf_cache_leave_sessions(test_ctx, &store, id, "walkers", hashes));
    OK(script_as(superuser, "update wflows.outbox set next_attempt_at = now() - interval '1 s'"
                            " where consumer = 'cache' and status = 'pending'"));
    turn(jobs);
    ck_assert_str_eq(outcome("cache"), "ok");
    for (i = 0; i < 2; i++) {
        ck_assert_str_eq(REDIS("EXISTS", WF_KEY_SESSION(test_pool, "wf:", "walkers",
                                                        APR_ARRAY_IDX(hashes, i, const char *))),
                         "0");
    }
    ck_assert_str_eq(REDIS("GET", WF_KEY_SESSION(test_pool, "wf:", "walkers", "another")), "kept");
    ck_assert_str_eq(REDIS("GET", "wf:{walkers}:ctx:default"), "kept");
    ck_assert_str_eq(outbox_statuses(id), "done");
}
END_TEST

/* As a webhook leaves them that came while another one was being counted. */
static void uncounted(const char *company, const char *account, int events)
{
    OK(script_as(superuser,
                 apr_psprintf(test_pool,
                              "insert into wflows.counts_pending select '%s', gen_random_uuid(), '%s',"
                              " '2026-11', 1, 1, 2, 1, now() from generate_series(1, %d)",
                              company, account, events)));
}

START_TEST(what_was_not_counted_is_counted_when_no_more_webhooks_come)
{
    const char *company[] = {new_company("count-a"), new_company("count-b")}, *account[2];
    wf_jobs_t *jobs = jobs_make();
    wf_pg_conn_t *other;
    int i;

    for (i = 0; i < 2; i++) {
        account[i] = new_account(company[i], "main", i ? "5511999990007" : "5511999990006");
        uncounted(company[i], account[i], 20 + i);
    }
    /* A webhook of one company is being counted just now: the other's are counted all the same. */
    OK(wf_pg_acquire(test_ctx, &other, superuser));
    OK(wf_pg_begin(test_ctx, other, NULL));
    OK(wf_pg_exec(test_ctx, NULL, other,
                  &(wf_pg_stmt_t){"hold", "select pg_advisory_xact_lock(hashtextextended("
                                          "'wflows.counts:' || $1, 0))", 1},
                  (const wf_pg_param_t[]){company[0]}));
    turn(jobs);
    ck_assert_str_eq(outcome("counts"), "ok");
    ck_assert_str_eq(ask("select string_agg(company_id || ':' || 1, ',') from (select distinct"
                         " company_id from wflows.counts_pending) c"),
                     apr_pstrcat(test_pool, company[0], ":1", NULL));
    wf_pg_release(superuser, other);
    turn(jobs);
    for (i = 0; i < 2; i++) {
        ck_assert_str_eq(ask("select concat_ws(' ', total_messages_sent, total_flows_completed,"
                             " last_activity_at is not null) from wflows.whatsapp_accounts where id = '%s'",
                             account[i]),
                         i ? "42 21 t" : "40 20 t");
        ck_assert_str_eq(ask("select string_agg(metric || ':' || n, ' ' order by metric) from"
                             " wflows.usage_counters where company_id = '%s'",
                             company[i]),
                         i ? "flow_completed:21 message_received:21 message_sent:42 webhook_event:21"
                           : "flow_completed:20 message_received:20 message_sent:40 webhook_event:20");
    }
    ck_assert_str_eq(ask("select count(*) from wflows.counts_pending"), "0");
}
END_TEST

static void callbacks(const char *company, const char *account, int count)
{
    OK(script_as(superuser,
                 apr_psprintf(test_pool,
                              "insert into wflows.outbox (company_id, id, consumer, account_id,"
                              " event_type, payload, idempotency_key) select '%s', gen_random_uuid(),"
                              " 'callback', '%s', 'x', '{}', gen_random_uuid()"
                              " from generate_series(1, %d)",
                              company, account, count)));
}

static const char *callbacks_of(const char *company)
{
    return ask("select string_agg(status || ':' || n || ':' || e, ' ' order by status, e) from (select status,"
               " coalesce(last_error, '-') as e, count(*) as n from wflows.outbox where company_id = '%s'"
               " and consumer = 'callback' group by 1, 2) s",
               company);
}

START_TEST(callbacks_of_removed_accounts_and_companies_are_given_up)
{
    const char *a = new_company("bury-a"), *b = new_company("bury-b"), *c = new_company("bury-c");
    const char *gone = new_account(a, "gone", "5511999990008");
    const char *there = new_account(a, "there", "5511999990009");
    wf_jobs_t *jobs = jobs_make();

    callbacks(a, gone, 1200); /* more than a batch */
    callbacks(a, there, 3);
    callbacks(b, new_account(b, "main", "5511999990010"), 2);
    callbacks(c, new_account(c, "main", "5511999990011"), 4);
    OK(script_as(superuser,
                 apr_psprintf(test_pool,
                              "update wflows.whatsapp_accounts set deleted_at = now(), is_default = false"
                              " where id = '%s';"
                              "update wflows.companies set deleted_at = now(), status = 'inactive'"
                              " where id = '%s'; update wflows.companies set status = 'suspended'"
                              " where id = '%s'",
                              gone, b, c)));
    turn(jobs);
    ck_assert_str_eq(outcome("outbox"), "ok");
    ck_assert_str_eq(callbacks_of(a), "dead:1200:the account was removed pending:3:-");
    ck_assert_str_eq(callbacks_of(b), "dead:2:the company was removed");
    ck_assert_str_eq(callbacks_of(c), "pending:4:-"); /* it may pay again */
    ck_assert_int_eq((int)metrics.jobs[WF_JOB_OUTBOX].rows, 1202);
}
END_TEST

START_TEST(a_key_rotation_that_is_due_is_told_once_for_each_schedule)
{
    const char *company = new_company("rotate");
    const char *account = new_account(company, "main", "5511999990001");
    wf_jobs_t *jobs = jobs_make();
    int i;

    new_account(company, "later", "5511999990002");
    OK(script_as(superuser,
                 "update wflows.whatsapp_accounts set key_rotation_scheduled_at ="
                 " case name when 'main' then now() - interval '1 hour' else now() + interval '1 hour'"
                 " end, callback_webhook_url = 'https://x.example/', callback_event_types = '{account.*}'"));
    for (i = 0; i < 3; i++) {
        turn(jobs);
    }
    ck_assert_str_eq(ask("select count(*) || ' ' || min(account_id::text) from wflows.webhook_events"
                         " where company_id = '%s' and event_type = 'account.key_rotation_due'",
                         company),
                     apr_pstrcat(test_pool, "1 ", account, NULL));
    ck_assert_str_eq(ask("select count(*) || ' ' || min(payload #>> '{data,account_id}') from wflows.outbox"
                         " where company_id = '%s' and consumer = 'callback'",
                         company),
                     apr_pstrcat(test_pool, "1 ", account, NULL));
    OK(script_as(superuser, "update wflows.whatsapp_accounts set key_rotation_scheduled_at = now(),"
                            " key_rotation_reminded_at = now() - interval '1 minute',"
                            " callback_event_types = '{flow_completed}' where name = 'main'"));
    turn(jobs);
    ck_assert_str_eq(ask("select count(*) from wflows.outbox where company_id = '%s' and consumer ="
                         " 'callback'",
                         company),
                     "1"); /* not wanted any more */
    ck_assert_str_eq(ask("select count(*) from wflows.webhook_events where company_id = '%s'",
                         company),
                     "2");
}
END_TEST

START_TEST(accounts_verified_more_than_thirty_days_ago_are_stale)
{
    const char *company = new_company("verify");
    wf_jobs_t *jobs = jobs_make();

    new_account(company, "old", "5511999990003");
    new_account(company, "new", "5511999990004");
    new_account(company, "never", "5511999990005");
    OK(script_as(superuser, "update wflows.whatsapp_accounts set verification_status = 'verified',"
                            " last_verified_at = now() - case name when 'old' then interval '31 days'"
                            " else interval '29 days' end where name in ('old', 'new')"));
    turn(jobs);
    ck_assert_str_eq(ask("select string_agg(name || ':' || coalesce(verification_status, '-'), ' '"
                         " order by name) from wflows.whatsapp_accounts where company_id = '%s'",
                         company),
                     "never:- new:verified old:stale");
}
END_TEST

START_TEST(a_company_whose_grace_is_over_is_suspended_once)
{
    const char *id = new_company_on("unpaid", "starter");
    static const wf_actor_t stripe = {.actor = "stripe"};
    wf_jobs_t *jobs = jobs_make();
    wf_billing_event_t e = {.id = "evt_u",
                            .type = "invoice.payment_failed",
                            .kind = WF_BILLING_FAILED,
                            .company_id = id,
                            .subscription_id = "sub_u"};
    wf_billing_result_t result;

    e.created = apr_time_sec(apr_time_now()) - 2 * 86400;
    OK(wf_billing_store(test_ctx, &result, &store, &e, "{}", apr_time_from_sec(7 * 86400), &stripe));
    ck_assert_str_eq(ask("select status from wflows.companies where id = '%s'", id), "active");
    turn(jobs);
    ck_assert_str_eq(ask("select concat_ws('|', status, suspension_reason) from wflows.companies"
                         " where id = '%s'",
                         id),
                     "suspended|payment");
    ck_assert_str_eq(ask("select string_agg(actor, ',') from wflows.audit_logs where company_id ="
                         " '%s' and action = 'company.suspended'",
                         id),
                     "job:billing");
    OK(wf_company_update(test_ctx, &store, id, json("{\"status\": \"active\"}"), &operator_root));
    turn(jobs);
    ck_assert_str_eq(ask("select status from wflows.companies where id = '%s'", id), "active");
}
END_TEST

START_TEST(a_job_runs_in_one_place_at_a_time_and_not_before_it_is_due)
{
    wf_job_run_t first, second;

    OK(wf_job_begin(test_ctx, &first, &store, "some"));
    ck_assert_ptr_nonnull(first.conn);
    OK(wf_job_begin(test_ctx, &second, &store, "some"));
    ck_assert_ptr_null(second.conn);
    OK(wf_job_begin(test_ctx, &second, &store, "other"));
    ck_assert_ptr_nonnull(second.conn);
    OK(wf_job_end(test_ctx, &second, WF_OK, 0, 0));
    OK(wf_job_end(test_ctx, &first, WF_OK, 7, apr_time_from_sec(60)));
    OK(wf_job_begin(test_ctx, &second, &store, "some"));
    ck_assert_ptr_null(second.conn);
    ck_assert_str_eq(ask("select concat_ws('|', outcome, done) from wflows.job_runs"
                         " where name = 'some'"),
                     "ok|7");
}
END_TEST

START_TEST(a_run_that_died_is_anybodys_at_once)
{
    wf_job_run_t run;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        store_setup(); /* connections of its own */
        if (wf_job_begin(test_ctx, &run, &store, "dying") != WF_OK || !run.conn) {
            _exit(1);
        }
        kill(getpid(), SIGKILL);
    }
    waitpid(pid, &status, 0);
    ck_assert(WIFSIGNALED(status));
    for (status = 0; status < 200; status++) {
        OK(wf_job_begin(test_ctx, &run, &store, "dying"));
        if (run.conn) {
            break;
        }
        apr_sleep(10000); /* the server notices the closed socket */
    }
    ck_assert_ptr_nonnull(run.conn);
    OK(wf_job_end(test_ctx, &run, WF_OK, 0, 0));
}
END_TEST

START_TEST(the_thread_runs_what_is_due_and_stops)
{
    const char *id = new_company("threaded");
    wf_jobs_t *jobs;
    int i;

    jobs_make();
    OK(script_as(superuser, "delete from wflows.job_runs"));
    sessions(id, 5, "t", "active", "-2 hours", "1 day");
    OK(wf_jobs_start(test_ctx, &jobs, test_pool, &service));
    for (i = 0; i < 1000 && metrics.jobs[WF_JOB_VERIFICATION].ok == 0; i++) {
        apr_sleep(10000);
    }
    ck_assert(wf_jobs_is_alive(jobs));
    wf_jobs_quit(jobs);
    wf_jobs_join(jobs);
    ck_assert(!wf_jobs_is_alive(jobs));
    ck_assert_str_eq(ask("select count(*) from wflows.flow_sessions where company_id = '%s'"
                         " and status = 'expired'",
                         id),
                     "5");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, sessions_of_all_companies_expire_when_their_time_is_over);
    tcase_add_test(tc, what_is_older_than_the_plan_keeps_goes_and_nothing_else);
    tcase_add_test(tc, a_plan_that_keeps_nothing_keeps_events_for_their_deduplication);
    tcase_add_test(tc, a_large_table_is_swept_in_many_small_batches);
    tcase_add_test(tc, files_go_with_their_rows_and_a_folder_that_cannot_be_written_holds_up_nobody_else);
    tcase_add_test(tc, a_failed_cache_invalidation_is_made_up_for);
    tcase_add_test(tc, a_cache_that_is_still_down_leaves_the_row_for_later);
    tcase_add_test(tc, sessions_that_could_not_be_forgotten_are_forgotten_later);
    tcase_add_test(tc, what_was_not_counted_is_counted_when_no_more_webhooks_come);
    tcase_add_test(tc, callbacks_of_removed_accounts_and_companies_are_given_up);
    tcase_add_test(tc, a_key_rotation_that_is_due_is_told_once_for_each_schedule);
    tcase_add_test(tc, accounts_verified_more_than_thirty_days_ago_are_stale);
    tcase_add_test(tc, a_company_whose_grace_is_over_is_suspended_once);
    tcase_add_test(tc, a_job_runs_in_one_place_at_a_time_and_not_before_it_is_due);
    tcase_add_test(tc, a_run_that_died_is_anybodys_at_once);
    tcase_add_test(tc, the_thread_runs_what_is_due_and_stops);
}

int main(void)
{
    return wf_test_store_main("jobs", add_tests);
}
