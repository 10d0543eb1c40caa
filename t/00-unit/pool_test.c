#include "wf_test.h"

#include "pool/wf_pool.h"

#include <apr_thread_proc.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define MS(n) apr_time_from_msec(n)

/* A server that can be made to refuse, to be full or to take its time. */
typedef struct {
    atomic_int next;
    atomic_int open;
    atomic_int most_open;
    atomic_int attempts;
    atomic_int fails; /* a wf_status_t to fail with; 0: succeeds */
    atomic_int delay_ms;
} server_t;

static server_t server;

static wf_status_t fake_open(wf_ctx_t *ctx, void **resource, void *baton)
{
    server_t *s = baton;
    int now_open, most;

    s->attempts++;
    if (s->delay_ms) {
        apr_sleep(MS(s->delay_ms));
    }
    if (s->fails) {
        return wf_fail(ctx, (wf_status_t)(int)s->fails, "refused for the test");
    }
    now_open = ++s->open;
    most = s->most_open;
    while (now_open > most && !atomic_compare_exchange_weak(&s->most_open, &most, now_open)) {
    }
    *resource = malloc(sizeof(int));
    *(int *)*resource = ++s->next;
    return WF_OK;
}

static void fake_close(void *resource, void *baton)
{
    ((server_t *)baton)->open--;
    free(resource);
}

static wf_pool_conf_t usual(void)
{
    return (wf_pool_conf_t){
        .name = "Fake", .keep = 1, .max = 2, .acquire_timeout = MS(100), .retry_interval = MS(200)};
}

static wf_pool_t *make(const wf_pool_conf_t *conf)
{
    wf_pool_ops_t ops = {fake_open, fake_close, &server};
    wf_pool_t *pool;

    memset(&server, 0, sizeof(server));
    ck_assert_int_eq(wf_pool_make(test_ctx, &pool, test_pool, conf, &ops), WF_OK);
    return pool;
}

static int id_of(const void *resource)
{
    return *(const int *)resource;
}

static int take(wf_pool_t *pool, void **resource)
{
    ck_assert_int_eq(wf_pool_acquire(test_ctx, resource, NULL, pool), WF_OK);
    return id_of(*resource);
}

static int is_open(wf_pool_t *pool)
{
    wf_pool_stats_t stats;

    wf_pool_stats(&stats, pool);
    return stats.breaker_open;
}

static apr_interval_time_t refused_after(wf_pool_t *pool)
{
    apr_time_t started = wf_monotonic();
    void *resource = &server;

    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(wf_pool_acquire(test_ctx, &resource, NULL, pool), WF_EUNAVAIL);
    ck_assert_ptr_null(resource);
    ck_assert_int_eq(test_ctx->err.status, WF_EUNAVAIL);
    return wf_monotonic() - started;
}

START_TEST(the_last_one_given_back_is_the_first_handed_out)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool = make(&conf);
    void *a, *b, *c;
    int fresh;

    ck_assert_int_eq(wf_pool_acquire(test_ctx, &a, &fresh, pool), WF_OK);
    ck_assert_int_eq(fresh, 1);
    ck_assert_int_eq(take(pool, &b), 2);
    wf_pool_release(pool, a, 0);
    wf_pool_release(pool, b, 0);
    ck_assert_int_eq(wf_pool_acquire(test_ctx, &c, &fresh, pool), WF_OK);
    ck_assert_int_eq(fresh, 0);
    ck_assert_int_eq(id_of(c), 2);
    wf_pool_release(pool, c, 0);
}
END_TEST

START_TEST(a_broken_one_is_closed_and_never_handed_out_again)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool = make(&conf);
    void *a;

    take(pool, &a);
    wf_pool_release(pool, a, 1);
    ck_assert_int_eq(server.open, 0);
    ck_assert_int_eq(take(pool, &a), 2);
    wf_pool_release(pool, a, 0);
}
END_TEST

START_TEST(an_empty_pool_refuses_after_the_acquire_timeout_or_the_deadline)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool;
    wf_pool_stats_t stats;
    apr_interval_time_t took;
    void *a, *b;

    conf.acquire_timeout = MS(700);
    pool = make(&conf);
    take(pool, &a);
    take(pool, &b);
    took = refused_after(pool);
    ck_assert_int_ge(took, MS(695));
    ck_assert_int_le(took, MS(3000));
    test_ctx->deadline = apr_time_now() + MS(50);
    took = refused_after(pool);
    ck_assert_int_ge(took, MS(40));
    ck_assert_int_le(took, MS(650));
    test_ctx->deadline = 0;
    wf_pool_stats(&stats, pool);
    ck_assert_int_eq(stats.timeouts, 2);
    ck_assert_int_eq(stats.open, 2);
    ck_assert_int_eq(stats.breaker_open, 0);
    wf_pool_release(pool, a, 0);
    wf_pool_release(pool, b, 0);
}
END_TEST

START_TEST(after_a_failed_open_all_are_refused_at_once_until_one_probe_succeeds)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool = make(&conf);
    void *a;

    server.fails = WF_EUNAVAIL;
    ck_assert_int_eq(wf_pool_acquire(test_ctx, &a, NULL, pool), WF_EUNAVAIL);
    ck_assert_int_eq(is_open(pool), 1);
    ck_assert_int_le(refused_after(pool), MS(95));
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "refused for the test"));
    ck_assert_int_eq(server.attempts, 1);
    apr_sleep(MS(210));
    ck_assert_int_eq(is_open(pool), 0);
    refused_after(pool);
    ck_assert_int_eq(server.attempts, 2);
    refused_after(pool);
    ck_assert_int_eq(server.attempts, 2);
    apr_sleep(MS(210));
    server.fails = 0;
    wf_ctx_clear(test_ctx);
    take(pool, &a);
    ck_assert_int_eq(test_ctx->err.status, WF_OK);
    ck_assert_int_eq(is_open(pool), 0);
    wf_pool_release(pool, a, 0);
}
END_TEST

START_TEST(a_full_server_does_not_take_away_what_is_open)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool = make(&conf);
    void *a;

    take(pool, &a);
    server.fails = WF_ELIMIT;
    ck_assert_int_ge(refused_after(pool), MS(95));
    ck_assert_int_eq(server.attempts, 2);
    ck_assert_int_eq(is_open(pool), 0);
    wf_pool_release(pool, a, 0);
    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(take(pool, &a), 1);
    wf_pool_release(pool, a, 1);
    refused_after(pool);
    ck_assert_int_eq(is_open(pool), 1);
}
END_TEST

START_TEST(an_attempt_cut_short_by_the_callers_deadline_does_not_open_the_breaker)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool = make(&conf);
    void *a;

    server.fails = WF_EUNAVAIL;
    server.delay_ms = 20;
    test_ctx->deadline = apr_time_now() + MS(10);
    ck_assert_int_eq(wf_pool_acquire(test_ctx, &a, NULL, pool), WF_EUNAVAIL);
    ck_assert_int_eq(is_open(pool), 0);
}
END_TEST

START_TEST(lifetime_and_idle_time_end_connections)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool;
    void *a, *b;

    conf.lifetime = MS(50);
    pool = make(&conf);
    take(pool, &a);
    apr_sleep(MS(60));
    wf_pool_release(pool, a, 0);
    ck_assert_int_eq(server.open, 0);
    take(pool, &a);
    wf_pool_release(pool, a, 0);
    apr_sleep(MS(60));
    ck_assert_int_eq(take(pool, &a), 3);
    ck_assert_int_eq(server.open, 1);
    wf_pool_release(pool, a, 0);

    conf.lifetime = 0;
    conf.idle_ttl = MS(30);
    pool = make(&conf);
    take(pool, &a);
    take(pool, &b);
    wf_pool_release(pool, a, 0);
    wf_pool_release(pool, b, 0);
    ck_assert_int_eq(server.open, 2);
    apr_sleep(MS(40));
    ck_assert_int_eq(take(pool, &b), 2);
    wf_pool_release(pool, b, 0);
    ck_assert_int_eq(server.open, 1);
    apr_sleep(MS(40));
    ck_assert_int_eq(take(pool, &b), 2);
    wf_pool_release(pool, b, 0);
    ck_assert_int_eq(server.open, 1);
}
END_TEST

START_TEST(destroying_the_apr_pool_closes_what_is_idle)
{
    wf_pool_conf_t conf = usual();
    wf_pool_ops_t ops = {fake_open, fake_close, &server};
    wf_pool_t *pool;
    apr_pool_t *p;
    void *a, *b;

    memset(&server, 0, sizeof(server));
    apr_pool_create(&p, NULL);
    ck_assert_int_eq(wf_pool_make(test_ctx, &pool, p, &conf, &ops), WF_OK);
    take(pool, &a);
    take(pool, &b);
    wf_pool_release(pool, a, 0);
    wf_pool_release(pool, b, 0);
    ck_assert_int_eq(server.open, 2);
    apr_pool_destroy(p);
    ck_assert_int_eq(server.open, 0);
    conf.max = 0;
    ck_assert_int_eq(wf_pool_make(test_ctx, &pool, test_pool, &conf, &ops), WF_EINVALID);
    ck_assert_ptr_null(pool);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------ */

typedef struct {
    wf_pool_t *pool;
    apr_pool_t *own;
    int rounds;
    int break_every; /* 0: never */
    int hold_ms;
    wf_status_t st;
    apr_interval_time_t took;
    int got; /* id of the resource */
} worker_t;

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    worker_t *w = data;
    wf_ctx_t *ctx = wf_ctx_make(w->own, NULL);
    apr_time_t started = wf_monotonic();
    int i;

    for (i = 0; i < w->rounds; i++) {
        void *resource;

        w->st = wf_pool_acquire(ctx, &resource, NULL, w->pool);
        w->took = wf_monotonic() - started;
        if (w->st != WF_OK) {
            break;
        }
        w->got = id_of(resource);
        if (w->hold_ms) {
            apr_sleep(MS(w->hold_ms));
        }
        wf_pool_release(w->pool, resource, w->break_every && i % w->break_every == 0);
    }
    return NULL;
}

static apr_thread_t *start(worker_t *w)
{
    apr_thread_t *thread;

    apr_pool_create(&w->own, NULL);
    ck_assert_int_eq(apr_thread_create(&thread, NULL, work, w, w->own), APR_SUCCESS);
    return thread;
}

static void join(worker_t *w, apr_thread_t *thread)
{
    apr_status_t rv;

    apr_thread_join(&rv, thread);
    apr_pool_destroy(w->own);
}

START_TEST(many_threads_never_open_more_than_the_maximum_and_lose_no_wake_up)
{
    enum { THREADS = 12, ROUNDS = 400 };
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool;
    worker_t w[THREADS];
    apr_thread_t *threads[THREADS];
    wf_pool_stats_t stats;
    int i;

    conf.max = 3;
    conf.acquire_timeout = MS(20000);
    pool = make(&conf);
    for (i = 0; i < THREADS; i++) {
        w[i] = (worker_t){.pool = pool, .rounds = ROUNDS, .break_every = 3 + i};
        threads[i] = start(&w[i]);
    }
    for (i = 0; i < THREADS; i++) {
        join(&w[i], threads[i]);
        ck_assert_int_eq(w[i].st, WF_OK);
    }
    wf_pool_stats(&stats, pool);
    ck_assert_int_le(server.most_open, 3);
    ck_assert_int_eq(stats.acquired, THREADS * ROUNDS);
    ck_assert_int_eq(stats.waiting, 0);
    ck_assert_int_eq(stats.timeouts, 0);
    ck_assert_int_eq(stats.open, server.open);
    ck_assert_int_eq(stats.idle, server.open);
}
END_TEST

START_TEST(connections_are_opened_side_by_side)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool;
    worker_t w[4];
    apr_thread_t *threads[4];
    int i;

    conf.max = 4;
    pool = make(&conf);
    server.delay_ms = 300;
    for (i = 0; i < 4; i++) {
        w[i] = (worker_t){.pool = pool, .rounds = 1, .hold_ms = 500};
        threads[i] = start(&w[i]);
    }
    for (i = 0; i < 4; i++) {
        join(&w[i], threads[i]);
        ck_assert_int_eq(w[i].st, WF_OK);
        /* One after the other would be 1.2 s for the last. */
        ck_assert_int_lt(w[i].took, MS(1100));
    }
}
END_TEST

START_TEST(a_waiter_opens_a_new_one_when_a_broken_one_comes_back)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool;
    worker_t w;
    apr_thread_t *thread;
    void *a;

    conf.max = 1;
    conf.acquire_timeout = MS(5000);
    pool = make(&conf);
    take(pool, &a);
    w = (worker_t){.pool = pool, .rounds = 1};
    thread = start(&w);
    apr_sleep(MS(50));
    wf_pool_release(pool, a, 1);
    join(&w, thread);
    ck_assert_int_eq(w.st, WF_OK);
    ck_assert_int_eq(w.got, 2);
    ck_assert_int_lt(w.took, MS(1000));
}
END_TEST

START_TEST(under_suspicion_one_opens_anew_and_the_others_wait_for_it)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool;
    worker_t w[4];
    apr_thread_t *threads[4];
    void *a, *b;
    int i;

    conf.max = 5;
    conf.acquire_timeout = MS(5000);
    pool = make(&conf);
    take(pool, &a);
    take(pool, &b);
    wf_pool_release(pool, a, 0);
    wf_pool_suspect(pool);
    ck_assert_int_eq(server.open, 1);
    wf_pool_release(pool, b, 1);
    server.attempts = 0;
    server.delay_ms = 100;
    server.fails = WF_EUNAVAIL;
    for (i = 0; i < 4; i++) {
        w[i] = (worker_t){.pool = pool, .rounds = 1};
        threads[i] = start(&w[i]);
    }
    for (i = 0; i < 4; i++) {
        join(&w[i], threads[i]);
        ck_assert_int_eq(w[i].st, WF_EUNAVAIL);
        ck_assert_int_lt(w[i].took, MS(1000));
    }
    ck_assert_int_eq(server.attempts, 1);
    server.fails = 0;
    server.delay_ms = 50;
    apr_sleep(MS(210));
    take(pool, &a);
    wf_pool_suspect(pool);
    for (i = 0; i < 4; i++) {
        w[i] = (worker_t){.pool = pool, .rounds = 1, .hold_ms = 20};
        threads[i] = start(&w[i]);
    }
    for (i = 0; i < 4; i++) {
        join(&w[i], threads[i]);
        ck_assert_int_eq(w[i].st, WF_OK);
    }
    wf_pool_release(pool, a, 0);
}
END_TEST

START_TEST(of_many_callers_exactly_one_probes_a_server_that_was_down)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool;
    worker_t w[8];
    apr_thread_t *threads[8];
    int i, ok = 0;
    void *a;

    conf.max = 8;
    pool = make(&conf);
    server.fails = WF_EUNAVAIL;
    ck_assert_int_eq(wf_pool_acquire(test_ctx, &a, NULL, pool), WF_EUNAVAIL);
    apr_sleep(MS(210));
    server.fails = 0;
    server.attempts = 0;
    server.delay_ms = 300;
    for (i = 0; i < 8; i++) {
        w[i] = (worker_t){.pool = pool, .rounds = 1};
        threads[i] = start(&w[i]);
    }
    for (i = 0; i < 8; i++) {
        join(&w[i], threads[i]);
        ok += w[i].st == WF_OK;
    }
    ck_assert_int_eq(server.attempts, 1);
    ck_assert_int_eq(ok, 1);
}
END_TEST

/* ---- log ---------------------------------------------------------------------------------- */

static int lines;

static void count_line(wf_log_level_t level, const char *file, int line, const char *message,
                       void *baton)
{
    lines++;
}

START_TEST(a_server_that_is_down_does_not_flood_the_log)
{
    wf_pool_conf_t conf = usual();
    wf_pool_t *pool;
    void *a;
    int i;

    conf.retry_interval = MS(5000);
    pool = make(&conf);
    server.fails = WF_EUNAVAIL;
    test_ctx->log = (wf_log_t){WF_LOG_TRACE, count_line, NULL};
    lines = 0;
    for (i = 0; i < 1000; i++) {
        ck_assert_int_eq(wf_pool_acquire(test_ctx, &a, NULL, pool), WF_EUNAVAIL);
    }
    ck_assert_int_le(lines, 4);
    ck_assert_int_ge(lines, 2);
    ck_assert_ptr_nonnull(test_ctx->log.fn);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool");
    TCase *tc = wf_test_case(s, "pool");

    tcase_add_test(tc, the_last_one_given_back_is_the_first_handed_out);
    tcase_add_test(tc, a_broken_one_is_closed_and_never_handed_out_again);
    tcase_add_test(tc, an_empty_pool_refuses_after_the_acquire_timeout_or_the_deadline);
    tcase_add_test(tc, after_a_failed_open_all_are_refused_at_once_until_one_probe_succeeds);
    tcase_add_test(tc, a_full_server_does_not_take_away_what_is_open);
    tcase_add_test(tc, an_attempt_cut_short_by_the_callers_deadline_does_not_open_the_breaker);
    tcase_add_test(tc, lifetime_and_idle_time_end_connections);
    tcase_add_test(tc, destroying_the_apr_pool_closes_what_is_idle);
    tcase_add_test(tc, many_threads_never_open_more_than_the_maximum_and_lose_no_wake_up);
    tcase_add_test(tc, connections_are_opened_side_by_side);
    tcase_add_test(tc, a_waiter_opens_a_new_one_when_a_broken_one_comes_back);
    tcase_add_test(tc, under_suspicion_one_opens_anew_and_the_others_wait_for_it);
    tcase_add_test(tc, of_many_callers_exactly_one_probes_a_server_that_was_down);
    tcase_add_test(tc, a_server_that_is_down_does_not_flood_the_log);
    return wf_test_run(s);
}
