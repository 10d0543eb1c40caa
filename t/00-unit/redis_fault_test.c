/* What lib/redis does with a server that does not keep to the protocol. */
#include "wf_test.h"

#include "redis/wf_redis.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_thread_proc.h>

#define MS(n) apr_time_from_msec(n)

/* A server that greets properly and then answers each command with `said`, which may be half an
 * answer. */
typedef struct {
    int listener, served;
    const char *said;
    apr_thread_t *thread;
} liar_t;

static void lie(const liar_t *liar, int fd)
{
    char bytes[4096];
    ssize_t n;
    int greeted = 0;

    while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        const char *said = greeted ? liar->said : "+OK\r\n+PONG\r\n";

        greeted = 1;
        (void)send(fd, said, strlen(said), MSG_NOSIGNAL);
    }
}

static void *APR_THREAD_FUNC serve_lies(apr_thread_t *thread, void *data)
{
    liar_t *liar = data;
    int fd;

    while ((fd = accept(liar->listener, NULL, NULL)) >= 0) {
        liar->served++;
        lie(liar, fd);
        close(fd);
    }
    return NULL;
}

static wf_redis_t *start_liar(liar_t *liar)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    wf_redis_conf_t conf = {.connect_timeout = MS(2000),
                            .command_timeout = MS(100),
                            .pool = {.name = "Redis",
                                     .keep = 2,
                                     .max = 4,
                                     .acquire_timeout = MS(2000),
                                     .retry_interval = MS(300)}};
    wf_redis_t *redis;

    liar->listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(liar->listener, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(liar->listener, 8), 0);
    ck_assert_int_eq(getsockname(liar->listener, (struct sockaddr *)&at, &len), 0);
    ck_assert_int_eq(apr_thread_create(&liar->thread, NULL, serve_lies, liar, test_pool), 0);
    conf.url = apr_psprintf(test_pool, "redis://127.0.0.1:%d", ntohs(at.sin_port));
    ck_assert_int_eq(wf_redis_make(test_ctx, &redis, test_pool, &conf), WF_OK);
    return redis;
}

static void stop_liar(liar_t *liar)
{
    apr_status_t rv;

    shutdown(liar->listener, SHUT_RDWR);
    apr_thread_join(&rv, liar->thread);
    close(liar->listener);
}

static wf_status_t ping(const wf_redis_reply_t **reply, wf_redis_t *redis)
{
    wf_redis_batch_t *batch = wf_redis_batch(test_ctx, redis);
    int at = wf_redis_addv(batch, "PING", NULL);
    wf_status_t st;

    wf_ctx_clear(test_ctx);
    st = wf_redis_run(test_ctx, batch);
    *reply = wf_redis_reply(batch, at);
    return st;
}

START_TEST(a_reply_that_never_ends_or_asks_for_all_memory_costs_the_connection)
{
    static const char *const said[] = {
        "*2\r\n$3\r\nabc\r\n$9\r\nab",
        "*2000000000\r\n",
        "*1000000\r\n*1000000\r\n*1000000\r\n*1000000\r\n",
        "what is this?\r\n",
    };
    size_t i;

    for (i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        liar_t liar = {.said = said[i]};
        wf_redis_t *redis = start_liar(&liar);
        const wf_redis_reply_t *r;
        wf_redis_stats_t stats;

        ck_assert_int_eq(ping(&r, redis), WF_EUNAVAIL);
        ck_assert_ptr_null(r);
        wf_redis_stats(&stats, redis);
        ck_assert_int_eq(stats.pool.open, 0);
        stop_liar(&liar);
    }
}
END_TEST

/* Nothing, or a part and then nothing: the time of the whole batch is kept, and the caller's own too. */
START_TEST(a_server_that_stops_in_the_middle_costs_no_more_than_the_timeout)
{
    static const char *const said[] = {"", "*2\r\n$3\r\nabc\r\n$9\r\nab"};
    size_t i;

    for (i = 0; i < 2 * sizeof(said) / sizeof(said[0]); i++) {
        liar_t liar = {.said = said[i / 2]};
        wf_redis_t *redis = start_liar(&liar);
        apr_time_t began = wf_monotonic();
        apr_interval_time_t allowed = i % 2 ? MS(30) : MS(100), took;
        const wf_redis_reply_t *r;

        test_ctx->deadline = i % 2 ? wf_now(test_ctx) + allowed : 0;
        ck_assert_int_eq(ping(&r, redis), WF_EUNAVAIL);
        took = wf_monotonic() - began;
        test_ctx->deadline = 0;
        ck_assert_int_ge(took, allowed - MS(5));
        ck_assert_int_lt(took, allowed + MS(60));
        stop_liar(&liar);
    }
}
END_TEST

START_TEST(an_answer_nobody_asked_for_is_not_taken_for_the_next_one)
{
    liar_t liar = {.said = "+first\r\n+second\r\n"};
    wf_redis_t *redis = start_liar(&liar);
    const wf_redis_reply_t *r;
    wf_redis_stats_t stats;

    ck_assert_int_eq(ping(&r, redis), WF_OK);
    ck_assert_str_eq(r->text, "first");
    wf_redis_stats(&stats, redis);
    ck_assert_int_eq(stats.pool.open, 0);
    ck_assert_int_eq(ping(&r, redis), WF_OK);
    ck_assert_str_eq(r->text, "first");
    stop_liar(&liar);
    ck_assert_int_eq(liar.served, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis_fault");
    TCase *tc = wf_test_case(s, "redis_fault");

    tcase_add_test(tc, a_reply_that_never_ends_or_asks_for_all_memory_costs_the_connection);
    tcase_add_test(tc, a_server_that_stops_in_the_middle_costs_no_more_than_the_timeout);
    tcase_add_test(tc, an_answer_nobody_asked_for_is_not_taken_for_the_next_one);
    return wf_test_run(s);
}
