#include "redis/wf_redis_int.h"

#include <string.h>

/* hiredis parses and calls these for each object it finds. They build it where it belongs, in the
 * caller's pool: hiredis' own would allocate and free each one, and its text be copied twice. */

/* Larger than any buffer a usual answer needs; with hiredis' 16 KiB it is freed after each. */
#define KEPT_BUFFER_MAX ((size_t)128 * 1024)

/* A server that announces more than it could send shall not have memory for it: NULL. */
static void *take(wf_redis_maker_t *maker, size_t size)
{
    if (size > maker->left) {
        return NULL;
    }
    maker->left -= size;
    return apr_palloc(maker->pool, size);
}

static wf_redis_reply_t *place(const redisReadTask *task)
{
    const wf_redis_maker_t *maker = task->privdata;
    wf_redis_reply_t *parent = task->parent ? task->parent->obj : NULL;

    return parent ? &parent->items[task->idx] : maker->root;
}

static void *make_text(const redisReadTask *task, char *text, size_t len)
{
    char *copy = take(task->privdata, len + 1);
    wf_redis_reply_t *reply = place(task);

    if (!copy) {
        return NULL;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    *reply = (wf_redis_reply_t){.type = WF_REDIS_TEXT,
                                .is_error = task->type == REDIS_REPLY_ERROR,
                                .text = copy,
                                .len = len};
    return reply;
}

static void *make_items(const redisReadTask *task, size_t count)
{
    wf_redis_reply_t *reply = place(task), *items;

    if (count >= WF_REDIS_REPLY_MAX / sizeof(*items)) {
        return NULL;
    }
    items = take(task->privdata, (count + 1) * sizeof(*items));
    if (!items) {
        return NULL;
    }
    *reply = (wf_redis_reply_t){.type = WF_REDIS_ARRAY, .items = items, .count = count};
    return reply;
}

static void *make_integer(const redisReadTask *task, long long n)
{
    wf_redis_reply_t *reply = place(task);

    *reply = (wf_redis_reply_t){.type = WF_REDIS_INT, .n = n};
    return reply;
}

static void *make_nil(const redisReadTask *task)
{
    wf_redis_reply_t *reply = place(task);

    *reply = (wf_redis_reply_t){.type = WF_REDIS_NIL};
    return reply;
}

/* The pool does. */
static void free_nothing(void *object)
{
}

/* RESP3, which is never asked for, but what a server sends all the same must not stay unset. */
#if HIREDIS_MAJOR >= 1
static void *make_array(const redisReadTask *task, size_t count)
{
    return make_items(task, count);
}

static void *make_double(const redisReadTask *task, double value, char *text, size_t len)
{
    return make_text(task, text, len);
}

static void *make_bool(const redisReadTask *task, int value)
{
    return make_integer(task, value);
}
#else
static void *make_array(const redisReadTask *task, int count)
{
    return count < 0 ? NULL : make_items(task, (size_t)count);
}
#endif

static const redisReplyObjectFunctions functions = {
    .createString = make_text,
    .createArray = make_array,
    .createInteger = make_integer,
    .createNil = make_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = make_double,
    .createBool = make_bool,
#endif
    .freeObject = free_nothing,
};

void wf_redis_reader_prepare(redisReader *reader)
{
    reader->fn = (redisReplyObjectFunctions *)&functions; /* hiredis only calls them */
    reader->maxbuf = KEPT_BUFFER_MAX;
}

int wf_redis_read_reply(redisContext *redis, wf_redis_maker_t *maker)
{
    void *reply = NULL;

    redis->reader->privdata = maker;
    if (redisGetReplyFromReader(redis, &reply) != REDIS_OK) {
        return -1;
    }
    return reply != NULL;
}
