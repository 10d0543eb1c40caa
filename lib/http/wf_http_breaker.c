#include "http/wf_http_int.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    char *endpoint; /* malloc: entries come and go for the life of the process */
    int failures;   /* in a row */
    int probing;
    apr_time_t failed_at;
    apr_time_t open_until; /* 0: closed */
} entry_t;

struct wf_http_breakers_t {
    int failures;
    apr_interval_time_t interval;
    apr_thread_mutex_t *lock;
    int count;
    entry_t entries[WF_HTTP_BREAKERS_MAX];
};

static apr_status_t free_entries(void *data)
{
    wf_http_breakers_t *breakers = data;

    while (breakers->count > 0) {
        free(breakers->entries[--breakers->count].endpoint);
    }
    return APR_SUCCESS;
}

wf_http_breakers_t *wf_http_breakers_make(apr_pool_t *pool, int failures,
                                          apr_interval_time_t interval)
{
    wf_http_breakers_t *breakers = apr_pcalloc(pool, sizeof(*breakers));

    breakers->failures = failures;
    breakers->interval = interval;
    if (apr_thread_mutex_create(&breakers->lock, APR_THREAD_MUTEX_UNNESTED, pool) != APR_SUCCESS) {
        return NULL;
    }
    apr_pool_cleanup_register(pool, breakers, free_entries, apr_pool_cleanup_null);
    return breakers;
}

/* In the good case nothing fails, so there is nothing to search. */
static entry_t *find(wf_http_breakers_t *breakers, const char *endpoint)
{
    int i;

    for (i = 0; i < breakers->count; i++) {
        if (strcmp(breakers->entries[i].endpoint, endpoint) == 0) {
            return &breakers->entries[i];
        }
    }
    return NULL;
}

static void forget(wf_http_breakers_t *breakers, entry_t *entry)
{
    free(entry->endpoint);
    *entry = breakers->entries[--breakers->count];
}

/* A new entry; NULL only for want of memory, and then the failure simply is not remembered. */
static entry_t *remember(wf_http_breakers_t *breakers, const char *endpoint)
{
    char *copy = strdup(endpoint);
    entry_t *entry;

    if (!copy) {
        return NULL;
    }
    if (breakers->count == WF_HTTP_BREAKERS_MAX) {
        entry_t *oldest = breakers->entries;
        int i;

        for (i = 1; i < breakers->count; i++) {
            if (breakers->entries[i].failed_at < oldest->failed_at) {
                oldest = &breakers->entries[i];
            }
        }
        forget(breakers, oldest);
    }
    entry = &breakers->entries[breakers->count++];
    memset(entry, 0, sizeof(*entry));
    entry->endpoint = copy;
    return entry;
}

int wf_http_breaker_enter(wf_http_breakers_t *breakers, const char *endpoint)
{
    entry_t *entry;
    int may = 1;

    apr_thread_mutex_lock(breakers->lock);
    entry = find(breakers, endpoint);
    if (entry && entry->open_until != 0) {
        may = !entry->probing && wf_monotonic() >= entry->open_until;
        entry->probing |= may;
    }
    apr_thread_mutex_unlock(breakers->lock);
    return may;
}

void wf_http_breaker_succeeded(wf_http_breakers_t *breakers, const char *endpoint)
{
    entry_t *entry;

    apr_thread_mutex_lock(breakers->lock);
    entry = find(breakers, endpoint);
    if (entry) {
        forget(breakers, entry);
    }
    apr_thread_mutex_unlock(breakers->lock);
}

void wf_http_breaker_failed(wf_http_breakers_t *breakers, const char *endpoint)
{
    entry_t *entry;

    if (breakers->failures <= 0) {
        return;
    }
    apr_thread_mutex_lock(breakers->lock);
    entry = find(breakers, endpoint);
    if (!entry) {
        entry = remember(breakers, endpoint);
    }
    if (entry) {
        entry->failed_at = wf_monotonic();
        entry->probing = 0;
        if (++entry->failures >= breakers->failures) {
            entry->open_until = entry->failed_at + breakers->interval;
        }
    }
    apr_thread_mutex_unlock(breakers->lock);
}

void wf_http_breaker_left(wf_http_breakers_t *breakers, const char *endpoint)
{
    entry_t *entry;

    apr_thread_mutex_lock(breakers->lock);
    entry = find(breakers, endpoint);
    if (entry) {
        entry->probing = 0;
    }
    apr_thread_mutex_unlock(breakers->lock);
}
