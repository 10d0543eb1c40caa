#include "pool/wf_pool.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

#include <string.h>

/* How many resources one call closes on the way; the rest is left to the next call. */
#define DOOMED_MAX 8
#define REASON_MAX 320

typedef enum { SLOT_FREE, SLOT_OPENING, SLOT_ON_LOAN, SLOT_IDLE, SLOT_CLOSING } slot_state_t;

typedef struct {
    void *resource;
    slot_state_t state;
    apr_time_t expires; /* 0: never */
    apr_time_t idle_since;
} slot_t;

typedef enum {
    BREAKER_CLOSED,
    BREAKER_SUSPECT, /* one probes, the others wait for it */
    BREAKER_OPEN     /* all are refused; from retry_at on, but for one who probes */
} breaker_t;

struct wf_pool_t {
    wf_pool_conf_t conf;
    wf_pool_ops_t ops;
    apr_thread_mutex_t *lock; /* guards everything below; never held while opening or closing */
    apr_thread_cond_t *changed;
    slot_t *slots;
    int *idle; /* numbers of idle slots; the last is the most recently used */
    int idle_count;
    int open_count; /* slots not free */
    int waiting;
    breaker_t breaker;
    int probing;
    apr_time_t retry_at;
    apr_time_t full_until; /* the server said it takes no more connections */
    char reason[REASON_MAX];
    apr_time_t complained;
    uint64_t unsaid;
    uint64_t acquired, opened, timeouts, failures;
};

typedef struct {
    int slots[DOOMED_MAX];
    int count;
} doomed_t;

typedef enum { CLAIM_IDLE, CLAIM_OPEN, CLAIM_PROBE, CLAIM_WAIT, CLAIM_REFUSED } claim_t;

static void lock(wf_pool_t *pool)
{
    apr_thread_mutex_lock(pool->lock);
}

static void unlock(wf_pool_t *pool)
{
    apr_thread_mutex_unlock(pool->lock);
}

static apr_status_t close_idle(void *data)
{
    wf_pool_t *pool = data;

    while (pool->idle_count > 0) {
        slot_t *slot = &pool->slots[pool->idle[--pool->idle_count]];
        pool->ops.close(slot->resource, pool->ops.baton);
        slot->state = SLOT_FREE;
    }
    return APR_SUCCESS;
}

wf_status_t wf_pool_make(wf_ctx_t *ctx, wf_pool_t **out, apr_pool_t *pool,
                         const wf_pool_conf_t *conf, const wf_pool_ops_t *ops)
{
    wf_pool_t *made;
    apr_status_t rv;

    *out = NULL;
    if (conf->max < 1 || conf->keep < 0) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0050) "%s: a pool of %d, keeping %d, is none",
                       conf->name, conf->max, conf->keep);
    }
    made = apr_pcalloc(pool, sizeof(*made));
    made->conf = *conf;
    made->conf.name = apr_pstrdup(pool, conf->name);
    made->ops = *ops;
    made->slots = apr_pcalloc(pool, (size_t)conf->max * sizeof(*made->slots));
    made->idle = apr_pcalloc(pool, (size_t)conf->max * sizeof(*made->idle));
    rv = apr_thread_mutex_create(&made->lock, APR_THREAD_MUTEX_UNNESTED, pool);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&made->changed, pool);
    }
    if (rv != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0051) "%s: no lock for the pool: %d", conf->name,
                       rv);
    }
    /* After the lock's own cleanup, so that it runs before it. */
    apr_pool_cleanup_register(pool, made, close_idle, apr_pool_cleanup_null);
    *out = made;
    return WF_OK;
}

/* Spread, so that connections opened together do not all end together. */
static apr_time_t expiry(const wf_pool_t *pool, apr_time_t now)
{
    uint32_t chance = 0;

    if (pool->conf.lifetime <= 0) {
        return 0;
    }
    (void)apr_generate_random_bytes((unsigned char *)&chance, sizeof(chance));
    return now + pool->conf.lifetime - pool->conf.lifetime / 10 * (chance % 1000) / 1000;
}

static int has_expired(const slot_t *slot, apr_time_t now)
{
    return slot->expires != 0 && now >= slot->expires;
}

static int doom(wf_pool_t *pool, doomed_t *doomed, int number)
{
    if (doomed->count == DOOMED_MAX) {
        return 0;
    }
    pool->slots[number].state = SLOT_CLOSING;
    doomed->slots[doomed->count++] = number;
    return 1;
}

/* A slot counts as open until its resource is really closed, so that `max` is never exceeded. */
static void close_doomed(wf_pool_t *pool, doomed_t *doomed)
{
    int i;

    for (i = 0; i < doomed->count; i++) {
        slot_t *slot = &pool->slots[doomed->slots[i]];

        pool->ops.close(slot->resource, pool->ops.baton);
        lock(pool);
        slot->resource = NULL;
        slot->state = SLOT_FREE;
        pool->open_count--;
        apr_thread_cond_signal(pool->changed);
        unlock(pool);
    }
    doomed->count = 0;
}

/* Those beyond `keep` that nobody needed for idle_ttl; the oldest stand first. */
static void reap(wf_pool_t *pool, doomed_t *doomed, apr_time_t now)
{
    while (pool->conf.idle_ttl > 0 && pool->idle_count > pool->conf.keep &&
           now - pool->slots[pool->idle[0]].idle_since >= pool->conf.idle_ttl &&
           doom(pool, doomed, pool->idle[0])) {
        pool->idle_count--;
        memmove(pool->idle, pool->idle + 1, (size_t)pool->idle_count * sizeof(*pool->idle));
    }
}

static slot_t *new_slot(wf_pool_t *pool)
{
    slot_t *slot = pool->slots;

    while (slot->state != SLOT_FREE) {
        slot++;
    }
    memset(slot, 0, sizeof(*slot));
    slot->state = SLOT_OPENING;
    pool->open_count++;
    return slot;
}

static int refuses(const wf_pool_t *pool, apr_time_t now)
{
    return pool->breaker == BREAKER_OPEN && (pool->probing || now < pool->retry_at);
}

/* What this caller may do now. Under the lock. */
static claim_t claim(slot_t **slot, wf_pool_t *pool, doomed_t *doomed, apr_time_t now)
{
    if (refuses(pool, now)) {
        return CLAIM_REFUSED;
    }
    if (pool->breaker != BREAKER_CLOSED) {
        if (pool->probing) {
            return CLAIM_WAIT;
        }
        /* An old connection proves nothing: make room for a new one. */
        if (pool->open_count == pool->conf.max) {
            if (pool->idle_count > 0 && doom(pool, doomed, pool->idle[pool->idle_count - 1])) {
                pool->idle_count--;
            }
            return CLAIM_WAIT;
        }
        pool->probing = 1;
        *slot = new_slot(pool);
        return CLAIM_PROBE;
    }
    while (pool->idle_count > 0) {
        int number = pool->idle[--pool->idle_count];

        *slot = &pool->slots[number];
        if (!has_expired(*slot, now) || !doom(pool, doomed, number)) {
            (*slot)->state = SLOT_ON_LOAN;
            return CLAIM_IDLE;
        }
    }
    if (pool->open_count == 0 || (pool->open_count < pool->conf.max && now >= pool->full_until)) {
        *slot = new_slot(pool);
        return CLAIM_OPEN;
    }
    return CLAIM_WAIT;
}

/* Fails with WF_EUNAVAIL. While a server is down every request comes here: one line a second is
 * logged. */
static wf_status_t complain(wf_ctx_t *ctx, wf_pool_t *pool, const char *what)
{
    wf_log_t log = ctx->log;
    apr_time_t now = wf_monotonic();
    uint64_t unsaid;
    int say;

    lock(pool);
    say = pool->complained == 0 || now - pool->complained >= APR_USEC_PER_SEC;
    unsaid = say ? pool->unsaid : 0;
    if (say) {
        pool->complained = now;
        pool->unsaid = 0;
    } else {
        pool->unsaid++;
        ctx->log.fn = NULL;
    }
    unlock(pool);
    if (unsaid > 0) {
        what = apr_psprintf(ctx->pool, "%s (and %" APR_UINT64_T_FMT " times more)", what, unsaid);
    }
    (void)wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0052) "%s: %s", pool->conf.name, what);
    ctx->log = log;
    return WF_EUNAVAIL;
}

static wf_status_t refuse(wf_ctx_t *ctx, wf_pool_t *pool)
{
    char reason[REASON_MAX];
    apr_interval_time_t left;

    lock(pool);
    memcpy(reason, pool->reason, sizeof(reason));
    left = pool->retry_at - wf_monotonic();
    unlock(pool);
    return complain(ctx, pool,
                    apr_psprintf(ctx->pool, "not tried for another %d ms after: %s",
                                 (int)apr_time_as_msec(left > 0 ? left : 0), reason));
}

/* Waits for a claim other than CLAIM_WAIT; CLAIM_WAIT when the time is over. */
static claim_t wait_for_claim(slot_t **slot, wf_pool_t *pool, apr_time_t end)
{
    doomed_t doomed = {.count = 0};
    claim_t got;

    lock(pool);
    for (;;) {
        apr_time_t now = wf_monotonic();

        got = claim(slot, pool, &doomed, now);
        if (doomed.count > 0) {
            unlock(pool);
            close_doomed(pool, &doomed);
            lock(pool);
            if (got == CLAIM_WAIT) {
                continue;
            }
        }
        if (got != CLAIM_WAIT || now >= end) {
            break;
        }
        pool->waiting++;
        apr_thread_cond_timedwait(pool->changed, pool->lock, end - now);
        pool->waiting--;
    }
    if (got == CLAIM_WAIT) {
        pool->timeouts++;
    } else if (got == CLAIM_IDLE) {
        pool->acquired++;
    }
    unlock(pool);
    return got;
}

static void note_opened(wf_pool_t *pool, slot_t *slot, void *resource, apr_time_t now)
{
    lock(pool);
    slot->resource = resource;
    slot->state = SLOT_ON_LOAN;
    slot->expires = expiry(pool, now);
    pool->opened++;
    pool->acquired++;
    /* Whoever opened it, the server lives. */
    if (pool->breaker != BREAKER_CLOSED) {
        pool->breaker = BREAKER_CLOSED;
        apr_thread_cond_broadcast(pool->changed);
    }
    unlock(pool);
}

/* Returns 1 if the server is full but others are open: wait for one of them. */
static int note_failed(wf_ctx_t *ctx, wf_pool_t *pool, slot_t *slot, wf_status_t st,
                       apr_time_t started)
{
    apr_time_t now = wf_monotonic();
    /* Cut short by the caller's own deadline: that says nothing about the server. */
    int unproven = wf_time_left(ctx, 1) == 0 && now - started < WF_POOL_STALL_MIN;
    int full;

    lock(pool);
    slot->state = SLOT_FREE;
    pool->open_count--;
    pool->failures++;
    full = st == WF_ELIMIT && pool->open_count > 0;
    if (full) {
        pool->full_until = now + pool->conf.retry_interval;
        pool->breaker = BREAKER_CLOSED;
    } else if (!unproven) {
        pool->breaker = BREAKER_OPEN;
        pool->retry_at = now + pool->conf.retry_interval;
        apr_cpystrn(pool->reason, ctx->err.detail ? ctx->err.detail : wf_status_name(st),
                    sizeof(pool->reason));
    }
    apr_thread_cond_broadcast(pool->changed);
    unlock(pool);
    return full;
}

static wf_status_t open_claimed(wf_ctx_t *ctx, void **resource, wf_pool_t *pool, slot_t *slot,
                                int is_probe, int *full)
{
    wf_err_t before = ctx->err;
    apr_time_t started = wf_monotonic();
    void *opened = NULL;
    wf_status_t st;

    wf_ctx_clear(ctx);
    st = pool->ops.open(ctx, &opened, pool->ops.baton);
    if (st == WF_OK) {
        note_opened(pool, slot, opened, wf_monotonic());
        *resource = opened;
    } else {
        *full = note_failed(ctx, pool, slot, st, started);
    }
    if (is_probe) {
        lock(pool);
        pool->probing = 0;
        apr_thread_cond_broadcast(pool->changed);
        unlock(pool);
    }
    if (st == WF_ELIMIT) {
        st = WF_EUNAVAIL;
        ctx->err.status = st;
    }
    if (before.status != WF_OK || st == WF_OK || *full) {
        ctx->err = before;
    }
    return st;
}

wf_status_t wf_pool_acquire(wf_ctx_t *ctx, void **resource, int *fresh, wf_pool_t *pool)
{
    apr_time_t end = wf_monotonic() + wf_time_left(ctx, pool->conf.acquire_timeout);
    slot_t *slot = NULL;
    wf_status_t st;
    claim_t got;
    int full;

    *resource = NULL;
    if (fresh) {
        *fresh = 0;
    }
    do {
        full = 0;
        got = wait_for_claim(&slot, pool, end);
        switch (got) {
        case CLAIM_IDLE:
            *resource = slot->resource;
            return WF_OK;
        case CLAIM_REFUSED:
            return refuse(ctx, pool);
        case CLAIM_WAIT:
            return complain(ctx, pool,
                            apr_psprintf(ctx->pool, "none of %d free in time", pool->conf.max));
        default:
            st = open_claimed(ctx, resource, pool, slot, got == CLAIM_PROBE, &full);
        }
    } while (full);
    if (fresh) {
        *fresh = st == WF_OK;
    }
    return st;
}

static int find_on_loan(const wf_pool_t *pool, const void *resource)
{
    int i;

    for (i = 0; i < pool->conf.max; i++) {
        if (pool->slots[i].state == SLOT_ON_LOAN && pool->slots[i].resource == resource) {
            return i;
        }
    }
    return -1;
}

void wf_pool_release(wf_pool_t *pool, void *resource, int broken)
{
    doomed_t doomed = {.count = 0};
    apr_time_t now = wf_monotonic();
    int number;

    lock(pool);
    number = find_on_loan(pool, resource);
    if (number >= 0) {
        slot_t *slot = &pool->slots[number];

        if (broken || has_expired(slot, now)) {
            (void)doom(pool, &doomed, number);
        } else {
            slot->state = SLOT_IDLE;
            slot->idle_since = now;
            pool->idle[pool->idle_count++] = number;
            apr_thread_cond_signal(pool->changed);
        }
    }
    reap(pool, &doomed, now);
    unlock(pool);
    close_doomed(pool, &doomed);
}

void wf_pool_suspect(wf_pool_t *pool)
{
    doomed_t doomed = {.count = 0};
    int left;

    lock(pool);
    if (pool->breaker == BREAKER_CLOSED) {
        pool->breaker = BREAKER_SUSPECT;
    }
    unlock(pool);
    do {
        lock(pool);
        while (pool->idle_count > 0 && doom(pool, &doomed, pool->idle[pool->idle_count - 1])) {
            pool->idle_count--;
        }
        left = pool->idle_count;
        unlock(pool);
        close_doomed(pool, &doomed);
    } while (left > 0);
}

void wf_pool_stats(wf_pool_stats_t *out, wf_pool_t *pool)
{
    lock(pool);
    out->open = pool->open_count;
    out->idle = pool->idle_count;
    out->waiting = pool->waiting;
    out->max = pool->conf.max;
    out->breaker_open = refuses(pool, wf_monotonic());
    out->acquired = pool->acquired;
    out->opened = pool->opened;
    out->timeouts = pool->timeouts;
    out->failures = pool->failures;
    unlock(pool);
}
