#include "redis/wf_redis_int.h"

#include <apr_sha1.h>

#include <string.h>

#define BATCH_MAX ((size_t)64 * 1024 * 1024)
/* A connection that was used this recently is taken for alive: when it is dead, the write tells. */
#define FRESH apr_time_from_sec(1)

typedef struct {
    size_t start, len; /* in the batch's bytes */
    const wf_redis_script_t *script;
} command_t;

struct wf_redis_batch_t {
    wf_redis_t *redis;
    wf_buf_t out;
    apr_array_header_t *commands; /* command_t */
    wf_redis_reply_t *replies;
    int has_run;
};

wf_status_t wf_redis_make(wf_ctx_t *ctx, wf_redis_t **out, apr_pool_t *pool,
                          const wf_redis_conf_t *conf)
{
    wf_pool_ops_t ops = {.open = wf_redis_conn_open, .close = wf_redis_conn_close};
    wf_redis_t *redis = apr_pcalloc(pool, sizeof(*redis));
    const char *fault = wf_redis_url_parse(pool, &redis->url, conf->url);
    wf_status_t st;

    *out = NULL;
    if (fault) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0098) "Redis URL: %s", fault);
    }
    if (conf->connect_timeout <= 0 || conf->command_timeout <= 0) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0099) "Redis: a timeout is not set");
    }
    redis->conf = *conf;
    redis->conf.url = NULL;
    wf_redis_hello_make(&redis->hello, pool, &redis->url);
    ops.baton = redis;
    st = wf_pool_make(ctx, &redis->pool, pool, &conf->pool, &ops);
    if (st == WF_OK) {
        *out = redis;
    }
    return st;
}

void wf_redis_stats(wf_redis_stats_t *out, wf_redis_t *redis)
{
    wf_pool_stats(&out->pool, redis->pool);
    out->round_trips = redis->round_trips;
    out->failures = redis->failures;
}

void wf_redis_script_init(wf_redis_script_t *script)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[APR_SHA1_DIGESTSIZE];
    apr_sha1_ctx_t sha1;
    size_t i;

    apr_sha1_init(&sha1);
    apr_sha1_update_binary(&sha1, (const unsigned char *)script->text,
                           (unsigned int)strlen(script->text));
    apr_sha1_final(sum, &sha1);
    for (i = 0; i < sizeof(sum); i++) {
        script->sha1[2 * i] = digits[sum[i] >> 4];
        script->sha1[2 * i + 1] = digits[sum[i] & 15];
    }
    script->sha1[2 * sizeof(sum)] = '\0';
}

/* ---- building a batch --------------------------------------------------------------------- */

wf_redis_batch_t *wf_redis_batch(wf_ctx_t *ctx, wf_redis_t *redis)
{
    wf_redis_batch_t *batch = apr_pcalloc(ctx->pool, sizeof(*batch));

    batch->redis = redis;
    wf_buf_init(&batch->out, ctx->pool, 1024, BATCH_MAX);
    batch->commands = apr_array_make(ctx->pool, 8, sizeof(command_t));
    return batch;
}

static int add(wf_redis_batch_t *batch, const wf_redis_script_t *script, int argc,
               const char *const *argv, const size_t *lens)
{
    size_t size = wf_redis_command_size(argc, argv, lens);
    char *to = wf_buf_reserve(&batch->out, size);
    command_t *command = apr_array_push(batch->commands);

    *command = (command_t){.start = batch->out.len, .len = size, .script = script};
    if (to) {
        wf_redis_command_write(to, argc, argv, lens);
        batch->out.len += size;
    }
    return batch->commands->nelts - 1;
}

int wf_redis_add(wf_redis_batch_t *batch, int argc, const char *const *argv, const size_t *lens)
{
    return add(batch, NULL, argc, argv, lens);
}

int wf_redis_addv(wf_redis_batch_t *batch, ...)
{
    apr_array_header_t *words = apr_array_make(batch->out.pool, 8, sizeof(const char *));
    const char *word;
    va_list ap;

    va_start(ap, batch);
    while ((word = va_arg(ap, const char *)) != NULL) {
        APR_ARRAY_PUSH(words, const char *) = word;
    }
    va_end(ap);
    return add(batch, NULL, words->nelts, (const char *const *)words->elts, NULL);
}

int wf_redis_add_script(wf_redis_batch_t *batch, const wf_redis_script_t *script, int keys,
                        int argc, const char *const *argv, const size_t *lens)
{
    const char **words = apr_palloc(batch->out.pool, (size_t)(argc + 3) * sizeof(*words));
    size_t *sizes = apr_palloc(batch->out.pool, (size_t)(argc + 3) * sizeof(*sizes));
    int i;

    words[0] = "EVALSHA";
    words[1] = script->sha1;
    words[2] = apr_itoa(batch->out.pool, keys);
    for (i = 0; i < argc + 3; i++) {
        if (i >= 3) {
            words[i] = argv[i - 3];
        }
        sizes[i] = i >= 3 && lens ? lens[i - 3] : strlen(words[i]);
    }
    return add(batch, script, argc + 3, words, sizes);
}

/* ---- running it --------------------------------------------------------------------------- */

static int begins_with(const wf_redis_reply_t *reply, const char *word)
{
    return reply->is_error && strncmp(reply->text, word, strlen(word)) == 0;
}

/* Errors that say nothing about the command but all about the server. */
static int is_outage(const wf_redis_reply_t *reply)
{
    static const char *const words[] = {"LOADING ", "READONLY ", "MASTERDOWN ", "NOAUTH ",
                                        "CLUSTERDOWN "};
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (begins_with(reply, words[i])) {
            return 1;
        }
    }
    return 0;
}

/* One write and `count` replies. What is on its way, and how it went. */
typedef struct {
    wf_redis_conn_t *conn;
    apr_time_t started, end;
    size_t sent;
} trip_t;

static wf_status_t fail_trip(wf_ctx_t *ctx, wf_redis_t *redis, const trip_t *trip,
                             wf_redis_outcome_t got)
{
    apr_interval_time_t waited = wf_monotonic() - trip->started;

    if (got == WF_REDIS_LOST) {
        redis->lost_at = wf_monotonic();
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0100) "Redis: connection lost%s%s",
                       trip->conn->redis->err ? ": " : "", trip->conn->redis->errstr);
    }
    /* The deadline of one request may be near; that alone does not make the server suspect. */
    if (waited >= redis->conf.command_timeout || waited >= WF_POOL_STALL_MIN) {
        wf_pool_suspect(redis->pool);
    }
    return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0101) "Redis: no answer within %d ms",
                   (int)apr_time_as_msec(waited));
}

static wf_status_t travel(wf_ctx_t *ctx, wf_redis_reply_t *replies, wf_redis_t *redis, trip_t *trip,
                          const char *data, size_t len, int count)
{
    wf_redis_outcome_t got = wf_redis_send(&trip->sent, trip->conn, data, len, trip->end);
    int i;

    for (i = 0; i < count && got == WF_REDIS_DONE; i++) {
        got = wf_redis_receive(&replies[i], trip->conn, ctx->pool, trip->end);
    }
    if (got != WF_REDIS_DONE) {
        return fail_trip(ctx, redis, trip, got);
    }
    redis->round_trips++;
    for (i = 0; i < count; i++) {
        if (is_outage(&replies[i])) {
            return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0102) "Redis is not ready: %s",
                           replies[i].text);
        }
    }
    return WF_OK;
}

/* The server has forgotten (or never seen) some scripts: loads each, then runs those commands
 * again. */
static wf_status_t rerun_scripts(wf_ctx_t *ctx, wf_redis_batch_t *batch, trip_t *trip)
{
    const command_t *commands = (const command_t *)batch->commands->elts;
    int count = batch->commands->nelts, missing = 0, n = 0, i;
    int *which = apr_palloc(ctx->pool, (size_t)count * sizeof(*which));
    wf_redis_reply_t *replies;
    wf_status_t st;
    wf_buf_t out;

    for (i = 0; i < count; i++) {
        if (commands[i].script && begins_with(&batch->replies[i], "NOSCRIPT")) {
            which[missing++] = i;
        }
    }
    if (missing == 0) {
        return WF_OK;
    }
    wf_buf_init(&out, ctx->pool, 8192, BATCH_MAX);
    replies = apr_palloc(ctx->pool, 2 * (size_t)missing * sizeof(*replies));
    for (i = 0; i < missing; i++) {
        const command_t *command = &commands[which[i]];
        const char *load[] = {"SCRIPT", "LOAD", command->script->text};
        size_t size = wf_redis_command_size(3, load, NULL);
        char *to = wf_buf_reserve(&out, size);

        if (to) {
            wf_redis_command_write(to, 3, load, NULL);
            out.len += size;
        }
        wf_buf_add(&out, batch->out.data + command->start, command->len);
        n += 2;
    }
    if (out.failed) {
        return wf_fail(ctx, WF_ELIMIT, WFLOGNO(0103) "Redis: too many scripts to load at once");
    }
    st = travel(ctx, replies, batch->redis, trip, out.data, out.len, n);
    for (i = 0; i < missing && st == WF_OK; i++) {
        /* A script that does not compile fails at LOAD: that error is the one to show. */
        batch->replies[which[i]] = replies[2 * i].is_error ? replies[2 * i] : replies[2 * i + 1];
    }
    return st;
}

/* One that died has company (the server was restarted), so none used before it is trusted. */
static int is_trusted(const wf_redis_t *redis, const wf_redis_conn_t *conn)
{
    return conn->used > redis->lost_at && wf_monotonic() - conn->used < FRESH;
}

/* A live one: those that died while idle (the server was restarted) are replaced unseen. */
static wf_status_t acquire(wf_ctx_t *ctx, wf_redis_conn_t **out, wf_redis_t *redis)
{
    for (;;) {
        void *resource;
        int fresh;
        wf_status_t st = wf_pool_acquire(ctx, &resource, &fresh, redis->pool);

        *out = resource;
        if (st != WF_OK || fresh || is_trusted(redis, *out) || wf_redis_conn_is_alive(*out)) {
            return st;
        }
        wf_log(ctx, WF_LOG_INFO, WFLOGNO(0104) "Redis closed an idle connection; it is replaced");
        wf_pool_release(redis->pool, resource, 1);
    }
}

/* *unsent: the connection was dead before a byte went out, so the batch may go by another. */
static wf_status_t run_once(wf_ctx_t *ctx, int *unsent, wf_redis_batch_t *batch)
{
    wf_redis_t *redis = batch->redis;
    trip_t trip = {.started = 0};
    wf_status_t st;

    *unsent = 0;
    if (wf_time_left(ctx, 1) == 0) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0106) "Redis: no time left");
    }
    if ((st = acquire(ctx, &trip.conn, redis)) != WF_OK) {
        return st;
    }
    trip.started = trip.conn->used = wf_monotonic();
    trip.end = trip.started + wf_time_left(ctx, redis->conf.command_timeout);
    st = travel(ctx, batch->replies, redis, &trip, batch->out.data, batch->out.len,
                batch->commands->nelts);
    *unsent = st != WF_OK && trip.sent == 0;
    if (st == WF_OK) {
        st = rerun_scripts(ctx, batch, &trip);
    }
    /* A failure may have left a reply half read, with pointers into this batch's pool. */
    wf_pool_release(redis->pool, trip.conn, st != WF_OK || !wf_redis_conn_is_settled(trip.conn));
    return st;
}

wf_status_t wf_redis_run(wf_ctx_t *ctx, wf_redis_batch_t *batch)
{
    wf_err_t before = ctx->err;
    int unsent;
    wf_status_t st;

    if (batch->out.failed) {
        return wf_fail(ctx, WF_ELIMIT, WFLOGNO(0105) "Redis: a batch of more than %d MiB",
                       (int)(BATCH_MAX >> 20));
    }
    if (batch->commands->nelts == 0) {
        return WF_OK;
    }
    batch->replies =
        apr_pcalloc(ctx->pool, (size_t)batch->commands->nelts * sizeof(wf_redis_reply_t));
    st = run_once(ctx, &unsent, batch);
    if (st != WF_OK && unsent) {
        ctx->err = before;
        st = run_once(ctx, &unsent, batch);
    }
    batch->has_run = st == WF_OK;
    if (st != WF_OK) {
        batch->redis->failures++;
    }
    return st;
}

const wf_redis_reply_t *wf_redis_reply(const wf_redis_batch_t *batch, int index)
{
    return batch->has_run && index >= 0 && index < batch->commands->nelts ? &batch->replies[index]
                                                                          : NULL;
}
