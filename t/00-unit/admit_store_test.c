/* The admission scripts against a real Redis: contexts, generations, GCRA, quota, platform limit. */
#include "store/wf_store.h"
#include "store/wf_keys.h"
#include "wf_test.h"
#include "wf_test_servers.h"

#include <string.h>

static wf_test_server_t server;
static wf_store_t store;

static void store_setup(void)
{
    wf_redis_conf_t conf = {.connect_timeout = apr_time_from_sec(2),
                            .command_timeout = apr_time_from_sec(2),
                            .pool = {.name = "Redis", .keep = 1, .max = 2,
                                     .acquire_timeout = apr_time_from_sec(1),
                                     .retry_interval = apr_time_from_sec(1)}};
    wf_redis_batch_t *batch;

    wf_test_setup();
    conf.url = apr_psprintf(test_pool, "unix://%s", server.socket);
    ck_assert_int_eq(wf_redis_make(test_ctx, &store.redis, test_pool, &conf), WF_OK);
    store.prefix = "wf:";
    store.scripts = wf_store_scripts_make(test_pool);
    batch = wf_redis_batch(test_ctx, store.redis);
    wf_redis_addv(batch, "FLUSHALL", NULL);
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
}

static wf_admit_query_t query(int charge)
{
    wf_admit_query_t q = {"acme", NULL, charge, 0, 0};
    return q;
}

static wf_ctx_entry_t entry(void)
{
    wf_ctx_entry_t e = {"active", "{}", 2, 0, 60000, 0, 60000, 0, "-"};
    return e;
}

static wf_admit_reply_t asked(wf_admit_query_t q)
{
    wf_admit_reply_t r;
    ck_assert_int_eq(wf_admit_query(test_ctx, &r, &store, &q), WF_OK);
    return r;
}

static wf_admit_reply_t saved(wf_admit_query_t q, wf_ctx_entry_t e, const char *generation)
{
    wf_admit_reply_t r;
    ck_assert_int_eq(wf_admit_save(test_ctx, &r, &store, &q, &e, generation), WF_OK);
    return r;
}

START_TEST(a_context_is_missed_then_saved_then_found)
{
    wf_ctx_entry_t e = entry();
    wf_admit_reply_t r = asked(query(0));

    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_MISS);
    ck_assert_str_eq(r.generation, "0");
    e.record = "{\"a\":\"\\u0000\"}";
    e.record_len = strlen(e.record);
    r = saved(query(1), e, r.generation);
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_ENTRY);
    ck_assert_str_eq(r.status, "active");
    ck_assert_uint_eq(r.record.len, e.record_len);
    ck_assert_int_eq(memcmp(r.record.data, e.record, e.record_len), 0);
    ck_assert_ptr_null(r.scope);
    ck_assert_int_eq(asked(query(1)).kind, WF_ADMIT_REPLY_ENTRY);
}
END_TEST

START_TEST(a_record_read_before_a_change_is_not_cached)
{
    wf_admit_reply_t r = asked(query(0));

    ck_assert_int_eq(wf_cache_forget_company(test_ctx, &store, "acme"), WF_OK);
    ck_assert_int_eq(saved(query(0), entry(), r.generation).kind, WF_ADMIT_REPLY_MISS);
    r = asked(query(0));
    ck_assert_str_ne(r.generation, "0");
    ck_assert_int_eq(saved(query(0), entry(), r.generation).kind, WF_ADMIT_REPLY_ENTRY);
    ck_assert_int_eq(wf_cache_forget_company(test_ctx, &store, "acme"), WF_OK);
    ck_assert_int_eq(asked(query(0)).kind, WF_ADMIT_REPLY_MISS);
}
END_TEST

START_TEST(an_inactive_or_unknown_company_is_told_apart_and_never_charged)
{
    wf_ctx_entry_t e = entry();

    e.status = "inactive";
    e.company_max = 1;
    ck_assert_str_eq(saved(query(1), e, "0").status, "inactive");
    ck_assert_str_eq(asked(query(1)).status, "inactive");
    ck_assert_int_eq(wf_cache_forget_company(test_ctx, &store, "acme"), WF_OK);
    e.status = "none";
    e.record = "";
    e.record_len = 0;
    ck_assert_str_eq(saved(query(1), e, asked(query(0)).generation).status, "none");
}
END_TEST

START_TEST(the_burst_is_the_limit_and_a_refusal_says_when_to_come_back)
{
    wf_ctx_entry_t e = entry();
    wf_admit_reply_t r;
    int i;

    e.company_max = 5;
    r = saved(query(1), e, "0");
    ck_assert_str_eq(r.scope, "company");
    ck_assert_int_eq(r.remaining, 4);
    for (i = 1; i < 5; i++) {
        ck_assert_int_eq(asked(query(1)).kind, WF_ADMIT_REPLY_ENTRY);
    }
    r = asked(query(1));
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_LIMITED);
    ck_assert_int_eq(r.max, 5);
    ck_assert_int_eq(r.window_ms, 60000);
    /* One of five comes back after a fifth of the window. */
    ck_assert_int_le(r.reset_us, 12000000);
    ck_assert_int_ge(r.reset_us, 9000000);
    ck_assert_int_eq(asked(query(0)).kind, WF_ADMIT_REPLY_ENTRY);
}
END_TEST

START_TEST(a_refusal_by_the_account_does_not_cost_the_company)
{
    wf_ctx_entry_t e = entry();
    int i;

    e.company_max = 3;
    e.account_max = 1;
    e.account_id = "11111111-1111-7111-8111-111111111111";
    ck_assert_str_eq(saved(query(1), e, "0").scope, "account");
    for (i = 0; i < 5; i++) {
        wf_admit_reply_t r = asked(query(1));
        ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_LIMITED);
        ck_assert_str_eq(r.scope, "account");
    }
    wf_redis_batch_t *batch = wf_redis_batch(test_ctx, store.redis);
    wf_redis_addv(batch, "DEL",
                  WF_KEY_RATE_ACCOUNT(test_pool, "wf:", "acme", e.account_id), NULL);
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    ck_assert_int_eq(asked(query(1)).kind, WF_ADMIT_REPLY_ENTRY);
}
END_TEST

START_TEST(limits_refill_with_time)
{
    wf_ctx_entry_t e = entry();

    e.company_max = 2;
    e.company_window_ms = 200;
    saved(query(1), e, "0");
    asked(query(1));
    ck_assert_int_eq(asked(query(1)).kind, WF_ADMIT_REPLY_LIMITED);
    apr_sleep(apr_time_from_msec(150));
    ck_assert_int_eq(asked(query(1)).kind, WF_ADMIT_REPLY_ENTRY);
}
END_TEST

START_TEST(the_quota_knows_what_postgresql_counted_before)
{
    wf_ctx_entry_t e = entry();
    const char *month = wf_month(test_pool, wf_now(test_ctx));
    wf_admit_reply_t r;

    e.quota = 10;
    r = saved(query(1), e, "0");
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_ENTRY);
    ck_assert_int_eq(r.quota_unseeded, 1);
    ck_assert_int_eq(wf_use_seed(test_ctx, &store, "acme", month, 9), WF_OK);
    r = asked(query(1));
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_ENTRY);
    ck_assert_int_eq(r.quota_unseeded, 0);
    wf_redis_batch_t *batch = wf_redis_batch(test_ctx, store.redis);
    wf_redis_addv(batch, "HINCRBY", WF_KEY_USE(test_pool, "wf:", "acme", month), "n",
                  "1", NULL);
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    r = asked(query(1));
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_QUOTA);
    ck_assert_str_eq(r.scope, "quota");
    ck_assert_int_eq(r.max, 10);
    ck_assert_int_eq(asked(query(0)).kind, WF_ADMIT_REPLY_ENTRY);
}
END_TEST

START_TEST(the_platform_limit_holds_over_companies)
{
    wf_admit_query_t q = query(1);

    q.platform_max = 2;
    q.platform_window_ms = 60000;
    ck_assert_int_eq(asked(q).kind, WF_ADMIT_REPLY_MISS);
    ck_assert_int_eq(saved(q, entry(), "0").kind, WF_ADMIT_REPLY_ENTRY);
    q.slug = "other";
    ck_assert_int_eq(asked(q).kind, WF_ADMIT_REPLY_MISS);
    wf_admit_reply_t r = asked(q);
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_LIMITED);
    ck_assert_str_eq(r.scope, "platform");
    /* Names that nobody has are under it too. */
    q.slug = "nobody";
    r = asked(q);
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_LIMITED);
    ck_assert_str_eq(r.scope, "platform");
    ck_assert_ptr_null(r.record.data);
}
END_TEST

START_TEST(an_unknown_company_leaves_nothing_behind_and_is_forgotten_when_it_is_made)
{
    wf_ctx_entry_t e = entry();
    wf_redis_batch_t *batch;

    e.status = "none";
    e.record = "";
    e.record_len = 0;
    ck_assert_str_eq(saved(query(0), e, "0").status, "none");
    batch = wf_redis_batch(test_ctx, store.redis);
    wf_redis_addv(batch, "TTL", "wf:{acme}:ctx:default", NULL);
    wf_redis_addv(batch, "DBSIZE", NULL);
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    ck_assert_int_le(wf_redis_reply(batch, 0)->n, WF_TTL_NEGATIVE_S);
    ck_assert_int_eq(wf_redis_reply(batch, 1)->n, 1);
    ck_assert_int_eq(wf_cache_forget_company(test_ctx, &store, "acme"), WF_OK);
    ck_assert_int_eq(asked(query(0)).kind, WF_ADMIT_REPLY_MISS);
}
END_TEST

/* Round trips of one admission. */
static uint64_t trips_of(wf_admit_query_t q, wf_admit_reply_t *r)
{
    wf_redis_stats_t before, after;

    wf_redis_stats(&before, store.redis);
    *r = asked(q);
    wf_redis_stats(&after, store.redis);
    return after.round_trips - before.round_trips;
}

START_TEST(an_admission_is_one_round_trip_and_new_limits_hold_at_once)
{
    wf_ctx_entry_t e = entry();
    wf_admit_query_t q = query(1);
    wf_admit_reply_t r;
    int i;

    saved(q, e, "0");
    asked(q); /* loads the script */
    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(trips_of(q, &r), 1);
        ck_assert_ptr_null(r.scope);
    }
    /* Another process saves the context with limits. */
    e.company_max = 2;
    saved(query(0), e, "0");
    ck_assert_int_eq(trips_of(q, &r), 1);
    ck_assert_str_eq(r.scope, "company");
    ck_assert_int_eq(trips_of(q, &r), 1);
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_ENTRY);
    ck_assert_int_eq(trips_of(q, &r), 1);
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_LIMITED);
    ck_assert_uint_eq(r.record.len, e.record_len);
    /* And none again. */
    saved(query(0), entry(), "0");
    ck_assert_int_eq(trips_of(q, &r), 1);
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_ENTRY);
    ck_assert_ptr_null(r.scope);
}
END_TEST

START_TEST(the_tightest_limit_is_told_and_both_are_charged)
{
    wf_ctx_entry_t e = entry();
    wf_admit_reply_t r;

    e.company_max = 3;
    e.account_max = 4;
    e.account_id = "11111111-1111-7111-8111-111111111111";
    saved(query(1), e, "0");
    r = asked(query(1));
    ck_assert_str_eq(r.scope, "company");
    ck_assert_int_eq(r.max, 3);
    ck_assert_int_eq(r.remaining, 1);
    ck_assert_int_eq(r.window_ms, 60000);
    asked(query(1));
    ck_assert_str_eq(asked(query(1)).scope, "company");
    ck_assert_int_eq(asked(query(1)).kind, WF_ADMIT_REPLY_LIMITED);
    wf_redis_batch_t *batch = wf_redis_batch(test_ctx, store.redis);
    wf_redis_addv(batch, "DEL", WF_KEY_RATE_COMPANY(test_pool, "wf:", "acme"), NULL);
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    r = asked(query(1)); /* the account's fourth */
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_ENTRY);
    ck_assert_str_eq(r.scope, "account");
    ck_assert_int_eq(r.remaining, 0);
    r = asked(query(1));
    ck_assert_int_eq(r.kind, WF_ADMIT_REPLY_LIMITED);
    ck_assert_str_eq(r.scope, "account");
}
END_TEST

START_TEST(accounts_are_cached_apart)
{
    wf_admit_query_t q = query(0);

    saved(query(0), entry(), "0");
    q.account = "700800900100";
    ck_assert_int_eq(asked(q).kind, WF_ADMIT_REPLY_MISS);
    saved(q, entry(), "0");
    ck_assert_int_eq(wf_cache_forget_company(test_ctx, &store, "acme"), WF_OK);
    ck_assert_int_eq(asked(q).kind, WF_ADMIT_REPLY_MISS);
    ck_assert_int_eq(asked(query(0)).kind, WF_ADMIT_REPLY_MISS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admit_store");
    TCase *tc = tcase_create("admit_store");
    const char *reason = wf_test_redis_start(&server);
    int failed;

    if (reason) {
        return wf_test_skip("redis", reason);
    }
    tcase_add_checked_fixture(tc, store_setup, wf_test_teardown);
    suite_add_tcase(s, tc);
    tcase_add_test(tc, a_context_is_missed_then_saved_then_found);
    tcase_add_test(tc, a_record_read_before_a_change_is_not_cached);
    tcase_add_test(tc, an_inactive_or_unknown_company_is_told_apart_and_never_charged);
    tcase_add_test(tc, the_burst_is_the_limit_and_a_refusal_says_when_to_come_back);
    tcase_add_test(tc, a_refusal_by_the_account_does_not_cost_the_company);
    tcase_add_test(tc, limits_refill_with_time);
    tcase_add_test(tc, the_quota_knows_what_postgresql_counted_before);
    tcase_add_test(tc, the_platform_limit_holds_over_companies);
    tcase_add_test(tc, an_unknown_company_leaves_nothing_behind_and_is_forgotten_when_it_is_made);
    tcase_add_test(tc, an_admission_is_one_round_trip_and_new_limits_hold_at_once);
    tcase_add_test(tc, the_tightest_limit_is_told_and_both_are_charged);
    tcase_add_test(tc, accounts_are_cached_apart);
    failed = wf_test_run(s);
    wf_test_redis_stop(&server);
    return failed;
}
