#include "crypto/wf_rsa_int.h"

#include <pthread.h>
#include <string.h>

/* The fingerprint picks a small set of slots, and within the set the key that was used longest ago
 * makes room. 10,000 keys in evenly mixed use and 16,384 slots: with one slot per fingerprint one
 * look-up in four would miss (700 microseconds more), with sets of eight one in 44, with sets of
 * sixteen one in 170. */
#define WAYS 16

typedef struct {
    unsigned char fingerprint[WF_SHA256_LEN];
    wf_rsa_key_t *key; /* NULL: free */
    uint64_t used;     /* of the set's clock */
} slot_t;

typedef struct {
    pthread_mutex_t lock;
    uint64_t clock;
    slot_t slots[WAYS];
} set_t;

struct wf_rsa_cache_t {
    set_t *sets;
    size_t mask; /* number of sets, a power of two, minus one */
};

static apr_status_t empty_cache(void *baton)
{
    wf_rsa_cache_t *cache = baton;
    size_t i, j;

    for (i = 0; i <= cache->mask; i++) {
        for (j = 0; j < WAYS; j++) {
            if (cache->sets[i].slots[j].key) {
                wf_rsa_key_release(cache->sets[i].slots[j].key);
            }
        }
        pthread_mutex_destroy(&cache->sets[i].lock);
    }
    return APR_SUCCESS;
}

wf_status_t wf_rsa_cache_make(wf_ctx_t *ctx, wf_rsa_cache_t **out, apr_pool_t *pool, int slots)
{
    wf_rsa_cache_t *cache = apr_pcalloc(pool, sizeof(*cache));
    size_t sets = 1, i;

    *out = NULL;
    while (sets * WAYS < (size_t)(slots < 1 ? 1 : slots)) {
        sets *= 2;
    }
    cache->sets = apr_pcalloc(pool, sets * sizeof(*cache->sets));
    cache->mask = sets - 1;
    for (i = 0; i < sets; i++) {
        pthread_mutex_init(&cache->sets[i].lock, NULL); /* the default kind cannot fail */
    }
    apr_pool_cleanup_register(pool, cache, empty_cache, apr_pool_cleanup_null);
    *out = cache;
    return WF_OK;
}

/* A fingerprint is a hash: any of its bytes spread the keys evenly. */
static set_t *set_of(wf_rsa_cache_t *cache, const unsigned char fingerprint[WF_SHA256_LEN])
{
    uint32_t bits;

    memcpy(&bits, fingerprint, sizeof(bits));
    return &cache->sets[bits & cache->mask];
}

/* The slot that holds the fingerprint, or NULL. */
static slot_t *find_slot(set_t *set, const unsigned char fingerprint[WF_SHA256_LEN])
{
    int i;

    for (i = 0; i < WAYS; i++) {
        slot_t *slot = &set->slots[i];
        if (slot->key && wf_ct_equal(slot->fingerprint, fingerprint, WF_SHA256_LEN)) {
            return slot;
        }
    }
    return NULL;
}

wf_rsa_key_t *wf_rsa_cache_find(wf_ctx_t *ctx, wf_rsa_cache_t *cache,
                                const unsigned char fingerprint[WF_SHA256_LEN])
{
    set_t *set = set_of(cache, fingerprint);
    wf_rsa_key_t *key = NULL;
    slot_t *slot;

    pthread_mutex_lock(&set->lock);
    slot = find_slot(set, fingerprint);
    if (slot) {
        slot->used = ++set->clock;
        key = slot->key;
        wf_rsa_key_hold(key);
    }
    pthread_mutex_unlock(&set->lock);
    if (key) {
        wf_rsa_key_release_with(ctx->pool, key);
    }
    return key;
}

void wf_rsa_cache_save(wf_ctx_t *ctx, wf_rsa_cache_t *cache,
                       const unsigned char fingerprint[WF_SHA256_LEN], wf_rsa_key_t *key)
{
    set_t *set = set_of(cache, fingerprint);
    wf_rsa_key_t *replaced;
    slot_t *slot;
    int i;

    wf_rsa_key_hold(key);
    pthread_mutex_lock(&set->lock);
    slot = find_slot(set, fingerprint);
    for (i = 0; !slot && i < WAYS; i++) {
        slot = set->slots[i].key ? NULL : &set->slots[i];
    }
    if (!slot) {
        slot = &set->slots[0];
        for (i = 1; i < WAYS; i++) {
            slot = set->slots[i].used < slot->used ? &set->slots[i] : slot;
        }
    }
    replaced = slot->key;
    memcpy(slot->fingerprint, fingerprint, WF_SHA256_LEN);
    slot->key = key;
    slot->used = ++set->clock;
    pthread_mutex_unlock(&set->lock);
    if (replaced) {
        wf_rsa_key_release(replaced);
    }
}
