#include "wf_test.h"
#include "wf_test_servers.h"

#include "redis/wf_redis.h"

#include <apr_thread_proc.h>

#define MS(n) apr_time_from_msec(n)

static wf_test_server_t server;

static wf_redis_conf_t usual(void)
{
    return (wf_redis_conf_t){.url = apr_pstrcat(test_pool, "unix://", server.socket, NULL),
                             .connect_timeout = MS(200),
                             .command_timeout = MS(300),
                             .pool = {.name = "Redis",
                                      .keep = 2,
                                      .max = 4,
                                      .acquire_timeout = MS(500),
                                      .retry_interval = MS(300)}};
}

static wf_redis_t *make(const wf_redis_conf_t *conf)
{
    wf_redis_t *redis;

    ck_assert_int_eq(wf_redis_make(test_ctx, &redis, test_pool, conf), WF_OK);
    return redis;
}

static wf_redis_t *connected(void)
{
    wf_redis_conf_t conf = usual();

    return make(&conf);
}

/* One command of up to three words. */
static wf_status_t say(const wf_redis_reply_t **reply, wf_redis_t *redis, const char *a,
                       const char *b, const char *c)
{
    wf_redis_batch_t *batch = wf_redis_batch(test_ctx, redis);
    int at = wf_redis_addv(batch, a, b, c, NULL);
    wf_status_t st;

    wf_ctx_clear(test_ctx);
    st = wf_redis_run(test_ctx, batch);
    *reply = wf_redis_reply(batch, at);
    return st;
}

static const wf_redis_reply_t *ask(wf_redis_t *redis, const char *a, const char *b, const char *c)
{
    const wf_redis_reply_t *reply;
    wf_status_t st = say(&reply, redis, a, b, c);

    ck_assert_msg(st == WF_OK, "%s %s: %s", a, b ? b : "", test_ctx->err.detail);
    return reply;
}

static void flush_all(void)
{
    ask(connected(), "FLUSHALL", NULL, NULL);
}

START_TEST(a_batch_is_one_round_trip_and_answers_in_order)
{
    wf_redis_t *redis = connected();
    wf_redis_batch_t *batch = wf_redis_batch(test_ctx, redis);
    const char *binary[] = {"SET", "k", "a\0b\r\n"};
    const size_t lens[] = {3, 1, 5};
    wf_redis_stats_t stats;
    const wf_redis_reply_t *r;

    ck_assert_int_eq(wf_redis_add(batch, 3, binary, lens), 0);
    ck_assert_int_eq(wf_redis_addv(batch, "GET", "k", NULL), 1);
    ck_assert_int_eq(wf_redis_addv(batch, "GET", "none", NULL), 2);
    ck_assert_int_eq(wf_redis_addv(batch, "INCRBY", "n", "-9000000000", NULL), 3);
    ck_assert_int_eq(wf_redis_addv(batch, "INCR", "k", NULL), 4);
    ck_assert_int_eq(wf_redis_addv(batch, "MGET", "n", "none", NULL), 5);
    ck_assert_int_eq(wf_redis_addv(batch, "SET", "empty", "", NULL), 6);
    ck_assert_int_eq(wf_redis_addv(batch, "GET", "empty", NULL), 7);
    ck_assert_ptr_null(wf_redis_reply(batch, 0));
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    wf_redis_stats(&stats, redis);
    ck_assert_uint_eq(stats.round_trips, 1);

    ck_assert_str_eq(wf_redis_reply(batch, 0)->text, "OK");
    r = wf_redis_reply(batch, 1);
    ck_assert_int_eq(r->type, WF_REDIS_TEXT);
    ck_assert_uint_eq(r->len, 5);
    ck_assert_mem_eq(r->text, "a\0b\r\n", 6);
    ck_assert_int_eq(wf_redis_reply(batch, 2)->type, WF_REDIS_NIL);
    ck_assert_int_eq(wf_redis_reply(batch, 3)->type, WF_REDIS_INT);
    ck_assert_int_eq(wf_redis_reply(batch, 3)->n, -9000000000);
    ck_assert_int_eq(wf_redis_reply(batch, 4)->is_error, 1);
    r = wf_redis_reply(batch, 5);
    ck_assert_int_eq(r->type, WF_REDIS_ARRAY);
    ck_assert_uint_eq(r->count, 2);
    ck_assert_str_eq(r->items[0].text, "-9000000000");
    ck_assert_int_eq(r->items[1].type, WF_REDIS_NIL);
    ck_assert_str_eq(wf_redis_reply(batch, 7)->text, "");
    ck_assert_ptr_null(wf_redis_reply(batch, 8));
    ck_assert_ptr_null(wf_redis_reply(batch, -1));
}
END_TEST

START_TEST(big_values_and_long_batches_go_through)
{
    wf_redis_conf_t conf = usual();
    wf_redis_t *redis;
    wf_redis_batch_t *batch;
    char *big = apr_pcalloc(test_pool, 4000001);
    int i;

    conf.command_timeout = MS(20000);
    redis = make(&conf);
    batch = wf_redis_batch(test_ctx, redis);
    memset(big, 'b', 4000000);
    wf_redis_addv(batch, "SET", "big", big, NULL);
    for (i = 0; i < 5000; i++) {
        wf_redis_addv(batch, "RPUSH", "list", "x", NULL);
    }
    wf_redis_addv(batch, "GET", "big", NULL);
    wf_redis_addv(batch, "LRANGE", "list", "0", "-1", NULL);
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    ck_assert_uint_eq(wf_redis_reply(batch, 5001)->len, 4000000);
    ck_assert_uint_eq(wf_redis_reply(batch, 5002)->count, 5000);
    ck_assert_int_eq(wf_redis_run(test_ctx, wf_redis_batch(test_ctx, redis)), WF_OK);
}
END_TEST

START_TEST(arrays_within_arrays_keep_their_order)
{
    const wf_redis_reply_t *r =
        ask(connected(), "EVAL", "return {1, {2, 'x', {}, {'deep', -3}}, false, {err = 'MINE no'}}",
            "0");
    const wf_redis_reply_t *inner;

    ck_assert_uint_eq(r->count, 4);
    ck_assert_int_eq(r->items[0].n, 1);
    ck_assert_int_eq(r->items[2].type, WF_REDIS_NIL);
    ck_assert_int_eq(r->items[3].is_error, 1);
    ck_assert_ptr_nonnull(strstr(r->items[3].text, "MINE no"));
    inner = &r->items[1];
    ck_assert_uint_eq(inner->count, 4);
    ck_assert_int_eq(inner->items[0].n, 2);
    ck_assert_str_eq(inner->items[1].text, "x");
    ck_assert_int_eq(inner->items[2].type, WF_REDIS_ARRAY);
    ck_assert_uint_eq(inner->items[2].count, 0);
    ck_assert_str_eq(inner->items[3].items[0].text, "deep");
    ck_assert_int_eq(inner->items[3].items[1].n, -3);
}
END_TEST

START_TEST(a_script_is_loaded_when_the_server_does_not_know_it)
{
    wf_redis_t *redis = connected();
    wf_redis_script_t script = {.name = "sum",
                                .text = "return {redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2]}"};
    wf_redis_script_t wrong = {.name = "wrong", .text = "this is no Lua"};
    const char *argv[] = {"counter", "5", "a\0b"};
    const size_t lens[] = {7, 1, 3};
    wf_redis_batch_t *batch;
    wf_redis_stats_t stats;
    int a, b, between;

    wf_redis_script_init(&script);
    wf_redis_script_init(&wrong);
    batch = wf_redis_batch(test_ctx, redis);
    a = wf_redis_add_script(batch, &script, 1, 3, argv, lens);
    between = wf_redis_addv(batch, "INCR", "between", NULL);
    b = wf_redis_add_script(batch, &script, 1, 3, argv, lens);
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    ck_assert_int_eq(wf_redis_reply(batch, a)->items[0].n, 5);
    ck_assert_mem_eq(wf_redis_reply(batch, a)->items[1].text, "a\0b", 4);
    ck_assert_int_eq(wf_redis_reply(batch, between)->n, 1);
    ck_assert_int_eq(wf_redis_reply(batch, b)->items[0].n, 10);
    wf_redis_stats(&stats, redis);
    ck_assert_uint_eq(stats.round_trips, 2);

    batch = wf_redis_batch(test_ctx, redis);
    a = wf_redis_add_script(batch, &script, 1, 3, argv, NULL);
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    ck_assert_int_eq(wf_redis_reply(batch, a)->items[0].n, 15);
    wf_redis_stats(&stats, redis);
    ck_assert_uint_eq(stats.round_trips, 3);

    batch = wf_redis_batch(test_ctx, redis);
    a = wf_redis_add_script(batch, &wrong, 0, 0, NULL, NULL);
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    ck_assert_int_eq(wf_redis_reply(batch, a)->is_error, 1);
    ck_assert_ptr_nonnull(strstr(wf_redis_reply(batch, a)->text, "compil"));
}
END_TEST

START_TEST(urls_are_checked_and_never_shown_with_their_password)
{
    static const char *const good[][2] = {
        {"redis://localhost", "redis://localhost:6379/0"},
        {"redis://:s3cret@h:1/2", "redis://:***@h:1/2"},
        {"redis://me:s3%40cret@[::1]:7000", "redis://me:***@[::1]:7000/0"},
        {"unix:///run/r.sock?db=3", "unix:///run/r.sock?db=3"},
        {"unix://:s3cret@/run/r.sock", "unix://:***@/run/r.sock?db=0"}};
    static const char *const bad[] = {"",
                                      "http://h",
                                      "rediss://:s3cret@h",
                                      "redis://",
                                      "redis://:1",
                                      "redis://h:0",
                                      "redis://h:65536",
                                      "redis://h:s3cret",
                                      "redis://h/x",
                                      "redis://h/-1",
                                      "redis://[::1",
                                      "redis://[::1]x",
                                      "redis://s3cret@h",
                                      "redis://:s3%4@h",
                                      "redis://:s3%00@h",
                                      "redis://:s3/cret@h",
                                      "unix://run/r.sock",
                                      "unix:///run/r.sock?password=s3cret"};
    wf_redis_conf_t conf = usual();
    wf_redis_t *redis;
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const char *fault = wf_redis_url_check(test_pool, good[i][0]);
        ck_assert_msg(!fault, "%s: %s", good[i][0], fault);
        ck_assert_str_eq(wf_redis_url_redact(test_pool, good[i][0]), good[i][1]);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *fault = wf_redis_url_check(test_pool, bad[i]);
        ck_assert_msg(fault != NULL, "%s", bad[i]);
        ck_assert_ptr_null(strstr(fault, "s3"));
        ck_assert_ptr_null(strstr(wf_redis_url_redact(test_pool, bad[i]), "s3"));
        conf.url = bad[i];
        ck_assert_int_eq(wf_redis_make(test_ctx, &redis, test_pool, &conf), WF_EINVALID);
        ck_assert_ptr_null(redis);
    }
    ck_assert_ptr_nonnull(wf_redis_url_check(test_pool, NULL));
}
END_TEST

START_TEST(a_connection_authenticates_selects_and_names_itself)
{
    wf_redis_t *boss = connected(), *redis;
    wf_redis_conf_t conf = usual();
    const wf_redis_reply_t *r;

    ask(boss, "ACL", "SETUSER", "bob");
    {
        wf_redis_batch_t *batch = wf_redis_batch(test_ctx, boss);
        wf_redis_addv(batch, "ACL", "SETUSER", "bob", "on", ">s@cret", "~*", "+@all", NULL);
        ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    }
    conf.url = apr_psprintf(test_pool, "unix://bob:s%%40cret@%s?db=5", server.socket);
    redis = make(&conf);
    ck_assert_str_eq(ask(redis, "ACL", "WHOAMI", NULL)->text, "bob");
    ck_assert_str_eq(ask(redis, "CLIENT", "GETNAME", NULL)->text, "wflows");
    ask(redis, "SET", "in-five", "1");
    ck_assert_int_eq(ask(boss, "GET", "in-five", NULL)->type, WF_REDIS_NIL);

    conf.url = apr_psprintf(test_pool, "unix://bob:hunter2@%s", server.socket);
    redis = make(&conf);
    ck_assert_int_eq(say(&r, redis, "PING", NULL, NULL), WF_EUNAVAIL);
    ck_assert_ptr_null(r);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "WRONGPASS"));
    ck_assert_ptr_null(strstr(test_ctx->err.detail, "hunter2"));
    ask(boss, "ACL", "DELUSER", "bob");
}
END_TEST

/* ---- faults ------------------------------------------------------------------------------- */

START_TEST(a_server_that_is_not_there_is_refused_at_once_after_the_first_try)
{
    wf_redis_conf_t conf = usual();
    wf_redis_t *redis;
    const wf_redis_reply_t *r;
    apr_time_t started;

    conf.url = "redis://127.0.0.1:1";
    redis = make(&conf);
    ck_assert_int_eq(say(&r, redis, "PING", NULL, NULL), WF_EUNAVAIL);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "refused"));
    started = wf_monotonic();
    ck_assert_int_eq(say(&r, redis, "PING", NULL, NULL), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(50));
}
END_TEST

START_TEST(a_stalled_server_holds_no_thread_and_is_then_refused_at_once)
{
    wf_redis_t *redis = connected();
    const wf_redis_reply_t *r;
    apr_time_t started;
    wf_redis_stats_t stats;

    ask(redis, "PING", NULL, NULL);
    wf_test_server_signal(&server, SIGSTOP);
    started = wf_monotonic();
    ck_assert_int_eq(say(&r, redis, "PING", NULL, NULL), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(450));
    started = wf_monotonic();
    ck_assert_int_eq(say(&r, redis, "PING", NULL, NULL), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(300));
    started = wf_monotonic();
    ck_assert_int_eq(say(&r, redis, "PING", NULL, NULL), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(50));
    wf_test_server_signal(&server, SIGCONT);
    wf_redis_stats(&stats, redis);
    ck_assert_int_eq(stats.pool.breaker_open, 1);
    ck_assert_int_eq(stats.pool.open, 0);
    ck_assert_uint_eq(stats.failures, 3);
    apr_sleep(MS(310));
    ask(redis, "PING", NULL, NULL);
}
END_TEST

START_TEST(the_deadline_bounds_the_wait_and_a_passed_one_sends_nothing)
{
    wf_redis_t *redis = connected();
    const wf_redis_reply_t *r;
    apr_time_t started;

    ask(redis, "PING", NULL, NULL);
    test_ctx->deadline = apr_time_now() + MS(50);
    started = wf_monotonic();
    ck_assert_int_eq(say(&r, redis, "BLPOP", "nothing", "2"), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(150));
    ck_assert_int_eq(say(&r, redis, "INCR", "sent", NULL), WF_EUNAVAIL);
    test_ctx->deadline = 0;
    ck_assert_int_eq(ask(redis, "GET", "sent", NULL)->type, WF_REDIS_NIL);
}
END_TEST

START_TEST(a_restart_of_the_server_is_not_noticed_by_the_next_call)
{
    wf_redis_t *redis = connected();
    const wf_redis_reply_t *r;

    ask(redis, "SET", "k", "v");
    wf_test_server_stop(&server, SIGTERM);
    ck_assert(wf_test_redis_launch(&server));
    ck_assert_int_eq(ask(redis, "GET", "k", NULL)->type, WF_REDIS_NIL);
    wf_test_server_stop(&server, SIGKILL);
    ck_assert_int_eq(say(&r, redis, "PING", NULL, NULL), WF_EUNAVAIL);
    ck_assert(wf_test_redis_launch(&server));
    apr_sleep(MS(310));
    ask(redis, "PING", NULL, NULL);
}
END_TEST

START_TEST(a_connection_killed_by_the_operator_is_replaced_unseen)
{
    wf_redis_t *redis = connected(), *boss = connected();
    const char *id = apr_ltoa(test_pool, (long)ask(redis, "CLIENT", "ID", NULL)->n);
    wf_redis_batch_t *batch = wf_redis_batch(test_ctx, boss);

    wf_redis_addv(batch, "CLIENT", "KILL", "ID", id, NULL);
    ck_assert_int_eq(wf_redis_run(test_ctx, batch), WF_OK);
    ck_assert_int_eq(wf_redis_reply(batch, 0)->n, 1);
    ck_assert_str_ne(apr_ltoa(test_pool, (long)ask(redis, "CLIENT", "ID", NULL)->n), id);
}
END_TEST

/* ---- feed --------------------------------------------------------------------------------- */

static int lines;
static char last_line[256];

static void keep_line(wf_log_level_t level, const char *file, int line, const char *message,
                      void *baton)
{
    lines++;
    apr_cpystrn(last_line, message, sizeof(last_line));
}

static void feed_words(wf_redis_feed_t *feed, const char *a, const char *b, const char *c)
{
    const char *argv[] = {a, b, c};

    wf_redis_feed_add(feed, c ? 3 : 2, argv, NULL);
}

static void flush(wf_redis_feed_t *feed, wf_status_t expected)
{
    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(wf_redis_feed_flush(test_ctx, feed), expected);
}

static const char *wait_for(wf_redis_t *redis, const char *key)
{
    int i;

    for (i = 0; i < 100; i++) {
        const wf_redis_reply_t *r = ask(redis, "GET", key, NULL);

        if (r->type == WF_REDIS_TEXT) {
            return r->text;
        }
        apr_sleep(MS(10));
    }
    return "(nothing came)";
}

START_TEST(a_feed_delivers_without_waiting_and_reports_errors)
{
    wf_redis_conf_t conf = usual();
    wf_redis_t *redis = connected();
    wf_redis_feed_t *feed;
    int i;

    test_ctx->log = (wf_log_t){WF_LOG_WARNING, keep_line, NULL};
    ck_assert_int_eq(wf_redis_feed_make(test_ctx, &feed, test_pool, &conf), WF_OK);
    flush(feed, WF_OK);
    for (i = 0; i < 20000; i++) {
        feed_words(feed, "INCR", "n", NULL);
        if (i % 100 == 0) {
            flush(feed, WF_OK);
        }
    }
    feed_words(feed, "LPUSH", "n", "error");
    feed_words(feed, "SET", "end", "reached");
    /* What a full socket does not take goes out with later flushes. */
    for (i = 0; i < 200 && ask(redis, "GET", "end", NULL)->type == WF_REDIS_NIL; i++) {
        flush(feed, WF_OK);
        apr_sleep(MS(10));
    }
    ck_assert_str_eq(wait_for(redis, "end"), "reached");
    ck_assert_str_eq(ask(redis, "GET", "n", NULL)->text, "20000");
    flush(feed, WF_OK);
    ck_assert_int_eq(lines, 1);
    ck_assert_ptr_nonnull(strstr(last_line, "WRONGTYPE"));
}
END_TEST

START_TEST(a_feed_reads_replies_that_come_in_pieces)
{
    wf_redis_conf_t conf = usual();
    wf_redis_t *redis = connected();
    wf_redis_feed_t *feed;
    char *big = apr_pcalloc(test_pool, 300001);
    int i;

    memset(big, 'b', 300000);
    ask(redis, "SET", "big", big);
    test_ctx->log = (wf_log_t){WF_LOG_WARNING, keep_line, NULL};
    lines = 0;
    ck_assert_int_eq(wf_redis_feed_make(test_ctx, &feed, test_pool, &conf), WF_OK);
    for (i = 0; i < 50; i++) {
        feed_words(feed, "GET", "big", NULL);
        feed_words(feed, "LPUSH", "big", "error");
        flush(feed, WF_OK);
        apr_sleep(MS(i % 3));
    }
    feed_words(feed, "SET", "end", "reached");
    for (i = 0; i < 200 && ask(redis, "GET", "end", NULL)->type == WF_REDIS_NIL; i++) {
        flush(feed, WF_OK);
        apr_sleep(MS(10));
    }
    ck_assert_str_eq(wait_for(redis, "end"), "reached");
    ck_assert_int_ge(lines, 1);
    ck_assert_ptr_nonnull(strstr(last_line, "WRONGTYPE"));
}
END_TEST

START_TEST(a_feed_never_waits_for_a_stalled_server_and_gives_up_in_the_end)
{
    wf_redis_conf_t conf = usual();
    wf_redis_feed_t *feed;
    char *value = apr_pcalloc(test_pool, 10001);
    apr_time_t slowest = 0;
    int i, gave_up = 0;

    memset(value, 'v', 10000);
    conf.connect_timeout = conf.command_timeout = MS(5000);
    ck_assert_int_eq(wf_redis_feed_make(test_ctx, &feed, test_pool, &conf), WF_OK);
    feed_words(feed, "SET", "a", "1");
    flush(feed, WF_OK);
    wf_test_server_signal(&server, SIGSTOP);
    for (i = 0; i < 5000 && !gave_up; i++) {
        apr_time_t started = wf_monotonic();

        feed_words(feed, "SET", "a", value);
        wf_ctx_clear(test_ctx);
        gave_up = wf_redis_feed_flush(test_ctx, feed) != WF_OK;
        if (wf_monotonic() - started > slowest) {
            slowest = wf_monotonic() - started;
        }
    }
    wf_test_server_signal(&server, SIGCONT);
    ck_assert_int_eq(gave_up, 1);
    ck_assert_int_lt(slowest, MS(1000));
    flush(feed, WF_EUNAVAIL);
    apr_sleep(MS(310));
    feed_words(feed, "SET", "b", "again");
    flush(feed, WF_OK);
    ck_assert_str_eq(wait_for(connected(), "b"), "again");
}
END_TEST

START_TEST(a_feed_comes_back_after_a_restart_and_does_not_flood_the_log)
{
    wf_redis_conf_t conf = usual();
    wf_redis_feed_t *feed;
    int i;

    test_ctx->log = (wf_log_t){WF_LOG_WARNING, keep_line, NULL};
    ck_assert_int_eq(wf_redis_feed_make(test_ctx, &feed, test_pool, &conf), WF_OK);
    feed_words(feed, "SET", "a", "1");
    flush(feed, WF_OK);
    apr_sleep(MS(1010));
    wf_test_server_stop(&server, SIGTERM);
    ck_assert(wf_test_redis_launch(&server));
    feed_words(feed, "SET", "a", "2");
    flush(feed, WF_OK);
    ck_assert_str_eq(wait_for(connected(), "a"), "2");
    wf_test_server_stop(&server, SIGTERM);
    lines = 0;
    for (i = 0; i < 1000; i++) {
        feed_words(feed, "SET", "a", "3");
        flush(feed, WF_EUNAVAIL);
    }
    ck_assert_int_le(lines, 2);
    ck_assert(wf_test_redis_launch(&server));
    apr_sleep(MS(310));
    feed_words(feed, "SET", "a", "4");
    flush(feed, WF_OK);
    ck_assert_str_eq(wait_for(connected(), "a"), "4");
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------ */

typedef struct {
    wf_redis_t *redis;
    apr_pool_t *own;
    int number;
    int failures;
} worker_t;

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    worker_t *w = data;
    int i;

    for (i = 0; i < 300; i++) {
        apr_pool_t *pool;
        wf_ctx_t *ctx;
        wf_redis_batch_t *batch;
        const char *key, *value;

        apr_pool_create(&pool, w->own);
        ctx = wf_ctx_make(pool, NULL);
        key = apr_psprintf(pool, "t%d", w->number);
        value = apr_psprintf(pool, "%d.%d", w->number, i);
        batch = wf_redis_batch(ctx, w->redis);
        wf_redis_addv(batch, "SET", key, value, NULL);
        wf_redis_addv(batch, "GET", key, NULL);
        if (wf_redis_run(ctx, batch) != WF_OK ||
            strcmp(wf_redis_reply(batch, 1)->text, value) != 0) {
            w->failures++;
        }
        apr_pool_destroy(pool);
    }
    return NULL;
}

START_TEST(threads_share_the_connections_and_get_their_own_answers)
{
    enum { THREADS = 8 };
    wf_redis_conf_t conf = usual();
    wf_redis_t *redis;
    worker_t w[THREADS];
    apr_thread_t *threads[THREADS];
    wf_redis_stats_t stats;
    int i;

    conf.pool.acquire_timeout = MS(20000);
    conf.command_timeout = MS(5000);
    redis = make(&conf);
    for (i = 0; i < THREADS; i++) {
        w[i] = (worker_t){.redis = redis, .number = i};
        apr_pool_create(&w[i].own, NULL);
        ck_assert_int_eq(apr_thread_create(&threads[i], NULL, work, &w[i], w[i].own), APR_SUCCESS);
    }
    for (i = 0; i < THREADS; i++) {
        apr_status_t rv;

        apr_thread_join(&rv, threads[i]);
        ck_assert_int_eq(w[i].failures, 0);
        apr_pool_destroy(w[i].own);
    }
    wf_redis_stats(&stats, redis);
    ck_assert_uint_eq(stats.round_trips, THREADS * 300);
    ck_assert_int_le(stats.pool.open, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis");
    TCase *tc = wf_test_case(s, "redis");
    const char *reason;
    int result;

    tcase_add_checked_fixture(tc, flush_all, NULL);
    tcase_add_test(tc, a_batch_is_one_round_trip_and_answers_in_order);
    tcase_add_test(tc, big_values_and_long_batches_go_through);
    tcase_add_test(tc, arrays_within_arrays_keep_their_order);
    tcase_add_test(tc, a_script_is_loaded_when_the_server_does_not_know_it);
    tcase_add_test(tc, urls_are_checked_and_never_shown_with_their_password);
    tcase_add_test(tc, a_connection_authenticates_selects_and_names_itself);
    tcase_add_test(tc, a_server_that_is_not_there_is_refused_at_once_after_the_first_try);
    tcase_add_test(tc, a_stalled_server_holds_no_thread_and_is_then_refused_at_once);
    tcase_add_test(tc, the_deadline_bounds_the_wait_and_a_passed_one_sends_nothing);
    tcase_add_test(tc, a_restart_of_the_server_is_not_noticed_by_the_next_call);
    tcase_add_test(tc, a_connection_killed_by_the_operator_is_replaced_unseen);
    tcase_add_test(tc, a_feed_delivers_without_waiting_and_reports_errors);
    tcase_add_test(tc, a_feed_reads_replies_that_come_in_pieces);
    tcase_add_test(tc, a_feed_never_waits_for_a_stalled_server_and_gives_up_in_the_end);
    tcase_add_test(tc, a_feed_comes_back_after_a_restart_and_does_not_flood_the_log);
    tcase_add_test(tc, threads_share_the_connections_and_get_their_own_answers);

    apr_initialize();
    reason = wf_test_redis_start(&server);
    result = reason ? wf_test_skip("redis", reason) : wf_test_run(s);
    wf_test_redis_stop(&server);
    return result;
}
