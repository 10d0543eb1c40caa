/* L4: what is known of who calls: in Redis for a minute, in PostgreSQL as the truth. No key and no token is ever
 * stored: a key's secret is known by a proof, an HMAC that only this installation can make. */
#ifndef WF_AUTH_STORE_H
#define WF_AUTH_STORE_H

#include "store/wf_store.h"

/* ---- a record by its name: "user:<id>", "company:<id or slug>", "key:<lookup id>" -------------- */

typedef struct {
    const char *generation; /* to be handed to the saving; what was loaded before a change is not used after it */
    wf_slice_t record;      /* data NULL: not there */
} wf_auth_entry_t;

/* One round trip. WF_EUNAVAIL: Redis is down. */
wf_status_t wf_auth_find(wf_ctx_t *ctx, wf_auth_entry_t *out, const wf_store_t *store,
                         const char *name, const char *field) WF_MUST_CHECK;
wf_status_t wf_auth_save(wf_ctx_t *ctx, const wf_store_t *store, const char *name,
                         const char *field, const char *generation,
                         wf_slice_t record) WF_MUST_CHECK;
/* What is cached of these names is not used any more; "*" is everything. WF_EUNAVAIL: Redis did not do it. */
wf_status_t wf_auth_forget(wf_ctx_t *ctx, const wf_store_t *store,
                           const apr_array_header_t *names) WF_MUST_CHECK;

/* From PostgreSQL, as JSON text. */
wf_status_t wf_auth_user_load(wf_ctx_t *ctx, wf_slice_t *out, const wf_store_t *store,
                              const char *user_id, const char *session_id) WF_MUST_CHECK;
/* WF_ENOTFOUND. */
wf_status_t wf_auth_company_load(wf_ctx_t *ctx, wf_slice_t *out, const wf_store_t *store,
                                 const char *id_or_slug) WF_MUST_CHECK;

/* ---- API keys ---------------------------------------------------------------------------------- */

typedef struct {
    const char *lookup;  /* the public part */
    const char *proof;   /* hex, of the whole key */
    const char *address; /* where it is used from */
} wf_auth_key_query_t;

typedef enum {
    WF_AUTH_KEY_UNKNOWN, /* has to be looked up */
    WF_AUTH_KEY_KNOWN,   /* `entry.record` is of this very key */
    WF_AUTH_KEY_WRONG,   /* was refused a moment ago */
    WF_AUTH_KEY_SLOW     /* too many wrong ones of this look-up id: wait_us */
} wf_auth_key_kind_t;

typedef struct {
    wf_auth_key_kind_t kind;
    wf_auth_entry_t entry; /* no record with KNOWN: something has changed, it has to be loaded anew */
    wf_slice_t stale;      /* then: what was known before the change */
    int is_proven;         /* UNKNOWN: it was right before, and goes before those that were not */
    int is_refresh;        /* UNKNOWN: it is known, and this caller is to look it up before that ends */
    int address_known;
    int64_t remaining, reset_us, wait_us; /* KNOWN: of its rate; wait_us > 0: over it */
} wf_auth_key_reply_t;

/* One round trip: what is known of the key, charged against its rate. */
wf_status_t wf_auth_key_find(wf_ctx_t *ctx, wf_auth_key_reply_t *out, const wf_store_t *store,
                             const wf_auth_key_query_t *query) WF_MUST_CHECK;
/* `rate`: requests a minute; 0: no limit. *uses: since it was saved last. */
wf_status_t wf_auth_key_save(wf_ctx_t *ctx, int64_t *uses, const wf_store_t *store,
                             const wf_auth_key_query_t *query, const char *generation, int64_t rate,
                             wf_slice_t record) WF_MUST_CHECK;
/* Remembers for some seconds that it is wrong; `whole`: that there is no such look-up id. */
void wf_auth_key_refuse(wf_ctx_t *ctx, const wf_store_t *store, const wf_auth_key_query_t *query,
                        int whole);
/* The record by its look-up id, as JSON. WF_ENOTFOUND: there is none that may be used. */
wf_status_t wf_auth_key_load(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                             const char *lookup) WF_MUST_CHECK;
/* Adds to the key's counters; a use from a new address gets its audit row. */
wf_status_t wf_auth_key_used(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                             const char *key_id, int64_t uses,
                             const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- the keys of an identity provider, shared by all servers ---------------------------------------- */

wf_status_t wf_auth_jwks_find(wf_ctx_t *ctx, wf_slice_t *out, const wf_store_t *store,
                              const char *url) WF_MUST_CHECK;
/* Nothing follows from it when Redis does not take it. */
void wf_auth_jwks_save(wf_ctx_t *ctx, const wf_store_t *store, const char *url, wf_slice_t text,
                       int64_t ttl_s);

/* ---- limits by name (log-ins, audit of refusals) ------------------------------------------------ */

/* Charges one. *wait_us > 0: over the limit, nothing was charged. WF_EUNAVAIL: nobody can say. */
wf_status_t wf_auth_limit(wf_ctx_t *ctx, int64_t *wait_us, const wf_store_t *store,
                          const char *name, int64_t max, int64_t window_ms) WF_MUST_CHECK;

#endif
