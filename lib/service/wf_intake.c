#include "service/wf_intake_int.h"

#include "store/wf_media_store.h"
#include "store/wf_outbox_store.h"

#include <apr_hash.h>
#include <string.h>

/* Workers look by themselves every 20 ms or so while there is work. */
#define WAKE_INTERVAL apr_time_from_msec(20)

typedef struct {
    const wf_service_t *service;
    const wf_intake_in_t *in;
    wf_intake_row_t *rows;
    int count;
    int repeated; /* events that were in the POST before: not stored twice, not sent to the database
                   */
    apr_array_header_t *completed;
} intake_t;

static wf_intake_code_t refuse(wf_ctx_t *ctx, const intake_t *x, wf_intake_code_t code,
                               wf_metric_t metric, const char *reason)
{
    wf_metric_add(x->service->metrics, metric, 1);
    wf_log(ctx, code == WF_INTAKE_UNAVAILABLE ? WF_LOG_ERROR : WF_LOG_WARNING,
           WFLOGNO(0443) "company %s: a webhook of %" APR_SIZE_T_FMT " bytes is refused: %s",
           x->in->tenant->company.slug, x->in->body_len, reason);
    return code;
}

/* ---- before ---- */

static wf_intake_code_t check_signature(wf_ctx_t *ctx, const intake_t *x)
{
    int secrets;
    wf_status_t st = wf_intake_signature(ctx, &secrets, x->service, x->in);

    if (st == WF_OK) {
        return WF_INTAKE_OK;
    }
    if (st != WF_EDENIED) {
        return refuse(ctx, x, WF_INTAKE_UNAVAILABLE, WF_METRIC_POST_NOT_STORED,
                      "the app secrets could not be loaded");
    }
    if (!x->in->signature) {
        return refuse(ctx, x, WF_INTAKE_BAD_SIGNATURE, WF_METRIC_POST_SIGNATURE,
                      "X-Hub-Signature-256 is missing");
    }
    if (!secrets) {
        return refuse(ctx, x, WF_INTAKE_BAD_SIGNATURE, WF_METRIC_POST_NO_SECRET,
                      "there is no app secret that can be read: set one with wflowsctl account set "
                      "--app-secret");
    }
    return refuse(
        ctx, x, WF_INTAKE_BAD_SIGNATURE, WF_METRIC_POST_SIGNATURE,
        apr_psprintf(ctx->pool,
                     "X-Hub-Signature-256 fits none of %d app secrets: is it the app that "
                     "this WhatsApp account is subscribed to?",
                     secrets));
}

static const char *token_hash(wf_ctx_t *ctx, const intake_t *x, const wf_wa_event_t *e)
{
    return e->flow_token && !wf_token_is_shared(x->in->tenant, e->flow_token)
               ? wf_sha256_hex(ctx->pool, e->flow_token, strlen(e->flow_token))
               : NULL;
}

/* Files in the answers: from here on only their names go on, as in an exchange. What is kept as it came
 * keeps everything but their keys. */
static wf_status_t take_media(wf_ctx_t *ctx, const intake_t *x, wf_intake_row_t *row,
                              wf_wa_event_t *e)
{
    const char *company_id = x->in->tenant->company.id;
    const char *owner = e->message_id ? e->message_id : e->dedup_key;
    const wf_json_t *given = e->response;
    apr_array_header_t *refs;
    wf_status_t st = WF_OK;

    if (e->is_flow_reply && given) {
        refs = wf_media_refs_take(ctx, &e->response, company_id, owner);
        if (e->response != given) {
            e->response_text.data =
                wf_json_text(ctx->pool, e->response, &e->response_text.len);
        }
        if (refs->nelts > 0) {
            st = wf_media_files_seal(ctx, &row->files, x->service->store, x->service->ring,
                                     company_id, refs);
        }
    }
    wf_media_keys_hide(ctx, &e->response_text);
    wf_media_keys_hide(ctx, &e->payload);
    return st;
}

/* The rows to be stored. What stands twice in one POST is one row. */
static wf_status_t make_rows(wf_ctx_t *ctx, intake_t *x, apr_array_header_t *events)
{
    apr_hash_t *seen = apr_hash_make(ctx->pool);
    wf_status_t st = WF_OK;
    int i;

    x->rows = apr_pcalloc(ctx->pool, (size_t)events->nelts * sizeof(*x->rows));
    for (i = 0; st == WF_OK && i < events->nelts; i++) {
        wf_wa_event_t *e = &APR_ARRAY_IDX(events, i, wf_wa_event_t);
        if (apr_hash_get(seen, e->dedup_key, APR_HASH_KEY_STRING)) {
            x->repeated++;
            continue;
        }
        apr_hash_set(seen, e->dedup_key, APR_HASH_KEY_STRING, e);
        x->rows[x->count].event = e;
        x->rows[x->count].token_hash = token_hash(ctx, x, e);
        st = take_media(ctx, x, &x->rows[x->count++], e);
    }
    return st;
}

/* ---- storing ---- */

static wf_status_t save(wf_ctx_t *ctx, intake_t *x)
{
    const wf_tenant_t *t = x->in->tenant;
    const char *named = t->account_named && t->account_count > 0 ? t->accounts[0].id : NULL;

    return wf_intake_save(ctx, &x->completed, x->service->store, t->company.id, named, x->rows,
                          x->count);
}

/* What PostgreSQL does not take for a reason of its own would be refused again by each repetition:
 * the whole POST is kept for people to look at. */
static wf_status_t save_raw(wf_ctx_t *ctx, intake_t *x)
{
    wf_wa_event_t *e = apr_pcalloc(ctx->pool, sizeof(*e));
    wf_slice_t body = {x->in->body, x->in->body_len};

    wf_log(
        ctx, WF_LOG_ERROR,
        WFLOGNO(0444) "company %s: the events of a webhook cannot be stored, so it is kept as one "
                      "event of type unknown: %s",
        x->in->tenant->company.slug, ctx->err.detail ? ctx->err.detail : "-");
    wf_ctx_clear(ctx);
    wf_media_keys_hide(ctx, &body);
    wf_wa_event_raw(ctx, e, body.data, body.len);
    x->rows[0] = (wf_intake_row_t){.event = e};
    x->count = 1;
    return save(ctx, x);
}

/* ---- after the commit: nothing here may fail the request ---- */

static void count(const intake_t *x)
{
    wf_metrics_t *m = x->service->metrics;
    int i;

    for (i = 0; i < x->count; i++) {
        const wf_wa_event_t *e = x->rows[i].event;
        int class = e->is_flow_reply ? 0 : 1 + (int)e->kind;
        wf_metric_add(m,
                      (wf_metric_t)(WF_METRIC_INTAKE_FIRST + class * WF_METRIC_INTAKE_RESULTS +
                                    (int)x->rows[i].outcome),
                      1);
    }
    wf_metric_add(m, WF_METRIC_INTAKE_REPEATED, (uint64_t)x->repeated);
    wf_metric_add(m, WF_METRIC_POST_STORED, 1);
    wf_metric_add(m, WF_METRIC_SESSION_COMPLETED, (uint64_t)x->completed->nelts);
}

static void forget_sessions(wf_ctx_t *ctx, const intake_t *x)
{
    const wf_company_t *c = &x->in->tenant->company;

    if (wf_cache_forget_sessions(ctx, x->service->store, c->slug, x->completed) == WF_OK) {
        return;
    }
    wf_ctx_clear(ctx);
    if (wf_cache_leave_sessions(ctx, x->service->store, c->id, c->slug, x->completed) != WF_OK) {
        wf_log(ctx, WF_LOG_WARNING,
               WFLOGNO(0445) "company %s: finished sessions stay in the cache for now: %s", c->slug,
               ctx->err.detail ? ctx->err.detail : "-");
        wf_ctx_clear(ctx);
    }
}

static int any_new(const intake_t *x)
{
    int i;

    for (i = 0; i < x->count; i++) {
        if (x->rows[i].outcome != WF_INTAKE_DUPLICATE) {
            return 1;
        }
    }
    return 0;
}

/* One of the threads in WAKE_INTERVAL. */
static void wake_workers(wf_ctx_t *ctx, const intake_t *x)
{
    apr_time_t now = wf_monotonic(), last;

    if (!x->service->woken_at || !any_new(x)) {
        return;
    }
    last = atomic_load_explicit(x->service->woken_at, memory_order_relaxed);
    if (now - last >= WAKE_INTERVAL &&
        atomic_compare_exchange_strong(x->service->woken_at, &last, now) &&
        wf_outbox_wake(ctx, x->service->store) != WF_OK) {
        wf_ctx_clear(ctx); /* they look by themselves once a second */
    }
}

/* For the company's own metrics. */
static void tally(wf_ctx_t *ctx, const intake_t *x, wf_intake_code_t code)
{
    static const char *const results[] = {
        [WF_INTAKE_OK] = "stored",
        [WF_INTAKE_BAD_REQUEST] = "not_json",
        [WF_INTAKE_BAD_SIGNATURE] = "bad_signature",
        [WF_INTAKE_UNAVAILABLE] = "not_stored",
    };
    const wf_company_t *company = &x->in->tenant->company;
    int i;

    if (!x->service->tally) {
        return;
    }
    wf_tally_add(x->service->tally, company, "inbound_total",
                 wf_tally_label(ctx->pool, "result", results[code]), 1);
    for (i = 0; code == WF_INTAKE_OK && i < x->count; i++) {
        if (x->rows[i].outcome != WF_INTAKE_DUPLICATE) {
            wf_tally_add(x->service->tally, company, "event_total",
                         wf_tally_label(ctx->pool, "event_type", x->rows[i].event->event_type), 1);
        }
    }
}

static wf_intake_code_t take_in(wf_ctx_t *ctx, intake_t *x)
{
    const wf_intake_in_t *in = x->in;
    wf_intake_code_t code = check_signature(ctx, x);
    apr_array_header_t *events;
    wf_status_t st;

    if (code != WF_INTAKE_OK) {
        return code;
    }
    if (wf_wa_events_parse(ctx, &events, in->body, in->body_len) != WF_OK) {
        return refuse(ctx, x, WF_INTAKE_BAD_REQUEST, WF_METRIC_POST_NOT_JSON,
                      "it is signed, but not JSON");
    }
    if (make_rows(ctx, x, events) != WF_OK) {
        return refuse(ctx, x, WF_INTAKE_UNAVAILABLE, WF_METRIC_POST_NOT_STORED,
                      "the keys of its files could not be sealed; it will be sent again");
    }
    st = save(ctx, x);
    if (st == WF_EINVALID || st == WF_EINTERNAL || st == WF_ELIMIT) {
        st = save_raw(ctx, x);
    }
    if (st != WF_OK) {
        return refuse(ctx, x, WF_INTAKE_UNAVAILABLE, WF_METRIC_POST_NOT_STORED,
                      "it could not be stored; it will be sent again");
    }
    count(x);
    forget_sessions(ctx, x);
    wake_workers(ctx, x);
    return WF_INTAKE_OK;
}

wf_intake_code_t wf_intake(wf_ctx_t *ctx, const wf_service_t *service, const wf_intake_in_t *in)
{
    intake_t x = {.service = service, .in = in};
    wf_intake_code_t code = take_in(ctx, &x);

    tally(ctx, &x, code);
    return code;
}
