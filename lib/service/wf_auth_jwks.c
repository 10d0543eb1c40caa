#include "service/wf_auth_int.h"

#include "store/wf_auth_store.h"
#include "tenant/wf_claims.h"

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_thread_mutex.h>
#include <string.h>

#define FILE_PREFIX "file:"
/* How often a file's time is looked at, how long what a URL gave is used, and how often a kid that is not known may
 * make us ask again. */
#define FILE_INTERVAL apr_time_from_sec(1)
#define URL_TTL apr_time_from_sec(600)
#define UNKNOWN_INTERVAL apr_time_from_sec(60)
#define FETCH_TIMEOUT apr_time_from_sec(3)

/* Keys that belong together; freed when they are replaced and nobody is using them. */
typedef struct {
    apr_pool_t *pool;
    apr_array_header_t *keys; /* of wf_jwt_key_t * */
    int users;
} key_set_t;

struct wf_auth_jwks_t {
    apr_thread_mutex_t *lock;
    const char *source;
    key_set_t *set; /* NULL: none yet */
    apr_time_t looked_at, loaded_at, file_time;
    int loading; /* one thread is at it; the others go on with what there is */
};

/* The process ends: nobody uses them any more. */
static apr_status_t drop_set(void *data)
{
    wf_auth_jwks_t *jwks = data;

    if (jwks->set) {
        apr_pool_destroy(jwks->set->pool);
        jwks->set = NULL;
    }
    return APR_SUCCESS;
}

wf_status_t wf_auth_jwks_make(wf_ctx_t *ctx, wf_auth_jwks_t **out, apr_pool_t *pool)
{
    wf_auth_jwks_t *jwks = apr_pcalloc(pool, sizeof(*jwks));

    *out = NULL;
    if (apr_thread_mutex_create(&jwks->lock, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0761) "no mutex for the keys of an identity provider");
    }
    apr_pool_cleanup_register(pool, jwks, drop_set, apr_pool_cleanup_null);
    *out = jwks;
    return WF_OK;
}

static void release(wf_auth_jwks_t *jwks, key_set_t *set)
{
    int last;

    apr_thread_mutex_lock(jwks->lock);
    last = --set->users == 0;
    apr_thread_mutex_unlock(jwks->lock);
    if (last) {
        apr_pool_destroy(set->pool);
    }
}

/* ---- loading ---------------------------------------------------------------------------------------------- */

wf_status_t wf_auth_jwks_read_file(wf_ctx_t *ctx, wf_slice_t *out, const char *path)
{
    char *text = apr_palloc(ctx->pool, WF_JWKS_MAX + 2);
    apr_size_t len = WF_JWKS_MAX + 1;
    apr_status_t rv;
    apr_file_t *f;

    rv = apr_file_open(&f, path, APR_FOPEN_READ, 0, ctx->pool);
    if (rv == APR_SUCCESS) {
        rv = apr_file_read_full(f, text, len, &len);
        apr_file_close(f);
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EOF(rv)) {
        char why[80];

        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0762) "cannot read %s: %s", path,
                              apr_strerror(rv, why, sizeof(why)));
    }
    text[len] = '\0';
    *out = (wf_slice_t){text, len};
    return WF_OK;
}

/* From Redis, which all servers share, else from the provider. */
static wf_status_t read_url(wf_ctx_t *ctx, wf_slice_t *out, const wf_service_t *service,
                            const char *url, int must_ask)
{
    wf_http_request_t request = {.method = "GET", .url = url, .timeout = FETCH_TIMEOUT,
                                 .is_operators = 1};
    wf_http_reply_t reply;
    int64_t wait_us;
    wf_status_t st;

    /* Of all servers of a fleet one asks; the others find what it got. */
    if (must_ask && wf_auth_limit(ctx, &wait_us, service->store, "jwks", 1,
                                  apr_time_as_msec(UNKNOWN_INTERVAL)) == WF_OK) {
        must_ask = wait_us == 0;
    }
    if (!must_ask && wf_auth_jwks_find(ctx, out, service->store, url) == WF_OK && out->data) {
        return WF_OK;
    }
    wf_ctx_clear(ctx);
    if ((st = wf_http_send(ctx, &reply, service->http, &request)) != WF_OK) {
        return st;
    }
    if (reply.status != 200 || reply.body_len > WF_JWKS_MAX) {
        return wf_fail(ctx, WF_EUNAVAIL,
                       WFLOGNO(0763) "the identity provider answered %d with %" APR_SIZE_T_FMT " bytes",
                       reply.status, reply.body_len);
    }
    *out = (wf_slice_t){reply.body, reply.body_len};
    wf_auth_jwks_save(ctx, service->store, url, *out, apr_time_sec(URL_TTL));
    return WF_OK;
}

/* In a pool of its own, with an allocator of its own: whichever thread uses it last frees it. */
static wf_status_t make_set(wf_ctx_t *ctx, key_set_t **out, wf_slice_t text)
{
    apr_pool_t *pool;
    wf_ctx_t *own;
    key_set_t *set;
    wf_status_t st;

    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0764) "no memory for an identity provider's keys");
    }
    own = wf_ctx_derive(ctx, pool);
    set = apr_pcalloc(pool, sizeof(*set));
    set->pool = pool;
    set->users = 1;
    if ((st = wf_jwks_parse(own, &set->keys, text.data, text.len)) != WF_OK) {
        apr_pool_destroy(pool);
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0765) "what should be a JWK Set is none");
    }
    *out = set;
    return WF_OK;
}

static wf_status_t load(wf_ctx_t *ctx, const wf_service_t *service, wf_auth_jwks_t *jwks,
                        int must_ask)
{
    key_set_t *set = NULL, *before;
    wf_slice_t text = {NULL, 0};
    wf_status_t st;

    if (strncmp(jwks->source, FILE_PREFIX, strlen(FILE_PREFIX)) == 0) {
        st = wf_auth_jwks_read_file(ctx, &text, jwks->source + strlen(FILE_PREFIX));
    } else {
        st = read_url(ctx, &text, service, jwks->source, must_ask);
    }
    if (st == WF_OK) {
        st = make_set(ctx, &set, text);
    }
    if (st != WF_OK) {
        return st;
    }
    apr_thread_mutex_lock(jwks->lock);
    before = jwks->set;
    jwks->set = set;
    jwks->loaded_at = wf_monotonic();
    apr_thread_mutex_unlock(jwks->lock);
    if (before) {
        release(jwks, before);
    }
    return WF_OK;
}

/* ---- when --------------------------------------------------------------------------------------------------- */

/* 1 if the file has another time than when it was read. */
static int file_changed(wf_ctx_t *ctx, wf_auth_jwks_t *jwks)
{
    const char *path = jwks->source + strlen(FILE_PREFIX);
    apr_finfo_t info;

    if (apr_stat(&info, path, APR_FINFO_MTIME, ctx->pool) != APR_SUCCESS ||
        info.mtime == jwks->file_time) {
        return jwks->set == NULL;
    }
    jwks->file_time = info.mtime;
    return 1;
}

static int has_kid(const key_set_t *set, const char *kid)
{
    int i;

    for (i = 0; set && i < set->keys->nelts; i++) {
        const char *have = wf_jwt_key_id(APR_ARRAY_IDX(set->keys, i, const wf_jwt_key_t *));

        if (have && strcmp(have, kid) == 0) {
            return 1;
        }
    }
    return 0;
}

/* With the lock: 1 if this thread is to load the keys, *must_ask where only the provider itself will do. */
static int is_due(wf_ctx_t *ctx, wf_auth_jwks_t *jwks, const char *kid, int *must_ask)
{
    apr_time_t now = wf_monotonic();
    int is_file = strncmp(jwks->source, FILE_PREFIX, strlen(FILE_PREFIX)) == 0;
    int is_unknown = kid && jwks->set && !has_kid(jwks->set, kid);

    *must_ask = 0;
    if (jwks->loading) {
        return 0;
    }
    if (is_file) {
        if (jwks->looked_at && now - jwks->looked_at < FILE_INTERVAL) {
            return 0;
        }
        jwks->looked_at = now;
        return file_changed(ctx, jwks);
    }
    if (jwks->set && !is_unknown && now - jwks->loaded_at < URL_TTL) {
        return 0;
    }
    /* A provider that is down, or somebody who makes up names of keys: not with every request. */
    if (jwks->looked_at &&
        now - jwks->looked_at < (jwks->set ? UNKNOWN_INTERVAL : FILE_INTERVAL)) {
        return 0;
    }
    jwks->looked_at = now;
    *must_ask = is_unknown;
    return 1;
}

static key_set_t *acquire(wf_ctx_t *ctx, const wf_service_t *service, wf_auth_jwks_t *jwks,
                          const char *kid)
{
    key_set_t *set;
    int due, must_ask;

    apr_thread_mutex_lock(jwks->lock);
    jwks->source = service->conf.auth.jwks;
    due = is_due(ctx, jwks, kid, &must_ask);
    jwks->loading |= due;
    apr_thread_mutex_unlock(jwks->lock);
    if (due) {
        (void)!load(wf_ctx_derive(ctx, ctx->pool), service, jwks, must_ask); /* logged */
    }
    apr_thread_mutex_lock(jwks->lock);
    if (due) {
        jwks->loading = 0;
    }
    set = jwks->set;
    if (set) {
        set->users++;
    }
    apr_thread_mutex_unlock(jwks->lock);
    return set;
}

wf_status_t wf_auth_jwks_open(wf_ctx_t *ctx, wf_slice_t *payload, const wf_service_t *service,
                              const char *jwt)
{
    wf_auth_jwks_t *jwks = service->auth->jwks;
    key_set_t *set = acquire(ctx, service, jwks, wf_jwt_kid(ctx->pool, jwt));
    wf_status_t st;

    if (!set) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0766) "the identity provider's keys are not there yet");
    }
    st = wf_jwt_open(ctx, payload, jwt, (const wf_jwt_key_t *const *)set->keys->elts,
                     set->keys->nelts);
    release(jwks, set);
    return st;
}
