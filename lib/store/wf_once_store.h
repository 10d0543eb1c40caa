/* L4: requests that are done once however often they come (Idempotency-Key, DESIGN.md section 9). */
#ifndef WF_ONCE_STORE_H
#define WF_ONCE_STORE_H

#include "store/wf_store.h"

#define WF_ONCE_KEY_MAX 255

typedef struct {
    const char *company_id;    /* NULL: it is of none */
    const char *subject, *key; /* one caller's keys are no other's */
    const char *method, *target;
    wf_slice_t content;        /* with method and target: what is asked for */
    apr_interval_time_t lease; /* after that, whoever had begun is taken for dead */
    char claim[WF_UUID_LEN + 1];
} wf_once_t;

typedef enum {
    WF_ONCE_NEW,       /* to be done now; followed by wf_once_done or wf_once_release */
    WF_ONCE_DONE,      /* `status`, `headers` and `body` are what was answered */
    WF_ONCE_IN_FLIGHT, /* is being done */
    WF_ONCE_OTHER      /* the key was used for something else */
} wf_once_kind_t;

typedef struct {
    wf_once_kind_t kind;
    int status;
    wf_json_t *headers; /* object */
    const char *body;   /* NULL: none */
    size_t body_len;
} wf_once_found_t;

wf_status_t wf_once_begin(wf_ctx_t *ctx, wf_once_found_t *out, wf_once_t *once,
                          const wf_store_t *store, const wf_keyring_t *ring) WF_MUST_CHECK;
/* Remembers the answer for a day, sealed with the company's data key: it may hold a secret that is shown once. `body`
 * NULL: it had none. */
wf_status_t wf_once_done(wf_ctx_t *ctx, const wf_once_t *once, const wf_store_t *store,
                         const wf_keyring_t *ring, int status, const wf_json_t *headers,
                         const char *body, size_t len) WF_MUST_CHECK;
/* Nothing was done: the key is free again. */
wf_status_t wf_once_release(wf_ctx_t *ctx, const wf_once_t *once,
                            const wf_store_t *store) WF_MUST_CHECK;

#endif
