#include "wf_test_store.h"

/* ---- usage, audit ----------------------------------------------------------------------- */

START_TEST(usage_adds_up_by_company_month_and_metric)
{
    const char *a = new_company("usage-a"), *b = new_company("usage-b");
    int64_t n;

    OK(wf_usage_add(test_ctx, &store, a, "2026-11", "messages", 5));
    OK(wf_usage_add(test_ctx, &store, a, "2026-11", "messages", 7));
    OK(wf_usage_add(test_ctx, &store, a, "2026-12", "messages", 1));
    OK(wf_usage_load(test_ctx, &n, &store, a, "2026-11", "messages"));
    ck_assert_int_eq((int)n, 12);
    OK(wf_usage_load(test_ctx, &n, &store, b, "2026-11", "messages"));
    ck_assert_int_eq((int)n, 0);
    ck_assert_int_eq(wf_usage_add(test_ctx, &store, a, "2026-13", "messages", 1), WF_EINVALID);
    wf_ctx_clear(test_ctx);
    FAILS(wf_usage_add(test_ctx, &store, "x", "2026-11", "messages", 1), WF_ENOTFOUND,
          "no such company");
}
END_TEST

START_TEST(the_platforms_own_audit_rows_have_the_nil_company)
{
    static const wf_audit_t row = {NULL, "platform.tested", "platform",  NULL,
                                   NULL, "{\"a\": 1}",      "{\"b\": 2}"};
    const wf_actor_t actor = {.actor = "user:x", .user_id = "00000000-0000-7000-8000-00000000abcd"};
    wf_pg_conn_t *conn;

    test_ctx->request_id = "req-1";
    OK(wf_pg_acquire(test_ctx, &conn, store.pg));
    OK(wf_pg_begin(test_ctx, conn, NULL));
    OK(wf_pg_exec(test_ctx, NULL, conn, wf_sql(WF_SQL_ROLE_PLATFORM), NULL));
    OK(wf_audit_add(test_ctx, conn, &row, &actor));
    OK(wf_pg_commit(test_ctx, conn));
    wf_pg_release(store.pg, conn);
    ck_assert_str_eq(ask("select concat_ws('|', user_id, actor, request_id, new_values::text,"
                         " metadata::text) from wflows.audit_logs where action = 'platform.tested'"
                         " and company_id = '00000000-0000-0000-0000-000000000000'"),
                     "00000000-0000-7000-8000-00000000abcd|user:x|req-1|{\"a\": 1}|{\"b\": 2}");
}
END_TEST

/* ---- cache ------------------------------------------------------------------------------ */

START_TEST(a_change_deletes_the_companys_contexts_and_raises_its_generation)
{
    const char *company = new_company("cached");
    int generation = atoi(REDIS("GET", "wf:{cached}:gen"));

    REDIS("SET", "wf:{cached}:ctx:default", "x");
    REDIS("SET", "wf:{cached}:ctx:5511", "x");
    /* A default context that says "unknown" is in no index and must go all the same. */
    REDIS("SADD", "wf:{cached}:ctx-index", "wf:{cached}:ctx:5511");
    REDIS("SET", "wf:{cached}:flow:f", "x");
    REDIS("SET", "wf:{other}:ctx:default", "x");
    OK(wf_company_update(test_ctx, &store, company, json("{\"name\": \"N\"}"), &operator_root));
    ck_assert_str_eq(
        REDIS("EXISTS", "wf:{cached}:ctx:default", "wf:{cached}:ctx:5511", "wf:{cached}:ctx-index"),
        "0");
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cached}:flow:f", "wf:{other}:ctx:default"), "2");
    ck_assert_int_eq(atoi(REDIS("GET", "wf:{cached}:gen")), generation + 1);
    ck_assert_int_gt(atoi(REDIS("TTL", "wf:{cached}:gen")), WF_TTL_GENERATION_S - 60);
    ck_assert_str_eq(outbox_statuses(company), "done");
}
END_TEST

START_TEST(a_flows_change_deletes_its_plans_and_no_context)
{
    const char *company = new_company("cachedflow"), *id;
    wf_flow_new_t f = flow_named("f", "plan");
    int version, generation;

    REDIS("SET", "wf:{cachedflow}:flow:f", "x");
    REDIS("SET", "wf:{cachedflow}:flow:g", "x");
    REDIS("SET", "wf:{cachedflow}:ctx:default", "x");
    REDIS("SADD", "wf:{cachedflow}:ctx-index", "wf:{cachedflow}:ctx:default");
    generation = atoi(REDIS("GET", "wf:{cachedflow}:gen"));
    OK(wf_flow_save(test_ctx, &id, &version, &store, company, &f, 0, &operator_root));
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cachedflow}:flow:f"), "0");
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cachedflow}:flow:g", "wf:{cachedflow}:ctx:default"), "2");
    ck_assert_int_eq(atoi(REDIS("GET", "wf:{cachedflow}:gen")), generation + 1);
    REDIS("SET", "wf:{cachedflow}:flow:f", "x");
    OK(wf_flow_set_status(test_ctx, &store, company, id, "inactive", 0, &operator_root));
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cachedflow}:flow:f"), "0");
    REDIS("SET", "wf:{cachedflow}:flow:f", "x");
    /* The slug's next owner may have a flow of the same name. */
    OK(wf_company_remove(test_ctx, &store, company, &operator_root));
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cachedflow}:flow:f", "wf:{cachedflow}:ctx:default"), "0");
}
END_TEST

START_TEST(without_redis_a_change_is_made_and_its_outbox_row_waits)
{
    const char *company = new_company("no-redis");
    wf_store_t dead = store;

    dead.redis = redis_at("/nonexistent/redis.sock");
    OK(wf_company_update(test_ctx, &dead, company, json("{\"name\": \"N\"}"), &operator_root));
    ck_assert_ptr_null(test_ctx->err.detail);
    ck_assert_str_eq(outbox_statuses(company), "done,pending");
    ck_assert_str_eq(ask("select concat_ws('|', consumer, event_type, payload::text,"
                         " next_attempt_at > now()) from wflows.outbox where company_id = '%s'"
                         " and status = 'pending'",
                         company),
                     "cache|cache.forget|{\"slug\":\"no-redis\",\"contexts\":true,\"flows\":[],\"auth\":[]}|t");
    dead.redis = NULL;
    OK(wf_company_update(test_ctx, &dead, company, json("{\"name\": \"M\"}"), &operator_root));
    ck_assert_int_eq(wf_cache_forget_company(test_ctx, &dead, "no-redis"), WF_EUNAVAIL);
    ck_assert_int_eq(wf_cache_forget_flow(test_ctx, &dead, "no-redis", "f"), WF_EUNAVAIL);
    OK(wf_cache_forget_company(test_ctx, &store, "no-redis"));
    OK(wf_cache_forget_flow(test_ctx, &store, "no-redis", "f"));
}
END_TEST

START_TEST(without_postgresql_everything_is_unavailable_and_nothing_is_a_miss)
{
    wf_store_t dead = store;
    wf_pg_conf_t conf = {.conninfo = "host=/nonexistent user=wflows_app dbname=x",
                         .connect_timeout = apr_time_from_sec(1),
                         .statement_timeout = apr_time_from_sec(1),
                         .pool = {.name = "PostgreSQL",
                                  .max = 1,
                                  .acquire_timeout = apr_time_from_sec(1),
                                  .retry_interval = apr_time_from_sec(1)}};
    const char *text;
    size_t len;

    OK(wf_pg_make(test_ctx, &dead.pg, test_pool, &conf));
    ck_assert_int_eq(wf_tenant_record_load(test_ctx, &text, &len, &dead, "acme", NULL),
                     WF_EUNAVAIL);
    ck_assert_int_eq(wf_company_update(test_ctx, &dead, "00000000-0000-7000-8000-000000000000",
                                       json("{}"), &operator_root),
                     WF_EUNAVAIL);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, usage_adds_up_by_company_month_and_metric);
    tcase_add_test(tc, the_platforms_own_audit_rows_have_the_nil_company);
    tcase_add_test(tc, a_change_deletes_the_companys_contexts_and_raises_its_generation);
    tcase_add_test(tc, a_flows_change_deletes_its_plans_and_no_context);
    tcase_add_test(tc, without_redis_a_change_is_made_and_its_outbox_row_waits);
    tcase_add_test(tc, without_postgresql_everything_is_unavailable_and_nothing_is_a_miss);
}

int main(void)
{
    return wf_test_store_main("store", add_tests);
}
